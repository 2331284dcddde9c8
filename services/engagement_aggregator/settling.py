"""Parents, days and account figures follow the posts, once for everything that was folded since the last time. Pure.

What posts bring is added up first, so that each parent is moved once, however many of its posts changed.
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
    NO_CURVE,
    NOTHING,
    Curve,
    added,
    contribution,
    curve_of,
    less,
    shift_activity,
    shift_curve,
)
from services.engagement_aggregator.windows import ZERO, Rows


class Source(Protocol):
    """Whoever names its parents: a post or an event."""

    @property
    def brand_id(self) -> str: ...

    @property
    def campaign_id(self) -> str: ...


class Hour:
    """What one hour brought to the posts of a parent."""

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


class Moved:
    """By how much a parent moves: what changed of all its posts, added up. post: one of them, for the names."""

    __slots__ = ("activity", "as_of", "curves", "hours", "newest", "post", "published_at", "sums")

    def __init__(self, post: PostState) -> None:
        self.post, self.as_of, self.published_at = post, post.as_of, post.published_at
        self.sums: list[int] | None = None
        self.hours: dict[int, Hour] = {}
        self.newest: dict[str, datetime] = {}
        self.curves: list[tuple[Curve, Curve]] = []
        self.activity: list[dict[str, int]] = []

    def add(self, sums: list[int], as_of: datetime, published_at: datetime | None) -> None:
        self.sums = sums if self.sums is None else added(self.sums, sums)
        self.as_of = max(self.as_of, as_of)
        if published_at is not None and (self.published_at is None or published_at > self.published_at):
            self.published_at = published_at

    def saw(self, platform: str, at: datetime) -> None:
        known = self.newest.get(platform)
        if known is None or at > known:
            self.newest[platform] = at

    def in_hour(self, number: int, as_of: datetime, revisions: int, minutes: dict[int, list[int]]) -> None:
        hour = self.hours.get(number)
        if hour is None:
            hour = self.hours[number] = Hour(as_of)
        hour.add(as_of, revisions, minutes)

    def follow(self, other: Moved) -> None:
        """A parent of a parent moves by the same."""
        self.add(other.sums or NOTHING, other.as_of, other.published_at)
        for platform, at in other.newest.items():
            self.saw(platform, at)
        for number, hour in other.hours.items():
            self.in_hour(number, hour.as_of, hour.revisions, hour.minutes)
        self.curves += other.curves
        self.activity += other.activity


def settle(rows: Rows, opened: Iterable[OpenPost]) -> set[str]:
    """Let everything follow the opened posts that changed; the keys of all rows that changed with them."""
    changed: set[str] = set()
    contents: dict[str, Moved] = {}
    platforms: dict[tuple[str, str], Moved] = {}
    for one in opened:
        one.take_waiting()
        if not (one.touched or one.windows.changed):
            continue
        changed.add(one.key)
        post = one.post
        content = contents.get(post.content_id)
        if content is None:
            content = contents[post.content_id] = Moved(post)
        place = post.campaign_id, post.platform
        platform = platforms.get(place)
        if platform is None:
            platform = platforms[place] = Moved(post)
        _settle_post(rows, one, (content, platform), changed)
    campaigns: dict[str, Moved] = {}
    for (campaign_id, _), platform in platforms.items():
        campaign = campaigns.get(campaign_id)
        if campaign is None:
            campaign = campaigns[campaign_id] = Moved(platform.post)
        campaign.follow(platform)
    for moved in contents.values():
        _settle_parent(rows, content_of(rows, moved.post), moved, changed)
    for moved in platforms.values():
        _settle_parent(rows, on_platform_of(rows, moved.post), moved, changed)
    for moved in campaigns.values():
        _settle_parent(rows, campaign_of(rows, moved.post), moved, changed)
    return changed


def _settle_post(rows: Rows, one: OpenPost, parents: tuple[Moved, Moved], changed: set[str]) -> None:
    """The day of a post and its account follow it; what its parents move by is noted."""
    post, activity = one.post, one.take_activity() if one.activity else None
    after = contribution(post)
    sums = after if one.before is None else less(after, one.before)
    curve = curve_of(post) if post.marks else NO_CURVE
    for parent in parents:
        parent.add(sums, post.as_of, post.published_at)
        if post.newest is not None:
            parent.saw(post.platform, post.newest)
        if curve != one.curve_before:
            parent.curves.append((curve, one.curve_before))
        if activity:
            parent.activity.append(activity)
    one.settled(after, curve)
    for reported in one.windows.report():
        changed.add(reported.key)
        hour, as_of, revisions, minutes = reported.hour, reported.as_of, reported.revisions, reported.minutes
        for parent in parents:
            parent.in_hour(hour, as_of, revisions, minutes)
        changed.add(_move_day(rows, one.key, reported.owner, hour, as_of, revisions, _sum(list(minutes.values()))))
    if post.marks:
        changed |= rates.follow_account(rows, post)


def _settle_parent(rows: Rows, parent: tuple[str, TotalState], moved: Moved, changed: set[str]) -> None:
    key, total = parent
    changed.add(key)
    total.sums = added(total.sums, moved.sums or NOTHING)
    total.as_of = max(total.as_of, moved.as_of)
    if moved.published_at is not None and (total.published_at is None or moved.published_at > total.published_at):
        total.published_at = moved.published_at
    for platform, at in moved.newest.items():
        known = total.newest.get(platform)
        if known is None or at > known:
            total.newest[platform] = at
    for new, old in moved.curves:
        shift_curve(total.curve, new, old)
    for activity in moved.activity:
        shift_activity(total.activity, activity)
    owner = (total.scope, total.brand_id, total.campaign_id, total.content_id, total.platform, None, None)
    for number, hour in moved.hours.items():
        changed.add(_move_hour(rows, key, owner, number, hour))
        brought = _sum(list(hour.minutes.values()))
        changed.add(_move_day(rows, key, owner, number, hour.as_of, hour.revisions, brought))


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
        rows[key] = Day(owner, number, as_of, brought, revisions)
        return key
    row.as_of = max(row.as_of, as_of)
    row.revision += revisions
    row.sums = added(row.sums, brought)
    return key


def _sum(vectors: Sequence[list[int]]) -> list[int]:
    if len(vectors) == 1:
        return vectors[0]
    total = vectors[0] if vectors else ZERO
    for vector in vectors[1:]:
        total = added(total, vector)
    return total


def parents(rows: Rows, post: PostState) -> list[tuple[str, TotalState]]:
    """The rows that a post counts in, made if they are not there; their keys hold the names against other brands."""
    return [campaign_of(rows, post), content_of(rows, post), on_platform_of(rows, post)]


def campaign_of(rows: Rows, post: PostState) -> tuple[str, TotalState]:
    return total_of(rows, keys.campaign(post.campaign_id), "campaign", post, post.as_of)


def content_of(rows: Rows, post: PostState) -> tuple[str, TotalState]:
    return total_of(rows, keys.content(post.content_id), "content", post, post.as_of, content=post.content_id)


def on_platform_of(rows: Rows, post: PostState) -> tuple[str, TotalState]:
    key = keys.campaign_platform(post.campaign_id, post.platform)
    return total_of(rows, key, "campaign_platform", post, post.as_of, post.platform)


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
