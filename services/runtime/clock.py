"""Time, passed in everywhere: the system's, a test's, or the simulator's. Nothing else asks for the current time."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import NamedTuple, Protocol

_REFRESH_S = 0.5
_SET_BACK_S = 60.0  # simulated seconds; less is measuring error


class Clock(Protocol):
    """`now` is a UTC-aware instant; `monotonic` are seconds that only grow, for deadlines."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...


def ahead(clock: Clock, seconds: float) -> datetime:
    """What the clock will show after so many seconds of the machine, should nobody set it meanwhile."""
    return clock.now() + timedelta(seconds=seconds * (clock.speed if isinstance(clock, RemoteClock) else 1.0))


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock that stands still until told to advance."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("起始时间必须带时区 / the start of a clock must be an aware datetime")
        self._start = start.astimezone(UTC)
        self._elapsed = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        with self._lock:
            return self._elapsed

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError(f"时钟不能倒拨 / a clock cannot go back ({seconds} s)")
        with self._lock:
            self._elapsed += seconds


class _Reading(NamedTuple):
    taken_at: float
    now: datetime
    speed: float


class RemoteClock:
    """Follows a simulated clock (`GET url` → `{"now": RFC 3339, "speed": factor}`), read anew twice a second.

    Between readings, and while the clock does not answer, time goes on at the last known speed; before the first
    answer it is the machine's. `now` holds still instead of going back a little (a late answer must not put an effect
    before its cause) and follows when the simulation was set back; `monotonic` only ever grows.
    """

    def __init__(self, url: str, *, refresh_s: float = _REFRESH_S) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._reading = _Reading(time.monotonic(), datetime.now(UTC), 1.0)
        self._answered = False
        self._latest = self._reading.now
        self._elapsed = 0.0
        self._stop = threading.Event()
        self.refresh()
        self._thread = threading.Thread(target=self._follow, args=(refresh_s,), name="remote-clock", daemon=True)
        self._thread.start()

    def now(self) -> datetime:
        with self._lock:
            return self._moved()

    def monotonic(self) -> float:
        """Simulated seconds: a deadline of ten seconds passes in one second at speed 10, and at once when advanced."""
        with self._lock:
            self._moved()
            return self._elapsed

    @property
    def speed(self) -> float:
        """Simulated seconds in a second of the machine, as last read."""
        return self._reading.speed

    def refresh(self) -> bool:
        """Read the remote clock once; False when it did not answer with a usable time."""
        before = time.monotonic()
        try:
            with urllib.request.urlopen(self._url, timeout=2.0) as answer:  # noqa: S310 - http only, see clock_from
                body = json.load(answer)
            remote, speed = datetime.fromisoformat(body["now"]), float(body["speed"])
            if remote.tzinfo is None:
                return False
        except (OSError, HTTPException, ValueError, KeyError, TypeError):
            return False
        with self._lock:
            self._reading = _Reading((before + time.monotonic()) / 2, remote.astimezone(UTC), speed)
            if not self._answered:  # from the machine's time to the simulated one is no passing of time
                self._answered, self._latest = True, self._reading.now
        return True

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=3.0)

    def _moved(self) -> datetime:
        at = self._reading
        moment = at.now + timedelta(seconds=(time.monotonic() - at.taken_at) * at.speed)
        step = (moment - self._latest).total_seconds()
        if step > 0 or step < -_SET_BACK_S:
            self._latest = moment
        self._elapsed += max(0.0, step)
        return self._latest

    def _follow(self, refresh_s: float) -> None:
        while not self._stop.wait(refresh_s):
            self.refresh()


def clock_from(setting: str | None) -> Clock:
    """The clock a setting names: nothing or `system`, or the address of a simulated clock."""
    if setting is None or setting in ("", "system"):
        return SystemClock()
    if setting.startswith(("http://", "https://")):
        return RemoteClock(setting)
    raise ValueError(
        f"时钟设置“{setting}”无效：请填 system 或 http:// 地址"
        f" / clock must be `system` or an http:// address, not {setting!r}"
    )
