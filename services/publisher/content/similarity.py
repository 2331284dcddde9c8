"""Finds earlier contents whose words on an account are nearly those of a new one. No I/O; not thread-safe by itself.

Texts are compared by the runs of characters they share, whatever their punctuation, case, emoji and links. What may be
alike is found by the smallest hashes of those runs, so a long register costs no more than a short one.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.events.content import MasterContent, Target
from services.adapter.localising.stream_safe import stream_safe

ALIKE = 0.8
WINDOW = timedelta(hours=24)
_RUN = 4
_SAMPLE = 12
_LINK = re.compile(r"https?://\S+")


@dataclass(frozen=True, slots=True)
class Alike:
    """An earlier content that says nearly the same on the same account. share: of runs in common, 0 to 1."""

    content_id: str
    due_at: datetime
    share: float


@dataclass(frozen=True, slots=True)
class _Said:
    content_id: str
    version: int
    due_at: datetime
    runs: frozenset[int]


class Likeness:
    """What has been accepted for each account, by its words."""

    def __init__(self) -> None:
        self._by_hash: dict[tuple[str, str, int], set[_Said]] = defaultdict(set)

    def add(self, content: MasterContent, target: Target) -> None:
        said = _said(content, target)
        for one in _sample(said.runs):
            self._by_hash[target.platform, target.account, one].add(said)

    def nearest(self, content: MasterContent, target: Target, newest: dict[str, int]) -> Alike | None:
        """The most similar one within a day of the target's time. newest: the version that counts, by content."""
        mine = _said(content, target)
        candidates = {
            said
            for one in _sample(mine.runs)
            for said in self._by_hash.get((target.platform, target.account, one), ())
            if newest.get(said.content_id) == said.version and abs(said.due_at - mine.due_at) <= WINDOW
        }
        alike = [Alike(said.content_id, said.due_at, _share(mine.runs, said.runs)) for said in candidates]
        return max((one for one in alike if one.share >= ALIKE), key=lambda one: one.share, default=None)


def words_of(content: MasterContent, target: Target) -> str:
    """What the post will mostly say: a person's own variant where there is one, else the master's words."""
    variant = content.variant_for(target.platform, target.account)
    if variant is not None and variant.text:
        return variant.text
    title = variant.title if variant is not None and variant.title else content.title
    body = variant.body if variant is not None and variant.body else content.body
    return "\n".join((title, content.key_message, content.summary, body))


def _said(content: MasterContent, target: Target) -> _Said:
    due_at = target.schedule.due_at if target.schedule else content.occurred_at
    return _Said(content.content_id, content.version, due_at, _runs(words_of(content, target)))


def _runs(text: str) -> frozenset[int]:
    """Hashes of all runs of letters; the same in every process, as answers must be."""
    plain = unicodedata.normalize("NFKC", stream_safe(_LINK.sub("", text))).casefold()
    letters = "".join(one for one in plain if one.isalnum())
    if len(letters) <= _RUN:
        return frozenset({zlib.crc32(letters.encode())})
    return frozenset(zlib.crc32(letters[at : at + _RUN].encode()) for at in range(len(letters) - _RUN + 1))


def _sample(runs: frozenset[int]) -> list[int]:
    return sorted(runs)[:_SAMPLE]


def _share(one: frozenset[int], other: frozenset[int]) -> float:
    return len(one & other) / len(one | other)
