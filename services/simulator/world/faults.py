"""The faults that are set: which kind, where, how often still. Knows no platform's words and no connection."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from services.simulator.http.refusal import AdminError, number

GENERIC = ("refuse_connection", "drop_before", "drop_after", "slow", "http_500", "removed_later", "counter_backwards")
"""Kinds that the simulator does for every platform and endpoint."""

OF_PLATFORMS = (
    "rate_limit", "token_expired", "token_stolen", "repeat_content", "slow_success", "review_refused", "short_page",
    "webhook_thrice", "webhook_lost",
)  # fmt: skip
"""Kinds that a platform does in its own words, or its handlers do; those of webhooks where it sends any."""

DEFAULT_DELAY_S = {"refuse_connection": 3.0, "slow": 5.0, "removed_later": 600.0}
MAX_DELAY_S = 86_400.0
MAX_COUNT = 1_000_000


@dataclass(slots=True)
class Fault:
    """left: uses still to come, None = until cleared. delay_s: real seconds; simulated ones for `removed_later`.

    ends: instant of the real monotonic clock after which it is over, None = no such instant.
    """

    platform: str
    endpoint: str
    kind: str
    left: int | None
    rate: float | None
    delay_s: float | None
    ends: float | None = None
    used: int = 0

    def matches(self, platform: str, endpoint: str) -> bool:
        return self.platform == platform and self.endpoint in ("*", endpoint)

    def shown(self) -> dict[str, object]:
        names = ("platform", "endpoint", "kind", "left", "rate", "delay_s", "used")
        return {name: getattr(self, name) for name in names}


class Faults:
    """All faults in the order in which they were set. Safe to use from any thread."""

    def __init__(self, seed: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._seed = seed
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._rng = random.Random(f"{seed}:faults")

    def reset(self) -> None:
        with self._lock:
            self._faults.clear()
            self._rng = random.Random(f"{self._seed}:faults")

    def add(self, platform: str, endpoint: str, kind: str, count: object, rate: object, delay_s: object) -> Fault:
        """Platform, endpoint and kind are known to exist; the figures are checked here."""
        if count is not None and rate is not None:
            raise AdminError("rate", "count 与 rate 只能给一个 / give count or rate, not both")
        fault = Fault(platform, endpoint, kind, _count(count), _rate(rate), _delay(kind, delay_s))
        if kind == "refuse_connection" and count is None and rate is None and fault.delay_s is not None:
            fault.ends = self._monotonic() + fault.delay_s
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self, platform: str | None = None) -> None:
        with self._lock:
            self._faults = [f for f in self._faults if platform is not None and f.platform != platform]

    def left(self, platform: str | None = None) -> list[Fault]:
        with self._lock:
            self._forget_what_is_over()
            return [f for f in self._faults if platform in (None, f.platform)]

    def kinds(self, platform: str, endpoint: str) -> list[str]:
        """Kinds set for this endpoint now, in the order in which they were set; none is used up."""
        return list(dict.fromkeys(f.kind for f in self.left(platform) if f.matches(platform, endpoint)))

    def take(self, platform: str, kind: str, endpoint: str, only_rated: bool = False) -> Fault | None:
        """The first fault of this kind that strikes now; a counted one is used up by one."""
        with self._lock:
            self._forget_what_is_over()
            for fault in self._faults:
                if fault.kind != kind or not fault.matches(platform, endpoint):
                    continue
                if (only_rated and fault.rate is None) or not self._strikes(fault):
                    continue
                fault.used += 1
                if fault.left is not None:
                    fault.left -= 1
                return fault
        return None

    def _strikes(self, fault: Fault) -> bool:
        return fault.rate is None or self._rng.random() < fault.rate

    def _forget_what_is_over(self) -> None:
        if not self._faults:
            return
        now = self._monotonic()
        self._faults = [f for f in self._faults if f.left != 0 and (f.ends is None or now < f.ends)]


def _count(count: object) -> int | None:
    if count is None:
        return None
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MAX_COUNT:
        raise AdminError("count", f"必须是 1 到 {MAX_COUNT} 的整数 / must be a whole number from 1 to {MAX_COUNT}")
    return count


def _rate(rate: object) -> float | None:
    if rate is None:
        return None
    value = number("rate", rate, 0, 1)
    if value == 0:
        raise AdminError("rate", "必须大于 0；取消故障请用 DELETE /_sim/faults / must be above 0")
    return value


def _delay(kind: str, delay_s: object) -> float | None:
    if delay_s is None:
        return DEFAULT_DELAY_S.get(kind)
    return number("delay_s", delay_s, 0, MAX_DELAY_S)
