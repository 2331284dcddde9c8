"""How sure a worker may be that it has heard everything: no post leaves on an old view of what was commanded.

Told by the thread that reads commands and by the consume loop, asked by the threads that make calls. No I/O.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from threading import Condition, Event

from services.adapter.wire.send_guard import boot_seconds

WITHIN_S = 0.5  # a call leaves only where, so long ago at most, nothing stood on the topics that is not known here


class Freshness:
    """As of which moments (seconds of `boot_seconds`) all acknowledged commands and contents are known."""

    def __init__(self, within_s: float = WITHIN_S, now: Callable[[], float] = boot_seconds) -> None:
        self.within_s, self._now = within_s, now
        self._commands_as_of = float("-inf")
        self._ends: deque[tuple[float, Mapping[int, int]]] = deque()
        self._taken: Mapping[int, int] = {}
        self._changed = Condition()
        self._wanted = Event()

    @property
    def begun(self) -> bool:
        """Whether the commands have been read to their end at least once."""
        return self._commands_as_of > float("-inf")

    def heard(self, as_of: float, content_ends: Mapping[int, int]) -> None:
        """At `as_of` no command was there that has not been taken, and the contents ended at these offsets."""
        with self._changed:
            self._commands_as_of = as_of
            self._ends.append((as_of, content_ends))
            while self._ends[0][0] < as_of - self.within_s:
                self._ends.popleft()
            self._changed.notify_all()

    def taken(self, positions: Mapping[int, int]) -> None:
        """Contents have been handled up to these offsets, by partition."""
        with self._changed:
            self._taken = positions
            self._changed.notify_all()

    def wait(self, partition: int, until: float) -> bool:
        """Wait, at the longest until that moment, for a fresh view of all commands and of one content partition."""
        with self._changed:
            while not self._fresh(partition):
                left = until - self._now()
                if left <= 0:
                    return False
                self.ask()
                self._changed.wait(min(left, self.within_s / 2))  # then asked for again: this view has grown old
            return True

    def ask(self) -> None:
        """End the present or the next `wanted`."""
        self._wanted.set()

    def wanted(self, within_s: float) -> bool:
        """Wait until a call wants a fresh view, so long at most; each wish is told once."""
        told = self._wanted.wait(within_s)
        self._wanted.clear()
        return told

    def _fresh(self, partition: int) -> bool:
        oldest, taken = self._now() - self.within_s, self._taken.get(partition, -1)
        if self._commands_as_of < oldest:
            return False
        return any(as_of >= oldest and taken >= ends.get(partition, 0) for as_of, ends in self._ends)


class AlwaysFresh(Freshness):
    """For a worker whose commands and contents are handed to it directly, as in tests and rehearsals."""

    @property
    def begun(self) -> bool:
        return True

    def wait(self, partition: int, until: float) -> bool:
        return True
