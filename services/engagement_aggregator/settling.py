"""Parents, days and account figures follow the posts, once for everything that was folded since the last time. Pure.

Posts of one content on one platform are added up first, so that many posts move their parents once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from schemas.aggregate import Scope
from schemas.aggregate_state import Day, PostState, TotalHour, TotalState
from services.engagement_aggregator import keys, moments, rates
from services.engagement_aggregator.opened import OpenPost
from services.engagement_aggregator.sums import (
    NOTHING,
    added,
    contribution,
    curve_of,
    less,
    shift_activity,
    shift_curve,
)
from services.engagement_aggregator.windows import ZERO, Reported, Rows


class Source(Protocol):
    """Whoever names its parents: a post or an event."""

    @property
    def brand_id(self) -> str: ...

    @property
    def campaign_id(self) -> str: ...


class Hour:
    """What one hour brought to the posts of a leaf."""

    __slots__ = ("as_of", "minutes", "revisions")

    def __init__(self, as_of: datetime) -> None:
        self.as_of, self.revisions = as_of, 0
        self.minutes: dict[int, list[int]] = {}

    def add(self, as_of: datetime, revisions: int, minutes: dict[int, list[int]]) -> None:
        self.as_of = max(self.as_of, as_of)
        self.revisions += revisions
        for minute, brought in minutes.items():
            known = self.minutes.get(minute)
            self.minutes[minute] = brought if known is None else added(known, brought)


class Leaf:
    """The posts of one content on one platform that changed."""

    __slots__ = ("activity", "hours", "posts", "sums")

    def __init__(self) -> None:
        self.sums: list[int] | None = None
        self.posts: list[OpenPost] = []
        self.activity: list[dict[str, int]] = []
        self.hours: dict[int, Hour] = {}


def settle(rows: Rows, opened: Iterable[OpenPost]) -> set[str]:
    """Let everything follow the opened posts that changed; the keys of all rows that changed with them."""
    changed: set[str] = set()
    leaves: dict[tuple[str, str], Leaf] = {}
    for one in opened:
        one.take_waiting()
        if not (one.touched or one.windows.changed):
            continue
        post = one.post
        leaf = leaves.get((post.content_id, post.platform))
        if leaf is None:
            leaf = leaves[post.content_id, post.platform] = Leaf()
        changed.add(one.key)
        if one.activity:
            leaf.activity.append(one.take_activity())
        after = contribution(post)
        brought = after if one.before is None else less(after, one.before)
        leaf.sums = brought if leaf.sums is None else added(leaf.sums, brought)
        leaf.posts.append(one)
        for reported in one.windows.report():
            _settle_hour(rows, leaf, one, reported, changed)
        if post.published_at is not None:
            changed |= rates.follow_account(rows, post)
    for leaf in leaves.values():
        _settle_parents(rows, leaf, changed)
    return changed


def _settle_hour(rows: Rows, leaf: Leaf, one: OpenPost, reported: Reported, changed: set[str]) -> None:
    changed.add(reported.key)
    hour = leaf.hours.get(reported.hour)
    if hour is None:
        hour = leaf.hours[reported.hour] = Hour(reported.as_of)
    hour.add(reported.as_of, reported.revisions, reported.minutes)
    post = one.post
    owner = ("post", post.brand_id, post.campaign_id, post.content_id, post.platform, post.account, post.post_key)
    brought = _sum(list(reported.minutes.values()))
    changed.add(_move_day(rows, one.key, owner, reported.hour, reported.as_of, reported.revisions, brought))


def _settle_parents(rows: Rows, leaf: Leaf, changed: set[str]) -> None:
    post, sums = leaf.posts[0].post, leaf.sums or NOTHING
    hours = [(number, hour, _sum(list(hour.minutes.values()))) for number, hour in leaf.hours.items()]
    for key, total in parents(rows, post):
        changed.add(key)
        total.sums = added(total.sums, sums)
        for one in leaf.posts:
            _follow(total, one)
        for moved in leaf.activity:
            shift_activity(total.activity, moved)
        owner = (total.scope, total.brand_id, total.campaign_id, total.content_id, total.platform, None, None)
        for number, hour, brought in hours:
            changed.add(_move_hour(rows, key, owner, number, hour))
            changed.add(_move_day(rows, key, owner, number, hour.as_of, hour.revisions, brought))


def _follow(total: TotalState, one: OpenPost) -> None:
    post = one.post
    total.as_of = max(total.as_of, post.as_of)
    if post.newest is not None and ((known := total.newest.get(post.platform)) is None or post.newest > known):
        total.newest[post.platform] = post.newest
    if post.published_at is not None:
        total.published_at = max(total.published_at or post.published_at, post.published_at)
        shift_curve(total.curve, curve_of(post), one.curve_before)


def _move_hour(rows: Rows, aggregate: str, owner: tuple[str | None, ...], number: int, moved: Hour) -> str:
    key = keys.hour(aggregate, number)
    row = rows.get(key)
    if not isinstance(row, TotalHour):
        row = TotalHour(owner, number, moved.as_of, {})
        rows[key] = row
    row.as_of = max(row.as_of, moved.as_of)
    row.revision += moved.revisions
    for minute, brought in moved.minutes.items():
        known = row.minutes.get(minute % 60)
        row.minutes[minute % 60] = brought if known is None else added(known, brought)
    return key


def _move_day(
    rows: Rows, aggregate: str, owner: tuple[str | None, ...], hour: int, as_of: datetime, revisions: int,
    brought: list[int],
) -> str:  # fmt: skip
    number = moments.day_of(hour * 60)
    key = keys.day(aggregate, number)
    row = rows.get(key)
    if not isinstance(row, Day):
        row = Day(owner, number, as_of, ZERO)
        rows[key] = row
    row.as_of = max(row.as_of, as_of)
    row.revision += revisions
    row.sums = added(row.sums, brought)
    return key


def _sum(vectors: Sequence[list[int]]) -> list[int]:
    if len(vectors) == 1:
        return vectors[0]
    total = ZERO
    for vector in vectors:
        total = added(total, vector)
    return total


def parents(rows: Rows, post: PostState) -> list[tuple[str, TotalState]]:
    """The rows that a post counts in, made if they are not there; their keys hold the names against other brands."""
    on_platform = keys.campaign_platform(post.campaign_id, post.platform)
    return [
        total_of(rows, keys.campaign(post.campaign_id), "campaign", post, post.as_of),
        total_of(rows, keys.content(post.content_id), "content", post, post.as_of, content=post.content_id),
        total_of(rows, on_platform, "campaign_platform", post, post.as_of, post.platform),
    ]


def total_of(
    rows: Rows, key: str, scope: Scope, source: Source, as_of: datetime, platform: str = "all",
    content: str | None = None,
) -> tuple[str, TotalState]:  # fmt: skip
    """A parent's row by its key, made if it is not there."""
    total = rows.get(key)
    if not isinstance(total, TotalState):
        total = TotalState(scope, source.brand_id, source.campaign_id, content, platform, as_of, NOTHING)
        rows[key] = total
    return key, total
