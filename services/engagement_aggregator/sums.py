"""Arithmetic of sums: what a post contributes, and how a parent moves by the difference of two contributions. Pure.

Sums are lists of integers with one place per figure, because lists are added in one go.
"""

from __future__ import annotations

from functools import lru_cache
from operator import add, sub
from typing import Final

from schemas.aggregate import FollowersState
from schemas.aggregate_state import PostState
from services.engagement_aggregator.windows import absent, known_and_lacking

# Places in the sums of a row.
POSTS, COLLECTED, COVERED_POSTS, COVERED_COMMENTS, COMMENTS_TOTAL, ENGAGED_POSTS = range(6)
ENGAGEMENT, RATED_ENGAGEMENT, RATED_VIEWS, REPLIES, EVENTS, LATE = range(6, 12)
VALUES, KNOWN, LACKING, PLACES = 12, 20, 28, 36
NOTHING: Final = [0] * PLACES
VIEWS, LIKES, SAVES = 0, 1, 4  # likes, comments, shares and saves are neighbours among the metrics

Sums = list[int]
# Places in a point of the curve: posts, views, posts that have them, engagement, posts that have it.
Curve = dict[int, list[int]]
NO_CURVE: Final[Curve] = {}


def contribution(post: PostState) -> Sums:
    """What one post adds to each of its parents."""
    values, comments, total = post.values, post.comments, post.comments_total
    engagement, views = engagement_of(values), values[VIEWS]
    one = [1, comments, 0, 0, 0, 0, 0, 0, 0, post.replies, post.events, post.late]
    if total is not None:
        one[COVERED_POSTS:ENGAGED_POSTS] = 1, comments, total
    if engagement is not None:
        one[ENGAGED_POSTS], one[ENGAGEMENT] = 1, engagement
        if views is not None:
            one[RATED_ENGAGEMENT], one[RATED_VIEWS] = engagement, views
    one += [value or 0 for value in values]
    one += _known_and_lacking(tuple(post.reasons), *absent(values))
    return one


@lru_cache(maxsize=4_096)
def _known_and_lacking(reasons: tuple[int, ...], *is_absent: bool) -> tuple[int, ...]:
    """A metric of a post that nobody read yet is not there yet."""
    return known_and_lacking(tuple(why or 2 for why in reasons), *is_absent)


def engagement_of(values: list[int | None]) -> int | None:
    """Likes, comments, shares and saves that are known; None when none is."""
    known = [value for value in values[LIKES : SAVES + 1] if value is not None]
    return sum(known) if known else None


def curve_of(post: PostState) -> Curve:
    """What one post adds to the curve of its parents."""
    curve = {}
    for age, (_, values) in post.marks.items():
        views, engagement = values[VIEWS], engagement_of(values)
        curve[age] = [1, views or 0, int(views is not None), engagement or 0, int(engagement is not None)]
    return curve


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
