"""From a row of windows to what is published. Pure."""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby

from schemas.aggregate_state import Day, PostHour, TotalHour, WindowRow
from schemas.feedback import METRICS, Absence, Metric
from schemas.window import WAIT_S, WindowSize
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
from services.engagement_aggregator.wire_out import EngagementWindows, Window

_SIZES: tuple[WindowSize, ...] = ("1m", "5m", "1h", "1d")
_KINDS = range(len(METRICS))
Level = int | None
Figures = tuple[
    Level, Level, Level, Level, Level, Level, Level, Level, int, int, int, dict[Metric, int]
]  # eight metrics, comments, replies, readings, partial
_ALL: dict[Metric, int] = {}  # what is partial where every reading had everything


def published_windows(key: str, row: WindowRow) -> EngagementWindows:
    """All windows of one row in one hour, or its window of one day."""
    name = keys.published(key)
    aggregate_key = name.rpartition("@")[0]
    scope, brand_id, campaign_id, content_id, platform, account, post_key = row.owner
    if isinstance(row, Day):
        minute, total = moments.day_start(row.day), row.sums
        windows, missing = [_window(3, minute, total, _figures(total))], _missing([total], total)
    else:
        minute = row.hour * 60
        windows, missing = _of_post_hour(row, minute) if isinstance(row, PostHour) else _of_hour(row, minute)
    as_of, revision = row.as_of, row.revision
    return EngagementWindows(
        f"{name}@{revision}", 1, as_of, as_of, brand_id or "", aggregate_key,
        name, aggregate_key, scope or "", campaign_id or "", content_id, platform or "", account, post_key,
        moments.instant(minute), windows, missing, revision, as_of, WAIT_S,
    )  # fmt: skip


def _of_post_hour(row: PostHour, start: int) -> tuple[list[Window], dict[Metric, Absence]]:
    if len(row.minutes) != 1:
        return _in_all(start, [(start + place.minute, vector(place)) for place in row.minutes])
    # One minute is all of its five minutes and of its hour, and of one post nothing is partial.
    (place,) = row.minutes
    minute, values, restated = start + place.minute, place.values, place.restated
    growth = [
        None if value is None else value - old if old else value
        for value, old in zip(values, place.before, strict=True)
    ]
    lacking = [why if value is None else 0 for value, why in zip(values, place.reasons, strict=True)]
    read = int(any(place.sequences) or any(place.reasons))
    views, likes, comments, shares, saves, follows, clicks, conversions = growth
    windows = [
        Window(
            _SIZES[size], moments.instant(begins),
            views, likes, comments, shares, saves, follows, clicks, conversions,
            place.comments, place.replies, read, _ALL, restated[size],
        )
        for size, begins in enumerate((minute, minute - minute % 5, start))
    ]  # fmt: skip
    return windows, _named(tuple(lacking))


def _of_hour(row: TotalHour, start: int) -> tuple[list[Window], dict[Metric, Absence]]:
    return _in_all(start, [(start + minute, brought) for minute, brought in sorted(row.minutes.items())])


def _in_all(start: int, minutes: list[tuple[int, list[int]]]) -> tuple[list[Window], dict[Metric, Absence]]:
    """The windows by size and start, and why metrics are missing in some of them."""
    single = [(minute, brought, _figures(brought)) for minute, brought in minutes]
    fives = [(five * 5, *_together(list(group))) for five, group in groupby(single, key=lambda one: one[0] // 5)]
    total, figures = _together(fives)
    windows = [_window(0, *one) for one in single]
    windows += [_window(1, *one) for one in fives]
    # A metric that no minute lacks is lacked by no longer window either.
    return [*windows, _window(2, start, total, figures)], _missing([brought for _, brought in minutes], total)


def _together(parts: list[tuple[int, list[int], Figures]]) -> tuple[list[int], Figures]:
    """The sum of the parts of a longer window; most often there is one."""
    if len(parts) == 1:
        return parts[0][1:]
    total = _sum([brought for _, brought, _ in parts])
    return total, _figures(total)


def _window(size: int, minute: int, brought: list[int], figures: Figures) -> Window:
    return Window(_SIZES[size], moments.instant(minute), *figures, brought[RESTATED + size])


def _figures(brought: list[int]) -> Figures:
    """What a window says, as far as it does not depend on its length."""
    read, known = brought[READINGS], brought[KNOWN:LACKING]
    growth: list[int | None] = list(brought[:KNOWN])
    partial: dict[Metric, int] = _ALL
    if 0 in known:
        growth = [value if had else None for value, had in zip(growth, known, strict=True)]
    if read > 1 and (known.count(read) + known.count(0)) < len(known):
        partial = {METRICS[metric]: known[metric] for metric in _KINDS if 0 < known[metric] < read}
    views, likes, comments, shares, saves, follows, clicks, conversions = growth
    return (
        views, likes, comments, shares, saves, follows, clicks, conversions,
        brought[COMMENTS], brought[REPLIES], read, partial,
    )  # fmt: skip


def _missing(vectors: list[list[int]], total: list[int]) -> dict[Metric, Absence]:
    """Why a metric that some window has not is missing; what went wrong is said first."""
    found: dict[Metric, Absence] = {}
    for metric, lacking in enumerate(total[LACKING:COMMENTS]):
        if lacking:
            known = KNOWN + metric
            for brought in vectors:
                if not brought[known]:
                    found[METRICS[metric]] = _why(lacking)
                    break
    return found


@lru_cache(maxsize=4_096)
def _why(lacking: int) -> Absence:
    failed, not_yet = lacking >= MISSING[3], lacking & (MISSING[3] - 1) >= MISSING[2]
    return "failed" if failed else "not_yet" if not_yet else "unsupported"


@lru_cache(maxsize=4_096)
def _named(lacking: tuple[int, ...]) -> dict[Metric, Absence]:
    """Why metrics are missing, by the codes of `MISSING`; nobody may change what this answers."""
    return {METRICS[metric]: _why(MISSING[code]) for metric, code in enumerate(lacking) if code}


def _sum(vectors: list[list[int]]) -> list[int]:
    if len(vectors) == 1:
        return vectors[0]
    total = ZERO
    for one in vectors:
        total = added(total, one)
    return total
