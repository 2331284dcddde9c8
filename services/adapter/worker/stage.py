"""The worker that every adapter runs: master events in, ledger records out, platform calls in between.

The ledger is written and committed before each call; whatever happens then, the record says what is known. Knows no
platform by name: all of that comes from the adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from schemas.events.alert import Alert
from schemas.events.content import CampaignDefined, ContentCancelled, MasterContent, MasterContentEvent
from schemas.events.placement import PlacementRecord
from services.adapter.accounts.monitor import AccountMonitor
from services.adapter.commands.feed import COMMAND_TOPIC, CONTENT_TOPIC
from services.adapter.contract.accounts import Accounts
from services.adapter.contract.adapter import Adapter
from services.adapter.placement.command_rules import CommandRules
from services.adapter.placement.outcome_rules import OutcomeRules
from services.adapter.worker.agenda import Agenda
from services.adapter.worker.callback_hints import CallbackHints, concerned, to_look_for
from services.adapter.worker.caller import Caller
from services.adapter.worker.intake import Intake
from services.adapter.worker.ledger import Ledger, LedgerEntry
from services.adapter.worker.live_checks import LiveCheckSchedule
from services.adapter.worker.post_actions import PostActions
from services.adapter.worker.recorder import PlacementRecorder
from services.adapter.worker.scheduler import REST_S, PlacementScheduler, Turn
from services.runtime import metrics
from services.runtime.clock import Clock, ahead
from services.runtime.consume import Drop, Due, Emit, Outcome, ToDeadLetter
from services.runtime.kafka.partitions import partition_of
from services.runtime.kafka.records import Outgoing, Record, TopicPartition
from services.runtime.logging import get_logger

ALERT_TOPIC = "engagement-alert"

ReadLedger = Callable[[int], Iterable[Record]]

log = get_logger(__name__)
_decode_content = msgspec.json.Decoder(MasterContentEvent).decode
_decode_record = msgspec.json.Decoder(PlacementRecord).decode
_encode = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class WorkerIdentity:
    """Which worker this is, and how the topics it writes to are laid out. name: for the history of placements."""

    name: str
    partitions: int = 1
    announcements: tuple[Outgoing, ...] = ()


class AdapterStage:
    """The stage of the consume loop that turns content into posts. One per process; calls run on the caller's threads.

    monitor: watches the accounts, None where nobody does. hints: what callbacks say about publications.
    live_check_every_s: instead of the usual cadence of looks at live posts.
    """

    def __init__(
        self,
        adapter: Adapter,
        accounts: Accounts,
        caller: Caller,
        worker: WorkerIdentity,
        *,
        clock: Clock,
        read_ledger: ReadLedger,
        monitor: AccountMonitor | None = None,
        live_check_every_s: float | None = None,
        hints: CallbackHints | None = None,
    ) -> None:
        self.adapter = adapter
        self.ledger = Ledger()
        self.calls = caller.calls
        metrics.UNKNOWN_OUTCOMES.labels(adapter.platform).set_function(lambda: self.ledger.unknown)
        self._clock = clock
        self._read_ledger = read_ledger
        self._worker = worker
        self._freshness = caller.freshness
        self._monitor = monitor
        self._hints = hints or CallbackHints(adapter.platform)
        self._intake = Intake(adapter, accounts, self.ledger, clock.now, worker.name)
        self._outcome_rules = OutcomeRules(adapter.publication, caller.timing, clock.now, worker.name)
        self._post_actions = PostActions(adapter, caller.commands, caller.timing, clock.now, worker.name)
        self._live_checks = LiveCheckSchedule(adapter.limits.rates, clock.now, live_check_every_s)
        agenda = Agenda(caller.commands, self._post_actions, self._live_checks)
        self._recorder = PlacementRecorder(self.ledger, agenda, clock.now, worker.name)
        command_rules = CommandRules(adapter, self.ledger.claimed, clock.now, worker.name)
        self._scheduler = PlacementScheduler(self._recorder, caller, self._outcome_rules, command_rules)
        self._recovered: list[LedgerEntry] = []
        self._unannounced = worker.announcements

    # --- what the consume loop asks for ---

    def assigned(self, partitions: Sequence[int]) -> None:
        """Read the ledger of these partitions; a call that nobody is making any more becomes UNKNOWN or a new try."""
        for partition in partitions:
            self._read_back(partition)
        held = set(partitions)
        for entry in self.ledger.interrupted():
            if entry.partition in held:
                record = self._outcome_rules.after_crash(entry.record, self._scheduler.step_of(entry.record))
                self._recovered.append(self.ledger.put(record, entry.partition))
        for entry in [one for one in self.ledger.entries.values() if one.partition in held]:
            record = self._post_actions.interrupted(entry.record)
            if record.revision != entry.record.revision:
                self._recovered.append(self.ledger.put(record, entry.partition))
            self._recorder.agenda.track(entry)
        self._scheduler.look_at_parked_again()
        log.info("ledger_rebuilt", partitions=list(partitions), placements=len(self.ledger.entries))

    def _read_back(self, partition: int) -> None:
        """One record that cannot be read stops its own placement only: nothing is posted for it until it is mended."""
        newest = {record.key: record for record in self._read_ledger(partition)}
        for key, raw in newest.items():
            if raw.value is None:
                continue
            try:
                record = _decode_record(raw.value)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                placement = (key or b"").decode("utf-8", "replace")
                self.ledger.unreadable[placement] = partition
                log.error(
                    "ledger_record_unreadable", placement_id=placement, partition=partition, offset=raw.offset,
                    why=str(error)[:500],
                )  # fmt: skip
                continue
            if record.platform == self.adapter.platform:
                self.ledger.put(record, partition)

    def _unreadable(self, content: MasterContent) -> list[str]:
        """Placements of this content on this platform of which nobody knows whether they were posted."""
        mine = [target for target in content.targets if target.platform == self.adapter.platform]
        return [key for key in map(content.placement_id, mine) if key in self.ledger.unreadable]

    def revoked(self, partitions: Sequence[int]) -> None:
        self._recovered = [entry for entry in self._recovered if entry.partition not in partitions]
        self.ledger.forget(partitions)

    def lost(self) -> None:
        self._recovered = []
        self._unannounced = self._worker.announcements
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
            case MasterContent() if unreadable := self._unreadable(event):
                return ToDeadLetter(
                    "ledger_unreadable",
                    f"台账中 {'、'.join(unreadable)} 的记录无法读取，是否发过无从得知；修好后重放"
                    " / its ledger record cannot be read, so nobody knows whether it was posted: mend it, then replay",
                )
            case MasterContent():
                changed = self._intake.content(event)
            case ContentCancelled():
                changed = self._intake.cancelled(event)
            case CampaignDefined():
                return Drop("campaign_definition")
        if not changed:
            return Drop("not_for_this_platform")
        return Emit(tuple(self._recorder.keep(one, record.partition) for one in changed))

    def tick(self) -> Due:
        records = [
            *self._unannounced,
            *(self._recorder.keep(entry.record, entry.partition) for entry in self._recovered),
        ]
        self._recovered, self._unannounced = [], ()
        turn = Turn(records)
        for finished in self.calls.finished():
            self._scheduler.on_call_finished(finished, turn, go_on=True)
        self._tell_accounts(turn)
        if self._freshness.begun:  # before all commands have been read once, nobody knows what is forbidden
            self._start_due(turn)
        return Due(tuple(turn.records), tuple(turn.callbacks))

    def _start_due(self, turn: Turn) -> None:
        self._use_hints(turn)
        self._scheduler.run_commands(turn)
        self._scheduler.release_parked(turn)
        for entry in self.ledger.due(self._clock.now(), self.calls.room - len(turn.callbacks)):
            self._scheduler.start_due(entry, turn)
        self._scheduler.start_live_checks(self.calls.room - len(turn.callbacks), turn)

    def _use_hints(self, turn: Turn) -> None:
        """What the platform called about is asked for now, not at the next poll."""
        news = self._hints.take()
        for entry, callback in list(concerned(self.ledger.entries.values(), news)) if news else ():
            if entry.busy:
                self._hints.put(callback)  # what is on its way may have been asked before the platform had news
            elif entry.record.state == "NEEDS_HUMAN":
                after = to_look_for(entry.record, callback, self._clock.now(), self._worker.name)
                turn.records.append(self._recorder.keep(after, entry.partition))
            else:
                self.look_soon(entry.record.placement_id)

    def look_soon(self, placement_id: str) -> None:
        """Something is said to have happened to this placement's post: ask for its status at the next round."""
        entry = self.ledger.entries.get(placement_id)
        if entry is not None and entry.record.state == "LIVE":
            self._live_checks.expect(entry.record, soon=True)
        elif entry is not None and entry.record.state == "ACCEPTED" and not entry.busy:
            self.ledger.put(replace(entry.record, next_attempt_at=self._clock.now()), entry.partition)

    def _tell_accounts(self, turn: Turn) -> None:
        """What is to be told about accounts: warnings, and the brakes that the breaker sets."""
        for notice in self._monitor.notices() if self._monitor else ():
            turn.records.append(self._alert(notice.alert))
            turn.callbacks.append(notice.given)
        for trip in self._recorder.take_trips():
            log.warning("account_paused", platform=self.adapter.platform, account=trip.brake.scope.account)
            brake = trip.brake
            turn.records += [
                Outgoing(COMMAND_TOPIC, _encode(brake), brake.command_id.encode(), 0),
                self._alert(trip.alert),
            ]

    def _alert(self, alert: Alert) -> Outgoing:
        partition = partition_of(alert.brand_id, self._worker.partitions)
        return Outgoing(ALERT_TOPIC, _encode(alert), alert.alert_key.encode(), partition)

    def at_rest(self) -> bool:
        """Whether nothing but a content, a command or a callback gives this worker anything to do soon."""
        waits = (
            self._recovered
            or self._unannounced
            or self._recorder.has_trips
            or self.calls.under_way
            or not self._freshness.begun
        )
        return not waits and self._scheduler.at_rest(ahead(self._clock, REST_S))

    def drain(self) -> Due:
        """Take what comes back, start nothing."""
        turn = Turn()
        for finished in self.calls.finished():
            self._scheduler.on_call_finished(finished, turn, go_on=False)
        return Due(tuple(turn.records))

    def close(self) -> None:
        self.calls.close()
