"""What follows from what a platform did: the one place where retry, UNKNOWN and refusal are told apart. Pure.

The rule behind all of them: a call that would make a post is repeated only when the platform surely did not do it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.events.placement import Failure, PlacementRecord
from services.adapter.contract.adapter import Timing
from services.adapter.contract.errors import PlatformError
from services.adapter.contract.publication import (
    Accepted,
    Done,
    Followed,
    Live,
    Look,
    NeedsHuman,
    NotFound,
    Pending,
    Publication,
    Rejected,
    Removed,
    Step,
    StepOutcome,
    Undecidable,
)
from services.adapter.placement import transitions as to
from services.adapter.placement.record_bounds import doubts, has_been

SURELY_POSTED_LOOKS = 20
MOST_DOUBTS = 20  # calls without an answer that turned out not to have posted; then a person decides whether to go on
PASSING = frozenset({"auth", "quota", "platform_down", "network_unknown"})


@dataclass(frozen=True, slots=True)
class OutcomeRules:
    """One platform's decisions. now: the worker's clock; worker: its name, for the history."""

    publication: Publication
    timing: Timing
    now: Callable[[], datetime]
    worker: str

    def after_step(self, record: PlacementRecord, step: Step, outcome: StepOutcome) -> PlacementRecord:
        """The call was answered as hoped. A record that still has steps to take comes back in state CALLING."""
        now = self.now()
        match outcome:
            case Done(result):
                return self._after_done(to.step_done(record, step, result, now))
            case Accepted(result, waiting_on):
                done = to.step_done(record, step, result, now)
                return to.accepted(done, waiting_on, now, self._in(self.timing.follow_every_s), self.worker)
            case Live(post):
                return to.live(to.step_done(record, step, dict(post.ids), now), post, now, self.worker)
            case NeedsHuman(reason):
                return to.needs_human(record, reason, None, now, self.worker)

    def after_error(self, record: PlacementRecord, step: Step, error: PlatformError) -> PlacementRecord:
        """The call failed. Only for steps that make a post does it matter whether the platform may have done it."""
        failure = error.failure()
        if error.sent == "no":
            return self._after_refusal(record, error, failure)
        if step.effect == "post":
            if error.sent == "unknown" or error.outcome in ("unknown", "published"):
                surely = error.outcome == "published"
                return self._unknown(record, failure, surely_posted=surely)
            if error.outcome == "already_posted" and has_been(record, "UNKNOWN"):
                return self._unknown(record, failure, surely_posted=True)
        elif error.error_class != "bug" and error.recognised and "unknown" in (error.sent, error.outcome):
            return self._again(record, error, failure)
        return self._after_refusal(record, error, failure)

    def after_crash(self, record: PlacementRecord, step: Step | None) -> PlacementRecord:
        """CALLING was found in the ledger and nobody here is calling: a worker died or lost the partition meanwhile."""
        failure = Failure(
            error_class="network_unknown",
            message="调用期间进程中断，结果未知 / interrupted while calling",
            sent="unknown",
        )
        if may_post(record, step):
            return self._unknown(record, failure, over_at=record.call_deadline)
        return to.retry_later(record, failure, self.now(), self.now(), "调用中断，这一步可以安全重做", self.worker)

    def after_look(self, record: PlacementRecord, step: Step, look: Look | PlatformError) -> PlacementRecord:
        """Somebody looked for a post whose fate was unknown."""
        now = self.now()
        match look:
            case Live() | Accepted():
                return self.after_step(record, step, look)
            case Undecidable(reason):
                return to.needs_human(record, f"无法判断是否已发布：{reason}", record.failure, now, self.worker)
            case NotFound():
                return self._after_not_found(record)
            case PlatformError() as error if _passes(error):
                at = self._in(max(error.retry_after_s or 0, self.timing.look_every_s))
                return to.look_failed(record, error.failure(), at, now, self.worker)
            case PlatformError() as error:
                reason = f"无法判断是否已发布，查找失败：{error.message}"
                return to.needs_human(record, reason, error.failure(), now, self.worker)

    def after_follow(self, record: PlacementRecord, followed: Followed | PlatformError) -> PlacementRecord:
        """The status of an accepted post was asked for."""
        now, soon = self.now(), self._in(self.timing.follow_every_s)
        match followed:
            case Live(post):
                return to.live(record, post, now, self.worker)
            case Rejected(error):
                return to.rejected(record, error.failure(), now, self.worker)
            case Removed(reason):
                return to.removed(record, reason, now, self.worker)
            case Pending(waiting_on) if waiting_on == record.waiting_on:
                return to.still_pending(record, waiting_on, soon)
            case Pending(waiting_on):
                return to.accepted(record, waiting_on, now, soon, self.worker)
            case PlatformError() as error if _passes(error):
                at = self._in(max(self.timing.follow_every_s, self._pause(record, error)))
                return to.still_pending(record, record.waiting_on, at)
            case PlatformError() as error:
                return to.needs_human(record, f"查询发布状态失败：{error.message}", error.failure(), now, self.worker)

    def settled(self, record: PlacementRecord) -> PlacementRecord:
        """Where a version turned out never to have been posted, the newer one that came meanwhile takes its place."""
        if record.newer is None or record.state not in ("INTENDED", "REJECTED", "MISSED") or has_been_there(record):
            return record
        return to.superseded(record, record.newer, self.now(), self.worker)

    def _after_done(self, record: PlacementRecord) -> PlacementRecord:
        now = self.now()
        if record.cancel_requested:
            return to.cancelled(record, "发布请求发出之前收到取消", now, self.worker)
        if self.publication.next_step(record) is None:
            failure = Failure(error_class="bug", message="所有步骤已完成却没有帖子 / all steps done, but no post")
            return to.needs_human(record, failure.message, failure, now, self.worker)
        return record

    def _after_not_found(self, record: PlacementRecord) -> PlacementRecord:
        now = self.now()
        looked = to.not_found(record, self._in(self.timing.look_every_s), now, self.worker)
        if record.surely_posted:
            if looked.looks < SURELY_POSTED_LOOKS:
                return looked
            return to.needs_human(looked, "平台说已发布，但一直找不到这条帖子", record.failure, now, self.worker)
        if looked.looks < self.timing.looks:
            return looked
        if looked.cancel_requested:
            return to.cancelled(looked, "确认没有发布，按取消处理", now, self.worker)
        if now > record.late_until:
            return to.missed(looked, now, self.worker)
        if doubts(record) >= MOST_DOUBTS:
            reason = f"{MOST_DOUBTS} 次调用都没有答复，也都没有发布"
            return to.needs_human(looked, reason, record.failure, now, self.worker)
        note = f"查找 {looked.looks} 次都没有，确认没有发布，重新发布"
        return to.retry_later(looked, record.failure, now, now, note, self.worker)

    def _after_refusal(self, record: PlacementRecord, error: PlatformError, failure: Failure) -> PlacementRecord:
        if error.retriable or error.error_class in PASSING:
            return self._again(record, error, failure)
        if error.error_class in ("account_risk", "needs_human"):
            return to.needs_human(record, error.message, failure, self.now(), self.worker)
        return to.rejected(record, failure, self.now(), self.worker)

    def _again(self, record: PlacementRecord, error: PlatformError, failure: Failure) -> PlacementRecord:
        now, at = self.now(), self._in(self._pause(record, error))
        if record.cancel_requested:
            return to.cancelled(record, "平台没有执行这一步，按取消处理", now, self.worker)
        if at > record.late_until and error.error_class != "auth":
            return to.missed(to.noted(record, error.message, now, self.worker, failure=failure), now, self.worker)
        if at > record.late_until:
            return to.rejected(record, failure, now, self.worker)
        return to.retry_later(record, failure, at, now, error.message, self.worker)

    def _unknown(
        self, record: PlacementRecord, failure: Failure, *, surely_posted: bool = False, over_at: datetime | None = None
    ) -> PlacementRecord:
        """over_at: when the call can no longer be on its way; default now, because we saw it end."""
        now = self.now()
        look_at = max(now, over_at or now) + timedelta(seconds=self.timing.look_after_s)
        return to.unknown(record, failure, look_at, now, self.worker, surely_posted=surely_posted)

    def _pause(self, record: PlacementRecord, error: PlatformError) -> float:
        least = to.AUTH_DELAY_S if error.error_class == "auth" else 0.0
        return max(least, error.retry_after_s or to.back_off_s(record.attempt - 1, record.placement_id))

    def _in(self, seconds: float) -> datetime:
        return self.now() + timedelta(seconds=seconds)


def may_post(record: PlacementRecord, step: Step | None) -> bool:
    """Whether the recorded call may make a post. `step` is what today's code would call; what it does not know may."""
    return step is None or step.name != record.step or step.effect == "post"


def has_been_there(record: PlacementRecord) -> bool:
    """Whether the platform ever had a post of this placement, as far as it told."""
    return has_been(record, "ACCEPTED", "LIVE")


def _passes(error: PlatformError) -> bool:
    """Whether a read-only call that failed like this is worth repeating."""
    return error.error_class != "bug" and (error.retriable or error.sent != "yes" or error.error_class in PASSING)
