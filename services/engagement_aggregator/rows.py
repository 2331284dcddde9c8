"""The rows of one partition in memory, over the local table: read on the first touch, kept while they are warm."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from schemas.aggregate_state import TableRow

_decoder: msgspec.json.Decoder[TableRow] = msgspec.json.Decoder(TableRow)


class CachedRows:
    """What the fold works on. Rows may be changed in place, so nothing is dropped while it is not on disk."""

    def __init__(self, read: Callable[[bytes], bytes | None], limit: int) -> None:
        self._read, self._limit = read, limit
        self._rows: dict[str, TableRow] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: str, /) -> TableRow | None:
        row = self._rows.get(key)
        if row is None and (stored := self._read(key.encode())) is not None:
            row = self._rows[key] = _decoder.decode(stored)
        return row

    def __setitem__(self, key: str, row: TableRow, /) -> None:
        self._rows[key] = row

    def __getitem__(self, key: str, /) -> TableRow:
        row = self.get(key)
        if row is None:
            raise KeyError(key)
        return row

    def shrink(self, unwritten: Iterable[str]) -> None:
        """Above the limit keep only the rows that are not on disk yet."""
        if len(self._rows) > self._limit:
            self._rows = {key: self._rows[key] for key in unwritten if key in self._rows}
