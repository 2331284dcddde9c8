"""What most records do to an open post, done in C: it takes snapshots like the last one and lists new comments.

Everything else is handed over in the order of the records, and a post is as it would be without C once `take` was asked
what has come in meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import NamedTuple

from services.engagement_aggregator.native.library import ffi, lib
from services.engagement_aggregator.native.sections import Section

NEVER_SEEN = -(2**63)
NOTHING_FOLLOWS = -1
DONE, FOR_PYTHON, FULL = range(3)
_COMMENTS = 2_048
_GROUPS = 64
_comment, _group = Struct("=8q"), Struct("=13q")

Group = tuple[int, ...]  # minute, count, sequence, at, eight values, comments_total


class Follows(NamedTuple):
    """Snapshots that may follow the last one. pattern: of what it has and lacks; minute: that it was taken in.

    after, until: of their event times, in µs since the epoch: after < t <= until.
    """

    pattern: int
    minute: int
    after: int
    until: int


class Comment(NamedTuple):
    """A comment of an open post, in a window that is open. moved: the post's newest observation; times in µs."""

    post: int
    id_at: int
    id_size: int
    version: int
    deleted: int
    minute: int
    seen: int
    moved: int


class Scanner:
    """The open posts of one partition by number, from one settling to the next. Not for two threads at once."""

    def __init__(self) -> None:
        self._posts = ffi.gc(lib.tb_posts_new(), lib.tb_posts_free)
        if self._posts == ffi.NULL:
            raise MemoryError
        self.state = ffi.new("tb_scan_state *")
        self._comments = ffi.new("tb_comment[]", _COMMENTS)
        self._groups, self._newest = ffi.new("tb_group[]", _GROUPS), ffi.new("int64_t *")

    def clear(self) -> None:
        """Forget every post."""
        lib.tb_posts_clear(self._posts)

    def add(self, names: Sequence[str]) -> int:
        """Open a post by its seven names; see native.h for their order. Its number counts from 0."""
        encoded = [name.encode() for name in names]
        number: int = lib.tb_post_add(self._posts, b"".join(encoded), [len(name) for name in encoded])
        if number < 0:
            raise MemoryError
        return number

    def resume(self, post: int, sequence: int, newest: int, follows: Follows | None) -> None:
        """Tell how a post stands after Python has dealt with it."""
        pattern, minute, after, until = follows or (NOTHING_FOLLOWS, 0, 0, 0)
        lib.tb_post_resume(self._posts, post, sequence, newest, pattern, minute, after, until)

    def take(self, post: int) -> tuple[list[Group], int]:
        """The groups of snapshots that came in, in order, and the newest observation or NEVER_SEEN."""
        taken: list[Group] = []
        while True:
            count = lib.tb_post_take(self._posts, post, self._groups, _GROUPS, self._newest)
            if count:
                taken += _group.iter_unpack(ffi.buffer(self._groups, count * _group.size))
            if count < _GROUPS:
                return taken, self._newest[0]

    def scan(self, section: Section) -> int:
        """Go on with `state.next` until DONE, or FOR_PYTHON, who steps over it, or FULL; see `comments` each time."""
        status: int = lib.tb_scan(
            self._posts, section.base, section.records, section.count, self.state, self._comments, _COMMENTS
        )
        return status

    def comments(self) -> Iterator[Comment]:
        """Those that the last scan came across, in order."""
        count = self.state.comments
        return map(Comment._make, _comment.iter_unpack(ffi.buffer(self._comments, count * _comment.size)))
