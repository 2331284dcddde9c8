"""Keyed rows as Kafka record batches: planned at once, filled in C only when the client's sender takes them.

So of all that a flush writes to one partition only one batch stands in memory a second time.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from crc32c import crc32c

from services.engagement_aggregator.native.keyed_rows import Block, KeyedRows
from services.engagement_aggregator.native.library import address, ffi, plan_batch, write_batch

_HEAD = Struct(">qiibIhiqqqhii")  # the fields that are packed in `_filled`
_CHECKSUM, _CHECKSUM_AT, _CHECKED_FROM = Struct(">I"), 17, 21
_UNCOUNTED = 12  # base offset and length are not in the length
_NO_EPOCH, _FORMAT, _TRANSACTIONAL = -1, 2, 0x10
_PAIR = 8  # bytes of two sizes


class Span(NamedTuple):
    """Some rows of a block. row, at: the first of them and where it begins; rows: how many."""

    block: Block
    row: int
    at: int
    rows: int


class RecordBatch:
    """What aiokafka's accumulator and sender ask of a BatchBuilder, of a transactional producer, uncompressed."""

    def __init__(self, spans: list[Span], *, count: int, size: int, timestamp: int) -> None:
        self._spans, self._count, self._size, self._timestamp = spans, count, size, timestamp
        self._producer: tuple[int, int, int] = (-1, -1, 0)
        self._bytes: bytearray | None = None

    @property
    def first_key(self) -> bytes:
        block, row, at, _ = self._spans[0]
        return block.rows[at : at + block.sizes.cast("i")[2 * row]]

    def record_count(self) -> int:
        return self._count

    def size(self) -> int:
        return self._size

    def close(self) -> None:
        """Nothing more goes in anyway."""

    def closed(self) -> bool:
        return True

    def _set_producer_state(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        self._producer = (producer_id, producer_epoch, base_sequence)

    def _build(self) -> bytearray:
        """The same bytes at every attempt to send them."""
        if self._bytes is None:
            self._bytes = self._filled()
            self._spans = []
        return self._bytes

    def _filled(self) -> bytearray:
        whole = bytearray(self._size)
        _HEAD.pack_into(
            whole, 0,
            0, self._size - _UNCOUNTED, _NO_EPOCH, _FORMAT, 0, _TRANSACTIONAL,
            self._count - 1, self._timestamp, self._timestamp, *self._producer, self._count,
        )  # fmt: skip
        held = ffi.from_buffer("uint8_t[]", whole)
        into, at, number = address(held), _HEAD.size, 0
        for block, row, starts, count in self._spans:
            sizes = block.sizes_address + row * _PAIR
            took = write_batch(block.address + starts, sizes, count, number, into + at, self._size - at)
            if took < 0:
                raise AssertionError("a record batch was planned smaller than its rows are")
            at, number = at + took, number + count
        ffi.release(held)
        checksum = crc32c(memoryview(whole)[_CHECKED_FROM:], gil_release_mode=0)  # as for the rest of C
        _CHECKSUM.pack_into(whole, _CHECKSUM_AT, checksum)
        return whole


def record_batches(rows: KeyedRows, *, largest: int, timestamp: int) -> Iterator[RecordBatch]:
    """As many rows in each as fit into `largest` bytes; a row that is larger alone has a batch of its own."""
    plan = ffi.new("tb_batch *", {"size": _HEAD.size})
    spans: list[Span] = []
    for block in rows.blocks:
        plan.row = plan.at = 0
        while plan.row < len(block):
            row, at = plan.row, plan.at
            plan_batch(block.sizes_address, len(block), largest, address(plan))
            if plan.row > row:
                spans.append(Span(block, row, at, plan.row - row))
            if plan.row < len(block):
                yield RecordBatch(spans, count=plan.count, size=plan.size, timestamp=timestamp)
                spans, plan.count, plan.size = [], 0, _HEAD.size
    if spans:
        yield RecordBatch(spans, count=plan.count, size=plan.size, timestamp=timestamp)
