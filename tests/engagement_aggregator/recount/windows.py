"""The recount of windows: after every record all minutes of its post are worked out anew, in the plainest way.

Shares no code with the fold. Pure; takes time for every event times the events of its post. Revisions and `as_of` are
not recounted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from schemas.events.feedback import (
    METRICS,
    CommentObserved,
    FeedbackEvent,
    FollowersObserved,
    MetricsObserved,
    ReplyPosted,
)
from schemas.events.window import EngagementWindows, Window
from tests.engagement_aggregator.recount.posts import Difference

Figures = dict[str, Any]
PostEvent = CommentObserved | MetricsObserved | ReplyPosted
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHANGHAI = timedelta(hours=8)
_WAIT, _LONGEST, _SNAPSHOT_WAIT = timedelta(minutes=10), timedelta(days=7), 60
_SIZES = {"1m": 1, "5m": 5, "1h": 60, "1d": 1440}
_WORST = ("failed", "not_yet", "unsupported")


@dataclass
class _Post:
    first: PostEvent
    snapshots: list[tuple[int, MetricsObserved]] = field(default_factory=list)
    comments: dict[str, tuple[int, tuple[int, bool]]] = field(default_factory=dict)
    counted: dict[str, bool] = field(default_factory=dict)
    replies: dict[str, int | None] = field(default_factory=dict)
    told: dict[int, Figures] = field(default_factory=dict)
    ever: set[int] = field(default_factory=set)
    restated: dict[tuple[int, str], int] = field(default_factory=dict)

    def take(self, event: PostEvent, minute: int, oldest: int) -> None:
        """Remember what counts; oldest: minutes before it are too late for any window."""
        if isinstance(event, MetricsObserved):
            newest = max((known for known, _ in self.snapshots), default=minute)
            if minute >= oldest and minute >= newest - _SNAPSHOT_WAIT:
                self.snapshots.append((minute, event))
        elif isinstance(event, ReplyPosted):
            self.replies.setdefault(event.reply_id, minute if minute >= oldest else None)
        else:
            self._comment(event, minute, oldest)

    def _comment(self, event: CommentObserved, minute: int, oldest: int) -> None:
        """A comment stays in the minute in which it was first told of."""
        first, rank = self.comments.get(event.comment_id, (minute, (0, True)))
        rank = max(rank, (event.version, event.deleted))
        self.comments[event.comment_id] = first, rank
        if first >= oldest:
            self.counted[event.comment_id] = not rank[1]

    def minutes(self) -> dict[int, Figures]:
        """What each minute brought."""
        found: dict[int, Figures] = {}
        last: dict[str, int] = dict.fromkeys(METRICS, 0)
        by_minute: dict[int, list[MetricsObserved]] = {}
        for minute, event in self.snapshots:
            by_minute.setdefault(minute, []).append(event)
        for minute, own in sorted(by_minute.items(), key=lambda one: one[0]):
            figures = found[minute] = _empty()
            figures["readings"] = 1
            for metric in METRICS:
                readings = [(event.sequence, getattr(event.readings, metric)) for event in own]
                known = [(sequence, reading.value) for sequence, reading in readings if reading.value is not None]
                if known:
                    newest = max(known)[0]
                    value = next(value for sequence, value in known if sequence == newest)
                    figures["growth"][metric] = value - last[metric]
                    figures["known"][metric] = 1
                    last[metric] = value
                else:
                    reasons = {reading.reason for _, reading in readings}
                    figures["lacking"][metric] = [next(reason for reason in _WORST if reason in reasons)]
        for name, (minute, _) in self.comments.items():
            if self.counted.get(name):
                found.setdefault(minute, _empty())["comments_collected"] += 1
        for told in self.replies.values():
            if told is not None:
                found.setdefault(told, _empty())["replies"] += 1
        return found


def recount_windows(records: Iterable[tuple[int, bytes | None]]) -> dict[str, Figures]:
    """The expected rows of windows by key, from `(partition, value)` in offset order; refused records left out."""
    posts: dict[str, _Post] = {}
    watermarks: dict[int, datetime] = {}
    for partition, value in records:
        event = msgspec.json.decode(value or b"", type=FeedbackEvent)
        at = min(event.occurred_at, event.observed_at)
        watermark = watermarks[partition] = max(watermarks.get(partition, at), at)
        if isinstance(event, FollowersObserved):
            continue
        post = posts.setdefault(event.post_key, _Post(event))
        before = post.told
        post.take(event, _minute(at), _minute(watermark) - _minute(_EPOCH + _LONGEST))
        after = post.told = post.minutes()
        post.ever |= after.keys()
        for minute in before.keys() | after.keys():
            if before.get(minute, _empty()) != after.get(minute, _empty()):
                _restate(post, minute, watermark)
    return _published(posts)


def figures_of(row: EngagementWindows) -> Figures:
    """A published row in the form of this recount."""
    names = [name for name in Window.__struct_fields__ if name not in ("size", "start")]
    return {
        "windows": {
            f"{window.size}/{window.start.isoformat()}": {name: getattr(window, name) for name in names}
            for window in row.windows
        },
        "missing": row.missing,
    }


def differing_windows(expected: Mapping[str, Figures], got: Mapping[str, EngagementWindows]) -> list[Difference]:
    """Every row of windows that is not as expected, missing and surplus ones too."""
    have = {key: figures_of(row) for key, row in got.items()}
    return [
        Difference(key, "windows", expected.get(key), have.get(key))
        for key in sorted(expected.keys() | have.keys())
        if expected.get(key) != have.get(key)
    ]


def _restate(post: _Post, minute: int, watermark: datetime) -> None:
    for size, length in _SIZES.items():
        end = _start(minute, size) + length
        if _EPOCH + timedelta(minutes=end) + _WAIT <= watermark:
            post.restated[minute, size] = post.restated.get((minute, size), 0) + 1


def _published(posts: Mapping[str, _Post]) -> dict[str, Figures]:
    brought: dict[str, dict[tuple[str, int], list[tuple[Figures, int]]]] = {}
    for key, post in posts.items():
        minutes = {minute: _empty() for minute in post.ever} | post.minutes()
        for row in _rows(key, post.first):
            windows = brought.setdefault(row, {})
            for minute, figures in minutes.items():
                for size in _SIZES:
                    restated = post.restated.get((minute, size), 0)
                    windows.setdefault((size, _start(minute, size)), []).append((figures, restated))
    found: dict[str, Figures] = {}
    for row, windows in brought.items():
        for (size, start), parts in sorted(windows.items()):
            home = found.setdefault(f"{row}@{_word(size, start)}", {"windows": {}, "lacking": {}})
            home["windows"][size, start] = _window(parts)
            for metric in METRICS:
                home["lacking"].setdefault(metric, set()).update(
                    reason for figures, _ in parts for reason in figures["lacking"][metric]
                )
    return {key: _finished(figures) for key, figures in found.items()}


def _window(parts: list[tuple[Figures, int]]) -> Figures:
    readings = sum(figures["readings"] for figures, _ in parts)
    window: Figures = {"readings": readings, "partial": {}, "restated": sum(restated for _, restated in parts)}
    for metric in METRICS:
        known = sum(figures["known"][metric] for figures, _ in parts)
        window[metric] = sum(figures["growth"][metric] for figures, _ in parts) if known else None
        if 0 < known < readings:
            window["partial"][metric] = known
    for name in ("comments_collected", "replies"):
        window[name] = sum(figures[name] for figures, _ in parts)
    return window


def _finished(figures: Figures) -> Figures:
    windows = figures["windows"]
    return {
        "windows": {f"{size}/{_instant(start).isoformat()}": window for (size, start), window in windows.items()},
        "missing": {
            metric: next(reason for reason in _WORST if reason in reasons)
            for metric, reasons in figures["lacking"].items()
            if reasons and any(window[metric] is None for window in windows.values())
        },
    }


def _empty() -> Figures:
    return {
        "growth": dict.fromkeys(METRICS, 0),
        "known": dict.fromkeys(METRICS, 0),
        "lacking": {metric: [] for metric in METRICS},
        "readings": 0,
        "comments_collected": 0,
        "replies": 0,
    }


def _rows(key: str, event: PostEvent) -> tuple[str, ...]:
    return (
        f"post:{key}",
        f"content:{event.content_id}",
        f"campaign_platform:{event.campaign_id}:{event.platform}",
        f"campaign:{event.campaign_id}",
    )


def _minute(at: datetime) -> int:
    return int((at - _EPOCH).total_seconds() // 60)


def _instant(minute: int) -> datetime:
    return _EPOCH + timedelta(minutes=minute)


def _start(minute: int, size: str) -> int:
    if size == "1d":
        local = _instant(minute) + _SHANGHAI
        return _minute(local.replace(hour=0, minute=0) - _SHANGHAI)
    return minute // _SIZES[size] * _SIZES[size]


def _word(size: str, start: int) -> str:
    if size == "1d":
        return (_instant(start) + _SHANGHAI).strftime("%Y-%m-%d")
    return _instant(start).strftime("%Y-%m-%dT%HZ")
