"""From a row of the table to what is published, and to the campaign totals of the brand stage. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from schemas.aggregate import FORMULAS_VERSION, RATE_FORMULA, CampaignTotals, FollowersState, Scope
from schemas.aggregate_state import Day, PostHour, PostState, TableRow, TotalHour, TotalState
from schemas.feedback import Absence
from services.engagement_aggregator import rates, sums
from services.engagement_aggregator.sums import NO_CURVE, Curve, Sums, contribution, curve_of
from services.engagement_aggregator.window_output import published_windows
from services.engagement_aggregator.windows import MISSING
from services.engagement_aggregator.wire_out import (
    CurvePoint,
    EngagementAggregate,
    EngagementWindows,
    MetricTotal,
    Totals,
)

_WINDOWS = frozenset((PostHour, TotalHour, Day))
_LOW = MISSING[2] - 1  # a count of one reason
_NO_INDEX: tuple[float | None, int | None, int] = (None, None, 0)


def published(key: str, row: TableRow) -> EngagementAggregate | EngagementWindows | None:
    """The published form of a row; None for rows that are the aggregator's own."""
    kind = type(row)
    if kind is PostState:
        return _post(key, row)  # type: ignore[arg-type]  # it is one, as just seen; isinstance costs more than the rest
    if kind in _WINDOWS:
        return published_windows(key, row)  # type: ignore[arg-type]
    return _total(key, row) if isinstance(row, TotalState) else None


def campaign_totals(key: str, row: TableRow) -> CampaignTotals | None:
    """What a campaign row tells the brand stage; None for every other row."""
    if not isinstance(row, TotalState) or row.scope != "campaign" or row.campaign_id is None:
        return None
    revision = row.sums[sums.EVENTS] + row.follower_events
    return CampaignTotals(
        event_id=f"{key}@{revision}",
        occurred_at=row.as_of,
        observed_at=row.as_of,
        brand_id=row.brand_id,
        campaign_id=row.campaign_id,
        trace_id=key,
        revision=revision,
        sums=row.sums,
        activity=row.activity,
        curve=row.curve,
        newest_observation=row.newest,
        published_at=row.published_at,
        followers=row.followers,
        follower_events=row.follower_events,
    )


def _post(key: str, row: PostState) -> EngagementAggregate:
    newest = {} if row.newest is None else {row.platform: row.newest}
    return _aggregate(
        key, contribution(row), newest, _NOBODY, row.as_of, row.events, row.published_at,
        ("post", row.brand_id, row.campaign_id, row.content_id, row.platform),
        (row.account, row.post_key, row.placement_id),
        row.index or _NO_INDEX, row.activity, curve_of(row) if row.marks else NO_CURVE,
    )  # fmt: skip


def _total(key: str, row: TotalState) -> EngagementAggregate:
    followers = _followers(row.followers.values()) if row.followers else _NOBODY
    return _aggregate(
        key, row.sums, row.newest, followers, row.as_of, row.sums[sums.EVENTS] + row.follower_events, row.published_at,
        (row.scope, row.brand_id, row.campaign_id, row.content_id, row.platform), (None, None, None),
        _NO_INDEX, row.activity, row.curve,
    )  # fmt: skip


def _aggregate(
    key: str, of: Sums, newest: dict[str, datetime], followers: MetricTotal, as_of: datetime, revision: int,
    published_at: datetime | None, parents: tuple[Scope, str, str | None, str | None, str],
    post: tuple[str | None, str | None, str | None], index: tuple[float | None, int | None, int],
    activity: dict[str, int], curve: Curve,
) -> EngagementAggregate:  # fmt: skip
    """By place and in one go: this is made for every row of every flush."""
    (
        posts, collected, covered, covered_comments, comments_total, engaged, engagement, rated, rated_views, replies,
        _, late, *metrics,
    ) = of  # fmt: skip
    scope, brand_id, campaign_id, content_id, platform = parents
    account, post_key, placement_id = post
    account_index, index_age_h, index_sample = index
    if len(newest) == 1:
        ((one, at),) = newest.items()
        freshness = {one: (as_of - at).total_seconds()}
    else:
        newest = dict(sorted(newest.items()))
        freshness = {one: (as_of - at).total_seconds() for one, at in newest.items()}
    return EngagementAggregate(
        f"{key}@{revision}", 1, as_of, as_of, brand_id, key,
        key, scope, campaign_id, content_id, platform, account, post_key, placement_id,
        posts, _totals(metrics, followers), collected,
        comments_total if covered else None,
        _coverage(covered_comments, comments_total) if covered else None,
        replies, newest, freshness,
        engagement if engaged else None,
        rated / rated_views if rated_views else None,
        RATE_FORMULA, revision, as_of, published_at,
        rates.maturity(published_at, as_of), rates.stale_after(published_at, newest), late,
        _per_1000(engagement, followers) if engaged else None,
        account_index, index_age_h, index_sample,
        dict(sorted(activity.items())) if len(activity) > 1 else activity,
        _curve(curve) if curve else [],
        FORMULAS_VERSION,
    )  # fmt: skip


def _totals(metrics: list[int], followers: MetricTotal) -> Totals:
    """metrics: the last places of the sums: values, known and lacking of the eight metrics."""
    a, b, c, d, e, f, g, h = [
        (MetricTotal(value, known, _count(lacking) if lacking else 0, None) if known else _unknown(lacking))
        for value, known, lacking in zip(metrics[:8], metrics[8:16], metrics[16:], strict=True)
    ]
    return Totals(a, b, c, d, e, f, g, h, followers)


def _count(lacking: int) -> int:
    return (lacking & _LOW) + (lacking >> 20 & _LOW) + (lacking >> 40)


@lru_cache(maxsize=1_024)
def _unknown(lacking: int) -> MetricTotal:
    unsupported, not_yet, failed = lacking & _LOW, lacking >> 20 & _LOW, lacking >> 40
    reason = _reason(unsupported, not_yet, failed)
    return MetricTotal(None, 0, unsupported + not_yet + failed, reason)


def _reason(unsupported: int, not_yet: int, failed: int) -> Absence:
    """Why no post has a value: what may yet come or went wrong is said before what will never be."""
    if failed:
        return "failed"
    return "unsupported" if unsupported and not not_yet else "not_yet"


def _followers(accounts: Iterable[FollowersState]) -> MetricTotal:
    states = list(accounts)
    known = [state.value for state in states if state.value is not None]
    if known:
        return MetricTotal(sum(known), len(known), len(states) - len(known), None)
    reasons = [state.reason for state in states]
    reason = _reason(reasons.count("unsupported"), reasons.count("not_yet"), reasons.count("failed"))
    return MetricTotal(None, 0, len(states), reason)


_NOBODY = _followers(())


def _per_1000(engagement: int, followers: MetricTotal) -> float | None:
    """Only where every account has a number: else engagement of one would be held against followers of another."""
    if not followers.value or followers.unknown:
        return None
    return engagement / followers.value * 1000


def _curve(curve: Curve) -> list[CurvePoint]:
    return [
        CurvePoint(age, posts, views if viewed else None, engagement if engaged else None)
        for age, (posts, views, viewed, engagement, engaged) in sorted(curve.items())
    ]


def _coverage(collected: int, total: int) -> float:
    """Nothing to collect is full coverage; a total that lags behind what is in hand is no more than full either."""
    return min(1.0, collected / total) if total else 1.0
