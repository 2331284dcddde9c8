"""What is done for a post that is out: taking it down and answering comments, each noted in the ledger.

Says what is to be called next and what the record says afterwards; the worker calls and writes. An answer to a comment
is public like a post: written at most once, looked for where its fate is unknown, never repeated on a guess.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from msgspec.structs import replace

from schemas.events.commands import CancelRequested, RetractRequested
from schemas.events.placement import PlacementRecord, ReplyRecord
from services.adapter.commands.view import CommandView
from services.adapter.contract.adapter import Adapter, Timing
from services.adapter.contract.errors import HeldBackError, PlatformError
from services.adapter.placement import command_transitions
from services.adapter.placement import transitions as to
from services.adapter.placement.outcome_rules import PASSING
from services.adapter.placement.record_bounds import RESTING_REPLIES

MOST_TRIES = 8


@dataclass(frozen=True, slots=True)
class PostAction:
    """One call for a post that is out. reply: the answer it is about, for purposes `reply` and `find_reply`."""

    purpose: str
    record: PlacementRecord
    reply: ReplyRecord | None = None


@dataclass(slots=True)
class PostActions:
    """Of one worker. In memory: when a placement's next try is due, and how often it was tried."""

    adapter: Adapter
    commands: CommandView
    timing: Timing
    now: Callable[[], datetime]
    worker: str
    _at: dict[str, datetime] = field(default_factory=dict)
    _tries: dict[str, int] = field(default_factory=dict)

    def next(self, record: PlacementRecord) -> PostAction | None:
        """What is to be called for this live post now; its record may say so before."""
        not_before = self._at.get(record.placement_id)
        if record.state != "LIVE" or (not_before is not None and self.now() < not_before):
            return None
        if self._to_be_withdrawn(record):
            reason = self._why(record)
            return PostAction(
                "retract", command_transitions.withdrawing(record, f"正在撤下：{reason}", self.now(), self.worker)
            )
        for reply in record.replies:
            if reply.state not in RESTING_REPLIES:
                return PostAction("reply" if reply.state == "CALLING" else "find_reply", record, reply)
        return None

    def is_over(self, record: PlacementRecord) -> bool:
        """Whether nothing is left to be done for it."""
        return record.state != "LIVE" or not (
            self._to_be_withdrawn(record) or any(one.state not in RESTING_REPLIES for one in record.replies)
        )

    def interrupted(self, record: PlacementRecord) -> PlacementRecord:
        """Read from the ledger by a new worker: an answer that was being called may have arrived."""
        for reply in record.replies:
            if reply.state == "CALLING":
                doubtful = replace(reply, state="UNKNOWN", looks=0)
                note = f"回复评论 {reply.comment_id} 时进程中断，先查找，不盲目重发"
                record = command_transitions.reply_changed(record, doubtful, note, self.now(), self.worker)
                self._later(record, self.timing.look_after_s + self.timing.call_timeout_s)
        return record

    def too_late_to_stop(self, record: PlacementRecord) -> PlacementRecord:
        """It went live although a cancel had come; where the platform cannot take it down, a person has to."""
        if not record.cancel_requested or self.adapter.retraction is not None:
            return record
        why = f"取消来晚了，{self.adapter.name.zh}没有提供撤回接口，请在 App 里删除"
        return command_transitions.not_withdrawn(record, why, self.now(), self.worker, ())

    # --- what came back ---

    def withdrawn(self, record: PlacementRecord, outcome: object) -> PlacementRecord:
        commands = tuple(command.command_id for command in self._withdrawals(record))
        if isinstance(outcome, PlatformError):
            if _may_pass(outcome) and self._again(record, outcome):
                return record
            self._forget(record)
            return command_transitions.not_withdrawn(record, outcome.message, self.now(), self.worker, commands)
        self._forget(record)
        return command_transitions.withdrawn(record, self._why(record), self.now(), self.worker, commands)

    def replied(self, record: PlacementRecord, reply: ReplyRecord, outcome: object) -> PlacementRecord:
        match outcome:
            case HeldBackError() as error:
                return self._reply_failed(record, reply, error, f"{error.message}；解除后请重新下指令")
            case PlatformError() as error if error.sent == "unknown" or (
                error.sent == "yes" and error.outcome in ("unknown", "published")
            ):
                self._later(record, self.timing.look_after_s)
                doubtful = replace(reply, state="UNKNOWN", looks=0, failure=error.failure())
                note = "回复可能已到达平台，先查找，不盲目重发"
                return command_transitions.reply_changed(record, doubtful, note, self.now(), self.worker)
            case PlatformError() as error:
                if (error.sent == "no" or error.retriable or error.error_class in PASSING) and self._again(
                    record, error
                ):
                    return record
                return self._reply_failed(record, reply, error, error.message)
            case _:
                return self._reply_done(record, reply, str(outcome))

    def looked_for_reply(self, record: PlacementRecord, reply: ReplyRecord, outcome: object) -> PlacementRecord:
        if isinstance(outcome, PlatformError):
            if _may_pass(outcome) and self._again(record, outcome):
                return record
            return self._reply_failed(record, reply, outcome, f"无法判断回复是否已发出：{outcome.message}")
        if outcome is not None:
            return self._reply_done(record, reply, str(outcome))
        looked = replace(reply, looks=reply.looks + 1)
        if looked.looks >= self.timing.looks:
            why = f"查找 {looked.looks} 次都没有；没有再发，需要时请重新下指令"
            return self._reply_failed(record, looked, None, why)
        self._later(record, self.timing.look_every_s)
        note = f"第 {looked.looks} 次查找回复，没有找到"
        return command_transitions.reply_changed(record, looked, note, self.now(), self.worker)

    def _reply_done(self, record: PlacementRecord, reply: ReplyRecord, reply_id: str) -> PlacementRecord:
        """The reply's time is that of its revision: by it the collector knows which revision tells of it."""
        self._forget(record)
        now = self.now()
        done = replace(reply, state="DONE", at=now, reply_id=reply_id, failure=None)
        return command_transitions.reply_changed(record, done, f"已回复评论 {reply.comment_id}", now, self.worker)

    def _reply_failed(
        self, record: PlacementRecord, reply: ReplyRecord, error: PlatformError | None, why: str
    ) -> PlacementRecord:
        self._forget(record)
        failure = error.failure() if error else reply.failure
        failed = replace(reply, state="FAILED", at=self.now(), failure=failure)
        return command_transitions.reply_changed(
            record, failed, f"没有回复评论 {reply.comment_id}：{why}", self.now(), self.worker
        )

    # --- withdrawals ---

    def _withdrawals(self, record: PlacementRecord) -> list[RetractRequested | CancelRequested]:
        kinds = (RetractRequested, CancelRequested)
        waiting = self.commands.pending_for(record)
        return [one for one in waiting if isinstance(one, kinds) and one.brand_id == record.brand_id]

    def _to_be_withdrawn(self, record: PlacementRecord) -> bool:
        return self.adapter.retraction is not None and (record.cancel_requested or bool(self._withdrawals(record)))

    def _why(self, record: PlacementRecord) -> str:
        asked = [f"{command.actor}：{command.reason}" for command in self._withdrawals(record)]
        return "；".join(asked) or "发布之后收到取消"

    # --- when ---

    def _again(self, record: PlacementRecord, error: PlatformError) -> bool:
        """Whether there is another try, and when."""
        tries = self._tries[record.placement_id] = self._tries.get(record.placement_id, 0) + 1
        self._later(record, error.retry_after_s or to.back_off_s(tries - 1, record.placement_id))
        return tries < MOST_TRIES

    def _later(self, record: PlacementRecord, seconds: float) -> None:
        self._at[record.placement_id] = self.now() + timedelta(seconds=seconds)

    def forget(self, placement_id: str) -> None:
        """The actions of a placement are over, or another worker has it."""
        self._tries.pop(placement_id, None)
        self._at.pop(placement_id, None)

    def _forget(self, record: PlacementRecord) -> None:
        self.forget(record.placement_id)


def _may_pass(error: PlatformError) -> bool:
    """Whether a call that may be repeated without harm is worth repeating."""
    return error.error_class != "bug" and (error.retriable or error.sent != "yes" or error.error_class in PASSING)
