"""How many bytes of memory a row takes, about: measured by the resident size of a process with many of a kind. Pure.

Its key and its place in a dictionary are in it. A count of rows would say little: the hour of a post has one minute or
sixty of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from schemas.internal.aggregate_state import AccountState, Day, PostHour, PostState, TableRow, TotalHour, TotalState

_OTHER: Final = 1_000
_WEIGHTS: Final[Mapping[type[Any], Callable[[Any], int]]] = {
    PostState: lambda row: 1_600 + 400 * len(row.marks),
    TotalState: lambda row: 1_600 + 150 * len(row.curve) + 300 * len(row.followers),
    PostHour: lambda row: 650 + 850 * len(row.minutes),
    TotalHour: lambda row: 500 + 350 * len(row.minutes),
    Day: lambda _: 950,
    AccountState: lambda row: 300 + 350 * len(row.posts),
}


def weight(rows: Iterable[TableRow]) -> int:
    """Of all these rows together."""
    total = 0
    for row in rows:
        of = _WEIGHTS.get(type(row))
        total += _OTHER if of is None else of(row)
    return total


class MemoryShares:
    """Divides what rows may take in memory evenly among the partitions that a worker owns at present."""

    def __init__(self, megabytes: int) -> None:
        self._bytes = megabytes * 1024 * 1024
        self._owners: set[object] = set()

    def join(self, owner: object) -> None:
        self._owners.add(owner)

    def leave(self, owner: object) -> None:
        self._owners.discard(owner)

    def of_each(self) -> int:
        return self._bytes // max(1, len(self._owners))
