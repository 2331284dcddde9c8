"""From a row of windows of the table to what is published, in Python."""

from __future__ import annotations

from functools import lru_cache

from schemas.events.feedback import METRICS, Absence, Metric
from schemas.events.window import WAIT_S, EngagementWindows, Window, WindowSize
from schemas.internal.aggregate_state import Day, Minute, PostHour, TotalHour, WindowRow
from services.engagement_aggregator.fold.windows import (
    COMMENTS,
    KNOWN,
    LACKING,
    MISSING,
    READINGS,
    REPLIES,
    RESTATED,
    ZERO,
    absent,
)
from services.engagement_aggregator.rows import event_time, keys
from services.engagement_aggregator.rows.sums import added

_SIZES: tuple[WindowSize, ...] = ("1m", "5m", "1h", "1d")
_KINDS = range(len(METRICS))
Level = int | None
Figures = tuple[
    Level, Level, Level, Level, Level, Level, Level, Level, int, int, int, dict[Metric, int]
]  # eight metrics, comments, replies, readings, partial
# Growth of the metrics, comments, replies, readings, partial, restated by size.
Brought = tuple[list[Level], int, int, int, dict[Metric, int], list[int]]
_NOTHING_MISSING: dict[Metric, Absence] = {}
_ALL: dict[Metric, int] = {}  # what is partial where every reading had everything


def published_windows(key: str, row: WindowRow) -> EngagementWindows:
    """All windows of one row in one hour, or its window of one day."""
    name = keys.published(key)
    aggregate_key = name.rpartition("@")[0]
    scope, brand_id, campaign_id, content_id, platform, account, post_key = row.owner
    if isinstance(row, Day):
        minute, total = event_time.day_start(row.day), row.sums
        windows, missing = [_window(3, minute, total, _figures(total))], _missing([total], total)
    else:
        minute = row.hour * 60
        windows, missing = _of_post_hour(row, minute) if isinstance(row, PostHour) else _of_hour(row, minute)
    as_of, revision = row.as_of, row.revision
    return EngagementWindows(
        event_id=f"{name}@{revision}",
        occurred_at=as_of,
        observed_at=as_of,
        brand_id=brand_id or "",
        trace_id=aggregate_key,
        key=name,
        aggregate_key=aggregate_key,
        scope=scope or "",  # type: ignore[arg-type]  # as the row has it
        campaign_id=campaign_id or "",
        content_id=content_id,
        platform=platform or "",
        account=account,
        post_key=post_key,
        start=event_time.instant(minute),
        windows=windows,
        missing=missing,
        revision=revision,
        as_of=as_of,
        wait_s=WAIT_S,
    )


def _of_post_hour(row: PostHour, start: int) -> tuple[list[Window], dict[Metric, Absence]]:
    """Made from values and not from vectors, which takes a third as long: of one post a minute is one reading."""
    if not row.minutes:
        return _in_all(start, [])
    singles = [_brought(place) for place in row.minutes]
    fives: dict[int, list[Brought]] = {}
    for place, one in zip(row.minutes, singles, strict=True):
        fives.setdefault(place.minute // 5 * 5, []).append(one)
    together = {five: _all_of(parts) for five, parts in fives.items()}
    whole = next(iter(together.values())) if len(together) == 1 else _all_of(singles)
    windows = [_shown(0, start + place.minute, one) for place, one in zip(row.minutes, singles, strict=True)]
    windows += [_shown(1, start + five, parts) for five, parts in together.items()]
    return [*windows, _shown(2, start, whole)], _lacking(row.minutes)


def _brought(place: Minute) -> Brought:
    growth = [
        None if value is None else value - old if old else value
        for value, old in zip(place.values, place.before, strict=True)
    ]
    read = 1 if any(place.sequences) or any(place.reasons) else 0
    return growth, place.comments, place.replies, read, _ALL, place.restated


def _all_of(parts: list[Brought]) -> Brought:
    """Several minutes of one post."""
    if len(parts) == 1:
        return parts[0]
    levels, comments, replies, reads, _, restated = zip(*parts, strict=True)
    growth: list[Level] = []
    partial: dict[Metric, int] = {}
    read = sum(reads)
    for metric, column in zip(METRICS, zip(*levels, strict=True), strict=True):
        if None not in column:
            growth.append(sum(column))
            known = len(column)
        else:
            had = [level for level in column if level is not None]
            growth.append(sum(had) if had else None)
            known = len(had)
        if 0 < known < read:
            partial[metric] = known
    return growth, sum(comments), sum(replies), read, partial, list(map(sum, zip(*restated, strict=True)))


def _shown(size: int, begins: int, brought: Brought) -> Window:
    growth, comments, replies, read, partial, restated = brought
    views, likes, comments_shown, shares, saves, follows, clicks, conversions = growth
    return Window(
        _SIZES[size], event_time.instant(begins),
        views, likes, comments_shown, shares, saves, follows, clicks, conversions,
        comments, replies, read, partial, restated[size],
    )  # fmt: skip


def _lacking(minutes: list[Minute]) -> dict[Metric, Absence]:
    """Why a metric that some minute has not is missing there; the gravest reason has the highest code."""
    codes = {_codes(tuple(place.reasons), *absent(place.values)) for place in minutes}
    return _named(codes.pop() if len(codes) == 1 else tuple(map(max, zip(*codes, strict=True))))


@lru_cache(maxsize=4_096)
def _codes(reasons: tuple[int, ...], *is_absent: bool) -> tuple[int, ...]:
    return tuple(why if one else 0 for one, why in zip(is_absent, reasons, strict=True))


def _of_hour(row: TotalHour, start: int) -> tuple[list[Window], dict[Metric, Absence]]:
    return _in_all(start, [(start + minute, brought) for minute, brought in sorted(row.minutes.items())])


def _in_all(start: int, minutes: list[tuple[int, list[int]]]) -> tuple[list[Window], dict[Metric, Absence]]:
    """The windows by size and start, and why metrics are missing in some of them."""
    single = [(minute, brought, _figures(brought)) for minute, brought in minutes]
    parts: dict[int, list[tuple[int, list[int], Figures]]] = {}
    for one in single:
        parts.setdefault(one[0] // 5 * 5, []).append(one)
    fives = [(five, *_together(of_it)) for five, of_it in parts.items()]
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
    return Window(_SIZES[size], event_time.instant(minute), *figures, brought[RESTATED + size])


def _figures(brought: list[int]) -> Figures:
    """What a window says, as far as it does not depend on its length."""
    read, known = brought[READINGS], brought[KNOWN:LACKING]
    growth: list[Level] = brought[:KNOWN]  # type: ignore[assignment]  # a copy, so nobody's numbers become None
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
    all_lacking = total[LACKING:COMMENTS]
    if not any(all_lacking):
        return _NOTHING_MISSING
    found: dict[Metric, Absence] = {}
    for metric, lacking in enumerate(all_lacking):
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
    total = vectors[0] if vectors else ZERO
    for one in vectors[1:]:
        total = added(total, one)
    return total
