"""Measures an MP4 or QuickTime file by its boxes: duration and frame size. Reads headers only, never the frames."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_HEADER = 8
_LARGEST_TRACK_BOX = 4096


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


def measured(file: BinaryIO, size: int) -> Measured:
    """Duration and display size of the first video track; raises BrokenVideoError."""
    top = {box.kind: box for box in _boxes(file, 0, size)}
    for needed in (b"ftyp", b"moov", b"mdat"):
        if needed not in top:
            name = needed.decode()
            raise BrokenVideoError(f"视频缺少 {name} 部分，可能没有传完 / the {name} box is missing: file cut short?")
    brand = _read(file, top[b"ftyp"].body, 4)
    moov = top[b"moov"]
    inside = list(_boxes(file, moov.body, moov.end))
    duration_s = next((_duration(file, box) for box in inside if box.kind == b"mvhd"), 0.0)
    tracks = [_video_size(file, box) for box in inside if box.kind == b"trak"]
    sizes = [size for size in tracks if size is not None]
    if duration_s <= 0 or not sizes:
        raise BrokenVideoError("视频没有画面或时长为零 / no picture track, or the duration is zero")
    width, height = sizes[0]
    return Measured("video/quicktime" if brand == b"qt  " else "video/mp4", duration_s, width, height)


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[Box]:
    place = start
    while place < end:
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
    """Display size of a video track, None for sound and others."""
    inside = {box.kind: box for box in _boxes(file, trak.body, trak.end)}
    if b"tkhd" not in inside or b"mdia" not in inside:
        return None
    mdia = inside[b"mdia"]
    handler = next((box for box in _boxes(file, mdia.body, mdia.end) if box.kind == b"hdlr"), None)
    if handler is None or _read(file, handler.body + 8, 4) != b"vide":
        return None
    tkhd = inside[b"tkhd"]
    width, height = struct.unpack(">II", _read(file, tkhd.end - 8, 8))  # 16.16 fixed point, the last two fields
    return (width >> 16, height >> 16) if width >> 16 and height >> 16 else None
