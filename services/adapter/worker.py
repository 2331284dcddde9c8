"""The worker that every adapter runs: master events in, ledger records out, platform calls in between.

The ledger is written and committed before each call; whatever happens then, the record says what is known. Knows no
platform by name: all of that comes from the adapter.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from schemas.alert import Alert
from schemas.content import CampaignDefined, ContentCancelled, MasterContent, MasterContentEvent
from schemas.placement import PlacementRecord
from services.adapter import transitions as to
from services.adapter.accounts import Account, Accounts
from services.adapter.breaker import Breaker, Trip
from services.adapter.calls import Calls, Finished
from services.adapter.contract import Accepted, Adapter, Live, MediaSource, Step, Timing
from services.adapter.decisions import Decider
from services.adapter.errors import NotSentError, PlatformError
from services.adapter.expiry import AccountWatch
from services.adapter.intake import Intake
from services.adapter.leaving import elapsed, leaving_until
from services.adapter.ledger import WAITING_STATES, Entry, Ledger, ids_in
from services.adapter.sharing import Shared
from services.runtime import metrics
from services.runtime.clock import Clock
from services.runtime.consume import DeadLetter, Drop, Due, Emit, Outcome
from services.runtime.failpoints import reached
from services.runtime.kafka.partitions import partition_of
from services.runtime.kafka.records import Outgoing, Record
from services.runtime.logging import get_logger

LEDGER_TOPIC = "placement-ledger"
COMMAND_TOPIC = "operator-command"
ALERT_TOPIC = "engagement-alert"
START_WITHIN_S = 5.0  # a recorded call that has not started by then is not started any more
LARGEST_RECORD_BYTES = 600_000  # leaves room, below what Kafka takes, for the draft of a newer version and last words

ReadLedger = Callable[[int], Iterable[Record]]

log = get_logger(__name__)
_decode_content = msgspec.json.Decoder(MasterContentEvent).decode
_decode_record = msgspec.json.Decoder(PlacementRecord).decode
_encode = msgspec.json.encode


class AdapterStage:
    """The stage of the consume loop that turns content into posts. One per process; calls run on threads of `calls`."""

    def __init__(
        self,
        adapter: Adapter,
        accounts: Accounts,
        *,
        clock: Clock,
        media: MediaSource,
        timing: Timing,
        read_ledger: ReadLedger,
        worker: str,
        most_calls: int = 32,
        announcements: tuple[Outgoing, ...] = (),
        shared: Callable[[Account], Shared | None] = lambda account: None,
        watch: AccountWatch | None = None,
        partitions: int = 1,
    ) -> None:
        self.adapter, self.accounts, self.timing = adapter, accounts, timing
        self.ledger = Ledger()
        self.calls = Calls(most_calls)
        self._clock, self._media, self._read_ledger, self._worker = clock, media, read_ledger, worker
        self._decider = Decider(adapter.publication, timing, clock.now, worker)
        self._intake = Intake(adapter, accounts, self.ledger, clock.now, worker)
        self._clients: dict[str, Any] = {}
        self._shared, self._watch, self._partitions = shared, watch, partitions
        self._breaker, self._trips = Breaker(), list[Trip]()
        self._recovered: list[Entry] = []
        self._announcements = self._unannounced = announcements

    # --- what the consume loop asks for ---

    def assigned(self, partitions: Sequence[int]) -> None:
        """Read the ledger of these partitions; a call that nobody is making any more becomes UNKNOWN or a new try."""
        for partition in partitions:
            newest = {record.key: record for record in self._read_ledger(partition)}
            for raw in newest.values():
                if raw.value is not None:
                    record = _decode_record(raw.value)
                    if record.platform == self.adapter.platform:
                        self.ledger.put(record, partition)
        held = set(partitions)
        for entry in self.ledger.interrupted():
            if entry.partition in held:
                record = self._decider.after_crash(entry.record, self._step_of(entry.record))
                self._recovered.append(self.ledger.put(record, entry.partition))
        log.info("ledger_rebuilt", partitions=list(partitions), placements=len(self.ledger.entries))

    def revoked(self, partitions: Sequence[int]) -> None:
        self._recovered = [entry for entry in self._recovered if entry.partition not in partitions]
        self.ledger.forget(partitions)

    def lost(self) -> None:
        self._recovered, self._unannounced = [], self._announcements
        self.ledger.forget({entry.partition for entry in self.ledger.entries.values()})

    def in_flight(self) -> int:
        return self.ledger.busy()

    def handle(self, record: Record) -> Outcome:
        """One master content event; what it brings about goes to the ledger."""
        try:
            event = _decode_content(record.value or b"")
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            return DeadLetter("undecodable", f"无法解析的内容事件 / cannot decode: {error}")
        match event:
            case MasterContent():
                changed = self._intake.content(event)
            case ContentCancelled():
                changed = self._intake.cancelled(event)
            case CampaignDefined():
                return Drop("campaign_definition")
        if not changed:
            return Drop("not_for_this_platform")
        return Emit(tuple(self._keep(one, record.partition) for one in changed))

    def tick(self) -> Due:
        records = [*self._unannounced, *(self._keep(entry.record, entry.partition) for entry in self._recovered)]
        self._recovered, self._unannounced = [], ()
        callbacks: list[Callable[[], None]] = []
        for finished in self.calls.finished():
            self._take(finished, records, callbacks, go_on=True)
        room = self.calls.room - len(callbacks)
        self._say(records, callbacks)
        for entry in self.ledger.due(self._clock.now(), room):
            self._attend(entry, records, callbacks)
        return Due(tuple(records), tuple(callbacks))

    def _say(self, records: list[Outgoing], callbacks: list[Callable[[], None]]) -> None:
        """What is to be told about accounts: warnings, and the brakes that the breaker sets."""
        for notice in self._watch.notices() if self._watch else ():
            records.append(self._alert(notice.alert))
            callbacks.append(notice.given)
        for trip in self._trips:
            log.warning("account_paused", platform=self.adapter.platform, account=trip.brake.scope.account)
            brake = trip.brake
            records += [Outgoing(COMMAND_TOPIC, _encode(brake), brake.command_id.encode(), 0), self._alert(trip.alert)]
        self._trips = []

    def _alert(self, alert: Alert) -> Outgoing:
        partition = partition_of(alert.brand_id, self._partitions)
        return Outgoing(ALERT_TOPIC, _encode(alert), alert.alert_key.encode(), partition)

    def drain(self) -> Due:
        """Take what comes back, start nothing."""
        records: list[Outgoing] = []
        for finished in self.calls.finished():
            self._take(finished, records, [], go_on=False)
        return Due(tuple(records))

    def close(self) -> None:
        self.calls.close()

    # --- one placement ---

    def _attend(self, entry: Entry, records: list[Outgoing], callbacks: list[Callable[[], None]]) -> None:
        """An entry that wants attention: call, look or follow."""
        match entry.record.state:
            case "INTENDED":
                self._begin(entry, entry.record, records, callbacks)
            case "UNKNOWN":
                entry.busy = True
                callbacks.append(lambda: self._start_look(entry))
            case "ACCEPTED":
                entry.busy = True
                callbacks.append(lambda: self._start_follow(entry))
            case _:
                pass

    def _begin(
        self, entry: Entry, record: PlacementRecord, records: list[Outgoing], callbacks: list[Callable[[], None]]
    ) -> None:
        """Record the next call; it is made after the record is committed, and only if it can be made soon."""
        now, start_by = self._clock.now(), elapsed() + START_WITHIN_S
        step = self._step_of(record)
        if record.cancel_requested:
            records.append(self._keep(to.cancelled(record, "发布前收到取消", now, self._worker), entry.partition))
            return
        if step is None or now > record.late_until:
            after = to.missed(record, now, self._worker) if step else self._nothing_to_call(record)
            records.append(self._keep(after, entry.partition))
            return
        deadline = now + timedelta(seconds=START_WITHIN_S + self.timing.call_timeout_s)
        reached(f"deciding:{step.effect}")
        records.append(self._keep(to.calling(record, step, now, deadline, self._worker), entry.partition))
        if entry.record.state == "CALLING":
            entry.busy = True
            callbacks.append(lambda: self._start_step(entry, step, start_by))

    def _nothing_to_call(self, record: PlacementRecord) -> PlacementRecord:
        return to.needs_human(record, "没有可执行的步骤", record.failure, self._clock.now(), self._worker)

    def _take(
        self, finished: Finished, records: list[Outgoing], callbacks: list[Callable[[], None]], *, go_on: bool
    ) -> None:
        """A call came back: decide what the record says now, and go on to the next step where there is one."""
        entry = finished.entry
        if self.ledger.entries.get(entry.record.placement_id) is not entry:
            return  # the partition was given away; its new owner looks for itself
        entry.busy = False
        if entry.superseded:  # the step belonged to a version that is no longer wanted and could not have posted
            entry.superseded = False
            self.ledger.put(entry.record, entry.partition)
            return
        before = entry.record
        after = self._decider.settled(self._decided(finished, before))
        if finished.purpose == "step" and after.state == "CALLING":
            if go_on:
                self._begin(entry, after, records, callbacks)
                return
            after = to.retry_later(after, None, self._clock.now(), self._clock.now(), "工作进程交接", self._worker)
        if after.revision == before.revision:  # polled, nothing new: the ledger need not hear of it
            self.ledger.put(after, entry.partition)
            return
        records.append(self._keep(after, entry.partition))

    def _decided(self, finished: Finished, record: PlacementRecord) -> PlacementRecord:
        step, outcome = finished.step, finished.outcome
        match finished.purpose:
            case "look" if self._is_anothers(record, outcome):  # it was claimed while this one was looking
                return replace(record, next_attempt_at=self._clock.now())
            case "follow" if record.post is None and self._is_anothers(record, outcome):
                reason = "找到的帖子已属于另一个发布位，分不清是哪一个发布的"
                return to.needs_human(record, reason, None, self._clock.now(), self._worker)
            case "look":
                return self._decider.after_look(record, step or _unnamed(record), outcome)
            case "follow":
                return self._decider.after_follow(record, outcome)
            case _:
                assert step is not None
                if isinstance(outcome, PlatformError):
                    return self._decider.after_error(record, step, outcome)
                return self._decider.after_step(record, step, outcome)

    def _is_anothers(self, record: PlacementRecord, found: Any) -> bool:
        """Whether a post that was found belongs to another placement already."""
        ids = {found.post.native_id} if isinstance(found, Live) else set()
        ids |= set(ids_in(found.result)) if isinstance(found, Accepted) else set()
        return bool(ids & self.ledger.claimed(record.account, besides=record.placement_id))

    # --- calls, on threads ---

    def _start_step(self, entry: Entry, step: Step, start_by: float) -> None:
        """start_by is counted from the record's time, like the deadline that other workers will wait for."""
        reached(f"recorded:{step.effect}")
        record = entry.record
        leave_by = start_by + self.timing.call_timeout_s if step.effect == "post" else math.inf

        def call() -> Any:
            if elapsed() > start_by:
                raise NotSentError("调用没有及时开始，稍后再试 / the call could not start in time")
            reached(f"starting:{step.effect}")
            with leaving_until(leave_by):
                client = self._client(record.account)
                outcome = self.adapter.publication.perform(client, record, step, self._media)
            reached(f"answered:{step.effect}")
            return outcome

        self.calls.start(entry, "step", step, self._timed(step.name.split(":")[0], call))

    def _start_look(self, entry: Entry) -> None:
        record = entry.record
        claimed = self.ledger.claimed(record.account, besides=record.placement_id)
        step = self._step_of(record)
        find = self.adapter.publication.find
        self.calls.start(
            entry, "look", step, self._timed("find", lambda: find(self._client(record.account), record, claimed))
        )

    def _start_follow(self, entry: Entry) -> None:
        record, follow = entry.record, self.adapter.publication.follow
        self.calls.start(
            entry, "follow", None, self._timed("follow", lambda: follow(self._client(record.account), record))
        )

    def _timed(self, name: str, call: Callable[[], Any]) -> Callable[[], Any]:
        platform = self.adapter.platform

        def timed() -> Any:
            began, result = time.monotonic(), "ok"
            try:
                return call()
            except PlatformError as error:
                result = error.error_class
                log.warning(
                    "platform_call_failed" if error.recognised else "platform_code_unrecognised",
                    platform=platform, step=name, error_class=error.error_class, code=error.code, sent=error.sent,
                )  # fmt: skip
                raise
            finally:
                metrics.PLATFORM_CALLS.labels(platform, name, result).inc()
                metrics.PLATFORM_SECONDS.labels(platform, name).observe(time.monotonic() - began)

        return timed

    def _client(self, account: str) -> Any:
        """The client of an account; two threads may build one at the same time, the first kept wins."""
        if account not in self._clients:
            declared = self.accounts.get(self.adapter.platform, account)
            if declared is None:
                raise PlatformError(
                    f"账号 {account} 未声明 / account not declared", error_class="auth", sent="no", scope="account"
                )
            client = self.adapter.client(declared, self.timing.call_timeout_s, self._shared(declared))
            self._clients.setdefault(account, client)
        return self._clients[account]

    # --- records ---

    def _step_of(self, record: PlacementRecord) -> Step | None:
        """The next step; None also where it cannot be told, which is that placement's trouble and no other's."""
        try:
            return self.adapter.publication.next_step(record)
        except Exception:  # a draft of another release, or a bug: it must not stop the whole adapter
            log.exception("next_step_bug", placement_id=record.placement_id, step=record.step)
            return None

    def _keep(self, record: PlacementRecord, partition: int) -> Outgoing:
        """Into memory and, as a record to write, towards the ledger; one that grows without end stops here."""
        value = _encode(record)
        if len(value) > LARGEST_RECORD_BYTES and record.state in WAITING_STATES | {"CALLING"}:
            reason = f"这条记录已有 {len(value)} 字节，尝试太多次了"
            record = to.needs_human(record, reason, record.failure, self._clock.now(), self._worker)
            value = _encode(record)
        known = self.ledger.entries.get(record.placement_id)
        if known is None or known.record.state != record.state:
            metrics.PLACEMENTS.labels(record.platform, record.state).inc()
            log.info(
                "placement_state", placement_id=record.placement_id, content_id=record.content_id,
                account=record.account, state=record.state, step=record.step, attempt=record.attempt,
                trace_id=record.trace_id,
            )  # fmt: skip
        if trip := self._breaker.saw(record):
            self._trips.append(trip)
        self.ledger.put(record, partition)
        return Outgoing(LEDGER_TOPIC, value, record.placement_id.encode(), partition)


def _unnamed(record: PlacementRecord) -> Step:
    return Step(record.step or "post", "post", record.waiting_on)
