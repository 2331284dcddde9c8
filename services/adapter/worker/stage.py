"""The worker that every adapter runs: master events in, ledger records out, platform calls in between.

The ledger is written and committed before each call; whatever happens then, the record says what is known. Knows no
platform by name: all of that comes from the adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta

import msgspec
from msgspec.structs import replace

from schemas.events.alert import Alert
from schemas.events.content import CampaignDefined, ContentCancelled, MasterContent, MasterContentEvent
from schemas.events.placement import PlacementRecord
from services.adapter.accounts.monitor import AccountMonitor
from services.adapter.commands.feed import COMMAND_TOPIC, CONTENT_TOPIC
from services.adapter.commands.freshness import Freshness
from services.adapter.commands.view import CommandView
from services.adapter.contract.accounts import Account, Accounts
from services.adapter.contract.adapter import Adapter, Timing
from services.adapter.contract.publication import MediaSource
from services.adapter.contract.shared import Shared
from services.adapter.placement import transitions as to
from services.adapter.placement.command_rules import CommandRules
from services.adapter.placement.outcome_rules import OutcomeRules
from services.adapter.worker.call_pool import CallPool
from services.adapter.worker.callback_hints import CallbackHints, concerned, to_look_for
from services.adapter.worker.caller import Caller
from services.adapter.worker.intake import Intake
from services.adapter.worker.ledger import WAITING_STATES, Ledger, LedgerEntry
from services.adapter.worker.live_checks import LiveCheckSchedule
from services.adapter.worker.post_actions import PostActions
from services.adapter.worker.risk_breaker import RiskBreaker, Trip
from services.adapter.worker.scheduler import PlacementScheduler, Turn
from services.runtime import metrics
from services.runtime.clock import Clock
from services.runtime.consume import Drop, Due, Emit, Outcome, ToDeadLetter
from services.runtime.kafka.partitions import partition_of
from services.runtime.kafka.records import Outgoing, Record, TopicPartition
from services.runtime.logging import get_logger

LEDGER_TOPIC = "placement-ledger"
SOON = timedelta(minutes=10)  # of the platforms' time, which a simulation may run faster than the machine's
ALERT_TOPIC = "engagement-alert"
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
        commands: CommandView,
        freshness: Freshness,
        most_calls: int = 32,
        announcements: tuple[Outgoing, ...] = (),
        shared: Callable[[Account], Shared | None] = lambda account: None,
        watch: AccountMonitor | None = None,
        watch_every_s: float | None = None,
        partitions: int = 1,
        news: CallbackHints | None = None,
    ) -> None:
        self.adapter, self.accounts, self.timing = adapter, accounts, timing
        self.ledger = Ledger()
        self.calls = CallPool(most_calls)
        self._clock, self._read_ledger, self._worker = clock, read_ledger, worker
        self._commands, self._freshness = commands, freshness
        self._intake = Intake(adapter, accounts, self.ledger, clock.now, worker)
        self._outcomes = OutcomeRules(adapter.publication, timing, clock.now, worker)
        self._post_actions = PostActions(adapter, commands, timing, clock.now, worker)
        self._live_checks = LiveCheckSchedule(adapter.limits.rates, clock.now, watch_every_s)
        self._scheduler = PlacementScheduler(
            publication=adapter.publication,
            timing=timing,
            ledger=self.ledger,
            commands=commands,
            caller=Caller(
                adapter, accounts, calls=self.calls, timing=timing, media=media, commands=commands, freshness=freshness,
                clock=clock, shared=shared,
            ),
            outcomes=self._outcomes,
            command_rules=CommandRules(adapter, self._claimed, clock.now, worker),
            post_actions=self._post_actions,
            live_checks=self._live_checks,
            keep=self._keep,
            now=clock.now,
            worker=worker,
        )  # fmt: skip
        self._accounts_watch, self._partitions = watch, partitions
        self._news = news or CallbackHints(adapter.platform)
        self._breaker, self._trips = RiskBreaker(), list[Trip]()
        self._recovered: list[LedgerEntry] = []
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
                record = self._outcomes.after_crash(entry.record, self._scheduler.step_of(entry.record))
                self._recovered.append(self.ledger.put(record, entry.partition))
        for entry in [one for one in self.ledger.entries.values() if one.partition in held]:
            record = self._post_actions.interrupted(entry.record)
            if record.revision != entry.record.revision:
                self._recovered.append(self.ledger.put(record, entry.partition))
            self._scheduler.track(entry)
        self._scheduler.forget()
        log.info("ledger_rebuilt", partitions=list(partitions), placements=len(self.ledger.entries))

    def revoked(self, partitions: Sequence[int]) -> None:
        self._recovered = [entry for entry in self._recovered if entry.partition not in partitions]
        self.ledger.forget(partitions)

    def lost(self) -> None:
        self._recovered, self._unannounced = [], self._announcements
        self.ledger.forget({entry.partition for entry in self.ledger.entries.values()})

    def in_flight(self) -> int:
        return self.ledger.busy()

    def taken(self, positions: Mapping[TopicPartition, int]) -> None:
        """Contents have been handled up to these offsets: calls that wait for the newest word may go."""
        self._freshness.taken({one.partition: at for one, at in positions.items() if one.topic == CONTENT_TOPIC})

    def handle(self, record: Record) -> Outcome:
        """One master content event; what it brings about goes to the ledger."""
        try:
            event = _decode_content(record.value or b"")
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            return ToDeadLetter("undecodable", f"无法解析的内容事件 / cannot decode: {error}")
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
        turn = Turn(records)
        for finished in self.calls.finished():
            self._scheduler.on_call_finished(finished, turn, go_on=True)
        self._say(turn)
        if self._freshness.begun:  # before all commands have been read once, nobody knows what is forbidden
            self._due(turn)
        return Due(tuple(turn.records), tuple(turn.callbacks))

    def _due(self, turn: Turn) -> None:
        self._hear(turn)
        self._scheduler.run_commands(turn)
        self._scheduler.release_parked(turn)
        for entry in self.ledger.due(self._clock.now(), self.calls.room - len(turn.callbacks)):
            self._scheduler.start_due(entry, turn)
        self._scheduler.look_after_live(self.calls.room - len(turn.callbacks), turn)

    def _hear(self, turn: Turn) -> None:
        """What the platform called about is asked for now, not at the next poll."""
        news = self._news.take()
        for entry, callback in list(concerned(self.ledger.entries.values(), news)) if news else ():
            if entry.busy:
                self._news.put(callback)  # what is on its way may have been asked before the platform had news
            elif entry.record.state == "NEEDS_HUMAN":
                after = to_look_for(entry.record, callback, self._clock.now(), self._worker)
                turn.records.append(self._keep(after, entry.partition))
            else:
                self.look_soon(entry.record.placement_id)

    def look_soon(self, placement_id: str) -> None:
        """Something is said to have happened to this placement's post: ask for its status at the next round."""
        entry = self.ledger.entries.get(placement_id)
        if entry is not None and entry.record.state == "LIVE":
            self._live_checks.expect(entry.record, soon=True)
        elif entry is not None and entry.record.state == "ACCEPTED" and not entry.busy:
            self.ledger.put(replace(entry.record, next_attempt_at=self._clock.now()), entry.partition)

    def _say(self, turn: Turn) -> None:
        """What is to be told about accounts: warnings, and the brakes that the breaker sets."""
        for notice in self._accounts_watch.notices() if self._accounts_watch else ():
            turn.records.append(self._alert(notice.alert))
            turn.callbacks.append(notice.given)
        for trip in self._trips:
            log.warning("account_paused", platform=self.adapter.platform, account=trip.brake.scope.account)
            brake = trip.brake
            turn.records += [
                Outgoing(COMMAND_TOPIC, _encode(brake), brake.command_id.encode(), 0),
                self._alert(trip.alert),
            ]
        self._trips = []

    def _alert(self, alert: Alert) -> Outgoing:
        partition = partition_of(alert.brand_id, self._partitions)
        return Outgoing(ALERT_TOPIC, _encode(alert), alert.alert_key.encode(), partition)

    def at_rest(self) -> bool:
        """Whether nothing but a content, a command or a callback gives this worker anything to do soon."""
        waits = self._recovered or self._unannounced or self._trips or self.calls.under_way or not self._freshness.begun
        return not waits and self._scheduler.at_rest(self._clock.now() + SOON)

    def drain(self) -> Due:
        """Take what comes back, start nothing."""
        turn = Turn()
        for finished in self.calls.finished():
            self._scheduler.on_call_finished(finished, turn, go_on=False)
        return Due(tuple(turn.records))

    def close(self) -> None:
        self.calls.close()

    # --- records ---

    def _claimed(self, record: PlacementRecord) -> frozenset[str]:
        return self.ledger.claimed(record.account, besides=record.placement_id)

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
        if trip := self._breaker.note_answer(record):
            self._trips.append(trip)
        self._scheduler.track(self.ledger.put(record, partition))
        return Outgoing(LEDGER_TOPIC, value, record.placement_id.encode(), partition)
