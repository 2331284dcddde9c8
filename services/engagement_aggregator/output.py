"""From the row of a brand to what is published. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from schemas.aggregate import FORMULAS_VERSION, RATE_FORMULA, FollowersState, Scope
from schemas.aggregate_state import TotalState
from schemas.feedback import Absence
from services.engagement_aggregator import rates, sums
from services.engagement_aggregator.sums import Curve, Sums
from services.engagement_aggregator.windows import MISSING
from services.engagement_aggregator.wire_out import CurvePoint, EngagementAggregate, MetricTotal, Totals

_LOW = MISSING[2] - 1  # a count of one reason
NO_INDEX: tuple[float | None, int | None, int] = (None, None, 0)


def published(key: str, row: TotalState) -> EngagementAggregate:
    """The published form of the row of a brand; C writes those of posts, contents and campaigns."""
    followers = followers_total(row.followers.values())
    return aggregate(
        key, row.sums, row.newest, followers, row.as_of, row.sums[sums.EVENTS] + row.follower_events, row.published_at,
        (row.scope, row.brand_id, row.campaign_id, row.content_id, row.platform), (None, None, None),
        NO_INDEX, row.activity, row.curve,
    )  # fmt: skip


def aggregate(
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


def followers_total(accounts: Iterable[FollowersState]) -> MetricTotal:
    states = list(accounts)
    known = [state.value for state in states if state.value is not None]
    if known:
        return MetricTotal(sum(known), len(known), len(states) - len(known), None)
    reasons = [state.reason for state in states]
    reason = _reason(reasons.count("unsupported"), reasons.count("not_yet"), reasons.count("failed"))
    return MetricTotal(None, 0, len(states), reason)


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
