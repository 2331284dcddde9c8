"""The media folder: files named by their sha256, typed and measured by their content, never by what they are called.

Takes uploads in pieces with constant memory; a file appears in the folder whole and sound or not at all.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
import uuid
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO

from msgspec import Meta, Struct
from PIL import Image, UnidentifiedImageError

from schemas.events.envelope import Sha256
from services.publisher.media.mp4 import BrokenVideoError, is_mp4, measured, picture_inside

_EXTENSIONS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/bmp": "bmp",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
}
# What Pillow may try: it knows dozens of other formats, and some of those start other programs.
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP")
# What it may find. MPO is a JPEG with a second picture inside, as phones and cameras make it.
_PICTURES = {name: f"image/{name.lower()}" for name in _FORMATS} | {"MPO": "image/jpeg"}
_HEAD = 16
_MOST_REMEMBERED = 4096
_MOST_PIXELS = 80_000_000  # below the size at which Pillow itself warns of a decompression bomb
_ABANDONED_S = 24 * 3600.0  # an upload that was not touched for so long belongs to a process that is gone
_decoding = threading.Lock()  # one picture at a time, as each may take hundreds of megabytes


class MediaRefusedError(Exception):
    """Raised for a file nobody can publish; `code` is constant, `way_out` says what to do."""

    def __init__(self, code: str, message: str, message_en: str, way_out: str) -> None:
        super().__init__(f"{message} / {message_en}")
        self.code, self.message, self.message_en, self.way_out = code, message, message_en, way_out


class StoredMedia(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file in the media folder and its measurements; the shape of a media reference without id and role."""

    uri: Annotated[str, Meta(description="file 地址 / file URI")]
    sha256: Sha256
    content_type: Annotated[str, Meta(description="按内容判断的类型 / type by content")]
    size_bytes: int
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Probe:
    content_type: str
    width: int
    height: int
    duration_s: float | None


