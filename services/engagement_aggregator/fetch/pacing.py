"""How often the client asks the brokers for more while little comes: a round costs the same for one event as for a
thousand. Must not hold up a worker that is behind, and must not ask where the client would not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_LONGEST_S = 0.02
_PART_OF_A_FLUSH = 0.1  # rows wait for half a flush on average; what is added to that is half of this
_LARGE = 256 * 1024


class Pace:
    """Lets the client ask at once after large answers, and otherwise not before `interval_s` after it asked last."""

    def __init__(self, flush_interval_s: float, clock: Callable[[], float]) -> None:
        self.interval_s = min(_LONGEST_S, flush_interval_s * _PART_OF_A_FLUSH)
        self._clock = clock
        self._next = clock()

    def brought(self, size: int) -> None:
        """What was asked for has come, with so many bytes."""
        if size >= _LARGE:
            self._next = self._clock()

    def rest_s(self) -> float:
        return max(0.0, self._next - self._clock())

    def asked(self) -> None:
        self._next = self._clock() + self.interval_s


def keep_pace(fetcher: Any, pace: Pace) -> None:
    """Have an aiokafka fetcher ask at this pace; everything else it does goes on as it would."""
    next_actions = fetcher._get_actions_per_node

    def paced(assignment: Any) -> tuple[Any, ...]:
        requests, resets, look_again_s, *more = next_actions(assignment)
        rest_s = pace.rest_s() if requests else 0.0
        if rest_s > 0:
            return [], resets, min(look_again_s, rest_s), *more
        if requests:
            pace.asked()
        return requests, resets, look_again_s, *more

    fetcher._get_actions_per_node = paced
