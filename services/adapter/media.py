"""The bytes behind media references: files of the media folder, verified before they go anywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from schemas.content import MediaRef
from schemas.placement import DraftMedia
from services.adapter.errors import PlatformError

CHUNK = 1 << 20


def media_error(message: str) -> PlatformError:
    """A media problem: nothing was sent, and repeating does not help."""
    return PlatformError(message, error_class="media", sent="yes", outcome="refused")


class MediaFolder:
    """Opens `file://` references below one folder; a file that is not what the reference says is refused."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._verified: set[tuple[str, float, int]] = set()
        self._lock = Lock()

    @contextmanager
    def open(self, media: DraftMedia | MediaRef) -> Iterator[BinaryIO]:
        """A stream of the verified file; raises PlatformError of class `media`."""
        path = self._path(media)
        self._verify(path, media)
        with path.open("rb") as stream:
            yield stream

    def read(self, media: DraftMedia | MediaRef) -> bytes:
        with self.open(media) as stream:
            return stream.read()

    def _path(self, media: DraftMedia | MediaRef) -> Path:
        parts = urlsplit(media.uri)
        if parts.scheme != "file":
            raise media_error(
                f"素材 {media.media_id} 的地址不是素材库文件，请先上传到素材库 / upload it to the media folder first"
            )
        path = Path(unquote(parts.path)).resolve()
        if not path.is_relative_to(self._folder):
            path = self._folder / path.name  # written by a process that sees the folder under another path
        if not path.is_file():
            raise media_error(f"素材 {media.media_id} 的文件不存在 / media file is missing")
        return path

    def _verify(self, path: Path, media: DraftMedia | MediaRef) -> None:
        stat = path.stat()
        known = (media.sha256, stat.st_mtime, stat.st_size)
        with self._lock:
            if known in self._verified:
                return
        digest = hashlib.sha256()
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
        if digest.hexdigest() != media.sha256:
            raise media_error(f"素材 {media.media_id} 的内容与登记的 sha256 不符 / content differs from its sha256")
        with self._lock:
            self._verified.add(known)
