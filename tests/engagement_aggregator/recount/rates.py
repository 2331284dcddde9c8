"""The recount of figures made of other figures: late records, activity, curves, account index, maturity, staleness.

Shares no code with the fold. Pure; goes through all events of a post for each of its figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from schemas.events.feedback import METRICS, CommentObserved, MetricsObserved, ReplyPosted

Figures = dict[str, Any]
Marks = dict[int, tuple[int | None, int | None]]  # age in hours → views and engagement
PostEvent = CommentObserved | MetricsObserved | ReplyPosted
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AGES_H = (1, 2, 3, 6, 12, 24, 48, 72, 168)
_DAY = timedelta(days=1)


class Seen(NamedTuple):
    """An event, and the newest event time of its partition when it came."""

    event: PostEvent
    watermark: datetime

    @property
    def at(self) -> datetime:
        return min(self.event.occurred_at, self.event.observed_at).astimezone(UTC)

    @property
    def minute(self) -> int:
        return int((self.at - _EPOCH).total_seconds() // 60)

    @property
    def oldest(self) -> int:
        return int((self.watermark - _EPOCH).total_seconds() // 60) - 7 * 24 * 60


Seens = Sequence[Seen]


def published_at(seen: Seens) -> datetime | None:
    """As the first event of the post told it."""
    told = seen[0].event.published_at
    return None if told is None else told.astimezone(UTC)


def late(seen: Seens) -> int:
    """Records that changed a total and no window."""
    count, newest = 0, None
    for number, one in enumerate(seen):
        if isinstance(one.event, MetricsObserved):
            fits = one.minute >= one.oldest and (newest is None or one.minute >= newest - 60)
            if fits:
                newest = one.minute if newest is None else max(newest, one.minute)
        else:
            fits = _first_minute(seen, one.event) >= one.oldest
        count += not fits and _totals(seen[:number]) != _totals(seen[: number + 1])
    return count


def _totals(seen: Seens) -> tuple[object, ...]:
    """What a total is made of: the newest value of each metric, the comments and replies that count."""
    values = tuple(_value(seen, metric) for metric in METRICS)
    return values, _comments(seen), frozenset(s.event.reply_id for s in seen if isinstance(s.event, ReplyPosted))


def _value(seen: Seens, metric: str) -> int | None:
    """Of the highest sequence; of equal ones the first."""
    best: tuple[int, int] | None = None
    for one in seen:
        if isinstance(one.event, MetricsObserved):
            value = getattr(one.event.readings, metric).value
            if value is not None and (best is None or one.event.sequence > best[0]):
                best = one.event.sequence, value
    return None if best is None else best[1]


def _comments(seen: Seens) -> frozenset[str]:
    ranks: dict[str, tuple[int, bool]] = {}
    for one in seen:
        if isinstance(one.event, CommentObserved):
            rank = (one.event.version, one.event.deleted)
            ranks[one.event.comment_id] = max(ranks.get(one.event.comment_id, rank), rank)
    return frozenset(name for name, (_, deleted) in ranks.items() if not deleted)


def _first_minute(seen: Seens, event: PostEvent) -> int:
    name = _name(event)
    return next(one.minute for one in seen if _name(one.event) == name)


def _name(event: PostEvent) -> tuple[str, str]:
    if isinstance(event, CommentObserved):
        return "comment", event.comment_id
    return ("reply", event.reply_id) if isinstance(event, ReplyPosted) else ("", event.event_id)


def activity(seen: Seens) -> dict[str, int]:
    """Comments by weekday and hour in Asia/Shanghai."""
    found: dict[str, int] = {}
    for name in _comments(seen):
        first = next(s for s in seen if isinstance(s.event, CommentObserved) and s.event.comment_id == name)
        local = first.at + timedelta(hours=8)
        word = f"{local.isoweekday()}-{local.hour:02d}"
        found[word] = found.get(word, 0) + 1
    return found


def marks(seen: Seens) -> Marks:
    """Views and engagement at each age that the post was read after."""
    live = published_at(seen)
    found: Marks = {}
    if live is None:
        return found
    snapshots = [one for one in seen if isinstance(one.event, MetricsObserved)]
    for age in _AGES_H:
        end = live + timedelta(hours=age)
        if any(one.at > end for one in snapshots):
            early = [one for one in snapshots if one.at <= end]
            values = [_value(early, metric) for metric in ("likes", "comments", "shares", "saves")]
            known = [value for value in values if value is not None]
            found[age] = _value(early, "views"), sum(known) if known else None
    return found


def curve(posts: Iterable[Marks]) -> list[Figures]:
    points: dict[int, list[tuple[int | None, int | None]]] = {}
    for of_post in posts:
        for age, figures in of_post.items():
            points.setdefault(age, []).append(figures)
    return [
        {"age_h": age, "posts": len(of), "views": _sum(v for v, _ in of), "engagement": _sum(e for _, e in of)}
        for age, of in sorted(points.items())
    ]


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def indexes(posts: Mapping[str, Seens]) -> dict[str, Figures]:
    """The account index of each post that has one."""
    accounts: dict[tuple[str, ...], list[tuple[datetime, str, dict[int, int]]]] = {}
    for key, seen in posts.items():
        event, live = seen[0].event, published_at(seen)
        ages = {age: engagement for age, (_, engagement) in marks(seen).items() if engagement is not None}
        if live is not None and ages:
            accounts.setdefault((event.campaign_id, event.platform, event.account), []).append((live, key, ages))
    found: dict[str, Figures] = {}
    for of in accounts.values():
        last = sorted(of, key=lambda one: one[:2])[-20:]
        for _, key, ages in last:
            for age in sorted(ages):
                others = sorted(known[age] for _, other, known in last if other != key and age in known)
                middle = len(others) // 2
                normal = others[middle] if len(others) % 2 else sum(others[middle - 1 : middle + 1]) / 2
                if len(others) >= 3 and normal:
                    found[key] = {
                        "account_index": ages[age] / normal,
                        "account_index_age_h": age,
                        "account_index_sample": len(others),
                    }
    return found


def maturity(live: datetime | None, as_of: datetime) -> str:
    if live is None:
        return "unknown"
    return "final" if as_of - live >= 30 * _DAY else "settling" if as_of - live >= 7 * _DAY else "provisional"


def stale_after(live: datetime | None, newest: Mapping[str, datetime]) -> dict[str, datetime]:
    def allowance(at: datetime) -> timedelta:
        if live is None or at - live >= 30 * _DAY:
            return 2 * _DAY
        if at - live >= 7 * _DAY:
            return timedelta(hours=12)
        return timedelta(hours=2 if at - live >= _DAY else 1)

    return {platform: at + allowance(at) for platform, at in newest.items()}
