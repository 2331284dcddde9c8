"""An independent recount: reads all feedback from the start, remembers everything, and adds it up the plainest way.

Shares no code with the fold, so that one can testify about the other. Pure; takes memory for every event.
Revisions are not recounted: they count changes, which only the fold sees.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from schemas.events.aggregate import EngagementAggregate
from schemas.events.feedback import (
    METRICS,
    CommentObserved,
    FeedbackEvent,
    FollowersObserved,
    MetricsObserved,
    ReplyPosted,
)
from tests.engagement_aggregator.recount import rates

Figures = dict[str, Any]


class Difference(NamedTuple):
    """One figure in which a published row differs from the recount; `field` is a path such as `totals.likes.value`."""

    key: str
    field: str
    expected: object
    got: object


@dataclass
class _Post:
    first: CommentObserved | MetricsObserved | ReplyPosted
    events: list[CommentObserved | MetricsObserved | ReplyPosted] = field(default_factory=list)
    seen: list[rates.Seen] = field(default_factory=list)

    @cached_property
    def late(self) -> int:
        return rates.late(self.seen)

    @cached_property
    def marks(self) -> rates.Marks:
        return rates.marks(self.seen)

    @cached_property
    def activity(self) -> dict[str, int]:
        return rates.activity(self.seen)

    @property
    def platform(self) -> str:
        return self.first.platform

    def snapshots(self) -> list[MetricsObserved]:
        """Newest sequence first; of equal sequences the one that came first."""
        found = [event for event in self.events if isinstance(event, MetricsObserved)]
        return sorted(found, key=lambda snapshot: -snapshot.sequence)

    def metric(self, name: str) -> tuple[int | None, str]:
        readings = [getattr(snapshot.readings, name) for snapshot in self.snapshots()]
        values = [reading.value for reading in readings if reading.value is not None]
        reasons = [reading.reason for reading in readings if reading.value is None]
        return next(iter(values), None), next(iter(reasons), "not_yet")

    def comments(self) -> int:
        newest: dict[str, tuple[int, bool]] = {}
        for event in self.events:
            if isinstance(event, CommentObserved):
                seen = (event.version, event.deleted)
                newest[event.comment_id] = max(newest.get(event.comment_id, seen), seen)
        return sum(1 for _, deleted in newest.values() if not deleted)

    def comments_total(self) -> int | None:
        known = [s.comments_total for s in self.snapshots() if s.comments_total is not None]
        return next(iter(known), None)

    def replies(self) -> int:
        return len({event.reply_id for event in self.events if isinstance(event, ReplyPosted)})

    def newest(self) -> datetime | None:
        observed = [
            event.observed_at
            for event in self.events
            if not isinstance(event, MetricsObserved)
            or any(getattr(event.readings, name).value is not None for name in METRICS)
        ]
        return max(observed, default=None)


def recount(records: Iterable[tuple[int, bytes | None]]) -> dict[str, Figures]:
    """The expected figures by row key, from `(partition, value)` in offset order; refused records must be left out."""
    posts: dict[str, _Post] = {}
    followers: list[FollowersObserved] = []
    watermarks: dict[int, datetime] = {}
    for partition, value in records:
        event = msgspec.json.decode(value or b"", type=FeedbackEvent)
        at = min(event.occurred_at, event.observed_at)
        watermark = watermarks[partition] = max(watermarks.get(partition, at), at)
        if isinstance(event, FollowersObserved):
            followers.append(event)
        else:
            post = posts.setdefault(event.post_key, _Post(event))
            post.events.append(event)
            post.seen.append(rates.Seen(event, watermark))
    groups: dict[str, tuple[list[_Post], list[FollowersObserved]]] = {}
    for key, post in posts.items():
        for name in _row_names(key, post):
            groups.setdefault(name, ([], []))[0].append(post)
    for event in followers:
        for name in (
            f"campaign:{event.campaign_id}",
            f"campaign_platform:{event.campaign_id}:{event.platform}",
            f"brand:{event.brand_id}",
        ):
            groups.setdefault(name, ([], []))[1].append(event)
    found = {name: _figures(members, accounts) for name, (members, accounts) in groups.items()}
    for key, index in rates.indexes({key: post.seen for key, post in posts.items()}).items():
        found[f"post:{key}"].update(index)
    return found


def differences(expected: Mapping[str, Figures], got: Mapping[str, EngagementAggregate]) -> list[Difference]:
    """Every figure that differs, rows that are missing and rows that should not be; empty when all is exact."""
    found = []
    for key in sorted(expected.keys() | got.keys()):
        want = _flat(expected.get(key, {}))
        have = _flat(msgspec.to_builtins(got[key], builtin_types=(datetime,))) if key in got else {}
        if not have or not want:
            found.append(Difference(key, "row", "present" if want else "absent", "present" if have else "absent"))
            continue
        found += [
            Difference(key, name, value, have.get(name)) for name, value in want.items() if have.get(name) != value
        ]
        recounted = expected[key].keys()
        found += [
            Difference(key, name, None, value)
            for name, value in have.items()
            if name not in want and name.partition(".")[0] in recounted and value != {}
        ]
    return found


def _row_names(key: str, post: _Post) -> tuple[str, ...]:
    event = post.first
    return (
        f"post:{key}",
        f"content:{event.content_id}",
        f"campaign_platform:{event.campaign_id}:{event.platform}",
        f"campaign:{event.campaign_id}",
        f"brand:{event.brand_id}",
    )


def _figures(posts: list[_Post], followers: list[FollowersObserved]) -> Figures:
    values: list[dict[str, tuple[int | None, str]]] = [{m: post.metric(m) for m in METRICS} for post in posts]
    totals: dict[str, Figures] = {m: _total([of[m] for of in values]) for m in METRICS}
    totals["followers"] = _total(_by_account(followers))
    engagements = [_engagement(of) for of in values]
    known = [engagement for engagement in engagements if engagement is not None]
    viewed = [
        (engagement, of["views"][0])
        for engagement, of in zip(engagements, values, strict=True)
        if engagement is not None and of["views"][0] is not None
    ]
    views = sum(count for _, count in viewed if count is not None)
    covered = [(post.comments(), total) for post in posts if (total := post.comments_total()) is not None]
    all_totals = sum(total for _, total in covered)
    newest: dict[str, datetime] = {}
    for post in posts:
        if (at := post.newest()) is not None:
            newest[post.platform] = max(newest.get(post.platform, at), at).astimezone(UTC)
    events = [event.observed_at for post in posts for event in post.events] + [e.observed_at for e in followers]
    as_of = max(events).astimezone(UTC)
    return {
        "posts": len(posts),
        "totals": totals,
        "comments_collected": sum(post.comments() for post in posts),
        "comments_total": all_totals if covered else None,
        "coverage": min(1.0, sum(c for c, _ in covered) / all_totals if all_totals else 1.0) if covered else None,
        "replies": sum(post.replies() for post in posts),
        "newest_observation": newest,
        "freshness_s": {platform: (as_of - at).total_seconds() for platform, at in newest.items()},
        "engagement": sum(known) if known else None,
        "engagement_rate": sum(e for e, _ in viewed) / views if views else None,
        "as_of": as_of,
        **_rates(posts, newest, as_of, sum(known) if known else None, totals["followers"]),
    }


def _rates(
    posts: list[_Post], newest: dict[str, datetime], as_of: datetime, engagement: int | None, followers: Figures
) -> Figures:
    live = max((at for post in posts if (at := rates.published_at(post.seen)) is not None), default=None)
    activity: dict[str, int] = {}
    for post in posts:
        for hour, count in post.activity.items():
            activity[hour] = activity.get(hour, 0) + count
    whole = bool(followers["value"]) and not followers["unknown"]
    per_1000 = engagement / followers["value"] * 1000 if whole and engagement is not None else None
    return {
        "published_at": live,
        "maturity": rates.maturity(live, as_of),
        "stale_after": rates.stale_after(live, newest),
        "late": sum(post.late for post in posts),
        "engagement_per_1000_followers": per_1000,
        "account_index": None,
        "account_index_age_h": None,
        "account_index_sample": 0,
        "activity": activity,
        "curve": rates.curve(post.marks for post in posts),
    }


def _engagement(values: dict[str, tuple[int | None, str]]) -> int | None:
    known = [value for name in ("likes", "comments", "shares", "saves") if (value := values[name][0]) is not None]
    return sum(known) if known else None


def _by_account(followers: list[FollowersObserved]) -> list[tuple[int | None, str]]:
    accounts: dict[tuple[str, str], list[FollowersObserved]] = {}
    for event in followers:
        accounts.setdefault((event.platform, event.account), []).append(event)
    found: list[tuple[int | None, str]] = []
    for events in accounts.values():
        values = [(e.observed_at, e.followers.value) for e in events if e.followers.value is not None]
        reasons = [e for e in events if e.followers.value is None]
        newest_reason = max((e.observed_at, e.followers.reason or "") for e in reasons)[1] if reasons else None
        found.append((max(values)[1] if values else None, newest_reason or "not_yet"))
    return found


def _total(values: list[tuple[int | None, str]]) -> Figures:
    known = [value for value, _ in values if value is not None]
    reasons = {reason for value, reason in values if value is None}
    reason = None if known else next((r for r in ("failed", "not_yet", "unsupported") if r in reasons), "not_yet")
    return {
        "value": sum(known) if known else None,
        "known": len(known),
        "unknown": len(values) - len(known),
        "reason": reason,
    }


def _flat(figures: Mapping[str, Any], path: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in figures.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{path}{name}."))
        else:
            flat[path + name] = value
    return flat