class UploadStore:
    """Content-addressed files below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._incoming = self.folder / ".incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)
        self._placing = threading.Lock()
        self._forget_abandoned()

    def receive(self) -> Upload:
        """A new upload, to be written in pieces."""
        return Upload(self, self._incoming / uuid.uuid4().hex)

    def find(self, sha256: str) -> StoredMedia | None:
        """The file with this hash, measured; None where there is none."""
        path = self._path(sha256)
        return None if path is None else _stored(path, sha256)

    def place(self, arrived: Path, sha256: str) -> StoredMedia:
        """Probe an arrived file and give it its name; raises MediaRefusedError, and then the file is gone."""
        probe = _probe(arrived)
        target = self.folder / f"{sha256}.{_EXTENSIONS[probe.content_type]}"
        with self._placing:
            os.replace(arrived, target)
        return _described(target, sha256, _measured.put(target, probe))

    def _forget_abandoned(self) -> None:
        """What a killed process has left half-way; others may be receiving at this moment."""
        for path in self._incoming.iterdir():
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _ABANDONED_S:
                    path.unlink()

    def _path(self, sha256: str) -> Path | None:
        for extension in _EXTENSIONS.values():
            path = self.folder / f"{sha256}.{extension}"
            if path.is_file():
                return path
        return None


class Upload:
    """One file on its way in. Not thread-safe; `finish` or `discard` ends it."""

    def __init__(self, folder: UploadStore, path: Path) -> None:
        self._folder, self._path = folder, path
        self._file: BinaryIO = path.open("xb")
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, piece: bytes) -> None:
        self._hash.update(piece)
        self._file.write(piece)
        self.size += len(piece)

    def finish(self, expected_sha256: str | None = None) -> StoredMedia:
        """Check and store it; raises MediaRefusedError, and then nothing is left behind."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            sha256 = self._hash.hexdigest()
            if self.size == 0:
                raise MediaRefusedError(
                    "empty_file", "文件是空的", "the file is empty", "请发送文件内容 / send its bytes"
                )
            if expected_sha256 not in (None, sha256):
                raise MediaRefusedError(
                    "sha256_differs",
                    f"收到的内容的 sha256 是 {sha256}，与声明的不同",
                    f"the bytes received have sha256 {sha256}, not the one announced",
                    "请重新上传 / upload it again",
                )
            return self._folder.place(self._path, sha256)
        finally:
            self.discard()

    def discard(self) -> None:
        """Forget it; harmless after `finish`."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def check(path: Path) -> None:
    """Raises MediaRefusedError for a file that an upload would be refused for, before it is uploaded."""
    _probe(path)


def _stored(path: Path, sha256: str) -> StoredMedia:
    return _described(path, sha256, _measured.of(path))


def _described(path: Path, sha256: str, probe: _Probe) -> StoredMedia:
    status = path.stat()
    return StoredMedia(
        uri=path.as_uri(),
        sha256=sha256,
        content_type=probe.content_type,
        size_bytes=status.st_size,
        width=probe.width,
        height=probe.height,
        duration_s=probe.duration_s,
    )


class _Measurements:
    """The newest measurements, so that a file is decoded once and not with every content that shows it."""

    def __init__(self) -> None:
        self._found: OrderedDict[tuple[Path, int, int], _Probe] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, path: Path) -> _Probe:
        with self._lock:
            found = self._found.get(_state_of(path))
        return found or self.put(path, _probe(path))

    def put(self, path: Path, probe: _Probe) -> _Probe:
        with self._lock:
            self._found[_state_of(path)] = probe
            while len(self._found) > _MOST_REMEMBERED:
                self._found.popitem(last=False)
        return probe


_measured = _Measurements()


def _state_of(path: Path) -> tuple[Path, int, int]:
    status = path.stat()
    return path, status.st_size, status.st_mtime_ns


def _probe(path: Path) -> _Probe:
    with path.open("rb") as file:
        head = file.read(_HEAD)
        if form := picture_inside(head):
            raise MediaRefusedError(
                "picture_of_a_phone",
                f"这是 {form} 图片，各平台都不接受",
                f"this is a {form} picture, which no platform takes",
                "请导出为 JPEG 后再用 / export it as JPEG",
            )
        if is_mp4(head):
            return _video(file, path.stat().st_size)
    return _picture(path)


def _video(file: BinaryIO, size: int) -> _Probe:
    try:
        found = measured(file, size)
    except BrokenVideoError as error:
        message, _, message_en = str(error).partition(" / ")
        way_out = "请重新导出为 mp4（H.264）/ export it again as mp4 (H.264)"
        raise MediaRefusedError("broken_video", message, message_en, way_out) from None
    return _Probe(found.content_type, found.width, found.height, round(found.duration_s, 3))


def _picture(path: Path) -> _Probe:
    try:
        with _decoding, Image.open(path, formats=_FORMATS) as picture:
            content_type = _PICTURES.get(picture.format or "")
            width, height = picture.size
            if width * height > _MOST_PIXELS:
                raise _too_large(width, height)
            picture.load()  # a cut-off file shows only when its last pixel is asked for
    except UnidentifiedImageError:
        raise _unknown_type() from None
    except Image.DecompressionBombError:
        raise _too_large(0, 0) from None
    except MediaRefusedError:
        raise
    except Exception as error:  # decoders document no error types; whatever it is, the file is what is wrong
        raise MediaRefusedError(
            "broken_picture",
            f"图片损坏或没有传完（{type(error).__name__}）",
            "the picture is broken or cut short",
            "请重新导出后上传 / export and upload it again",
        ) from None
    if content_type is None:
        raise _unknown_type()
    return _Probe(content_type, width, height, None)


def _too_large(width: int, height: int) -> MediaRefusedError:
    measure = f"（{width}×{height}）" if width else ""
    return MediaRefusedError(
        "picture_too_large",
        f"图片像素过多{measure}",
        "the picture has too many pixels",
        f"请缩小到 {_MOST_PIXELS // 1_000_000} 百万像素以内 / make it smaller",
    )


def _unknown_type() -> MediaRefusedError:
    return MediaRefusedError(
        "unknown_media_type",
        "按内容判断，这不是可发布的图片或视频",
        "by its content this is no picture or video that can be published",
        "可用 jpg、png、gif、webp、bmp、mp4、mov / use one of these",
    )
