"""The placements of the partitions this worker holds: a view of the ledger topic in memory, rebuilt on assignment.

Holds records and says when each wants attention next; it decides nothing and calls nobody.
"""

from __future__ import annotations

import heapq
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from schemas.events.placement import PlacementRecord

WAITING_STATES = frozenset({"INTENDED", "UNKNOWN", "ACCEPTED"})


@dataclass(slots=True, eq=False)
class LedgerEntry:
    """One placement here. busy: a call is on its way. superseded: ignore what that call brings back."""

    record: PlacementRecord
    partition: int
    busy: bool = False
    superseded: bool = False


@dataclass(slots=True)
class Ledger:
    """All placements of the held partitions, with an agenda of what wants attention when."""

    entries: dict[str, LedgerEntry] = field(default_factory=dict)
    unknown: int = 0  # how many of them are UNKNOWN
    unreadable: dict[str, int] = field(default_factory=dict)  # placements whose record nobody can read → partition
    _agenda: list[tuple[datetime, str]] = field(default_factory=list)
    _of_content: dict[str, set[str]] = field(default_factory=dict)
    _of_post: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)  # (account, native id) → placements

    def put(self, record: PlacementRecord, partition: int) -> LedgerEntry:
        """Take over the newest record of a placement and note when it wants attention."""
        entry = self.entries.get(record.placement_id)
        if entry is None:
            entry = self.entries[record.placement_id] = LedgerEntry(record, partition)
            self._of_content.setdefault(record.content_id, set()).add(record.placement_id)
            self.unknown += record.state == "UNKNOWN"
        else:
            self.unknown += (record.state == "UNKNOWN") - (entry.record.state == "UNKNOWN")
        entry.record = record
        self._index(record)
        if record.state in WAITING_STATES and record.next_attempt_at is not None:
            heapq.heappush(self._agenda, (record.next_attempt_at, record.placement_id))
        return entry

    def due(self, now: datetime, most: int) -> list[LedgerEntry]:
        """Up to `most` entries that want attention now and are not busy, earliest first."""
        found: list[LedgerEntry] = []
        while self._agenda and self._agenda[0][0] <= now and len(found) < most:
            at, placement = heapq.heappop(self._agenda)
            entry = self.entries.get(placement)
            if entry is None or entry.busy or not self._still(entry.record, at) or entry in found:
                continue
            found.append(entry)
        return found

    def _still(self, record: PlacementRecord, at: datetime) -> bool:
        return record.state in WAITING_STATES and record.next_attempt_at == at

    def waits(self, until: datetime) -> bool:
        """Whether no placement wants attention before `until`."""
        while self._agenda and not self._wants(*self._agenda[0]):
            heapq.heappop(self._agenda)  # noted before the record changed: it must not keep a worker awake
        return not self._agenda or self._agenda[0][0] > until

    def _wants(self, at: datetime, placement: str) -> bool:
        entry = self.entries.get(placement)
        return entry is not None and self._still(entry.record, at)

    def interrupted(self) -> Iterable[LedgerEntry]:
        """Entries that say CALLING although nobody here is calling."""
        return [entry for entry in self.entries.values() if entry.record.state == "CALLING" and not entry.busy]

    def of_content(self, content_id: str) -> list[LedgerEntry]:
        return [self.entries[placement] for placement in sorted(self._of_content.get(content_id, ()))]

    def claimed(self, record: PlacementRecord) -> Container[str]:
        """Native ids of posts on the same account, live or on their way, that belong to other placements.

        Answers one id at a time by the index, also to the threads that look, as of the moment it is asked.
        """
        return _ClaimedByOthers(self, record.account, record.placement_id)

    def is_claimed(self, account: str, native_id: str, besides: str) -> bool:
        """Whether a placement other than `besides` has this post."""
        others = self._of_post.get((account, native_id), frozenset()) - {besides}
        entries = [self.entries.get(placement) for placement in others]
        return any(entry is not None and native_id in _made(entry.record) for entry in entries)

    def _index(self, record: PlacementRecord) -> None:
        for native_id in _made(record):
            placements = self._of_post.get((record.account, native_id), frozenset())
            self._of_post[record.account, native_id] = placements | {record.placement_id}

    def forget(self, partitions: Iterable[int]) -> None:
        gone = set(partitions)
        self.unreadable = {key: partition for key, partition in self.unreadable.items() if partition not in gone}
        self.entries = {key: entry for key, entry in self.entries.items() if entry.partition not in gone}
        self.unknown = sum(entry.record.state == "UNKNOWN" for entry in self.entries.values())
        self._of_content, self._of_post = {}, {}
        for placement, entry in self.entries.items():
            self._of_content.setdefault(entry.record.content_id, set()).add(placement)
            self._index(entry.record)
        self._agenda = [item for item in self._agenda if item[1] in self.entries]
        heapq.heapify(self._agenda)

    def busy(self) -> int:
        """Calls on their way."""
        return sum(entry.busy for entry in self.entries.values())


@dataclass(frozen=True, slots=True)
class _ClaimedByOthers(Container[str]):
    ledger: Ledger
    account: str
    besides: str

    def __contains__(self, native_id: object) -> bool:
        return isinstance(native_id, str) and self.ledger.is_claimed(self.account, native_id, self.besides)


def _made(record: PlacementRecord) -> Iterator[str]:
    """Every id by which the platform may name the post of a placement."""
    if record.post is not None:
        yield record.post.native_id
    for step in record.steps:
        if step.effect == "post":
            yield from ids_in(step.result)


def ids_in(result: Mapping[str, str]) -> Iterator[str]:
    """The platform's ids in what a step yielded, by the names that end in `id`."""
    return (value for name, value in result.items() if value and name.endswith("id"))
