"""Records that lie in one block of bytes, found without an object for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.engagement_aggregator.native.library import address, ffi, lib

_NULL = -1


class CorruptBatchError(ValueError):
    """Raised when the bytes of a batch do not hold what its head promises."""


class Section:
    """first: records before it are left out. records: where each stands in the bytes, `tb_record[]`."""

    __slots__ = ("_view", "address", "base", "count", "first", "records", "records_address")

    def __init__(self, view: memoryview, records: Any, count: int, first: int = 0) -> None:
        self._view, self.records, self.count, self.first = view, records, count, first
        self.base = ffi.from_buffer("uint8_t[]", view)
        self.address, self.records_address = address(self.base), address(records)

    def __len__(self) -> int:
        return self.count - self.first

    def value(self, number: int) -> bytes | None:
        record = self.records[number]
        at, size = record.value_at, record.value_size
        return None if size == _NULL else bytes(self._view[at : at + size])

    def text(self, at: int, size: int) -> str:
        return str(self._view[at : at + size], "ascii")


def of_batch(data: memoryview, *, base_offset: int, count: int, start: int) -> Section:
    """The records of an uncompressed batch, given what follows its head; those before offset `start` are left out."""
    records = ffi.new("tb_record[]", count)
    if lib.tb_records(ffi.from_buffer("uint8_t[]", data), len(data), base_offset, count, records) != count:
        raise CorruptBatchError(f"record batch at offset {base_offset} does not hold {count} records")
    first = 0
    if base_offset < start:
        first = next((number for number in range(count) if records[number].offset >= start), count)
    return Section(data, records, count, first)


def of_values(values: Sequence[bytes | None]) -> Section:
    """Values that come from elsewhere, such as a compressed batch."""
    records, at = ffi.new("tb_record[]", len(values)), 0
    for number, value in enumerate(values):
        size = _NULL if value is None else len(value)
        record = records[number]
        record.key_size, record.value_at, record.value_size = _NULL, at, size
        at += max(size, 0)
    return Section(memoryview(b"".join(value for value in values if value is not None)), records, len(values))
