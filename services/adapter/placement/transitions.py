"""How a placement changes state: pure functions from one ledger record to the next, each leaving a line of history.

Decides nothing about time or I/O; `worker.py` says when, this file says what the record looks like afterwards.
"""

from __future__ import annotations

import zlib
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from schemas.events.content import MasterContent, Target
from schemas.events.placement import (
    Draft,
    Failure,
    HistoryEntry,
    NewerVersion,
    PlacementRecord,
    PostRef,
    State,
    StepRecord,
)
from schemas.moments import shown
from services.adapter.contract.publication import Step

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 300.0
SPREAD = 0.25
AUTH_DELAY_S = 60.0
LONGEST_WORDS = 600  # characters of a note, a message or a reason in a record that is written anew with each change


def short(words: str) -> str:
    """At most `LONGEST_WORDS` characters; an ellipsis shows where the rest was."""
    return words if len(words) <= LONGEST_WORDS else words[: LONGEST_WORDS - 1] + "…"


def back_off_s(attempt: int, placement: str) -> float:
    """Exponential, and up to a quarter longer, by the placement and the attempt.

    A thousand placements that failed together do not come back together; and as nothing is left to chance, the ledger's
    "next attempt" can be explained.
    """
    pause: float = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** min(attempt, 10))
    return pause * (1 + SPREAD * zlib.crc32(f"{placement} {attempt}".encode()) / 2**32)


def intended(
    content: MasterContent, target: Target, draft: Draft | None, failure: Failure | None, now: datetime, worker: str
) -> PlacementRecord:
    """A new placement: INTENDED with its draft, or REJECTED where it does not fit."""
    due_at = content.due_at(target)
    state: State = "INTENDED" if failure is None else "REJECTED"
    note = (
        f"已接收第 {content.version} 版，计划 {shown(due_at)} 发布" if failure is None else "不符合平台要求，不会发布"
    )
    placement = content.placement_id(target)
    return PlacementRecord(
        event_id=f"{placement}:1",
        occurred_at=now,
        observed_at=now,
        brand_id=content.brand_id,
        campaign_id=content.campaign_id,
        trace_id=content.trace_id,
        placement_id=placement,
        content_id=content.content_id,
        content_version=content.version,
        kind=content.kind,
        platform=target.platform,
        account=target.account,
        slot=target.slot,
        state=state,
        waiting_on="到达发布时间" if failure is None else "",
        since=now,
        due_at=due_at,
        late_until=due_at + timedelta(seconds=target.late_within_s),
        next_attempt_at=due_at if failure is None else None,
        draft=draft,
        failure=failure,
        history=(HistoryEntry(at=now, state=state, note=note, failure=failure, worker=worker),),
    )


def version_of(content: MasterContent, target: Target, fitted: Draft | Failure) -> NewerVersion:
    """What a placement takes over from a version of its content."""
    due_at = content.due_at(target)
    return NewerVersion(
        content_version=content.version,
        kind=content.kind,
        trace_id=content.trace_id,
        due_at=due_at,
        late_until=due_at + timedelta(seconds=target.late_within_s),
        draft=fitted if isinstance(fitted, Draft) else None,
        failure=fitted if isinstance(fitted, Failure) else None,
    )


def superseded(old: PlacementRecord, by: NewerVersion, now: datetime, worker: str) -> PlacementRecord:
    """A newer version of a content of which nothing was called that could have made a post."""
    fits = by.draft is not None
    note = f"改用第 {by.content_version} 版，" + (
        f"计划 {shown(by.due_at)} 发布" if fits else "不符合平台要求，不会发布"
    )
    return changed(
        old,
        now,
        "INTENDED" if fits else "REJECTED",
        note,
        worker,
        content_version=by.content_version,
        kind=by.kind,
        trace_id=by.trace_id,
        draft=by.draft,
        steps=(),
        step=None,
        attempt=0,
        waiting_on="到达发布时间" if fits else "",
        due_at=by.due_at,
        late_until=by.late_until,
        next_attempt_at=by.due_at if fits else None,
        failure=by.failure,
        cancel_requested=False,
        newer=None,
    )


