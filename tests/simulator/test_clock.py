from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.simulator.http.refusal import AdminError
from services.simulator.world.clock import SimClock

START = datetime(2026, 3, 3, 2, 0, tzinfo=UTC)


class RealTime:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def real() -> RealTime:
    return RealTime()


@pytest.fixture
def clock(real: RealTime) -> SimClock:
    return SimClock(speed=60, origin=lambda: START, monotonic=real)


def test_simulated_time_is_real_time_times_speed(clock: SimClock, real: RealTime) -> None:
    real.seconds += 2
    assert clock.now() == START + timedelta(minutes=2)


def test_a_new_speed_does_not_rewrite_the_time_that_has_passed(clock: SimClock, real: RealTime) -> None:
    real.seconds += 1
    clock.set_speed(1)
    real.seconds += 5
    assert clock.now() == START + timedelta(seconds=65)


def test_speed_zero_freezes_but_the_clock_can_still_be_advanced(clock: SimClock, real: RealTime) -> None:
    clock.set_speed(0)
    real.seconds += 1_000
    assert clock.now() == START
    clock.advance(3_600)
    assert clock.now() == START + timedelta(hours=1)


def test_within_one_answer_it_stays_one_instant(clock: SimClock, real: RealTime) -> None:
    with clock.held() as now:
        real.seconds += 10
        assert clock.now() == now == START
    assert clock.now() == START + timedelta(minutes=10)


def test_reset_returns_to_the_first_speed(clock: SimClock, real: RealTime) -> None:
    clock.set_speed(0)
    clock.advance(99)
    clock.reset()
    real.seconds += 1
    assert clock.now() == START + timedelta(minutes=1)


@pytest.mark.parametrize("speed", [-1, float("nan"), float("inf"), True, "2", None, 1e12])
def test_an_impossible_speed_is_refused_and_named(clock: SimClock, speed: object) -> None:
    with pytest.raises(AdminError, match="speed") as refused:
        clock.set_speed(speed)
    assert refused.value.field == "speed"
    assert clock.speed == 60


@pytest.mark.parametrize("seconds", [-1, 1e300, float("nan"), True, "60"])
def test_the_clock_never_goes_back_and_never_overflows(clock: SimClock, seconds: object) -> None:
    with pytest.raises(AdminError, match="advance_s"):
        clock.advance(seconds)
    assert clock.now() == START


def test_advancing_ever_further_ends_in_a_refusal_and_not_in_an_overflow(clock: SimClock, real: RealTime) -> None:
    while clock.now().year < 8_990:
        clock.advance(10 * 365 * 86_400)
    with pytest.raises(AdminError, match="9000"):
        clock.advance(10 * 366 * 86_400)
    clock.set_speed(1_000_000)
    real.seconds += 1e9
    assert clock.now().year == 9000
