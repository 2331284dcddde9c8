"""From a row of windows to what is published. Pure."""

from __future__ import annotations

from itertools import groupby

from schemas.aggregate_state import Day, PostHour, TotalHour, WindowRow
from schemas.feedback import METRICS, Absence, Metric
from schemas.window import EngagementWindows, Window, WindowSize
from services.engagement_aggregator import keys, moments
from services.engagement_aggregator.sums import added
from services.engagement_aggregator.windows import (
    COMMENTS,
    KNOWN,
    LACKING,
    MISSING,
    READINGS,
    REPLIES,
    RESTATED,
    ZERO,
    vector,
)

_SIZES: tuple[WindowSize, ...] = ("1m", "5m", "1h", "1d")
_KINDS = range(len(METRICS))
_ALL: dict[Metric, int] = {}  # what is partial where every reading had everything


def published_windows(key: str, row: WindowRow) -> EngagementWindows:
    """All windows of one row in one hour, or its window of one day."""
    name = keys.published(key)
    aggregate_key = name.rpartition("@")[0]
    scope, brand_id, campaign_id, content_id, platform, account, post_key = row.owner
    if isinstance(row, Day):
        minute, total = moments.day_start(row.day), row.sums
        windows, missing = [_window(3, minute, total)], _missing([total], total)
    else:
        minute = row.hour * 60
        windows, missing = _of_hour(row)
    return EngagementWindows(
        event_id=f"{name}@{row.revision}",
        occurred_at=row.as_of,
        observed_at=row.as_of,
        brand_id=brand_id or "",
        trace_id=aggregate_key,
        key=name,
        aggregate_key=aggregate_key,
        scope=scope,  # type: ignore[arg-type]  # the row was made of one
        campaign_id=campaign_id or "",
        content_id=content_id,
        platform=platform or "",
        account=account,
        post_key=post_key,
        start=moments.instant(minute),
        windows=windows,
        missing=missing,
        revision=row.revision,
        as_of=row.as_of,
    )


def _of_hour(row: PostHour | TotalHour) -> tuple[list[Window], dict[Metric, Absence]]:
    """The windows by size and start, and why metrics are missing in some of them."""
    start = row.hour * 60
    if isinstance(row, PostHour):
        minutes = [(start + place.minute, vector(place)) for place in row.minutes]
    else:
        minutes = [(start + minute, brought) for minute, brought in sorted(row.minutes.items())]
    fives = [
        (five * 5, _sum([brought for _, brought in group]))
        for five, group in groupby(minutes, key=lambda one: one[0] // 5)
    ]
    total = _sum([brought for _, brought in fives])
    windows = [_window(0, minute, brought) for minute, brought in minutes]
    windows += [_window(1, minute, brought) for minute, brought in fives]
    # A metric that no minute lacks is lacked by no longer window either.
    return [*windows, _window(2, start, total)], _missing([brought for _, brought in minutes], total)


def _window(size: int, minute: int, brought: list[int]) -> Window:
    read, known = brought[READINGS], brought[KNOWN:LACKING]
    growth: list[int | None] = list(brought[:KNOWN])
    partial: dict[Metric, int] = _ALL
    if 0 in known:
        growth = [value if had else None for value, had in zip(growth, known, strict=True)]
    if read > 1 and (known.count(read) + known.count(0)) < len(known):
        partial = {METRICS[metric]: known[metric] for metric in _KINDS if 0 < known[metric] < read}
    views, likes, comments, shares, saves, follows, clicks, conversions = growth
    return Window(
        _SIZES[size],
        moments.instant(minute),
        views,
        likes,
        comments,
        shares,
        saves,
        follows,
        clicks,
        conversions,
        brought[COMMENTS],
        brought[REPLIES],
        read,
        partial,
        brought[RESTATED + size],
    )


def _missing(vectors: list[list[int]], total: list[int]) -> dict[Metric, Absence]:
    """Why a metric that some window has not is missing; what went wrong is said first."""
    found: dict[Metric, Absence] = {}
    for metric in _KINDS:
        lacking = total[LACKING + metric]
        if lacking and not all(brought[KNOWN + metric] for brought in vectors):
            failed, not_yet = lacking >= MISSING[3], lacking & (MISSING[3] - 1) >= MISSING[2]
            found[METRICS[metric]] = "failed" if failed else "not_yet" if not_yet else "unsupported"
    return found


def _sum(vectors: list[list[int]]) -> list[int]:
    if len(vectors) == 1:
        return vectors[0]
    total = ZERO
    for one in vectors:
        total = added(total, one)
    return total
