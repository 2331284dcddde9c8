"""A part of a file as a stream of its own, so that a part of a large upload is sent without ever being held. Pure."""

from __future__ import annotations

import io
import os
from typing import BinaryIO


class FileSlice(io.RawIOBase):
    """`length` bytes of `file` from `start` on, or what there is of them. Moves its position, never closes it."""

    def __init__(self, file: BinaryIO, start: int, length: int) -> None:
        self._file, self._start = file, start
        self._length = max(0, min(length, file.seek(0, os.SEEK_END) - start))
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._length - self._at)
        wanted = left if size is None or size < 0 else min(size, left)
        self._file.seek(self._start + self._at)
        data = self._file.read(wanted)
        self._at += len(data)
        return data
