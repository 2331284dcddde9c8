"""How often a post is looked at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.adapter.contract.poll_cadence import (
    AFTERWARDS,
    CADENCE,
    LONGEST_PAUSE_S,
    after_failure,
    interval,
    next_poll,
)

BORN = datetime(2026, 3, 21, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("age", "seconds"),
    [
        (timedelta(minutes=-5), 30),  # the platform's clock is ahead of ours
        (timedelta(0), 30),
        (timedelta(minutes=9, seconds=59), 30),
        (timedelta(minutes=10), 60),
        (timedelta(hours=1), 300),
        (timedelta(hours=6), 900),
        (timedelta(days=1), 3600),
        (timedelta(days=7), 6 * 3600),
        (timedelta(days=30), 86_400),
        (timedelta(days=3650), 86_400),
    ],
)
def test_an_older_post_is_polled_less_often(age: timedelta, seconds: float) -> None:
    assert interval(age) == timedelta(seconds=seconds)


def test_the_table_only_ever_slows_down() -> None:
    steps = [every for _, every in CADENCE] + [AFTERWARDS]
    assert steps == sorted(steps)
    assert [up_to for up_to, _ in CADENCE] == sorted(up_to for up_to, _ in CADENCE)


def test_the_scale_makes_polls_denser() -> None:
    now = BORN + timedelta(minutes=30)
    assert next_poll(BORN, now, 0.5) == now + timedelta(seconds=30)


def test_the_platforms_own_time_wins_where_it_is_longer() -> None:
    assert after_failure(1, BORN, 600.0) == BORN + timedelta(seconds=600)
    assert after_failure(1, BORN, 1.0) == BORN + timedelta(seconds=5)


def test_pauses_after_failures_have_an_end() -> None:
    assert after_failure(10_000, BORN, None) == BORN + timedelta(seconds=LONGEST_PAUSE_S)
