"""Which refusals are written to the log: each kind once in ten seconds and not too many kinds; nobody fills a disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable

EVERY_S = 10.0
MOST_IN_A_ROUND = 100
LONGEST_PATH = 200


class SaidOnce:
    """Thread-safe. Rounds of `every_s` seconds; what goes unsaid in one is told with the next line of the same kind."""

    def __init__(
        self, every_s: float = EVERY_S, most: int = MOST_IN_A_ROUND, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._every_s, self._most, self._monotonic = every_s, most, monotonic
        self._lock = threading.Lock()
        self._last: dict[Hashable, tuple[float, int]] = {}
        self._elsewhere = 0

    def unsaid(self, kind: Hashable) -> int | None:
        """How many of this kind went unsaid before this one, which is to be said; None: leave it unsaid, too."""
        with self._lock:
            now = self._monotonic()
            if kind not in self._last and len(self._last) >= self._most:
                self._forget(now)
            at, unsaid = self._last.get(kind, (now - self._every_s, 0))
            if now - at < self._every_s:
                self._last[kind] = at, unsaid + 1
                return None
            if kind not in self._last and len(self._last) >= self._most:
                self._elsewhere += 1
                return None
            self._last[kind] = now, 0
            told, self._elsewhere = unsaid + self._elsewhere, 0
            return told

    def _forget(self, now: float) -> None:
        """Kinds whose time is over make room; what they left unsaid is told with the next line."""
        over = [kind for kind, (at, _) in self._last.items() if now - at >= self._every_s]
        for kind in over:
            self._elsewhere += self._last.pop(kind)[1]


def shown_path(path: str) -> str:
    """A path as it goes into the log: nobody writes a line of any length there."""
    return path if len(path) <= LONGEST_PATH else f"{path[:LONGEST_PATH]}…（{len(path)}）"
