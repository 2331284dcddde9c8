"""Many keyed rows in blocks of bytes, without an object for each: what a flush writes, in its order."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import chain
from struct import Struct
from typing import Any

from services.engagement_aggregator.native.library import address, ffi, rows_size

KeyedRow = tuple[bytes, bytes | None]
_NULL = -1
_pair = Struct("=2i")
_SIZES_OF_A_BLOCK = 2 * 512


class Block:
    """Key and value of each row one after the other; sizes: int32 in pairs, -1 for a value that is null.

    Both are held and must not change from here on. They may be memory of C (`ffi.buffer`) that `owner` keeps alive.
    """

    __slots__ = ("_held", "address", "rows", "sizes", "sizes_address")

    def __init__(self, rows: bytes | Any, sizes: bytes | array[int] | Any, owner: object = None) -> None:
        self.rows, self.sizes = rows, memoryview(sizes).cast("B")
        held: tuple[Any, Any] = ffi.from_buffer("uint8_t[]", rows), ffi.from_buffer("uint8_t[]", self.sizes)
        self._held = (*held, owner)
        self.address, self.sizes_address = map(address, held)
        if len(self.sizes) % _pair.size or rows_size(self.sizes_address, len(self)) != len(rows):
            raise ValueError(f"{len(rows)} bytes are not the rows that {len(self.sizes)} bytes of sizes tell of")

    def __len__(self) -> int:
        return len(self.sizes) // _pair.size

    def __iter__(self) -> Iterator[KeyedRow]:
        rows, at = self.rows, 0
        for key, value in _pair.iter_unpack(self.sizes):
            middle = at + key
            if value == _NULL:
                yield rows[at:middle], None
                at = middle
            else:
                end = middle + value
                yield rows[at:middle], rows[middle:end]
                at = end


class KeyedRows:
    """Rows of some blocks after each other. Neither they nor their blocks ever change."""

    __slots__ = ("blocks",)

    def __init__(self, *blocks: Block) -> None:
        self.blocks = tuple(block for block in blocks if block)

    @classmethod
    def of(cls, rows: Iterable[KeyedRow]) -> KeyedRows:
        growing = GrowingRows()
        for key, value in rows:
            growing.add(key, value)
        return growing.done()

    def __len__(self) -> int:
        return sum(map(len, self.blocks))

    def __iter__(self) -> Iterator[KeyedRow]:
        return chain.from_iterable(self.blocks)

    def __add__(self, more: KeyedRows) -> KeyedRows:
        return KeyedRows(*self.blocks, *more.blocks)


class GrowingRows:
    """Rows that are still being put together, in blocks: large ones that grow side by side leave holes in memory."""

    __slots__ = ("_blocks", "_rows", "_size", "_sizes", "_write")

    def __init__(self) -> None:
        self._blocks: list[Block] = []
        self._begin()

    def add(self, key: bytes, value: bytes | None) -> None:
        self._size(self._write(key))
        self._size(_NULL if value is None else self._write(value))
        if len(self._sizes) == _SIZES_OF_A_BLOCK:
            self._end()
            self._begin()

    def done(self) -> KeyedRows:
        """What was added; nothing more can be."""
        self._end()
        return KeyedRows(*self._blocks)

    def _begin(self) -> None:
        self._rows, self._sizes = BytesIO(), array("i")  # it gives away what it holds, where a bytearray would copy
        self._write, self._size = self._rows.write, self._sizes.append

    def _end(self) -> None:
        self._blocks.append(Block(self._rows.getvalue(), self._sizes))
