"""The simulated clock: now = origin + what was advanced + speed × real time elapsed. Never goes backwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from services.simulator.http.refusal import AdminError, number

MAX_SPEED = 1_000_000.0
MAX_ADVANCE_S = 10 * 366 * 86_400.0
END_OF_TIME = datetime(9000, 1, 1, tzinfo=UTC)


def system_now() -> datetime:
    return datetime.now(UTC)


class SimClock:
    """Simulated time, safe to read from any thread. speed 0 freezes it; `reset` starts again at the present."""

    def __init__(
        self,
        speed: float = 1.0,
        origin: Callable[[], datetime] = system_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._initial_speed = number("speed", speed, 0, MAX_SPEED)
        self._origin = origin
        self._monotonic = monotonic
        self._lock = threading.RLock()
        self._held: datetime | None = None
        self.reset()

    @property
    def speed(self) -> float:
        return self._speed

    def reset(self) -> None:
        with self._lock:
            self._base, self._since = self._origin(), self._monotonic()
            self._speed = self._initial_speed

    def now(self) -> datetime:
        with self._lock:
            return self._held or self._running()

    def set_speed(self, speed: object) -> None:
        wanted = number("speed", speed, 0, MAX_SPEED)
        with self._lock:
            self._base, self._since = self._running(), self._monotonic()
            self._speed = wanted

    def advance(self, seconds: object) -> None:
        step = timedelta(seconds=number("advance_s", seconds, 0, MAX_ADVANCE_S))
        with self._lock:
            if self._running() + step > END_OF_TIME:
                raise AdminError("advance_s", "时钟不能走到 9000 年以后 / the clock ends in the year 9000")
            self._base += step

    @contextmanager
    def held(self) -> Iterator[datetime]:
        """Within the block it is one and the same instant, so that what one answer says agrees with itself."""
        with self._lock:
            before, self._held = self._held, self.now()
            try:
                yield self._held
            finally:
                self._held = before

    def _running(self) -> datetime:
        elapsed = (self._monotonic() - self._since) * self._speed
        left = (END_OF_TIME - self._base).total_seconds()
        return self._base + timedelta(seconds=min(elapsed, left))
