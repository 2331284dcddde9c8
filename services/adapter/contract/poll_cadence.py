"""How often a post is looked at: young posts often, old ones seldom. Pure; times are the platform's."""

from __future__ import annotations

from datetime import datetime, timedelta

# age of the post up to … → time between two polls
CADENCE: tuple[tuple[timedelta, timedelta], ...] = (
    (timedelta(minutes=10), timedelta(seconds=30)),
    (timedelta(hours=1), timedelta(minutes=1)),
    (timedelta(hours=6), timedelta(minutes=5)),
    (timedelta(days=1), timedelta(minutes=15)),
    (timedelta(days=7), timedelta(hours=1)),
    (timedelta(days=30), timedelta(hours=6)),
)
AFTERWARDS = timedelta(days=1)
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 900.0


def interval(age: timedelta) -> timedelta:
    """Time until the next poll of a post of that age."""
    return next((every for up_to, every in CADENCE if age < up_to), AFTERWARDS)


def next_poll(published_at: datetime, asked_at: datetime, scale: float = 1.0) -> datetime:
    """When to poll next after a poll that began at `asked_at`. scale below 1 polls more densely."""
    return asked_at + interval(asked_at - published_at) * scale


def after_failure(failures: int, now: datetime, retry_after_s: float | None) -> datetime:
    """When to try again after the `failures`-th failure in a row; never earlier than the platform asked for."""
    pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(failures - 1, 10))
    return now + timedelta(seconds=max(pause, retry_after_s or 0))
