"""Whether a command about one placement can be carried out, and what the ledger says then. Pure.

A refused command leaves a line of history with the reason; none is silently ignored and none is carried out twice.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from schemas.events.commands import (
    CancelRequested,
    PlacementCommand,
    ReleaseRequested,
    ReplyRequested,
    RetractRequested,
    RetryRequested,
    UnknownConfirmed,
    UnknownDenied,
)
from schemas.events.placement import PlacementRecord
from schemas.moments import shown
from services.adapter.contract.adapter import Adapter
from services.adapter.placement import command_transitions
from services.adapter.placement import transitions as to
from services.adapter.placement.outcome_rules import has_been_there

DOUBTFUL = frozenset({"UNKNOWN", "NEEDS_HUMAN"})
UNDER_WAY = frozenset({"CALLING", "UNKNOWN", "NEEDS_HUMAN", "ACCEPTED"})
ENDED = frozenset({"REJECTED", "MISSED", "CANCELLED", "REMOVED"})
BY_PLATFORM = frozenset({"account_risk", "needs_human"})


@dataclass(frozen=True, slots=True)
class CommandRules:
    """One platform's. claimed: native ids of posts of other placements on the same account."""

    adapter: Adapter
    claimed: Callable[[PlacementRecord], Container[str]]
    now: Callable[[], datetime]
    worker: str

    def apply(self, record: PlacementRecord, command: PlacementCommand) -> PlacementRecord | None:
        """The record afterwards; None for what takes a call first: taking a live post down."""
        if command.brand_id != record.brand_id:
            return self._refuse(record, command, "指令来自别的品牌 / another brand's command")
        match command:
            case CancelRequested():
                return self._cancel(record, command)
            case RetractRequested():
                return self._retract(record, command)
            case RetryRequested():
                return self._retry(record, command)
            case UnknownConfirmed():
                return self._confirm(record, command)
            case UnknownDenied():
                return self._deny(record, command)
            case ReleaseRequested():
                return self._release(record, command)
            case ReplyRequested():
                return self._reply(record, command)
            case _:
                return self._refuse(record, command, "这个版本还不认识这种指令 / unknown kind of command")

    def _cancel(self, record: PlacementRecord, command: CancelRequested) -> PlacementRecord | None:
        if record.state == "LIVE":
            return self._retract(record, command)
        if record.state in ENDED:
            return self._refuse(record, command, f"已经结束（{record.state}），没有可取消的")
        if record.state in UNDER_WAY:
            by_hand = record.state == "NEEDS_HUMAN"
            what = "取消；" + ("请不要再人工发布" if by_hand else "调用已经开始，等待结果，若已发出则撤下")
            return command_transitions.carried_out(
                record, command, what, self.now(), self.worker, cancel_requested=True
            )
        cancelled = to.cancelled(record, f"{command.actor}（{command.reason}）", self.now(), self.worker)
        return _with_command(cancelled, command)

    def _retract(self, record: PlacementRecord, command: PlacementCommand) -> PlacementRecord | None:
        if record.state == "ACCEPTED":
            what = "撤回；帖子还在审核，上线后立即撤下"
            return command_transitions.carried_out(
                record, command, what, self.now(), self.worker, cancel_requested=True
            )
        if record.state != "LIVE":
            return self._refuse(record, command, f"状态是 {record.state}，没有在线的帖子可撤回（未发布的请用取消）")
        if self.adapter.retraction is None:
            name = self.adapter.name
            why = f"{name.zh}没有提供撤回接口，请在 App 里删除 / {name.en} offers no way to take a post down"
            return self._refuse(record, command, why)
        return None

    def _retry(self, record: PlacementRecord, command: RetryRequested) -> PlacementRecord:
        if record.draft is None:
            return self._refuse(record, command, "内容不符合平台要求，没有草稿；请修改内容并发布新版本")
        if record.state == "PARKED":
            return self._refuse(record, command, "被刹车拦着；请解除刹车或放行（release）")
        if record.state == "CANCELLED":
            return self._refuse(record, command, "已取消；要发布请提交新版本")
        if not surely_not_posted(record):
            advice = "；请先到平台核对，再确认（confirm）或否认（deny）" if record.state in DOUBTFUL else ""
            return self._refuse(record, command, f"台账不能证明平台上没有这条帖子，重试可能发两次{advice}")
        return command_transitions.again(record, command, "重试", self.now(), self.worker)

    def _confirm(self, record: PlacementRecord, command: UnknownConfirmed) -> PlacementRecord:
        if record.state not in DOUBTFUL:
            return self._refuse(record, command, f"状态是 {record.state}，没有待确认的发布结果")
        if command.post.native_id in self.claimed(record):
            return self._refuse(record, command, f"帖子 {command.post.native_id} 属于另一个发布位")
        return command_transitions.confirmed(record, command, self.now(), self.worker, post=command.post)

    def _deny(self, record: PlacementRecord, command: UnknownDenied) -> PlacementRecord:
        now = self.now()
        if record.state not in DOUBTFUL:
            return self._refuse(record, command, f"状态是 {record.state}，没有待确认的发布结果")
        if has_been_there(record):
            return self._refuse(record, command, "平台已经受理过这条帖子，不能按从未发布处理")
        if record.call_deadline is not None and command.occurred_at <= record.call_deadline:
            why = f"否认得太早：请求可能在 {shown(record.call_deadline)} 之前才到达平台，请之后再核对一次"
            return self._refuse(record, command, why)
        if record.cancel_requested:
            cancelled = to.cancelled(record, f"{command.actor} 确认没有发布（{command.reason}）", now, self.worker)
            return _with_command(cancelled, command)
        if now > record.late_until:
            missed = to.missed(record, now, self.worker)
            return command_transitions.carried_out(missed, command, "已人工确认没有发布", now, self.worker)
        return command_transitions.carried_out(
            record, command, "已人工确认没有发布，重新发布", now, self.worker,
            state="INTENDED", since=now, waiting_on="到达发布时间", next_attempt_at=now, looks=0, surely_posted=False,
        )  # fmt: skip

    def _release(self, record: PlacementRecord, command: ReleaseRequested) -> PlacementRecord:
        if record.state != "PARKED":
            return self._refuse(record, command, f"状态是 {record.state}，没有被刹车拦下")
        due_at = max(command.due_at or self.now(), self.now())
        what = f"放行，{shown(due_at)} 发布"
        return command_transitions.planned(record, command, what, due_at, self.now(), self.worker)

    def _reply(self, record: PlacementRecord, command: ReplyRequested) -> PlacementRecord:
        if record.state != "LIVE" or record.post is None:
            return self._refuse(record, command, f"状态是 {record.state}，没有在线的帖子可回复")
        if self.adapter.replies is None:
            return self._refuse(record, command, f"{self.adapter.name.zh}没有提供回复接口")
        most = self.adapter.replies.most_characters()
        if len(command.text) > most:
            return self._refuse(record, command, f"回复有 {len(command.text)} 字，最多 {most} 字")
        return command_transitions.answering(record, command, self.now(), self.worker)

    def _refuse(self, record: PlacementRecord, command: PlacementCommand, why: str) -> PlacementRecord:
        return command_transitions.refused(record, command, why, self.now(), self.worker)


def surely_not_posted(record: PlacementRecord) -> bool:
    """Whether the ledger shows that no post of this placement can exist, so that calling again makes no second one."""
    if has_been_there(record) or record.surely_posted or record.post is not None:
        return False
    if record.state in ("INTENDED", "PARKED", "REJECTED", "MISSED", "CANCELLED"):
        return True
    return record.state == "NEEDS_HUMAN" and _was_refused(record)


def _was_refused(record: PlacementRecord) -> bool:
    """Whether a person was asked because the platform refused the call in a known way, and so did nothing."""
    # Notes that came after the refusal (a refused command, a newer version) repeat the state and have no failure.
    # Without them the last two lines must be the call and its refusal: after any doubt in between nothing is sure.
    told = [entry for entry in record.history if entry.state != record.state or entry.failure is not None]
    failure = record.failure
    return (
        failure is not None
        and failure.recognised
        and failure.sent != "unknown"
        and failure.error_class in BY_PLATFORM
        and [entry.state for entry in told[-2:]] == ["CALLING", "NEEDS_HUMAN"]
    )


def _with_command(record: PlacementRecord, command: PlacementCommand) -> PlacementRecord:
    return replace(record, commands=(*record.commands, command.command_id))