def noted(old: PlacementRecord, note: str, now: datetime, worker: str, **changes: Any) -> PlacementRecord:
    """The same state with a line more of history; said only once where the same is said again and again."""
    if old.history and old.history[-1].note == short(note):
        return replace(old, **{name: value for name, value in changes.items() if name != "failure"})
    return changed(old, now, old.state, note, worker, step=old.step, since=old.since, **changes)


def calling(old: PlacementRecord, step: Step, now: datetime, deadline: datetime, worker: str) -> PlacementRecord:
    """About to call. Written and committed before the request leaves."""
    again = old.step == step.name
    posts = step.effect == "post"
    return changed(
        old,
        now,
        "CALLING",
        step.waiting_on,
        worker,
        step=step.name,
        waiting_on=step.waiting_on,
        attempt=old.attempt + 1 if again else 1,
        next_attempt_at=None,
        call_deadline=deadline,
        first_called_at=(old.first_called_at or now) if posts else old.first_called_at,
        looks=0,
    )


def step_done(old: PlacementRecord, step: Step, result: dict[str, str], now: datetime) -> PlacementRecord:
    """The step's result joins the record; the state is decided by what follows, so no history line yet."""
    finished = StepRecord(name=step.name, effect=step.effect, finished_at=now, result=result)
    others = tuple(s for s in old.steps if s.name != step.name)
    return replace(old, steps=(*others, finished), failure=None)


def accepted(old: PlacementRecord, waiting_on: str, now: datetime, next_look: datetime, worker: str) -> PlacementRecord:
    return changed(
        old, now, "ACCEPTED", f"平台已受理：{waiting_on}", worker,
        step=old.step, waiting_on=waiting_on, next_attempt_at=next_look, failure=None, attempt=0,
    )  # fmt: skip


def still_pending(old: PlacementRecord, waiting_on: str, next_look: datetime) -> PlacementRecord:
    """Polled again, nothing new: in memory only, the ledger already says what it waits for."""
    return replace(old, waiting_on=waiting_on, next_attempt_at=next_look)


def live(old: PlacementRecord, post: PostRef, now: datetime, worker: str) -> PlacementRecord:
    where = f"：{post.url}" if post.url else ""
    return changed(
        old, now, "LIVE", f"已上线{where}", worker,
        post=post, waiting_on="", next_attempt_at=None, failure=None, surely_posted=False, newer=None,
    )  # fmt: skip


def removed(old: PlacementRecord, reason: str, now: datetime, worker: str) -> PlacementRecord:
    return changed(old, now, "REMOVED", f"帖子已不在平台上：{reason}", worker, waiting_on="", next_attempt_at=None)


def unknown(
    old: PlacementRecord,
    failure: Failure,
    next_look: datetime,
    now: datetime,
    worker: str,
    *,
    surely_posted: bool = False,
) -> PlacementRecord:
    note = "平台说已发布，但没有给出编号，正在查找" if surely_posted else "请求可能已到达平台，先查找，不盲目重发"
    return changed(
        old, now, "UNKNOWN", note, worker,
        step=old.step, waiting_on="在平台上查找这条帖子", next_attempt_at=next_look, failure=failure, looks=0,
        surely_posted=surely_posted or old.surely_posted,
    )  # fmt: skip


def not_found(old: PlacementRecord, next_look: datetime, now: datetime, worker: str) -> PlacementRecord:
    looks = old.looks + 1
    return noted(old, f"第 {looks} 次查找，没有找到", now, worker, looks=looks, next_attempt_at=next_look)


