"""Which comments of a post have been collected: a set of short hashes that fits into the post's cursor. Pure."""

from __future__ import annotations

import base64
import hashlib

WIDTH = 8


class Seen:
    """64-bit hashes of comment ids; two ids of one post share one once in some 10¹⁰ posts of 10,000 comments."""

    def __init__(self, packed: str = "") -> None:
        raw = base64.b64decode(packed)
        self._hashes = {raw[at : at + WIDTH] for at in range(0, len(raw), WIDTH)}

    def __contains__(self, comment_id: str) -> bool:
        return _hash(comment_id) in self._hashes

    def __len__(self) -> int:
        return len(self._hashes)

    def add(self, comment_id: str) -> None:
        self._hashes.add(_hash(comment_id))

    def packed(self) -> str:
        """The same set in the same bytes, however it came about."""
        return base64.b64encode(b"".join(sorted(self._hashes))).decode()


def _hash(comment_id: str) -> bytes:
    return hashlib.blake2b(comment_id.encode(), digest_size=WIDTH).digest()
