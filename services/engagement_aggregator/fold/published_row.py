"""From the row of a brand to what is published; C writes those of posts, contents and campaigns. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from schemas.events.aggregate import (
    RATE_FORMULA,
    CurvePoint,
    EngagementAggregate,
    FollowersState,
    MetricTotal,
    Scope,
    Totals,
)
from schemas.events.feedback import METRICS, Absence
from schemas.internal.aggregate_state import TotalState
from services.engagement_aggregator.fold import rates
from services.engagement_aggregator.fold.windows import MISSING
from services.engagement_aggregator.rows import sums
from services.engagement_aggregator.rows.sums import Curve, Sums

_LOW = MISSING[2] - 1  # a count of one reason


class Names(NamedTuple):
    """Whose row it is; what a row does not have is null."""

    scope: Scope
    brand_id: str
    campaign_id: str | None
    content_id: str | None
    platform: str
    account: str | None = None
    post_key: str | None = None
    placement_id: str | None = None


class Figures(NamedTuple):
    """What its published row is made from. against_account: account_index, its age and its sample."""

    sums: Sums
    newest: dict[str, datetime]
    followers: Iterable[FollowersState]
    as_of: datetime
    revision: int
    published_at: datetime | None
    activity: dict[str, int]
    curve: Curve
    against_account: tuple[float | None, int | None, int] | None = None


def published(key: str, row: TotalState) -> EngagementAggregate:
    """The published form of a row of sums."""
    names = Names(row.scope, row.brand_id, row.campaign_id, row.content_id, row.platform)
    revision = row.sums[sums.EVENTS] + row.follower_events
    followers = row.followers.values()
    figures = Figures(row.sums, row.newest, followers, row.as_of, revision, row.published_at, row.activity, row.curve)
    return aggregate(key, names, figures)


def aggregate(key: str, names: Names, of: Figures) -> EngagementAggregate:
    """A published row, field by field."""
    (
        posts, collected, covered, covered_comments, comments_total, engaged, engagement, rated, rated_views, replies,
        _, late, *metrics,
    ) = of.sums  # fmt: skip
    followers, newest = followers_total(of.followers), dict(sorted(of.newest.items()))
    account_index, index_age_h, index_sample = of.against_account or (None, None, 0)
    return EngagementAggregate(
        event_id=f"{key}@{of.revision}",
        occurred_at=of.as_of,
        observed_at=of.as_of,
        trace_id=key,
        key=key,
        **names._asdict(),
        posts=posts,
        totals=_totals(metrics, followers),
        comments_collected=collected,
        comments_total=comments_total if covered else None,
        coverage=_coverage(covered_comments, comments_total) if covered else None,
        replies=replies,
        newest_observation=newest,
        freshness_s={platform: (of.as_of - at).total_seconds() for platform, at in newest.items()},
        engagement=engagement if engaged else None,
        engagement_rate=rated / rated_views if rated_views else None,
        rate_formula=RATE_FORMULA,
        revision=of.revision,
        as_of=of.as_of,
        published_at=of.published_at,
        maturity=rates.maturity(of.published_at, of.as_of),
        stale_after=rates.stale_after(of.published_at, newest),
        late=late,
        engagement_per_1000_followers=_per_1000(engagement, followers) if engaged else None,
        account_index=account_index,
        account_index_age_h=index_age_h,
        account_index_sample=index_sample,
        activity=dict(sorted(of.activity.items())),
        curve=_curve(of.curve),
    )


def _totals(metrics: list[int], followers: MetricTotal) -> Totals:
    """metrics: the last places of the sums: values, known and lacking of the eight metrics."""
    totals = {
        metric: MetricTotal(value=value, known=known, unknown=_count(lacking)) if known else _unknown(lacking)
        for metric, value, known, lacking in zip(METRICS, metrics[:8], metrics[8:16], metrics[16:], strict=True)
    }
    return Totals(**totals, followers=followers)


def _count(lacking: int) -> int:
    return (lacking & _LOW) + (lacking >> 20 & _LOW) + (lacking >> 40)


def _unknown(lacking: int) -> MetricTotal:
    unsupported, not_yet, failed = lacking & _LOW, lacking >> 20 & _LOW, lacking >> 40
    reason = _reason(unsupported, not_yet, failed)
    return MetricTotal(value=None, known=0, unknown=unsupported + not_yet + failed, reason=reason)


def _reason(unsupported: int, not_yet: int, failed: int) -> Absence:
    """Why no post has a value: what may yet come or went wrong is said before what will never be."""
    if failed:
        return "failed"
    return "unsupported" if unsupported and not not_yet else "not_yet"


def followers_total(accounts: Iterable[FollowersState]) -> MetricTotal:
    states = list(accounts)
    known = [state.value for state in states if state.value is not None]
    if known:
        return MetricTotal(value=sum(known), known=len(known), unknown=len(states) - len(known))
    reasons = [state.reason for state in states]
    reason = _reason(reasons.count("unsupported"), reasons.count("not_yet"), reasons.count("failed"))
    return MetricTotal(value=None, known=0, unknown=len(states), reason=reason)


def _per_1000(engagement: int, followers: MetricTotal) -> float | None:
    """Only where every account has a number: else engagement of one would be held against followers of another."""
    if not followers.value or followers.unknown:
        return None
    return engagement / followers.value * 1000


def _curve(curve: Curve) -> list[CurvePoint]:
    return [
        CurvePoint(age_h=age, posts=posts, views=views if viewed else None, engagement=engagement if engaged else None)
        for age, (posts, views, viewed, engagement, engaged) in sorted(curve.items())
    ]


def _coverage(collected: int, total: int) -> float:
    """Nothing to collect is full coverage; a total that lags behind what is in hand is no more than full either."""
    return min(1.0, collected / total) if total else 1.0
