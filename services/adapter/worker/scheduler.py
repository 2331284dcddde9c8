"""Decides which placement is called next, and what follows when a call has come back.

Records are collected in a `Turn`; each call starts only after its record is committed. Operators' commands come before
everything else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from schemas.events.commands import BrakeSet, CancelRequested, PlacementCommand, ReplyRequested
from schemas.events.placement import PlacementRecord, ReplyRecord
from services.adapter.contract.errors import HeldBackError, PlatformError
from services.adapter.contract.publication import Accepted, Live, Rejected, Removed, Step
from services.adapter.placement import command_transitions
from services.adapter.placement import transitions as to
from services.adapter.placement.command_rules import CommandRules
from services.adapter.placement.outcome_rules import OutcomeRules
from services.adapter.placement.record_bounds import RESTING_REPLIES
from services.adapter.wire.send_guard import boot_seconds
from services.adapter.worker.call_pool import Finished
from services.adapter.worker.caller import START_WITHIN_S, Caller
from services.adapter.worker.ledger import LedgerEntry, ids_in
from services.adapter.worker.recorder import PlacementRecorder
from services.runtime.failpoints import reached
from services.runtime.kafka.records import Outgoing
from services.runtime.logging import get_logger

REST_S = 3.0  # a worker at rest looks up sooner than that

log = get_logger(__name__)


@dataclass(slots=True)
class Turn:
    """What one round of the loop writes, and what starts once that is committed."""

    records: list[Outgoing] = field(default_factory=list)
    callbacks: list[Callable[[], None]] = field(default_factory=list)


class PlacementScheduler:
    """Of one worker. Its records go through the recorder, its calls through the caller."""

    def __init__(
        self, recorder: PlacementRecorder, caller: Caller, outcome_rules: OutcomeRules, command_rules: CommandRules
    ) -> None:
        self.recorder = recorder
        self.caller = caller
        self.outcome_rules = outcome_rules
        self.command_rules = command_rules
        self.ledger = recorder.ledger
        self.agenda = recorder.agenda
        self.commands = recorder.agenda.commands
        self.post_actions = recorder.agenda.post_actions
        self.live_checks = recorder.agenda.live_checks
        self.now = recorder.now
        self.worker = recorder.worker
        self._brake_version = -1
        self._brake_ends: datetime | None = None

    # --- what is due ---

    def start_due(self, entry: LedgerEntry, turn: Turn) -> None:
        """An entry that wants attention: call, look or follow."""
        match entry.record.state:
            case "INTENDED":
                self._start_step(entry, entry.record, turn)
            case "UNKNOWN":
                self._call(entry, turn, lambda: self._look(entry))
            case "ACCEPTED":
                self._call(entry, turn, lambda: self.caller.follow(entry))
            case _:
                pass

    def run_commands(self, turn: Turn) -> None:
        """Carry out commands, and the actions that follow from them, where no call is on its way."""
        for placement in self.commands.take_new():
            self.agenda.enqueue(placement)
        for placement in list(self.agenda.open):
            entry = self.ledger.entries.get(placement)
            if entry is None or self._run_commands_of(entry, turn):
                del self.agenda.open[placement]

    def release_parked(self, turn: Turn) -> None:
        """What is parked goes on where no brake holds it any more: released, or over."""
        now = self.now()
        ended = self._brake_ends is not None and self._brake_ends <= now
        if self.commands.brake_version == self._brake_version and not ended:
            return
        self._brake_version = self.commands.brake_version
        self._brake_ends = self.commands.next_end(now)
        for entry in [one for one in self.ledger.entries.values() if one.record.state == "PARKED"]:
            brake = self.commands.brake_on(entry.record, now)
            if brake is None:
                record = self._with_commands(entry.record)  # a release with a time of its own may have come just before
                if record.state == "PARKED":
                    record = self.outcome_rules.settled(command_transitions.resumed(record, now, self.worker))
                self._keep(entry, record, turn)
            elif brake.command_id != entry.record.parked_by:
                self._keep(entry, command_transitions.parked(entry.record, brake, now, self.worker), turn)

    def start_live_checks(self, room: int, turn: Turn) -> None:
        """Live posts whose turn it is: are they still there?"""
        for placement in self.live_checks.due(room):
            entry = self.ledger.entries.get(placement)
            if entry is None or entry.record.state != "LIVE":
                continue
            if entry.busy:
                self.live_checks.expect(entry.record)
            elif self.live_checks.may_ask(entry.record):
                self._call(entry, turn, lambda one=entry: self.caller.follow(one))  # type: ignore[misc]

    def at_rest(self, until: datetime) -> bool:
        """Whether no command waits to be carried out and nothing is due before `until` but by a new command."""
        brake_ends = self._brake_ends is not None and self._brake_ends <= until
        return not self.agenda.open and not brake_ends and self.ledger.waits(until) and self.live_checks.waits(REST_S)

    def look_at_parked_again(self) -> None:
        """What is parked has to be looked at anew, though no brake changed: partitions went or came, for one."""
        self._brake_version = -1

    # --- one placement ---

    def _start_step(self, entry: LedgerEntry, record: PlacementRecord, turn: Turn) -> None:
        """Record the next call; it is made after the record is committed, and only if it can be made soon."""
        now, start_by = self.now(), boot_seconds() + START_WITHIN_S
        record = self._with_commands(record)
        step = self.step_of(record)
        if record.cancel_requested and record.state in ("INTENDED", "CALLING"):
            record = to.cancelled(record, "发布前收到取消", now, self.worker)
        if record.state not in ("INTENDED", "CALLING") or (record.next_attempt_at or now) > now:
            self._keep(entry, record, turn)
            return
        if (brake := self.commands.brake_on(record, now)) is not None:
            self._keep(entry, command_transitions.parked(record, brake, now, self.worker), turn)
            return
        if step is None or now > record.late_until:
            self._keep(entry, to.missed(record, now, self.worker) if step else self._nothing_to_call(record), turn)
            return
        deadline = now + timedelta(seconds=START_WITHIN_S + self.outcome_rules.timing.call_timeout_s)
        reached(f"deciding:{step.effect}")
        self._keep(entry, to.calling(record, step, now, deadline, self.worker), turn)
        if entry.record.state == "CALLING":
            self._call(entry, turn, lambda: self.caller.step(entry, step, start_by))

    def _nothing_to_call(self, record: PlacementRecord) -> PlacementRecord:
        return to.needs_human(record, "没有可执行的步骤", record.failure, self.now(), self.worker)

    def _with_commands(self, record: PlacementRecord) -> PlacementRecord:
        """With all commands carried out that came before this call."""
        for command in self.commands.pending_for(record):
            after = self.command_rules.apply(record, command)
            record = record if after is None else self.outcome_rules.settled(after)
        return record

    def _run_commands_of(self, entry: LedgerEntry, turn: Turn) -> bool:
        """One thing after the other; False while something of it has to wait."""
        for command in self.commands.pending_for(entry.record):
            if self._has_to_wait(command, entry):
                break
            after = self.command_rules.apply(entry.record, command)
            if after is None:
                break  # taking it down takes a call, see `post_actions`
            self._keep(entry, self.outcome_rules.settled(after), turn)
        if not entry.busy and (action := self.post_actions.next(entry.record)) is not None:
            if action.record.revision != entry.record.revision:
                self._keep(entry, action.record, turn)
            self._call(entry, turn, lambda: self.caller.act(entry, action))
        return (
            not entry.busy and self.post_actions.is_over(entry.record) and not self.commands.pending_for(entry.record)
        )

    def _has_to_wait(self, command: PlacementCommand, entry: LedgerEntry) -> bool:
        """A cancel never waits; an answer waits for the one before and, unlike taking down, for the end of a brake."""
        if isinstance(command, ReplyRequested):
            answering = any(reply.state not in RESTING_REPLIES for reply in entry.record.replies)
            return entry.busy or answering or self.commands.brake_on(entry.record, self.now()) is not None
        return entry.busy and not isinstance(command, CancelRequested)

    def _call(self, entry: LedgerEntry, turn: Turn, start: Callable[[], None]) -> None:
        entry.busy = True
        turn.callbacks.append(start)

    def _look(self, entry: LedgerEntry) -> None:
        record = entry.record
        self.caller.look(entry, self.step_of(record), self.ledger.claimed(record))

    # --- what comes back ---

    def on_call_finished(self, finished: Finished, turn: Turn, *, go_on: bool) -> None:
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
        after = self.outcome_rules.settled(self._decided(finished, before))
        if finished.purpose == "step" and after.state == "CALLING":
            if go_on:
                self._start_step(entry, after, turn)
                return
            after = to.retry_later(after, None, self.now(), self.now(), "工作进程交接", self.worker)
        if after.state == "LIVE":
            after = self.post_actions.too_late_to_stop(after)
        if after.revision == before.revision:  # polled, nothing new: the ledger need not hear of it
            self.ledger.put(after, entry.partition)
        else:
            turn.records.append(self.recorder.keep(after, entry.partition))
        if isinstance(finished.outcome, PlatformError):
            self.recorder.note_answer(after, finished.outcome.failure())
        self.agenda.track(entry)

    def _decided(self, finished: Finished, record: PlacementRecord) -> PlacementRecord:
        step, outcome = finished.step, finished.outcome
        match finished.purpose:
            case "follow" if record.state == "LIVE":
                return self._still_live(record, outcome)
            case "retract":
                return self.post_actions.withdrawn(record, outcome)
            case "reply":
                return self.post_actions.replied(record, _open_reply(record), outcome)
            case "find_reply":
                return self.post_actions.looked_for_reply(record, _open_reply(record), outcome)
            case "look" if self._is_anothers(record, outcome):  # it was claimed while this one was looking
                return replace(record, next_attempt_at=self.now())
            case "follow" if record.post is None and self._is_anothers(record, outcome):
                reason = "找到的帖子已属于另一个发布位，分不清是哪一个发布的"
                return to.needs_human(record, reason, None, self.now(), self.worker)
            case "look":
                return self.outcome_rules.after_look(record, step or _unnamed(record), outcome)
            case "follow":
                return self.outcome_rules.after_follow(record, outcome)
            case _:
                assert step is not None
                return self._after_step(record, step, outcome)

    def _after_step(self, record: PlacementRecord, step: Step, outcome: Any) -> PlacementRecord:
        match outcome:
            case HeldBackError(held_by=BrakeSet() as brake) if not record.cancel_requested:
                self.look_at_parked_again()  # the brake may be gone since the call was held back
                return command_transitions.parked(record, brake, self.now(), self.worker, outcome.failure())
            case HeldBackError() if record.cancel_requested:
                return to.cancelled(record, "调用前一刻收到取消，没有发出", self.now(), self.worker)
            case HeldBackError():
                return to.retry_later(record, outcome.failure(), self.now(), self.now(), outcome.message, self.worker)
            case PlatformError():
                return self.outcome_rules.after_error(record, step, outcome)
            case _:
                return self.outcome_rules.after_step(record, step, outcome)

    def _still_live(self, record: PlacementRecord, followed: Any) -> PlacementRecord:
        """Of a live post only its end matters; what cannot be told now is asked again at its next turn."""
        match followed:
            case Removed(reason):
                return to.removed(record, reason, self.now(), self.worker)
            case Rejected(error):
                return to.removed(record, error.message, self.now(), self.worker)
            case PlatformError() as error:
                log.warning("live_post_not_seen", placement_id=record.placement_id, error_class=error.error_class,
                            code=error.code)  # fmt: skip
        return record

    def _is_anothers(self, record: PlacementRecord, found: Any) -> bool:
        """Whether a post that was found belongs to another placement already."""
        ids = {found.post.native_id} if isinstance(found, Live) else set()
        ids |= set(ids_in(found.result)) if isinstance(found, Accepted) else set()
        return any(self.ledger.is_claimed(record.account, one, besides=record.placement_id) for one in ids)

    def step_of(self, record: PlacementRecord) -> Step | None:
        """The next step; None also where it cannot be told, which is that placement's trouble and no other's."""
        try:
            return self.outcome_rules.publication.next_step(record)
        except Exception:  # a draft of another release, or a bug: it must not stop the whole adapter
            log.exception("next_step_bug", placement_id=record.placement_id, step=record.step)
            return None

    def _keep(self, entry: LedgerEntry, record: PlacementRecord, turn: Turn) -> None:
        turn.records.append(self.recorder.keep(record, entry.partition))


def _open_reply(record: PlacementRecord) -> ReplyRecord:
    return next(reply for reply in record.replies if reply.state not in RESTING_REPLIES)


def _unnamed(record: PlacementRecord) -> Step:
    return Step(record.step or "post", "post", record.waiting_on)
