"""Rows of the aggregator's table, as they stand on its changelog and on local disk, written as arrays to be small.

Not a contract: only the aggregator reads them. Where they change, the table gets another name and all rows are folded
anew from the feedback.
"""

from __future__ import annotations

from msgspec import Struct

from schemas.events.aggregate import FollowersState, Ratio, Scope
from schemas.events.envelope import Count, Identifier, Instant, Platform


class PostState(Struct, array_like=True, tag="post"):
    """All that is known of one post. The lists have one place per metric, in the order of `METRICS`.

    values and sequences: newest value, and the snapshot it is from, 0 = none. reasons (0 none, 1 unsupported, 2 not
    yet, 3 failed) and reason_sequences: newest reason for having none. newest: last observation that brought
    something. minute: of the newest snapshot in its windows. marks: by age in hours, the sequences and the
    values as they stood then. index: account_index, its age and its sample.
    """

    brand_id: Identifier
    campaign_id: Identifier
    content_id: Identifier
    placement_id: Identifier
    platform: Platform
    account: Identifier
    post_key: str
    as_of: Instant
    values: list[int | None]
    sequences: list[int]
    reasons: list[int]
    reason_sequences: list[int]
    newest: Instant | None = None
    published_at: Instant | None = None
    comments: int = 0
    comments_total: Count | None = None
    comments_total_sequence: Count = 0
    replies: int = 0
    events: int = 0
    late: int = 0
    minute: int | None = None
    activity: dict[str, int] = {}
    marks: dict[int, tuple[list[int], list[int | None]]] = {}
    index: tuple[Ratio, int, int] | None = None


class ItemState(Struct, frozen=True, array_like=True, tag="item", gc=False):
    """One comment or reply: the highest version seen, whether it is gone, and the minute it is counted in."""

    version: int
    deleted: bool
    minute: int


class TotalState(Struct, array_like=True, tag="total"):
    """Content, campaign on a platform, campaign or brand: sums over its posts, followers by `<platform>:<account>`.

    published_at: of the newest post.
    """

    scope: Scope
    brand_id: Identifier
    campaign_id: Identifier | None
    content_id: Identifier | None
    platform: Platform
    as_of: Instant
    sums: list[int]
    activity: dict[str, int] = {}
    curve: dict[int, list[int]] = {}
    newest: dict[Platform, Instant] = {}
    published_at: Instant | None = None
    followers: dict[str, FollowersState] = {}
    follower_events: int = 0


class Minute(Struct, array_like=True):
    """What one minute brought to one post. minute: of the hour. Lists as in PostState; before: values before it.

    restated: changes after the closing of its window of 1 min, 5 min, 1 h, 1 d.
    """

    minute: int
    values: list[int | None]
    sequences: list[int]
    reasons: list[int]
    before: list[int | None]
    comments: int
    replies: int
    restated: list[int]


class PostHour(Struct, array_like=True, tag="post_hour"):
    """The minutes of one post in one hour of the epoch, in order."""

    owner: tuple[str | None, ...]
    hour: int
    as_of: Instant
    minutes: list[Minute]
    revision: int = 0


class TotalHour(Struct, array_like=True, tag="total_hour"):
    """The minutes of content, campaign on a platform or campaign in one hour: sums by minute of the hour."""

    owner: tuple[str | None, ...]
    hour: int
    as_of: Instant
    minutes: dict[int, list[int]]
    revision: int = 0


class Day(Struct, array_like=True, tag="day"):
    """The sum of one day in Asia/Shanghai, of a post or of a parent. day: days since the epoch there."""

    owner: tuple[str | None, ...]
    day: int
    as_of: Instant
    sums: list[int]
    revision: int = 0


class AccountState(Struct, array_like=True, tag="account"):
    """An account's last posts in one campaign, oldest first: publication, post_key, engagement by age in hours."""

    posts: list[tuple[Instant, str, dict[int, int]]] = []


class CampaignShare(Struct, array_like=True, tag="share"):
    """What one campaign contributes to its brand at present."""

    revision: Count
    sums: list[int]
    activity: dict[str, int]
    curve: dict[int, list[int]]
    follower_events: int = 0


class Watermark(Struct, array_like=True, tag="watermark"):
    """The newest event time of the partition: it closes windows."""

    at: Instant


class TablePosition(Struct, frozen=True, array_like=True, tag="position"):
    """Last row of every flush: which offsets of the source topics the rows before it contain.

    lineage: made when the changelog partition was begun, so that a local copy of another changelog is recognised. owed:
    hours by post_key of which windows and parents are in the rows and not published yet; owed_rows: keys of parents.
    """

    lineage: str
    next_offsets: dict[str, Count]
    owed: dict[str, list[int]] = {}
    owed_rows: list[str] = []


WindowRow = PostHour | TotalHour | Day
TableRow = PostState | ItemState | TotalState | WindowRow | AccountState | CampaignShare | Watermark | TablePosition
