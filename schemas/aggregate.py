"""Aggregates: what BI reads (`EngagementAggregate`), and the campaign totals that brand rows are made from.

Figures are facts of event time: equal input gives equal rows, and no wall clock enters. A missing number is never 0.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.envelope import Count, Event, Fact, Identifier, Instant, Platform
from schemas.feedback import Absence, Metric

Scope = Literal["post", "content", "campaign_platform", "campaign", "brand"]
RATE_FORMULA = "engagement_per_view/1"
Ratio = Annotated[float, Meta(ge=0)]


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


class MetricSum(Struct, kw_only=True, omit_defaults=True):
    """A metric added up: the values, and how many posts have one or lack one for which reason."""

    value: int = 0
    known: int = 0
    unsupported: int = 0
    not_yet: int = 0
    failed: int = 0


class Sums(Struct, kw_only=True, omit_defaults=True):
    """Everything of a row that is a plain sum over its posts, so that a parent moves by the difference of two.

    covered: of the posts whose platform tells a comment total. rated: of the posts with known views and engagement.
    events: those that changed a post.
    """

    posts: int = 0
    metrics: dict[Metric, MetricSum] = {}
    comments: int = 0
    covered_posts: int = 0
    covered_comments: int = 0
    comments_total: int = 0
    engaged_posts: int = 0
    engagement: int = 0
    rated_engagement: int = 0
    rated_views: int = 0
    replies: int = 0
    events: int = 0


class FollowersState(Struct, kw_only=True, omit_defaults=True):
    """Followers of one account: the newest value, and the newest reason for having none."""

    value: Count | None = None
    value_at: Instant | None = None
    reason: Absence | None = None
    reason_at: Instant | None = None


class CampaignTotals(Event, frozen=True, kw_only=True, tag="CampaignTotals"):
    """The absolute sums of one campaign, from the partition it lives in to the partition of its brand.

    A higher revision supersedes a lower one. followers: by `<platform>:<account>`.
    """

    revision: Count
    sums: Sums
    newest_observation: dict[Platform, Instant] = {}
    followers: dict[str, FollowersState] = {}
    follower_events: Count = 0
