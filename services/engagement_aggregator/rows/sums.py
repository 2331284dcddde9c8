"""Arithmetic of sums, lists of integers with one place per figure: how a row moves by a difference. Pure."""

from __future__ import annotations

from operator import add, sub
from typing import Final

from schemas.events.aggregate import FollowersState

# Places in the sums of a row.
POSTS, COLLECTED, COVERED_POSTS, COVERED_COMMENTS, COMMENTS_TOTAL, ENGAGED_POSTS = range(6)
ENGAGEMENT, RATED_ENGAGEMENT, RATED_VIEWS, REPLIES, EVENTS, LATE = range(6, 12)
VALUES, KNOWN, LACKING, PLACES = 12, 20, 28, 36
NOTHING: Final = [0] * PLACES
VIEWS, LIKES, SAVES = 0, 1, 4  # likes, comments, shares and saves are neighbours among the metrics

Sums = list[int]
# Places in a point of the curve: posts, views, posts that have them, engagement, posts that have it.
Curve = dict[int, list[int]]


def engagement_of(values: list[int | None]) -> int | None:
    """Likes, comments, shares and saves that are known; None when none is."""
    known = [value for value in values[LIKES : SAVES + 1] if value is not None]
    return sum(known) if known else None


def added(one: list[int], other: list[int]) -> list[int]:
    return list(map(add, one, other))


def less(one: list[int], other: list[int]) -> list[int]:
    return list(map(sub, one, other))


def shift_curve(total: Curve, new: Curve, old: Curve) -> None:
    """Replace the contribution `old` inside `total` by `new`."""
    for age in new.keys() | old.keys():
        difference = less(new.get(age, [0] * 5), old.get(age, [0] * 5))
        if any(difference):
            total[age] = added(total.get(age, [0] * 5), difference)


def shift_activity(total: dict[str, int], differences: dict[str, int]) -> None:
    """Add; hours without activity are left out."""
    for hour, difference in differences.items():
        count = total.get(hour, 0) + difference
        if count:
            total[hour] = count
        else:
            total.pop(hour, None)


def follow(state: FollowersState, other: FollowersState) -> bool:
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
