"""Windows: what came in during one minute, five minutes, an hour and a day of event time, for BI.

A window holds growth, not levels: the windows of a row add up to its totals, but for what is counted as `late` there.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from schemas.events.aggregate import Scope
from schemas.events.envelope import Count, Fact, Identifier, Instant, Platform
from schemas.events.feedback import Absence, Metric

WindowSize = Literal["1m", "5m", "1h", "1d"]
WAIT_S = 600


class Window(Struct, frozen=True):
    """Growth within [start, start + size); days are those of Asia/Shanghai.

    views … conversions: newest value of the window - newest value before it, added up over posts; negative where a
    platform corrected its counter; the first value of a post counts from 0; null where no reading in the window had the
    metric, never 0. comments_collected: comments written in it that count, once per id. replies: posted in it.
    readings: minutes of posts that were read in it. partial: of them those that had the metric, named only where some
    had it and some had not. restated: changes that came after the window was closed, which is `wait_s` after its end
    by the newest event time of its partition; 0 = never restated.
    """

    size: WindowSize
    start: Instant
    views: int | None
    likes: int | None
    comments: int | None
    shares: int | None
    saves: int | None
    follows: int | None
    clicks: int | None
    conversions: int | None
    comments_collected: int
    replies: int
    readings: Count
    partial: dict[Metric, Count] = {}
    restated: Count = 0


class EngagementWindows(Fact, frozen=True, kw_only=True, tag="EngagementWindows"):
    """All windows of one aggregate row that begin in one hour (1m, 5m, 1h), or its window of one day (1d).

    key: `<aggregate_key>@<start>`, start as `2026-03-21T02Z` for an hour and `2026-03-21` for a day of Asia/Shanghai.
    aggregate_key: key of the row on `engagement-aggregate`; brand rows have no windows, add up those of their
    campaigns. windows: those in which something came in, by size and start. missing: why a metric that is null in a
    window is missing; `failed` before `not_yet` before `unsupported`. revision: grows with every change. as_of:
    observed_at of the newest event in it. wait_s: how long after its end a window is closed.
    """

    key: str
    aggregate_key: str
    scope: Scope
    campaign_id: Identifier
    content_id: Identifier | None = None
    platform: Platform
    account: Identifier | None = None
    post_key: str | None = None
    start: Instant
    windows: list[Window]
    missing: dict[Metric, Absence] = {}
    revision: Count
    as_of: Instant
    wait_s: Count = WAIT_S
