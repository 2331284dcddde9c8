"""Tells a contender that waits for what will not come from one that is slow. Pure, so that a test can hold it."""

from __future__ import annotations

from collections.abc import Callable

STALL_S = 60.0  # a group waits up to 45 s for a member that was killed
_IDLE_CORES = 0.1  # an idle JVM polls Kafka with a few hundredths of a core


class Liveness:
    """Progress is a commit that moved, or more CPU time than polling takes."""

    def __init__(self, at_s: float, cpu_s: float) -> None:
        self._at_s, self._cpu_s = at_s, cpu_s

    def moved(self, at_s: float, cpu_s: float) -> None:
        self._at_s, self._cpu_s = at_s, cpu_s

    def stalled(self, at_s: float, cpu_s: Callable[[], float]) -> bool:
        """CPU time is asked for once in STALL_S only: reading it disturbs what is measured."""
        passed = at_s - self._at_s
        if passed < STALL_S:
            return False
        spent = (now := cpu_s()) - self._cpu_s
        self.moved(at_s, now)
        return spent < passed * _IDLE_CORES
