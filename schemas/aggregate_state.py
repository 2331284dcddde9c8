"""Rows of the aggregator's own table, as they stand on its changelog: what the figures are computed from.

Internal to the aggregator. They outlive upgrades, so fields are only added with defaults; anything else needs a new
table name, and the rows are folded anew from the feedback.
"""

from __future__ import annotations

from msgspec import Struct

from schemas.aggregate import FollowersState, Scope, Sums
from schemas.envelope import Count, Identifier, Instant, Platform
from schemas.feedback import Absence, Metric


class MetricState(Struct, kw_only=True, omit_defaults=True):
    """The newest value of one metric of one post and the newest reason for having none, each with its sequence."""

    value: Count | None = None
    sequence: Count = 0
    reason: Absence | None = None
    reason_sequence: Count = 0


class PostState(Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="PostState"):
    """All that is known of one post. newest: last observation that brought something; events: that changed it."""

    brand_id: Identifier
    campaign_id: Identifier
    content_id: Identifier
    placement_id: Identifier
    platform: Platform
    account: Identifier
    post_key: str
    as_of: Instant
    newest: Instant | None = None
    metrics: dict[Metric, MetricState] = {}
    comments: int = 0
    comments_total: Count | None = None
    comments_total_sequence: Count = 0
    replies: int = 0
    events: int = 0


class ItemState(Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="ItemState"):
    """One comment or reply: the highest version seen, and whether it is gone."""

    version: int
    deleted: bool = False


class TotalState(Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="TotalState"):
    """Content, campaign on a platform, campaign or brand: sums over its posts, followers by `<platform>:<account>`."""

    scope: Scope
    brand_id: Identifier
    campaign_id: Identifier | None = None
    content_id: Identifier | None = None
    platform: Platform
    as_of: Instant
    sums: Sums
    newest: dict[Platform, Instant] = {}
    followers: dict[str, FollowersState] = {}
    follower_events: int = 0


class CampaignShare(Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="CampaignShare"):
    """What one campaign contributes to its brand at present."""

    revision: Count
    sums: Sums
    follower_events: int = 0


class TablePosition(Struct, frozen=True, kw_only=True, tag_field="type", tag="TablePosition"):
    """Last row of every flush: which offsets of the source topics the rows before it contain.

    lineage: made when the changelog partition was begun, so that a local copy of another changelog is recognised.
    """

    lineage: str
    next_offsets: dict[str, Count]


TableRow = PostState | ItemState | TotalState | CampaignShare | TablePosition
