"""Reads the files a campaign is made of: regular files only, texts of a sane size, media by their hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from services.adapter.localising.front_matter import EncodingError, decoded_text

LARGEST_TEXT = 2_000_000  # what the publisher takes as a request
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class MediaFile:
    path: Path
    sha256: str
    size: int


def reason_of(error: OSError | ValueError) -> str:
    """ValueError: the path holds what no path can, or the file is not UTF-8."""
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return str(error) if isinstance(error, EncodingError) else "路径里有不可用的字符"


def _regular(path: Path) -> Path:
    """Raises OSError for a path that is not a regular file: reading a pipe or a device may never end."""
    if path.exists() and not path.is_file():
        raise OSError("不是普通文件 / no regular file")
    return path


def text_of(path: Path) -> str:
    """Raises OSError, or ValueError for what is not UTF-8."""
    with _regular(path).open("rb") as file:
        raw = file.read(LARGEST_TEXT + 1)
    if len(raw) > LARGEST_TEXT:
        raise OSError(f"超过 {LARGEST_TEXT // 1_000_000} MB / too large for a text")
    return decoded_text(raw)


def hashed(path: Path) -> MediaFile:
    """In constant memory; raises OSError or ValueError."""
    digest, size = hashlib.sha256(), 0
    with _regular(path).open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            size += len(piece)
    return MediaFile(path, digest.hexdigest(), size)
