"""A window shows its part of a file and not a byte beside it, however it is read and read again."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from services.adapter.media.file_slice import FileSlice


@given(st.binary(max_size=60), st.integers(0, 80), st.integers(0, 80), st.integers(1, 20))
def test_read_in_pieces_or_at_once_it_is_the_slice(whole: bytes, start: int, length: int, piece: int) -> None:
    window = FileSlice(io.BytesIO(whole), start, length)
    pieces = b"".join(iter(lambda: window.read(piece), b""))
    assert pieces == whole[start : start + length]
    assert window.seek(0) == 0
    assert window.read() == pieces, "a repeated request must send the same"
    assert window.seek(0, io.SEEK_END) == len(pieces)


def test_two_windows_of_one_file_do_not_disturb_each_other() -> None:
    file = io.BytesIO(b"abcdef")
    one, other = FileSlice(file, 0, 3), FileSlice(file, 3, 3)
    assert [one.read(1), other.read(1), one.read(1), other.read(2), one.read()] == [b"a", b"d", b"b", b"ef", b"c"]
