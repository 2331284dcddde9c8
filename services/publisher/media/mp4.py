"""Measures an MP4 or QuickTime file by its boxes: duration and frame size. Reads headers only, never the frames."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_HEADER = 8
_LARGEST_TRACK_BOX = 4096
_MOST_BOXES = 10_000  # on one level; a film of hours has a few hundred
_MATRIX = 9 * 4  # before the two fields of the size


class BrokenVideoError(Exception):
    """Raised when the boxes do not add up; the text (Chinese / English) says where."""


@dataclass(frozen=True, slots=True)
class Box:
    kind: bytes
    start: int
    body: int
    end: int


@dataclass(frozen=True, slots=True)
class Measured:
    content_type: str
    duration_s: float
    width: int
    height: int


def is_mp4(head: bytes) -> bool:
    return len(head) >= 12 and head[4:8] == b"ftyp"


_PICTURE_BRANDS = {
    b"heic": "HEIC", b"heix": "HEIC", b"heim": "HEIC", b"heis": "HEIC", b"hevc": "HEIC", b"hevx": "HEIC",
    b"mif1": "HEIC", b"msf1": "HEIC", b"avif": "AVIF", b"avis": "AVIF",
}  # fmt: skip


def picture_inside(head: bytes) -> str | None:
    """HEIC or AVIF where the file is such a picture: phones make them, and they look like a film from outside."""
    return _PICTURE_BRANDS.get(head[8:12]) if is_mp4(head) else None


def measured(file: BinaryIO, size: int) -> Measured:
    """Duration and display size of the first video track; raises BrokenVideoError."""
    top = _first_of_each(file, 0, size)
    for needed in (b"ftyp", b"moov", b"mdat"):
        if needed not in top:
            name = needed.decode()
            raise BrokenVideoError(f"视频缺少 {name} 部分，可能没有传完 / the {name} box is missing: file cut short?")
    brand = _read(file, top[b"ftyp"].body, 4)
    moov = top[b"moov"]
    duration_s, shown = 0.0, None
    for box in _boxes(file, moov.body, moov.end):
        if box.kind == b"mvhd":
            duration_s = _duration(file, box)
        elif box.kind == b"trak" and shown is None:
            shown = _video_size(file, box)
    if duration_s <= 0 or shown is None:
        raise BrokenVideoError("视频没有画面或时长为零 / no picture track, or the duration is zero")
    width, height = shown
    return Measured("video/quicktime" if brand == b"qt  " else "video/mp4", duration_s, width, height)


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[Box]:
    place, count = start, 0
    while place < end:
        count += 1
        if count > _MOST_BOXES:
            raise BrokenVideoError("视频的结构异常，分段太多 / the file has far too many boxes for a film")
        size, kind = struct.unpack(">I4s", _read(file, place, _HEADER))
        body = place + _HEADER
        if size == 1:
            (size,) = struct.unpack(">Q", _read(file, body, 8))
            body += 8
        stop = end if size == 0 else place + size
        if stop < body or stop > end:
            raise BrokenVideoError(
                f"视频在第 {place} 字节处损坏或被截断 / broken or cut short at byte {place} ({kind!r})"
            )
        yield Box(kind, place, body, stop)
        place = stop


def _first_of_each(file: BinaryIO, start: int, end: int) -> dict[bytes, Box]:
    """The first box of each kind: what a player takes."""
    found: dict[bytes, Box] = {}
    for box in _boxes(file, start, end):
        found.setdefault(box.kind, box)
    return found


def _read(file: BinaryIO, place: int, count: int) -> bytes:
    file.seek(place)
    found = file.read(count)
    if len(found) != count:
        raise BrokenVideoError(f"视频在第 {place} 字节处结束得太早 / ends too early at byte {place}")
    return found


def _duration(file: BinaryIO, box: Box) -> float:
    raw = _read(file, box.body, min(box.end - box.body, _LARGEST_TRACK_BOX))
    layout, place = (">IQ", 20) if raw[:1] == b"\x01" else (">II", 12)
    if len(raw) < place + struct.calcsize(layout):
        raise BrokenVideoError("视频的 mvhd 部分损坏 / the mvhd box is broken")
    scale, duration = struct.unpack_from(layout, raw, place)
    return duration / scale if scale else 0.0


def _video_size(file: BinaryIO, trak: Box) -> tuple[int, int] | None:
    """Display size of a video track, turned as its matrix says; None for sound and others."""
    inside = _first_of_each(file, trak.body, trak.end)
    if b"tkhd" not in inside or b"mdia" not in inside:
        return None
    mdia = inside[b"mdia"]
    handler = next((box for box in _boxes(file, mdia.body, mdia.end) if box.kind == b"hdlr"), None)
    if handler is None or _read(file, handler.body + 8, 4) != b"vide":
        return None
    tkhd = inside[b"tkhd"]
    # The last fields: a matrix of nine numbers (ISO/IEC 14496-12 §8.3.2), then width and height, 16.16 fixed point.
    if tkhd.end - tkhd.body < _MATRIX + 8:
        raise BrokenVideoError("视频的 tkhd 部分损坏 / the tkhd box is broken")
    a, b, _, c, d, *_, width, height = struct.unpack(">9i2I", _read(file, tkhd.end - _MATRIX - 8, _MATRIX + 8))
    width, height = width >> 16, height >> 16
    if not width or not height:
        return None
    return (height, width) if a == d == 0 and b and c else (width, height)  # phones turn films by a quarter
