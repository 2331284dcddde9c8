"""From a row of the table to what is published, and to the campaign totals of the brand stage. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from schemas.aggregate import CampaignTotals, CurvePoint, EngagementAggregate, FollowersState, MetricTotal, Totals
from schemas.aggregate_state import Day, PostHour, PostState, TableRow, TotalHour, TotalState
from schemas.feedback import Absence
from schemas.window import EngagementWindows
from services.engagement_aggregator import rates, sums
from services.engagement_aggregator.sums import contribution, curve_of
from services.engagement_aggregator.window_output import published_windows
from services.engagement_aggregator.windows import MISSING

_WINDOWS = frozenset((PostHour, TotalHour, Day))
_LOW = MISSING[2] - 1  # a count of one reason


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
    index, age, sample = row.index or (None, None, 0)
    return _aggregate(
        key,
        contribution(row),
        {} if row.newest is None else {row.platform: row.newest},
        (),
        row.as_of,
        row.events,
        row.published_at,
        scope="post",
        brand_id=row.brand_id,
        campaign_id=row.campaign_id,
        content_id=row.content_id,
        platform=row.platform,
        account=row.account,
        post_key=row.post_key,
        placement_id=row.placement_id,
        account_index=index,
        account_index_age_h=age,
        account_index_sample=sample,
        activity=dict(sorted(row.activity.items())),
        curve=_curve(curve_of(row)),
    )


def _total(key: str, row: TotalState) -> EngagementAggregate:
    return _aggregate(
        key,
        row.sums,
        row.newest,
        row.followers.values(),
        row.as_of,
        row.sums[sums.EVENTS] + row.follower_events,
        row.published_at,
        scope=row.scope,
        brand_id=row.brand_id,
        campaign_id=row.campaign_id,
        content_id=row.content_id,
        platform=row.platform,
        activity=dict(sorted(row.activity.items())),
        curve=_curve(row.curve),
    )


def _aggregate(
    key: str,
    of: list[int],
    newest: dict[str, datetime],
    accounts: Iterable[FollowersState],
    as_of: datetime,
    revision: int,
    published_at: datetime | None,
    **more: object,
) -> EngagementAggregate:
    covered = of[sums.COVERED_POSTS] > 0
    if len(newest) > 1:
        newest = dict(sorted(newest.items()))
    followers = _followers(accounts)
    engagement = of[sums.ENGAGEMENT] if of[sums.ENGAGED_POSTS] else None
    return EngagementAggregate(
        **more,  # type: ignore[arg-type]  # the two callers above name the fields
        event_id=f"{key}@{revision}",
        occurred_at=as_of,
        observed_at=as_of,
        trace_id=key,
        key=key,
        posts=of[sums.POSTS],
        totals=Totals(
            views=_metric(of, 0),
            likes=_metric(of, 1),
            comments=_metric(of, 2),
            shares=_metric(of, 3),
            saves=_metric(of, 4),
            follows=_metric(of, 5),
            clicks=_metric(of, 6),
            conversions=_metric(of, 7),
            followers=followers,
        ),
        comments_collected=of[sums.COLLECTED],
        comments_total=of[sums.COMMENTS_TOTAL] if covered else None,
        coverage=_coverage(of[sums.COVERED_COMMENTS], of[sums.COMMENTS_TOTAL]) if covered else None,
        replies=of[sums.REPLIES],
        newest_observation=newest,
        freshness_s={platform: (as_of - at).total_seconds() for platform, at in newest.items()},
        engagement=engagement,
        engagement_rate=of[sums.RATED_ENGAGEMENT] / of[sums.RATED_VIEWS] if of[sums.RATED_VIEWS] else None,
        revision=revision,
        as_of=as_of,
        published_at=published_at,
        maturity=rates.maturity(published_at, as_of),
        stale_after=rates.stale_after(published_at, newest),
        late=of[sums.LATE],
        engagement_per_1000_followers=_per_1000(engagement, followers),
    )


def _metric(of: list[int], metric: int) -> MetricTotal:
    known, lacking = of[sums.KNOWN + metric], of[sums.LACKING + metric]
    if not known:
        return _unknown(lacking)
    unknown = (lacking & _LOW) + (lacking >> 20 & _LOW) + (lacking >> 40) if lacking else 0
    return MetricTotal(value=of[sums.VALUES + metric], known=known, unknown=unknown)


@lru_cache(maxsize=1_024)
def _unknown(lacking: int) -> MetricTotal:
    unsupported, not_yet, failed = lacking & _LOW, lacking >> 20 & _LOW, lacking >> 40
    reason = _reason(unsupported, not_yet, failed)
    return MetricTotal(value=None, known=0, unknown=unsupported + not_yet + failed, reason=reason)


def _reason(unsupported: int, not_yet: int, failed: int) -> Absence:
    """Why no post has a value: what may yet come or went wrong is said before what will never be."""
    if failed:
        return "failed"
    return "unsupported" if unsupported and not not_yet else "not_yet"


def _followers(accounts: Iterable[FollowersState]) -> MetricTotal:
    states = list(accounts)
    known = [state.value for state in states if state.value is not None]
    if known:
        return MetricTotal(value=sum(known), known=len(known), unknown=len(states) - len(known))
    reasons = [state.reason for state in states]
    reason = _reason(reasons.count("unsupported"), reasons.count("not_yet"), reasons.count("failed"))
    return MetricTotal(value=None, known=0, unknown=len(states), reason=reason)


def _per_1000(engagement: int | None, followers: MetricTotal) -> float | None:
    """Only where every account has a number: else engagement of one would be held against followers of another."""
    if engagement is None or not followers.value or followers.unknown:
        return None
    return engagement / followers.value * 1000


def _curve(curve: dict[int, list[int]]) -> list[CurvePoint]:
    return [
        CurvePoint(age_h=age, posts=posts, views=views if viewed else None, engagement=engagement if engaged else None)
        for age, (posts, views, viewed, engagement, engaged) in sorted(curve.items())
    ]


def _coverage(collected: int, total: int) -> float:
    """Nothing to collect is full coverage; a total that lags behind what is in hand is no more than full either."""
    return min(1.0, collected / total) if total else 1.0
