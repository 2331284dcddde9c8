"""Where every placement stands: what was accepted, joined with what the placement ledger says. Thread-safe."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from schemas.codec import DecodeError, decoder
from schemas.events.content import MasterContent, Target
from schemas.events.placement import FINAL_STATES, PlacementRecord
from schemas.topics import topic
from schemas.words import state_words
from services.publisher.api.answers import PlacementDetail, PlacementStatus
from services.publisher.log.accepted import AcceptedLog
from services.runtime.kafka.records import Record
from services.runtime.logging import get_logger

TOPIC = topic("placement-ledger").name
ACCEPTED = "ACCEPTED_BY_PUBLISHER"
_decode = decoder("placement-ledger")

log = get_logger(__name__)


class Placements:
    """The newest ledger record of every placement, and the placements that have none yet."""

    def __init__(self, register: AcceptedLog) -> None:
        self._register = register
        self._lock = threading.Lock()
        self._records: dict[str, PlacementRecord] = {}

    def apply(self, record: Record) -> None:
        """Take in one ledger record; a tombstone forgets the placement."""
        key = (record.key or b"").decode(errors="replace")
        if record.value is None:
            with self._lock:
                self._records.pop(key, None)
            return
        try:
            found = _decode(record.value)
        except DecodeError as error:
            log.error(
                "placement_record_unreadable", partition=record.partition, offset=record.offset, field=error.field
            )
            return
        with self._lock:
            before = self._records.get(found.placement_id)
            if before is None or found.revision >= before.revision:  # the log may be read anew from its start
                self._records[found.placement_id] = found

    def record(self, placement_id: str) -> PlacementRecord | None:
        """The newest ledger record; None while no adapter has taken the placement over."""
        with self._lock:
            return self._records.get(placement_id)

    def records(self) -> list[PlacementRecord]:
        """The newest ledger record of every placement."""
        with self._lock:
            return list(self._records.values())

    def of_content(self, content_id: str, now: datetime) -> tuple[PlacementStatus, ...]:
        """Every placement that any version of the content named, in the order of the versions."""
        wanted: dict[str, tuple[MasterContent, Target]] = {}
        for master in self._register.versions(content_id):
            wanted.update({master.placement_id(target): (master, target) for target in master.targets})
        return tuple(self._status(key, master, target, now) for key, (master, target) in wanted.items())

    def of_campaign(self, campaign_id: str, now: datetime) -> tuple[PlacementStatus, ...]:
        contents = self._register.contents_of(campaign_id)
        return tuple(status for content in contents for status in self.of_content(content, now))

    def detail(self, placement_id: str, now: datetime) -> PlacementDetail | None:
        with self._lock:
            record = self._records.get(placement_id)
        if record is not None:
            versions = self._register.versions(record.content_id)
            title = next((one.title for one in versions if one.version == record.content_version), "")
            return PlacementDetail(status=_from_ledger(record, title, now), record=record)
        content_id = self._register.content_of_placement(placement_id)
        if content_id is None:
            return None
        statuses = self.of_content(content_id, now)
        return next((PlacementDetail(status=s, record=None) for s in statuses if s.placement_id == placement_id), None)

    def _status(self, key: str, master: MasterContent, target: Target, now: datetime) -> PlacementStatus:
        with self._lock:
            record = self._records.get(key)
        return _from_ledger(record, master.title, now) if record else _not_taken_over(key, master, target, now)


def _from_ledger(record: PlacementRecord, title: str, now: datetime) -> PlacementStatus:
    return PlacementStatus(
        placement_id=record.placement_id,
        campaign_id=record.campaign_id,
        content_id=record.content_id,
        content_version=record.content_version,
        kind=record.kind,
        title=title,
        platform=record.platform,
        account=record.account,
        slot=record.slot,
        state=record.state,
        state_zh=state_words(record.state).says.zh,
        final=record.state in FINAL_STATES,
        overdue=record.state not in FINAL_STATES and now > record.late_until,
        waiting_on=record.waiting_on,
        since=record.since,
        due_at=record.due_at,
        late_until=record.late_until,
        url=record.post.url if record.post else None,
        native_id=record.post.native_id if record.post else None,
        error=record.failure.message if record.failure else None,
    )


def _not_taken_over(key: str, master: MasterContent, target: Target, now: datetime) -> PlacementStatus:
    due = master.due_at(target)
    late_until = due + timedelta(seconds=target.late_within_s)
    return PlacementStatus(
        placement_id=key,
        campaign_id=master.campaign_id,
        content_id=master.content_id,
        content_version=master.version,
        kind=master.kind,
        title=master.title,
        platform=target.platform,
        account=target.account,
        slot=target.slot,
        state=ACCEPTED,
        state_zh=state_words(ACCEPTED).says.zh,
        final=False,
        overdue=now > late_until,
        waiting_on="等待平台适配器接手",
        since=master.occurred_at,
        due_at=due,
        late_until=late_until,
        url=None,
        native_id=None,
        error=None,
    )
