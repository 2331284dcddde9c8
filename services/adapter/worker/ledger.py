"""The placements of the partitions this worker holds: a view of the ledger topic in memory, rebuilt on assignment.

Holds records and says when each wants attention next; it decides nothing and calls nobody.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from schemas.events.placement import PlacementRecord

WAITING_STATES = frozenset({"INTENDED", "UNKNOWN", "ACCEPTED"})


@dataclass(slots=True, eq=False)
class LedgerEntry:
    """One placement here. busy: a call of ours is on its way. superseded: ignore what that call brings back."""

    record: PlacementRecord
    partition: int
    busy: bool = False
    superseded: bool = False


@dataclass(slots=True)
class Ledger:
    """All placements of the held partitions, with an agenda of what wants attention when."""

    entries: dict[str, LedgerEntry] = field(default_factory=dict)
    _agenda: list[tuple[datetime, str]] = field(default_factory=list)
    _of_content: dict[str, set[str]] = field(default_factory=dict)

    def put(self, record: PlacementRecord, partition: int) -> LedgerEntry:
        """Take over the newest record of a placement and note when it wants attention."""
        entry = self.entries.get(record.placement_id)
        if entry is None:
            entry = self.entries[record.placement_id] = LedgerEntry(record, partition)
            self._of_content.setdefault(record.content_id, set()).add(record.placement_id)
        entry.record = record
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
        return not self._agenda or self._agenda[0][0] > until

    def interrupted(self) -> Iterable[LedgerEntry]:
        """Entries that say CALLING although nobody here is calling."""
        return [entry for entry in self.entries.values() if entry.record.state == "CALLING" and not entry.busy]

    def of_content(self, content_id: str) -> list[LedgerEntry]:
        return [self.entries[placement] for placement in sorted(self._of_content.get(content_id, ()))]

    def claimed(self, account: str, besides: str) -> frozenset[str]:
        """Native ids of the account's posts, live or on their way, that belong to other placements than `besides`."""
        others = [e.record for key, e in self.entries.items() if key != besides and e.record.account == account]
        return frozenset(native_id for record in others for native_id in _made(record))

    def forget(self, partitions: Iterable[int]) -> None:
        gone = set(partitions)
        self.entries = {key: entry for key, entry in self.entries.items() if entry.partition not in gone}
        self._of_content = {}
        for placement, entry in self.entries.items():
            self._of_content.setdefault(entry.record.content_id, set()).add(placement)
        self._agenda = [item for item in self._agenda if item[1] in self.entries]
        heapq.heapify(self._agenda)

    def busy(self, partitions: Iterable[int] | None = None) -> int:
        held = None if partitions is None else set(partitions)
        return sum(entry.busy and (held is None or entry.partition in held) for entry in self.entries.values())


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
