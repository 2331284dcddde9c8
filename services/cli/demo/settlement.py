"""Whether a campaign came out right: what the topics say, held against what really happened on the platforms. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from schemas.events.aggregate import EngagementAggregate
from schemas.events.feedback import METRICS, Metric, post_key
from schemas.events.placement import PlacementRecord


class TrueFigures(Struct, frozen=True, kw_only=True):
    """One post as the platform itself knows it. metrics: only those that the platform tells anybody."""

    platform: str
    native_id: str
    account: str
    state: str
    metrics: dict[Metric, int]
    comment_ids: list[str]

    @property
    def post_key(self) -> str:
        return post_key(self.platform, self.native_id)


class PlacementTally(Struct, frozen=True):
    expected: int
    by_state: dict[str, int]


class PostTally(Struct, frozen=True):
    """doubled: posts on a platform that no placement, or no placement alone, owns. missing: placements without post."""

    expected: int
    on_platform: int
    doubled: int
    missing: int


class Feedback(Struct, frozen=True):
    true: int
    collected: int
    missing: int
    repeated: int


class Wrong(Struct, frozen=True):
    key: str
    metric: str
    expected: int | None
    got: int | None


class Aggregates(Struct, frozen=True):
    rows: int
    wrong: list[Wrong]


class Settlement(Struct, frozen=True):
    """The whole comparison; the field names are what `tongbo demo --json` writes."""

    ok: bool
    seconds: float
    placements: PlacementTally
    posts: PostTally
    feedback: Feedback
    aggregates: Aggregates


def settle(
    *,
    seconds: float,
    expected: Iterable[str],
    records: Mapping[str, PlacementRecord],
    truth: Sequence[TrueFigures],
    comments: Sequence[tuple[str, str]],
    rows: Mapping[str, EngagementAggregate],
) -> Settlement:
    """expected: ids of placements that must be LIVE. records: newest by placement id. comments: (post_key, comment_id)
    of each event collected, repetitions included. rows: newest aggregate by key.
    """
    wanted = [records.get(placement) for placement in expected]
    on_platform = {figures.post_key: figures for figures in truth if figures.state == "live"}
    placements = PlacementTally(
        len(wanted), dict(Counter("NO_RECORD" if record is None else record.state for record in wanted))
    )
    claims = Counter(_post_key(record) for record in wanted if record is not None and record.post is not None)
    posts = PostTally(
        expected=len(wanted),
        on_platform=len(on_platform),
        doubled=sum(key not in claims for key in on_platform) + sum(n - 1 for n in claims.values()),
        missing=sum(record is None or _post_key(record) not in on_platform for record in wanted),
    )
    feedback = _feedback(on_platform, comments)
    aggregates = _aggregates([record for record in wanted if record is not None], on_platform, rows)
    ok = (
        set(placements.by_state) <= {"LIVE"}
        and posts.expected == posts.on_platform
        and not (posts.doubled or posts.missing or feedback.missing or feedback.repeated or aggregates.wrong)
        and feedback.collected == feedback.true
    )
    return Settlement(ok, round(seconds, 1), placements, posts, feedback, aggregates)


def _feedback(on_platform: Mapping[str, TrueFigures], comments: Sequence[tuple[str, str]]) -> Feedback:
    true = {(key, comment) for key, figures in on_platform.items() for comment in figures.comment_ids}
    collected = set(comments)
    return Feedback(
        true=len(true),
        collected=len(collected),
        missing=len(true - collected),
        repeated=len(comments) - len(collected),
    )


def _aggregates(
    records: Sequence[PlacementRecord],
    on_platform: Mapping[str, TrueFigures],
    rows: Mapping[str, EngagementAggregate],
) -> Aggregates:
    groups: dict[str, list[TrueFigures]] = {}
    for record in records:
        figures = on_platform.get(_post_key(record) or "")
        if figures is not None:
            for key in row_keys(record):
                groups.setdefault(key, []).append(figures)
    ours = {record.campaign_id for record in records}
    wrong: list[Wrong] = []
    for key, members in sorted(groups.items()):
        beside = _other_campaigns(key, ours, rows) if key.startswith("brand:") else []
        wrong += _differences(key, members, beside, rows.get(key))
    return Aggregates(len(groups), wrong)


def _other_campaigns(
    key: str, ours: Collection[str], rows: Mapping[str, EngagementAggregate]
) -> list[EngagementAggregate]:
    """A brand's earlier campaigns, on a cluster that is used again: their platforms are gone, their rows are not."""
    campaigns = [row for row in rows.values() if row.scope == "campaign" and f"brand:{row.brand_id}" == key]
    return [row for row in campaigns if row.campaign_id not in ours]


def row_keys(record: PlacementRecord) -> tuple[str, ...]:
    """The rows that a live placement counts in."""
    return (
        f"post:{_post_key(record)}",
        f"content:{record.content_id}",
        f"campaign_platform:{record.campaign_id}:{record.platform}",
        f"campaign:{record.campaign_id}",
        f"brand:{record.brand_id}",
    )


def _differences(
    key: str,
    members: Sequence[TrueFigures],
    beside: Sequence[EngagementAggregate],
    row: EngagementAggregate | None,
) -> Iterable[Wrong]:
    expected: dict[str, int | None] = {
        "posts": len(members) + sum(other.posts for other in beside),
        "comments_collected": sum(len(figures.comment_ids) for figures in members)
        + sum(other.comments_collected for other in beside),
    }
    for metric in METRICS:
        known = [figures.metrics[metric] for figures in members if metric in figures.metrics]
        known += [figure for other in beside if (figure := _figure(other, metric)) is not None]
        expected[metric] = sum(known) if known else None
    got = {name: _figure(row, name) for name in expected}
    return [Wrong(key, name, expected[name], got[name]) for name in expected if expected[name] != got[name]]


def _figure(row: EngagementAggregate | None, name: str) -> int | None:
    if row is None:
        return None
    found: Any = getattr(row, name) if name in ("posts", "comments_collected") else getattr(row.totals, name).value
    return None if found is None else int(found)


def _post_key(record: PlacementRecord) -> str | None:
    return post_key(record.platform, record.post.native_id) if record.post else None
