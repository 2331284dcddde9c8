"""How commands and brakes change a placement: pure functions from one ledger record to the next, as in `transitions`.

Whether a command is carried out is decided in `command_rules.py`; this file says what the record looks like afterwards.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from schemas.events.commands import BrakeSet, PlacementCommand, ReplyRequested
from schemas.events.placement import Failure, PlacementRecord, ReplyRecord
from schemas.moments import shown
from services.adapter.placement import transitions as to


def parked(
    old: PlacementRecord, brake: BrakeSet, now: datetime, worker: str, not_sent: Failure | None = None
) -> PlacementRecord:
    """A brake holds it: nothing was sent, and the steps already taken stay taken. It has not failed.

    not_sent: of a call that was held back at the last moment, for its line of history only.
    """
    until = f"到 {shown(brake.until)}" if brake.until else "直到有人解除"
    changed = to.changed(
        old, now, "PARKED", f"被刹车拦下，没有发出：{brake.reason}", worker,
        step=old.step, waiting_on=f"刹车“{brake.reason}”（{brake.actor}），{until}", next_attempt_at=None,
        parked_by=brake.command_id, failure=not_sent,
    )  # fmt: skip
    return replace(changed, failure=None)


def resumed(old: PlacementRecord, now: datetime, worker: str) -> PlacementRecord:
    """No brake holds it any more: at once where that is not too late, otherwise missed."""
    if now > old.late_until:
        return to.missed(old, now, worker)
    return to.changed(
        old, now, "INTENDED", "刹车已解除，继续发布", worker,
        step=old.step, waiting_on="到达发布时间", next_attempt_at=max(now, old.due_at),
    )  # fmt: skip


def carried_out(
    old: PlacementRecord, command: PlacementCommand, what: str, now: datetime, worker: str, **changes: Any
) -> PlacementRecord:
    """The command is done; `state` among the changes where it is another one now."""
    note = f"{command.actor}：{what}（{command.reason}）"
    state = changes.pop("state", old.state)
    if state == old.state:
        changes.setdefault("since", old.since)
    changes.setdefault("step", old.step)
    return to.changed(old, now, state, note, worker, commands=(*old.commands, command.command_id), **changes)


def refused(old: PlacementRecord, command: PlacementCommand, why: str, now: datetime, worker: str) -> PlacementRecord:
    """The command is not carried out, and never will be."""
    asked = f"{command.actor} 的指令没有执行：{why}（{command.reason}）"
    return to.changed(
        old, now, old.state, asked, worker, step=old.step, since=old.since, commands=(*old.commands, command.command_id)
    )


def again(old: PlacementRecord, command: PlacementCommand, what: str, now: datetime, worker: str) -> PlacementRecord:
    """Back to be called at once, as late after now as it was planned to be."""
    return planned(old, command, what, now, now, worker)


def planned(
    old: PlacementRecord, command: PlacementCommand, what: str, due_at: datetime, now: datetime, worker: str
) -> PlacementRecord:
    """To be called at another time, as late after that as it was planned to be."""
    return carried_out(
        old, command, what, now, worker,
        state="INTENDED", since=now, waiting_on="到达发布时间", due_at=due_at,
        late_until=due_at + (old.late_until - old.due_at), next_attempt_at=due_at, attempt=0, looks=0, failure=None,
        surely_posted=False, call_deadline=None,
    )  # fmt: skip


def confirmed(
    old: PlacementRecord, command: PlacementCommand, now: datetime, worker: str, **post: Any
) -> PlacementRecord:
    """A person has seen the post."""
    return carried_out(
        old, command, "已人工确认帖子在平台上", now, worker,
        state="LIVE", since=now, waiting_on="", next_attempt_at=None, failure=None, surely_posted=False, newer=None,
        **post,
    )  # fmt: skip


# --- answers to comments ---------------------------------------------------------------------------------------------


def answering(old: PlacementRecord, command: ReplyRequested, now: datetime, worker: str) -> PlacementRecord:
    """About to answer a comment. Written and committed before the request leaves."""
    reply = ReplyRecord(
        command_id=command.command_id, comment_id=command.comment_id, text=command.text, state="CALLING", at=now,
        actor=command.actor,
    )  # fmt: skip
    what = f"回复评论 {command.comment_id}"
    return carried_out(old, command, what, now, worker, replies=(*old.replies, reply))


def reply_changed(old: PlacementRecord, reply: ReplyRecord, note: str, now: datetime, worker: str) -> PlacementRecord:
    """The reply of the same command is as `reply` says now."""
    replies = tuple(reply if one.command_id == reply.command_id else one for one in old.replies)
    return to.changed(old, now, old.state, note, worker, step=old.step, since=old.since, replies=replies)


def withdrawing(old: PlacementRecord, note: str, now: datetime, worker: str) -> PlacementRecord:
    """About to take the post down; said once, though it may take several tries."""
    if old.waiting_on == "平台撤下帖子":
        return old
    return to.changed(old, now, old.state, note, worker, step=old.step, waiting_on="平台撤下帖子")


def not_withdrawn(
    old: PlacementRecord, why: str, now: datetime, worker: str, commands: tuple[str, ...]
) -> PlacementRecord:
    """The platform does not take it down; only a person can."""
    changed = to.changed(old, now, old.state, f"没有撤下：{why}", worker, step=old.step, since=old.since, waiting_on="")
    return replace(changed, cancel_requested=False, commands=(*old.commands, *commands))


def withdrawn(old: PlacementRecord, why: str, now: datetime, worker: str, commands: tuple[str, ...]) -> PlacementRecord:
    removed = to.removed(old, f"按要求撤下（{why}）", now, worker)
    return replace(removed, cancel_requested=False, commands=(*old.commands, *commands))
