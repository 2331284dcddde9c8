"""Arithmetic of sums: what a post contributes, and how a parent moves by the difference of two contributions. Pure."""

from __future__ import annotations

from datetime import datetime

from schemas.aggregate import FollowersState, MetricSum, Sums
from schemas.aggregate_state import PostState
from schemas.feedback import METRICS, Absence, Metric, Reading

ENGAGEMENT: tuple[Metric, ...] = ("likes", "comments", "shares", "saves")
_COUNTS = tuple(name for name in Sums.__struct_fields__ if name != "metrics")


def contribution(post: PostState) -> Sums:
    """What one post adds to each of its parents."""
    sums = Sums(posts=1, comments=post.comments, replies=post.replies, events=post.events)
    values: dict[Metric, int] = {}
    for metric in METRICS:
        state = post.metrics.get(metric)
        if state is not None and state.value is not None:
            values[metric] = state.value
            sums.metrics[metric] = MetricSum(value=state.value, known=1)
        else:
            sums.metrics[metric] = _missing((state and state.reason) or "not_yet")
    if post.comments_total is not None:
        sums.covered_posts, sums.covered_comments, sums.comments_total = 1, post.comments, post.comments_total
    engagement = [values[metric] for metric in ENGAGEMENT if metric in values]
    if engagement:
        sums.engaged_posts, sums.engagement = 1, sum(engagement)
        if "views" in values:
            sums.rated_engagement, sums.rated_views = sums.engagement, values["views"]
    return sums


def _missing(reason: Absence) -> MetricSum:
    if reason == "failed":
        return MetricSum(failed=1)
    return MetricSum(unsupported=1) if reason == "unsupported" else MetricSum(not_yet=1)


def shift(total: Sums, new: Sums, old: Sums) -> None:
    """Replace the contribution `old` inside `total` by `new`."""
    for name in _COUNTS:
        difference = getattr(new, name) - getattr(old, name)
        if difference:
            setattr(total, name, getattr(total, name) + difference)
    for metric in METRICS:
        added, removed = new.metrics.get(metric), old.metrics.get(metric)
        if added != removed:
            _shift_metric(total.metrics.setdefault(metric, MetricSum()), added or MetricSum(), removed or MetricSum())


def _shift_metric(total: MetricSum, new: MetricSum, old: MetricSum) -> None:
    total.value += new.value - old.value
    total.known += new.known - old.known
    total.unsupported += new.unsupported - old.unsupported
    total.not_yet += new.not_yet - old.not_yet
    total.failed += new.failed - old.failed


def follow(state: FollowersState, reading: Reading, at: datetime) -> bool:
    """Take a reading of an account's followers; the newest value wins, a reason never erases one. True if changed."""
    return follow_merged(
        state,
        FollowersState(value=reading.value, value_at=at)
        if reading.value is not None
        else FollowersState(reason=reading.reason, reason_at=at),
    )


def follow_merged(state: FollowersState, other: FollowersState) -> bool:
    """Take over what `other` knows newer. True if that changed something."""
    changed = False
    if other.value_at is not None and other.value is not None:
        newer = state.value_at is None or other.value_at > state.value_at
        if newer or (other.value_at == state.value_at and other.value > (state.value or 0)):
            state.value, state.value_at, changed = other.value, other.value_at, True
    if other.reason_at is not None and other.reason is not None:
        newer = state.reason_at is None or other.reason_at > state.reason_at
        if newer or (other.reason_at == state.reason_at and other.reason > (state.reason or "")):
            state.reason, state.reason_at, changed = other.reason, other.reason_at, True
    return changed
