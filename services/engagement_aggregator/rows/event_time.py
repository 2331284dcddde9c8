"""Event time in whole minutes, hours and days, and the words for them in keys. Pure.

Days are those of Asia/Shanghai, which has had no summer time since 1991.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from schemas.events.window import WAIT_S

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LAST_YEAR: Final = 2_199  # a time beyond it, or before the epoch, is no time of an event
MINUTE: Final = timedelta(minutes=1)
MINUTE_MICROS: Final = 60_000_000
_MICROSECOND: Final = timedelta(microseconds=1)
DAY: Final = 1_440
_SHANGHAI: Final = 480
_WAIT: Final = WAIT_S // 60
LONGEST_WAIT: Final = 7 * DAY  # minutes: what is older than this changes totals and no window
SNAPSHOT_WAIT: Final = 60  # minutes behind the newest snapshot of its post


def utc(at: datetime) -> datetime:
    """The same instant in UTC, so that equal instants are written in equal bytes."""
    return at if at.tzinfo is UTC else at.astimezone(UTC)


def event_time(occurred_at: datetime, observed_at: datetime) -> datetime:
    """When it happened; nothing happens after it was seen, so a clock that runs ahead does not close windows."""
    return min(utc(occurred_at), utc(observed_at))


def micros(at: datetime) -> int:
    """µs since the epoch."""
    return (at - EPOCH) // _MICROSECOND


def from_micros(number: int) -> datetime:
    return EPOCH + timedelta(microseconds=number)


def minute_of(at: datetime) -> int:
    return (at - EPOCH) // MINUTE


@lru_cache(maxsize=16_384)
def instant(minute: int) -> datetime:
    return EPOCH + minute * MINUTE


def day_of(minute: int) -> int:
    return (minute + _SHANGHAI) // DAY


def day_start(day: int) -> int:
    """The minute in which a day begins."""
    return day * DAY - _SHANGHAI


def closed_up_to(minute: int) -> int:
    """Windows that end at this minute or before are closed once an event of `minute` has come."""
    return minute - _WAIT


def ends(minute: int) -> tuple[int, int, int, int]:
    """Where the windows of 1 min, 5 min, 1 h and 1 d around a minute end."""
    return minute + 1, minute - minute % 5 + 5, minute - minute % 60 + 60, day_start(day_of(minute) + 1)


@lru_cache(maxsize=4_096)
def hour_word(hour: int) -> str:
    return f"{instant(hour * 60):%Y-%m-%dT%HZ}"


@lru_cache(maxsize=4_096)
def day_word(day: int) -> str:
    return f"{EPOCH + timedelta(days=day):%Y-%m-%d}"


def hour_of_week(hour: int) -> int:
    """Of an hour of the epoch: hours since Monday midnight in Asia/Shanghai, 0 … 167."""
    hours = hour + _SHANGHAI // 60
    return (hours // 24 + 3) % 7 * 24 + hours % 24


def hour_of_word(word: str) -> int:
    """The same of `1-00` … `7-23`, as rows write it."""
    return (int(word[0]) - 1) * 24 + int(word[2:])
