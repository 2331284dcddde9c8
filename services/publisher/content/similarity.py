"""Finds contents whose words on an account are nearly those of a new one, due within a day. Not thread-safe by itself.

Texts are compared by the runs of four characters that they share, whatever their punctuation, case, emoji and links. Of
a long text the smallest hashes of its runs stand for all of them (Broder's min-wise sketch): the share of equal ones in
the joint sketch is that of all runs, within three in a hundred. So a text takes a kilobyte and not a megabyte, and what
may be alike is found by its smallest hashes. What was due long ago is forgotten.
"""

from __future__ import annotations

import heapq
import re
import unicodedata
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from schemas.events.content import MasterContent, Target
from services.adapter.localising.stream_safe import stream_safe

ALIKE = 0.8
WINDOW = timedelta(hours=24)
REMEMBERED = timedelta(days=10)  # a content may be accepted up to a week after it was due, and is compared a day around
_RUN = 4
_SAMPLE = 12
_SKETCH = 256
_FEW = 256
_LINK = re.compile(r"https?://\S+")


Place = tuple[str, str]  # platform, account


@dataclass(frozen=True, slots=True)
class Alike:
    """An earlier content that says nearly the same on the same account. share: of runs in common, 0 to 1."""

    content_id: str
    due_at: datetime
    share: float


@dataclass(frozen=True, slots=True, eq=False)
class _Said:
    """What a content says on one account in one slot. sketch: the smallest hashes of its runs, ascending."""

    content_id: str
    place: Place
    due_at: datetime
    sketch: array[int]

    def first(self) -> Iterator[tuple[str, str, int]]:
        """Under what it is found."""
        return ((*self.place, one) for one in self.sketch[:_SAMPLE])


class Likeness:
    """What the contents that count say on each account."""

    def __init__(self) -> None:
        self._by_hash: dict[tuple[str, str, int], set[_Said]] = {}
        self._of_content: dict[str, tuple[_Said, ...]] = {}
        self._crowded = _FEW

    def put(self, content: MasterContent) -> None:
        """The version that counts from now on, in the place of an earlier one."""
        self.drop(content.content_id)
        self._of_content[content.content_id] = said = tuple(_said(content, target) for target in content.targets)
        for one in said:
            for key in one.first():
                self._by_hash.setdefault(key, set()).add(one)
        if len(self._of_content) > self._crowded:
            self._forget(content.occurred_at - REMEMBERED)

    def drop(self, content_id: str) -> None:
        """It says nothing any more; one that is not known changes nothing."""
        for one in self._of_content.pop(content_id, ()):
            for key in one.first():
                found = self._by_hash.get(key, set())
                found.discard(one)
                if not found:
                    self._by_hash.pop(key, None)

    def nearest(self, content: MasterContent, target: Target) -> Alike | None:
        """The most similar other content within a day of the target's time."""
        mine = _said(content, target)
        candidates = {
            said
            for key in mine.first()
            for said in self._by_hash.get(key, ())
            if said.content_id != content.content_id and abs(said.due_at - mine.due_at) <= WINDOW
        }
        alike = [Alike(said.content_id, said.due_at, _share(mine.sketch, said.sketch)) for said in candidates]
        return max((one for one in alike if one.share >= ALIKE), key=lambda one: one.share, default=None)

    def _forget(self, before: datetime) -> None:
        """Each content is looked at a few times at most: the next time is when there are twice as many."""
        for content_id in [name for name, said in self._of_content.items() if all(one.due_at < before for one in said)]:
            self.drop(content_id)
        self._crowded = max(_FEW, 2 * len(self._of_content))


def words_of(content: MasterContent, target: Target) -> str:
    """What the post will mostly say: a person's own variant where there is one, else the master's words."""
    variant = content.variant_for(target.platform, target.account)
    if variant is not None and variant.text:
        return variant.text
    title = variant.title if variant is not None and variant.title else content.title
    body = variant.body if variant is not None and variant.body else content.body
    return "\n".join((title, content.key_message, content.summary, body))


def _said(content: MasterContent, target: Target) -> _Said:
    place = target.platform, target.account
    return _Said(content.content_id, place, content.due_at(target), _sketch(words_of(content, target)))


@lru_cache(maxsize=8)  # the targets of one content mostly say the same
def _sketch(text: str) -> array[int]:
    """The smallest hashes of all runs of letters; the same in every process, as answers must be."""
    plain = unicodedata.normalize("NFKC", stream_safe(_LINK.sub("", text))).casefold()
    letters = "".join(one for one in plain if one.isalnum())
    runs = {zlib.crc32(letters[at : at + _RUN].encode()) for at in range(max(1, len(letters) - _RUN + 1))}
    return array("I", heapq.nsmallest(_SKETCH, runs))


def _share(one: array[int], other: array[int]) -> float:
    """Of the smallest hashes of both together, how many both have; of short texts these are all."""
    mine, theirs = set(one), set(other)
    joint = heapq.nsmallest(_SKETCH, mine | theirs)
    return sum(run in mine and run in theirs for run in joint) / len(joint)
