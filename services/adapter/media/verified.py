"""The bytes behind media references: files of the media folder, or fetched into it once; verified before use."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Lock
from typing import BinaryIO, cast
from urllib.parse import unquote, urlsplit

from schemas.events.content import MediaRef
from schemas.events.placement import DraftMedia
from services.adapter.contract.errors import PlatformError
from services.adapter.media.download import Downloader

CHUNK = 1 << 20


def media_error(message: str) -> PlatformError:
    """A media problem: nothing was sent, and repeating does not help."""
    return PlatformError(message, error_class="media", sent="yes", outcome="refused")


class VerifiedMedia:
    """Opens `file://` references below one folder and `https://` ones after fetching them into it.

    A file that is not what its reference says is refused.
    """

    def __init__(self, folder: Path, fetcher: Downloader | None = None) -> None:
        self._folder = folder.resolve()
        self._fetcher = fetcher or Downloader()
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
            return self._fetched(media)
        path = Path(unquote(parts.path)).resolve()
        if not path.is_relative_to(self._folder):
            path = self._folder / path.name  # written by a process that sees the folder under another path
        if not path.is_file():
            raise media_error(f"素材 {media.media_id} 的文件不存在 / media file is missing")
        return path

    def _fetched(self, media: DraftMedia | MediaRef) -> Path:
        """The local copy of a remote file, named by its hash; two threads may fetch it, the last one done stays."""
        path = self._folder / media.sha256
        if path.is_file():
            return path
        self._folder.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=self._folder, prefix=".fetch-") as part:
            self._fetcher.fetch(
                media.uri,
                cast(BinaryIO, part),
                size=media.size_bytes,
                sha256=media.sha256,
                content_type=media.content_type,
            )
            part.flush()
            with suppress(FileExistsError):  # another thread was quicker with the same bytes
                os.link(part.name, path)
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
