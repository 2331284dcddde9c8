"""The rows of one partition in memory, over the local table: read on the first touch, kept while they are warm."""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Protocol

import msgspec

from schemas.internal.aggregate_state import ItemState, TableRow
from services.engagement_aggregator.rows.memory_shares import weight

_decoder: msgspec.json.Decoder[TableRow] = msgspec.json.Decoder(TableRow)
_GROWN, _TURNS = 1.05, 20  # rows are weighed when there are more of them, and now and then, for they grow in place


class Rows(Protocol):
    """The rows of one partition. A row that was got may be changed in place."""

    def get(self, key: str, /) -> TableRow | None: ...

    def __setitem__(self, key: str, row: TableRow, /) -> None: ...


class CachedRows:
    """What the fold works on. Rows may be changed in place, so nothing is dropped while it is not on disk.

    limit: bytes that the rows may take. Two generations: what was not touched while half of it was read anew is
    dropped. Comments and replies are hardly ever asked for twice and stay only until they are on disk.
    """

    def __init__(self, read: Callable[[bytes], bytes | None], limit: int | Callable[[], int]) -> None:
        self._read = read
        self._limit = limit if callable(limit) else (lambda: limit)
        self._rows: dict[str, TableRow] = {}
        self._cooling: dict[str, TableRow] = {}
        self._items: dict[str, TableRow] = {}
        self._weight, self._weighed, self._turn = 0, 0, 0

    def __len__(self) -> int:
        return len(self._rows.keys() | self._cooling.keys()) + len(self._items)

    def get(self, key: str, /) -> TableRow | None:
        row = self._rows.get(key)
        if row is not None:
            return row
        row = self._items.get(key)
        if row is not None:
            return row
        row = self._cooling.get(key)
        if row is None:
            if (stored := self._read(key.encode())) is None:
                return None
            row = _decoder.decode(stored)
        if type(row) is not ItemState:
            self._rows[key] = row
        return row

    def load(self, key: str) -> TableRow | None:
        """A row that somebody else keeps from now on, as it is on disk."""
        stored = self._read(key.encode())
        return None if stored is None else _decoder.decode(stored)

    def __setitem__(self, key: str, row: TableRow, /) -> None:
        (self._items if type(row) is ItemState else self._rows)[key] = row

    def __getitem__(self, key: str, /) -> TableRow:
        row = self.get(key)
        if row is None:
            raise KeyError(key)
        return row

    def shrink(self, unwritten: Set[str]) -> None:
        """Let go of what is on disk and cold; call it when everything but `unwritten` is there."""
        self._items = {key: self._items[key] for key in self._items.keys() & unwritten}
        if self._weigh() > self._limit() // 2:
            self._cooling = self._rows
            self._rows = {key: self._cooling[key] for key in self._cooling.keys() & unwritten}
            self._weighed = 0

    def _weigh(self) -> int:
        self._turn += 1
        if len(self._rows) > self._weighed * _GROWN or self._turn % _TURNS == 0:
            self._weight, self._weighed = weight(self._rows.values()), len(self._rows)
        return self._weight
