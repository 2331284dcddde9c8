"""The one place where a placement's record becomes the newest: kept in memory, counted, and encoded to be written.

Holds every record within its bounds, so that no placement can outgrow what Kafka takes. Decides nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from schemas.events.placement import Failure, PlacementRecord
from services.adapter.placement.record_bounds import bounded, reduced
from services.adapter.worker.agenda import Agenda
from services.adapter.worker.ledger import Ledger
from services.adapter.worker.risk_breaker import RiskBreaker, Trip
from services.runtime import metrics
from services.runtime.kafka.records import Outgoing
from services.runtime.logging import get_logger

LEDGER_TOPIC = "placement-ledger"
LARGEST_RECORD_BYTES = 700_000  # Kafka takes 1,000,000; two drafts of at most 250,000 and the bounded rest stay below

log = get_logger(__name__)
_encode = msgspec.json.encode


@dataclass(slots=True)
class PlacementRecorder:
    """Of one worker. now: the platforms' time; worker: its name, for the history."""

    ledger: Ledger
    agenda: Agenda
    now: Callable[[], datetime]
    worker: str
    _breaker: RiskBreaker = field(default_factory=RiskBreaker)
    _trips: list[Trip] = field(default_factory=list)

    def keep(self, record: PlacementRecord, partition: int) -> Outgoing:
        """Take the record into memory; the record to write for it. Every state is held within the same bounds."""
        record = bounded(self.agenda.commands.compacted(record))
        value = _encode(record)
        if len(value) > LARGEST_RECORD_BYTES:
            log.error("placement_record_reduced", placement_id=record.placement_id, size=len(value))
            record = reduced(record, len(value), self.now(), self.worker)
            value = _encode(record)
        self._count(record)
        self.agenda.track(self.ledger.put(record, partition))
        return Outgoing(LEDGER_TOPIC, value, record.placement_id.encode(), partition)

    def note_answer(self, record: PlacementRecord, failure: Failure) -> None:
        """A call was answered with this failure; several risk answers about one account pause it."""
        if trip := self._breaker.note_answer(record, failure):
            self._trips.append(trip)

    @property
    def has_trips(self) -> bool:
        return bool(self._trips)

    def take_trips(self) -> list[Trip]:
        """Accounts to pause since the last call."""
        trips, self._trips = self._trips, []
        return trips

    def _count(self, record: PlacementRecord) -> None:
        known = self.ledger.entries.get(record.placement_id)
        if known is None or known.record.state != record.state:
            metrics.PLACEMENTS.labels(record.platform, record.state).inc()
            log.info(
                "placement_state", placement_id=record.placement_id, content_id=record.content_id,
                account=record.account, state=record.state, step=record.step, attempt=record.attempt,
                trace_id=record.trace_id,
            )  # fmt: skip
