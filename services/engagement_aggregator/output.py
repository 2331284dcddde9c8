"""From a row of the table to what is published, and to the campaign totals of the brand stage. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from schemas.aggregate import (
    RATE_FORMULA,
    CampaignTotals,
    EngagementAggregate,
    FollowersState,
    MetricSum,
    MetricTotal,
    Sums,
    Totals,
)
from schemas.aggregate_state import PostState, TableRow, TotalState
from schemas.feedback import METRICS, Absence
from services.engagement_aggregator.sums import contribution

_NONE = MetricSum()


def published(key: str, row: TableRow) -> EngagementAggregate | None:
    """The published form of a row; None for rows that are the aggregator's own."""
    if isinstance(row, PostState):
        return _post(key, row)
    if isinstance(row, TotalState):
        return _total(key, row)
    return None


def campaign_totals(key: str, row: TableRow) -> CampaignTotals | None:
    """What a campaign row tells the brand stage; None for every other row."""
    if not isinstance(row, TotalState) or row.scope != "campaign" or row.campaign_id is None:
        return None
    revision = row.sums.events + row.follower_events
    return CampaignTotals(
        event_id=f"{key}@{revision}",
        occurred_at=row.as_of,
        observed_at=row.as_of,
        brand_id=row.brand_id,
        campaign_id=row.campaign_id,
        trace_id=key,
        revision=revision,
        sums=row.sums,
        newest_observation=row.newest,
        followers=row.followers,
        follower_events=row.follower_events,
    )


def _post(key: str, row: PostState) -> EngagementAggregate:
    newest = {} if row.newest is None else {row.platform: row.newest}
    return _aggregate(
        key,
        contribution(row),
        newest,
        (),
        row.as_of,
        row.events,
        {
            "scope": "post",
            "brand_id": row.brand_id,
            "campaign_id": row.campaign_id,
            "content_id": row.content_id,
            "platform": row.platform,
            "account": row.account,
            "post_key": row.post_key,
            "placement_id": row.placement_id,
        },
    )


def _total(key: str, row: TotalState) -> EngagementAggregate:
    ids = {
        "scope": row.scope,
        "brand_id": row.brand_id,
        "campaign_id": row.campaign_id,
        "content_id": row.content_id,
        "platform": row.platform,
    }
    revision = row.sums.events + row.follower_events
    return _aggregate(key, row.sums, row.newest, row.followers.values(), row.as_of, revision, ids)


def _aggregate(
    key: str,
    sums: Sums,
    newest: dict[str, datetime],
    followers: Iterable[FollowersState],
    as_of: datetime,
    revision: int,
    ids: dict[str, str | None],
) -> EngagementAggregate:
    covered = sums.covered_posts > 0
    return EngagementAggregate(
        **ids,  # type: ignore[arg-type]  # the two callers above name the fields
        event_id=f"{key}@{revision}",
        occurred_at=as_of,
        observed_at=as_of,
        trace_id=key,
        key=key,
        posts=sums.posts,
        totals=Totals(
            **{metric: _metric(sums.metrics.get(metric, _NONE)) for metric in METRICS}, followers=_followers(followers)
        ),
        comments_collected=sums.comments,
        comments_total=sums.comments_total if covered else None,
        coverage=_coverage(sums.covered_comments, sums.comments_total) if covered else None,
        replies=sums.replies,
        newest_observation=dict(sorted(newest.items())),
        freshness_s={platform: (as_of - at).total_seconds() for platform, at in sorted(newest.items())},
        engagement=sums.engagement if sums.engaged_posts else None,
        engagement_rate=sums.rated_engagement / sums.rated_views if sums.rated_views else None,
        rate_formula=RATE_FORMULA,
        revision=revision,
        as_of=as_of,
    )


def _metric(total: MetricSum) -> MetricTotal:
    unknown = total.unsupported + total.not_yet + total.failed
    if total.known:
        return MetricTotal(value=total.value, known=total.known, unknown=unknown)
    return MetricTotal(value=None, known=0, unknown=unknown, reason=_reason(total))


def _reason(total: MetricSum) -> Absence:
    """Why no post has a value: what may yet come or went wrong is said before what will never be."""
    if total.failed:
        return "failed"
    return "unsupported" if total.unsupported and not total.not_yet else "not_yet"


def _followers(accounts: Iterable[FollowersState]) -> MetricTotal:
    total = MetricSum()
    for account in accounts:
        if account.value is not None:
            total.value, total.known = total.value + account.value, total.known + 1
        else:
            reason = account.reason or "not_yet"
            setattr(total, reason, getattr(total, reason) + 1)
    return _metric(total)


def _coverage(collected: int, total: int) -> float:
    """Nothing to collect is full coverage; a total that lags behind what is in hand is no more than full either."""
    return min(1.0, collected / total) if total else 1.0
