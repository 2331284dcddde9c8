"""Progress of each source partition, to find one that stands still while others move. No I/O; callers pass the time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from faust.types import TP

_LOOK_EVERY_S = 0.5


class PartitionStanding(NamedTuple):
    """What the client knows of a partition: the end of its committed records, and a mark that each answer changes."""

    end: int | None
    answered: int | None


@dataclass(slots=True)
class _Seen:
    position: int
    answered: int | None
    at: float


class Progress:
    """A partition makes progress if it moves on, or if the broker still says that there is nothing more."""

    def __init__(self, stall_after_s: float, monotonic: Callable[[], float]) -> None:
        self._stall_after_s, self._monotonic = stall_after_s, monotonic
        self._seen: dict[TP, _Seen] = {}
        self._looked_at, self._stalled = 0.0, list[TP]()
        self.behind: dict[TP, int] = {}  # how many offsets are still to be folded, as far as the client knows

    def forget(self) -> None:
        """Begin anew: the assignment has changed."""
        self._seen.clear()
        self.behind.clear()
        self._looked_at, self._stalled = 0.0, []

    def stalled(self, positions: Mapping[TP, int], standing: Callable[[TP], PartitionStanding | None]) -> list[TP]:
        """Those that made no progress for too long; cheap enough to be asked at every poll."""
        now = self._monotonic()
        if now - self._looked_at >= _LOOK_EVERY_S:
            self._looked_at = now
            for where, position in positions.items():
                self._look(where, position, standing(where) or PartitionStanding(None, None), now)
            limit = now - self._stall_after_s
            self._stalled = [where for where in positions if self._seen[where].at < limit]
        return self._stalled

    def _look(self, where: TP, position: int, standing: PartitionStanding, now: float) -> None:
        self.behind[where] = 0 if standing.end is None else max(0, standing.end - position)
        seen = self._seen.setdefault(where, _Seen(position, standing.answered, now))
        at_end = standing.end is not None and position >= standing.end and standing.answered != seen.answered
        if position != seen.position or at_end:
            self._seen[where] = _Seen(position, standing.answered, now)
