"""What is published, as the contract's types without what costs time: filled by place, in the contract's order.

Made only by `output.py` and `window_output.py`; readers take the contract's own types. A test holds fields, order and
tags of both together. Pure.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from schemas.aggregate import Maturity, Scope
from schemas.feedback import Absence, Metric
from schemas.window import WindowSize

Level = int | None


class MetricTotal(Struct, gc=False):
    """One metric over the posts of a row."""

    value: Level
    known: int
    unknown: int
    reason: Absence | None


class Totals(Struct, gc=False):
    """All canonical metrics."""

    views: MetricTotal
    likes: MetricTotal
    comments: MetricTotal
    shares: MetricTotal
    saves: MetricTotal
    follows: MetricTotal
    clicks: MetricTotal
    conversions: MetricTotal
    followers: MetricTotal


class CurvePoint(Struct, gc=False):
    """Figures at one age."""

    age_h: int
    posts: int
    views: Level
    engagement: Level


class _Row(Struct, gc=False, tag_field="type"):
    """What each published row begins with."""

    event_id: str
    schema_version: int
    occurred_at: datetime
    observed_at: datetime
    brand_id: str
    trace_id: str
    key: str


class EngagementAggregate(_Row, gc=False, tag="EngagementAggregate"):
    """The newest figures of one row."""

    scope: Scope
    campaign_id: str | None
    content_id: str | None
    platform: str
    account: str | None
    post_key: str | None
    placement_id: str | None
    posts: int
    totals: Totals
    comments_collected: int
    comments_total: Level
    coverage: float | None
    replies: int
    newest_observation: dict[str, datetime]
    freshness_s: dict[str, float]
    engagement: Level
    engagement_rate: float | None
    rate_formula: str
    revision: int
    as_of: datetime
    published_at: datetime | None
    maturity: Maturity
    stale_after: dict[str, datetime]
    late: int
    engagement_per_1000_followers: float | None
    account_index: float | None
    account_index_age_h: int | None
    account_index_sample: int
    activity: dict[str, int]
    curve: list[CurvePoint]
    formulas_version: int


class Window(Struct, gc=False):
    """Growth within one window."""

    size: WindowSize
    start: datetime
    views: Level
    likes: Level
    comments: Level
    shares: Level
    saves: Level
    follows: Level
    clicks: Level
    conversions: Level
    comments_collected: int
    replies: int
    readings: int
    partial: dict[Metric, int]
    restated: int


class EngagementWindows(_Row, gc=False, tag="EngagementWindows"):
    """All windows of one row in one hour, or of one day."""

    aggregate_key: str
    scope: str
    campaign_id: str
    content_id: str | None
    platform: str
    account: str | None
    post_key: str | None
    start: datetime
    windows: list[Window]
    missing: dict[Metric, Absence]
    revision: int
    as_of: datetime
    wait_s: int
