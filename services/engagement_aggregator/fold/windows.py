"""The minutes of one post: what a snapshot, a comment or a reply changes in them, and by how much. Pure.

A value belongs to the minute it was read in; of one minute the highest sequence counts. What a minute brought is its
value less the newest value of an earlier minute, so a snapshot that comes late moves its successor too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final

from schemas.internal.aggregate_state import Minute, PostHour, PostState
from services.engagement_aggregator.rows import event_time

# Places in a vector: growth of each metric, readings that had it, readings that had it not (by reason, see MISSING).
KNOWN, LACKING, COMMENTS, REPLIES, READINGS, RESTATED, PLACES = 8, 16, 24, 25, 26, 27, 31
MISSING: Final = (0, 1, 1 << 20, 1 << 40)  # unsupported, not yet and failed share one integer, twenty bits each
ZERO: Final = [0] * PLACES
_SIZES: Final = range(4)


class PostWindows:
    """The windows of one post while Python changes it. hours: a copy of one of its hours, empty where there is none."""

    __slots__ = ("_hours", "_opened", "_post", "changed")

    def __init__(self, hours: Callable[[int], PostHour], post: PostState) -> None:
        self._hours, self._post, self.changed = hours, post, False
        self._opened: dict[int, tuple[PostHour, int]] = {}

    def changed_hours(self) -> Iterator[PostHour]:
        """The copies that were changed."""
        return (hour for hour, revision in self._opened.values() if hour.revision != revision)

    def snapshot(
        self, minute: int, sequence: int, values: Sequence[int | None], reasons: Sequence[int], at: datetime,
        closed: int,
    ) -> bool:  # fmt: skip
        """Take one snapshot; False if it is too late for any window.

        at: observed_at. closed: windows that end at this minute or before are closed.
        """
        newest = self._post.minute
        if newest is not None and minute < newest - event_time.SNAPSHOT_WAIT:
            return False
        hour, place = self._open(minute)
        if not any(place.sequences) and not any(place.reasons):
            place.before = self._carried(minute)
        earlier = vector(place) if minute < closed else ZERO
        if _merged(place, sequence, values, reasons):
            self._count(hour, place, minute, earlier, at, closed)
        if newest is None or minute > newest:
            self._post.minute = minute
        elif minute < newest:
            self._carry_on(minute, place, at, closed)
        return True

    def item(self, minute: int, comments: int, replies: int, at: datetime, closed: int) -> None:
        """Comments and replies of this minute became more or fewer."""
        hour, place = self._open(minute)
        earlier = vector(place) if minute < closed else ZERO
        place.comments += comments
        place.replies += replies
        self._count(hour, place, minute, earlier, at, closed)

    def _open(self, minute: int) -> tuple[PostHour, Minute]:
        hour = self._hour(minute // 60)
        return hour, _place(hour.minutes, minute % 60)

    def _hour(self, number: int) -> PostHour:
        if (known := self._opened.get(number)) is not None:
            return known[0]
        hour = self._hours(number)
        self._opened[number] = hour, hour.revision
        return hour

    def _count(self, hour: PostHour, place: Minute, minute: int, earlier: list[int], at: datetime, closed: int) -> None:
        self.changed = True
        fresh = not hour.revision
        hour.revision += 1
        hour.as_of = at if fresh else max(hour.as_of, at)
        if minute < closed and vector(place) != earlier:
            ends = event_time.ends(minute)
            place.restated = [place.restated[size] + (ends[size] <= closed) for size in _SIZES]

    def _carried(self, minute: int) -> list[int | None]:
        """The values just before a minute that has had no snapshot yet."""
        newest = self._post.minute
        if newest is None:
            return [None] * 8
        if minute > newest:
            place = self._known(newest)
            return _after(place)
        return list(next(self._following(minute))[1].before)

    def _carry_on(self, minute: int, place: Minute, at: datetime, closed: int) -> None:
        """Tell the minutes behind what their values are compared with now, as far as that changed."""
        carried = _after(place)
        for later, _ in list(self._following(minute)):
            hour, follower = self._open(later)
            if follower.before == carried:
                return
            earlier = vector(follower) if later < closed else ZERO
            follower.before = carried
            self._count(hour, follower, later, earlier, at, closed)
            carried = _after(follower)

    def _following(self, minute: int) -> Iterator[tuple[int, Minute]]:
        """The minutes with snapshots after one that is at most SNAPSHOT_WAIT older than the newest."""
        newest = self._post.minute
        assert newest is not None
        for number in range(minute // 60, newest // 60 + 1):
            for place in self._hour(number).minutes:
                later = number * 60 + place.minute
                if later > minute and (any(place.sequences) or any(place.reasons)):
                    yield later, place

    def _known(self, minute: int) -> Minute:
        return _place(self._hour(minute // 60).minutes, minute % 60)


def vector(place: Minute) -> list[int]:
    """What a minute brought, so that windows and parents are sums."""
    values = place.values
    moved = [
        0 if value is None else value - old if old else value for value, old in zip(values, place.before, strict=True)
    ]
    moved += known_and_lacking(tuple(place.reasons), *absent(values))
    moved += (place.comments, place.replies, 1 if any(place.sequences) or any(place.reasons) else 0)
    moved += place.restated
    return moved


def absent(values: Sequence[int | None]) -> tuple[bool, bool, bool, bool, bool, bool, bool, bool]:
    """Which metrics have no value; written out, because it is asked for each minute and each post."""
    a, b, c, d, e, f, g, h = values
    return a is None, b is None, c is None, d is None, e is None, f is None, g is None, h is None


@lru_cache(maxsize=4_096)
def known_and_lacking(reasons: tuple[int, ...], *is_absent: bool) -> tuple[int, ...]:
    """The places of a vector, and of the sums of a post, that say which metrics it has; there are few such patterns."""
    known = [int(not one) for one in is_absent]
    return (*known, *[MISSING[why] if one else 0 for one, why in zip(is_absent, reasons, strict=True)])


def _place(minutes: list[Minute], number: int) -> Minute:
    """The minute of an hour, put in its place if it is new."""
    at = len(minutes)
    while at and minutes[at - 1].minute >= number:
        at -= 1
        if minutes[at].minute == number:
            return minutes[at]
    place = Minute(number, [None] * 8, [0] * 8, [0] * 8, [None] * 8, 0, 0, [0] * 4)
    minutes.insert(at, place)
    return place


def _merged(place: Minute, sequence: int, values: Sequence[int | None], reasons: Sequence[int]) -> bool:
    """Take over what is newer, per metric; True if anything is."""
    changed = False
    for metric, value in enumerate(values):
        if value is not None:
            if sequence > place.sequences[metric]:
                place.sequences[metric], place.values[metric], changed = sequence, value, True
        elif reasons[metric] > place.reasons[metric]:
            place.reasons[metric], changed = reasons[metric], True
    return changed


def _after(place: Minute) -> list[int | None]:
    return [old if value is None else value for value, old in zip(place.values, place.before, strict=True)]
