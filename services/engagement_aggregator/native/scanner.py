"""What most records do to an open post, done in C: it takes snapshots like the last one and lists new comments.

Everything else is handed over in the order of the records, and a post is as it would be without C once `State.apply`
has taken what came in meanwhile. Comments and replies that are surely new are counted and kept here until they are on
disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import NamedTuple

from services.engagement_aggregator.native.keyed_rows import Block, KeyedRows
from services.engagement_aggregator.native.library import address, ffi, lib, scan
from services.engagement_aggregator.native.sections import Section

NEVER_SEEN = -(2**63)
NOTHING_FOLLOWS = -1
DONE, FOR_PYTHON, FULL = range(3)
_ASKED = 2_048
_PAGES = 64
COMMENT, REPLY = 2, 3
_asked = Struct("=9q")


class Follows(NamedTuple):
    """Snapshots that may follow the last one. pattern: of what it has and lacks; minute: that it was taken in.

    after, until: of their event times, in µs since the epoch: after < t <= until.
    """

    pattern: int
    minute: int
    after: int
    until: int


class Asked(NamedTuple):
    """A comment or reply of an open post, in a window that is open, that may be known already. Times in µs.

    moved: it is the newest observation of its post.
    """

    kind: int
    post: int
    id_at: int
    id_size: int
    version: int
    deleted: int
    minute: int
    seen: int
    moved: int


class Scanner:
    """The open posts of one partition by number, until they are cleared. Not for two threads at once."""

    def __init__(self) -> None:
        self.posts = ffi.gc(lib.tb_posts_new(), lib.tb_posts_free)
        if self.posts == ffi.NULL:
            raise MemoryError
        self.state = ffi.new("tb_scan_state *")
        self._asked = ffi.new("tb_asked[]", _ASKED)
        self._addresses = [address(one) for one in (self.posts, self.state, self._asked)]
        self._found = ffi.new("int64_t[3]")
        self._staged = ffi.new("tb_staged[]", _PAGES)

    def __len__(self) -> int:
        """Comments and replies that wait to be written."""
        return int(lib.tb_items_waiting(self.posts))

    def add(self, names: Sequence[str], *, is_new: bool) -> int:
        """Open a post by its seven names; see native.h for their order. Its number counts from 0.

        is_new: nothing of it is on disk.
        """
        encoded = [name.encode() for name in names]
        number: int = lib.tb_post_add(self.posts, b"".join(encoded), [len(name) for name in encoded], is_new)
        if number < 0:
            raise MemoryError
        return number

    def resume(self, post: int, sequence: int, newest: int, follows: Follows | None) -> None:
        """Tell how a post stands after Python has dealt with it."""
        pattern, minute, after, until = follows or (NOTHING_FOLLOWS, 0, 0, 0)
        lib.tb_post_resume(self.posts, post, sequence, newest, pattern, minute, after, until)

    def scan(self, section: Section) -> int:
        """Go on with `state.next` until DONE, or FOR_PYTHON, who steps over it, or FULL; see `asked` each time."""
        posts, state, asked = self._addresses
        status: int = scan(posts, section.address, section.records_address, section.count, state, asked, _ASKED)
        return status

    def asked(self) -> Iterator[Asked]:
        """What the last scan came across and does not know to be new, in order."""
        found = ffi.buffer(self._asked, self.state.asked * _asked.size)
        return map(Asked._make, _asked.iter_unpack(found))

    def item(self, post: int, kind: int, name: str) -> tuple[int, bool, int] | None:
        """Version, deleted and minute of a comment or reply that is kept here."""
        encoded = name.encode()
        if lib.tb_item_find(self.posts, post, kind, encoded, len(encoded), self._found):
            version, deleted, minute = self._found
            return version, bool(deleted), minute
        return None

    def kept(self, post: int, kind: int, name: str) -> None:
        """Remember a comment or reply that Python keeps the row of."""
        encoded = name.encode()
        lib.tb_item_kept(self.posts, post, kind, encoded, len(encoded))

    def staged(self) -> KeyedRows:
        """Rows of the comments and replies that came since the last call; here until they are `written`, too."""
        blocks: list[Block] = []
        while True:
            count = lib.tb_items_staged(self.posts, self._staged, _PAGES)
            for page in self._staged[0:count]:
                held = ffi.gc(page.page, lib.tb_page_release)
                sizes = ffi.buffer(page.sizes, page.count * 2 * ffi.sizeof("int32_t"))
                blocks.append(Block(ffi.buffer(page.rows, page.size), sizes, held))
            if count < _PAGES:
                return KeyedRows(*blocks)
