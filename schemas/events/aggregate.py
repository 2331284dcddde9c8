"""Aggregates: what BI reads (`EngagementAggregate`), and the campaign totals that brand rows are made from.

Figures are facts of event time: equal input gives equal rows, and no wall clock enters. A missing number is never 0.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.events.envelope import Count, Event, Fact, Identifier, Instant, Platform
from schemas.events.feedback import Absence

Scope = Literal["post", "content", "campaign_platform", "campaign", "brand"]
RATE_FORMULA = "engagement_per_view/1"
FORMULAS_VERSION = 1
Maturity = Literal["provisional", "settling", "final", "unknown"]
Ratio = Annotated[float, Meta(ge=0)]
HourOfWeek = Annotated[str, Meta(pattern=r"^[1-7]-([01]\d|2[0-3])$", description="weekday-hour, 1 = Monday")]


class MetricTotal(Struct, frozen=True, kw_only=True):
    """One metric over the posts of a row.

    value: sum over the posts that have one, null when none has. known and unknown: number of posts with and without.
    reason: set exactly when value is null; `failed` before `not_yet` before `unsupported` where posts differ.
    """

    value: Count | None
    known: Count
    unknown: Count
    reason: Absence | None = None


class Totals(Struct, frozen=True, kw_only=True):
    """All canonical metrics; followers counts each account of the row once, known and unknown are accounts there."""

    views: MetricTotal
    likes: MetricTotal
    comments: MetricTotal
    shares: MetricTotal
    saves: MetricTotal
    follows: MetricTotal
    clicks: MetricTotal
    conversions: MetricTotal
    followers: MetricTotal


class CurvePoint(Struct, frozen=True, kw_only=True):
    """Figures at one age, so that posts of different days compare; hour 0 is the moment a post went live (age_curve/1).

    age_h: hours since then. posts: posts of the row that were read after this age. views, engagement: sums over them
    of the newest values (highest sequence) read up to that age, null where none was.
    """

    age_h: Count
    posts: Count
    views: Count | None
    engagement: Count | None


class EngagementAggregate(Fact, frozen=True, kw_only=True, tag="EngagementAggregate"):
    """The newest figures of one post, content, campaign on one platform, campaign, or brand.

    key: `post:<post_key>`, `content:<content_id>`, `campaign_platform:<campaign_id>:<platform>`,
    `campaign:<campaign_id>`, `brand:<brand_id>`. platform: `all` where a row spans platforms. posts: number it covers.
    comments_collected: distinct comments in hand, edits once, deleted ones not. comments_total: the platforms' own
    numbers, null when none is known. coverage: collected ÷ total over the posts whose total is known, at most 1.
    newest_observation: per platform, when it last gave a number, a comment or a reply; freshness_s: its age at as_of,
    in seconds. engagement: likes + comments + shares + saves that are known, null when none is. engagement_rate:
    by `rate_formula` (engagement_per_view/1: engagement ÷ views over the posts of which both are known, null without
    views). revision: grows with every event that changed the row. as_of: observed_at of the newest event in it.
    published_at: when the post went live, of other rows the newest of their posts; null while nobody told.
    maturity: how final the figures can be, by as_of - published_at: provisional under 7 days, settling under 30, final
    after that; unknown without published_at (maturity_by_age/1). stale_after: per platform, the instant from which the
    figures are old because nothing new was seen when it should have been; a reader past it shows them grey
    (twice_the_cadence/1). late: records that came too late to change a window; the totals have them.
    engagement_per_1000_followers: engagement ÷ followers × 1000, null unless every account of the row told a number,
    and on rows without followers (engagement_per_1000_followers/1). account_index: engagement of this post ÷ median of
    the account's last 20 posts in the campaign, all at the age account_index_age_h, 1.0 = normal for this account; null
    below 3 others to compare with and for older posts; account_index_sample: those compared with (account_index/1;
    post rows only). activity:
    comments that count, by weekday and hour of writing in Asia/Shanghai, `1-00` = Monday midnight to `7-23`, hours
    without any are left out (activity_by_hour/1). curve: figures by age, of ages that were reached (age_curve/1).
    formulas_version: of all formulas named here together, 1 = the versions above.
    """

    key: str
    scope: Scope
    campaign_id: Identifier | None = None
    content_id: Identifier | None = None
    platform: Platform
    account: Identifier | None = None
    post_key: str | None = None
    placement_id: Identifier | None = None
    posts: Count
    totals: Totals
    comments_collected: Count
    comments_total: Count | None = None
    coverage: Ratio | None = None
    replies: Count
    newest_observation: dict[Platform, Instant]
    freshness_s: dict[Platform, Ratio]
    engagement: Count | None = None
    engagement_rate: Ratio | None = None
    rate_formula: str = RATE_FORMULA
    revision: Count
    as_of: Instant
    published_at: Instant | None = None
    maturity: Maturity = "unknown"
    stale_after: dict[Platform, Instant] = {}
    late: Count = 0
    engagement_per_1000_followers: Ratio | None = None
    account_index: Ratio | None = None
    account_index_age_h: Count | None = None
    account_index_sample: Count = 0
    activity: dict[HourOfWeek, Count] = {}
    curve: list[CurvePoint] = []
    formulas_version: int = FORMULAS_VERSION


class FollowersState(Struct, kw_only=True, omit_defaults=True):
    """Followers of one account: the newest value, and the newest reason for having none."""

    value: Count | None = None
    value_at: Instant | None = None
    reason: Absence | None = None
    reason_at: Instant | None = None


class CampaignTotals(Event, frozen=True, kw_only=True, tag="CampaignTotals"):
    """The absolute sums of one campaign, from the partition it lives in to the partition of its brand.

    A higher revision supersedes a lower one. sums: by place, as the aggregator keeps them. curve: such by age.
    followers: by `<platform>:<account>`.
    """

    revision: Count
    sums: list[int]
    activity: dict[str, int] = {}
    curve: dict[int, list[int]] = {}
    newest_observation: dict[Platform, Instant] = {}
    published_at: Instant | None = None
    followers: dict[str, FollowersState] = {}
    follower_events: Count = 0
