"""What one campaign's topics say, kept up to date: placements, comments, aggregate rows."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import msgspec

from schemas.events.aggregate import EngagementAggregate
from schemas.events.feedback import CommentObserved, FeedbackEvent, MetricsObserved
from schemas.events.placement import PlacementRecord
from services.runtime.kafka.reader import Tail
from services.runtime.kafka.records import Record
from services.runtime.settings import KafkaSettings

LEDGER, FEEDBACK, AGGREGATES = "placement-ledger", "feedback-unified", "engagement-aggregate"
LATEST = 5


class Watching:
    """Follows three topics from their beginning on a thread of its own; reads of the fields need no lock."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self.records: dict[str, PlacementRecord] = {}
        self.rows: dict[str, EngagementAggregate] = {}
        self.comments: list[tuple[str, str, str]] = []
        self.snapshots: Counter[str] = Counter()
        self._latest: dict[str, tuple[CommentObserved, ...]] = {}
        self._stop = threading.Event()
        self._tail = Tail(kafka, [LEDGER, FEEDBACK, AGGREGATES], stop=self._stop)
        self._thread = threading.Thread(target=self._follow, name="watching", daemon=True)
        self._takes: dict[str, Callable[[bytes], None]] = {
            LEDGER: self._ledger,
            FEEDBACK: self._feedback,
            AGGREGATES: self._aggregate,
        }
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10)
        self._tail.close()

    def comments_of(self, campaign_id: str) -> list[tuple[str, str]]:
        """(post_key, comment_id) of every comment event of the campaign, repetitions included."""
        return [(post, comment) for campaign, post, comment in list(self.comments) if campaign == campaign_id]

    def latest_of(self, campaign_id: str) -> tuple[CommentObserved, ...]:
        """The newest comments of the campaign, the last one newest."""
        return self._latest.get(campaign_id, ())

    def _follow(self) -> None:
        while not self._stop.is_set():
            for record in self._tail.poll(0.2):
                self._take(record)

    def _take(self, record: Record) -> None:
        if record.value is not None:
            self._takes[record.topic](record.value)

    def _ledger(self, value: bytes) -> None:
        record = _ledger_record(value)
        self.records[record.placement_id] = record

    def _feedback(self, value: bytes) -> None:
        event = _feedback_event(value)
        if isinstance(event, CommentObserved) and event.version == 1:
            self.comments.append((event.campaign_id, event.post_key, event.comment_id))
            self._latest[event.campaign_id] = (*self._latest.get(event.campaign_id, ())[-LATEST + 1 :], event)
        if isinstance(event, MetricsObserved):
            self.snapshots[event.platform] += 1

    def _aggregate(self, value: bytes) -> None:
        row = _row(value)
        self.rows[row.key] = row


_ledger_record = msgspec.json.Decoder(PlacementRecord).decode
_feedback_event = msgspec.json.Decoder(FeedbackEvent).decode
_row = msgspec.json.Decoder(EngagementAggregate).decode
