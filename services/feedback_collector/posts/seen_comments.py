"""Which comments of a post have been collected: short hashes that fit into the post's cursor, however many. Pure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator

WIDTH = 8
SEGMENT = 4096


class SeenComments:
    """64-bit hashes of comment ids; two ids of one post share one once in some 10¹⁰ posts of 10,000 comments.

    Full segments are written once and never again, so that neither a cursor nor what a poll writes grows with the post.
    """

    def __init__(self, unsealed: str = "", segments: Iterable[str] = ()) -> None:
        self._unsealed = set(_unpacked(unsealed))
        self._sealed: set[bytes] = set()
        self.segments = 0
        for packed in segments:
            self.segments += 1
            self._sealed.update(_unpacked(packed))
        self._unsealed -= self._sealed

    def __contains__(self, comment_id: str) -> bool:
        found = _hash(comment_id)
        return found in self._unsealed or found in self._sealed

    def __len__(self) -> int:
        return len(self._unsealed) + len(self._sealed)

    def add(self, comment_id: str) -> None:
        if comment_id not in self:
            self._unsealed.add(_hash(comment_id))

    def seal(self) -> Iterator[tuple[int, str]]:
        """Segments that have become full, with their numbers from 1; from now on they are not in `packed` any more."""
        while len(self._unsealed) >= SEGMENT:
            full = sorted(self._unsealed)[:SEGMENT]
            self._unsealed.difference_update(full)
            self._sealed.update(full)
            self.segments += 1
            yield self.segments, _packed(full)

    def packed(self) -> str:
        """What is in no segment yet: the same set in the same bytes, however it came about."""
        return _packed(self._unsealed)


def _hash(comment_id: str) -> bytes:
    return hashlib.blake2b(comment_id.encode(), digest_size=WIDTH).digest()


def _packed(hashes: Iterable[bytes]) -> str:
    return base64.b64encode(b"".join(sorted(hashes))).decode()


def _unpacked(packed: str) -> Iterator[bytes]:
    """Raises ValueError for what was never packed."""
    raw = base64.b64decode(packed, validate=True)
    if len(raw) % WIDTH:
        raise ValueError(f"哈希表长度不是 {WIDTH} 的倍数 / not a whole number of hashes")
    return (raw[at : at + WIDTH] for at in range(0, len(raw), WIDTH))