def look_failed(
    old: PlacementRecord, failure: Failure, next_look: datetime, now: datetime, worker: str
) -> PlacementRecord:
    """The search itself failed; the record's failure stays that of the call. The same failure again is no news."""
    looked_before = [entry.state for entry in old.history[-2:]] == ["UNKNOWN", "UNKNOWN"]
    last = old.history[-1].failure if looked_before else None
    if last is not None and _kind(last) == _kind(failure):
        return replace(old, next_attempt_at=next_look)
    looked = changed(
        old, now, old.state, f"查找失败：{failure.message}", worker,
        step=old.step, since=old.since, next_attempt_at=next_look, failure=failure,
    )  # fmt: skip
    return replace(looked, failure=old.failure)


def retry_later(
    old: PlacementRecord, failure: Failure | None, at: datetime, now: datetime, note: str, worker: str
) -> PlacementRecord:
    """Back to INTENDED: nothing happened on the platform, the same step will be tried again at `at`."""
    again = changed(
        old, now, "INTENDED", note, worker,
        step=old.step, waiting_on=f"{note}，{shown(at)} 再试", next_attempt_at=at, failure=failure,
    )  # fmt: skip
    return replace(again, history=_without_repetition(again.history))


def _without_repetition(history: tuple[HistoryEntry, ...]) -> tuple[HistoryEntry, ...]:
    """Of a call that failed alike many times in a row the first and the last stay; `attempt` counts them all."""
    # One try is two lines, CALLING and INTENDED. With three alike at the end the middle one says nothing new: the
    # first tells when it began, the last how it is now.
    tries = [history[-6:-4], history[-4:-2], history[-2:]]
    first, *others = [_try(one) for one in tries]
    return history[:-4] + history[-2:] if first is not None and others == [first, first] else history


def _try(entries: tuple[HistoryEntry, ...]) -> tuple[object, ...] | None:
    """What a call and its failure have in common with others; None where it is no such pair."""
    if len(entries) < 2 or (entries[0].state, entries[1].state) != ("CALLING", "INTENDED"):
        return None
    failure = entries[1].failure
    return (entries[0].step, entries[1].step, _kind(failure)) if failure is not None else None


def _kind(failure: Failure) -> tuple[object, ...]:
    return failure.error_class, failure.code, failure.sent, failure.recognised


def rejected(old: PlacementRecord, failure: Failure, now: datetime, worker: str) -> PlacementRecord:
    return changed(
        old, now, "REJECTED", f"被拒绝：{failure.message}", worker,
        step=old.step, waiting_on="", next_attempt_at=None, failure=failure,
    )  # fmt: skip


def missed(old: PlacementRecord, now: datetime, worker: str) -> PlacementRecord:
    return changed(
        old, now, "MISSED", f"已过最晚发布时间 {shown(old.late_until)}，按计划不再发布", worker,
        step=old.step, waiting_on="", next_attempt_at=None,
    )  # fmt: skip


def cancelled(old: PlacementRecord, reason: str, now: datetime, worker: str) -> PlacementRecord:
    return changed(
        old, now, "CANCELLED", f"已取消：{reason}", worker,
        step=old.step, waiting_on="", next_attempt_at=None, cancel_requested=False, newer=None,
    )  # fmt: skip


def needs_human(
    old: PlacementRecord, reason: str, failure: Failure | None, now: datetime, worker: str
) -> PlacementRecord:
    return changed(
        old, now, "NEEDS_HUMAN", reason, worker,
        step=old.step, waiting_on=f"人工处理：{reason}", next_attempt_at=None, failure=failure,
    )  # fmt: skip


def changed(
    old: PlacementRecord, now: datetime, state: State, note: str, worker: str, **changes: Any
) -> PlacementRecord:
    """The next revision, with a line of history. What is parked is so only as long as its state says."""
    step = changes.setdefault("step", None)
    changes.setdefault("since", now)
    changes.setdefault("parked_by", old.parked_by if state == "PARKED" else None)
    entry = HistoryEntry(
        at=now, state=state, step=step, note=short(note), failure=changes.get("failure"), worker=worker
    )
    revision = old.revision + 1
    return replace(
        old,
        event_id=f"{old.placement_id}:{revision}",
        occurred_at=now,
        observed_at=now,
        revision=revision,
        state=state,
        history=(*old.history, entry),
        **changes,
    )
