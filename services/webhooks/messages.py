"""What the outside is told: one message for each change of a placement and of an alert. Pure.

Says what happened and where it can be seen; drafts, steps and whatever platforms answered stay inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from schemas.events.alert import Alert
from schemas.events.placement import PlacementRecord

# state → the name of the event that entering it is
_ENTERED: dict[str, str] = {
    "INTENDED": "placement.updated",
    "CALLING": "placement.calling",
    "ACCEPTED": "placement.accepted",
    "PARKED": "placement.parked",
    "UNKNOWN": "placement.unknown",
    "NEEDS_HUMAN": "placement.needs_human",
    "LIVE": "placement.live",
    "REJECTED": "placement.failed",
    "MISSED": "placement.missed",
    "CANCELLED": "placement.cancelled",
    "REMOVED": "placement.removed",
}
CREATED, UPDATED = "placement.created", "placement.updated"
EVENTS = (CREATED, *dict.fromkeys(_ENTERED.values()), "alert.open", "alert.resolved")


@dataclass(frozen=True, slots=True)
class Message:
    """One message. message_id: the same fact has the same one, however often it is read."""

    message_id: str
    event: str
    brand_id: str
    body: dict[str, Any]


def of_placement(record: PlacementRecord) -> Message:
    """The message of one ledger record."""
    event = _event(record)
    data = {
        "placement_id": record.placement_id,
        "campaign_id": record.campaign_id,
        "content_id": record.content_id,
        "content_version": record.content_version,
        "platform": record.platform,
        "account": record.account,
        "slot": record.slot,
        "state": record.state,
        "revision": record.revision,
        "waiting_on": record.waiting_on,
        "due_at": record.due_at.isoformat(),
        "late_until": record.late_until.isoformat(),
        "url": record.post.url if record.post else None,
        "native_id": record.post.native_id if record.post else None,
        "error_class": record.failure.error_class if record.failure else None,
        "error_code": record.failure.code if record.failure else None,
        "error_message": record.failure.message if record.failure else None,
    }
    return _message(f"{record.placement_id}:{record.revision}", event, record.brand_id, record.occurred_at, data)


def of_alert(alert: Alert) -> Message:
    data = {
        "alert_key": alert.alert_key,
        "kind": alert.kind,
        "severity": alert.severity,
        "status": alert.status,
        "since": alert.since.isoformat(),
        "campaign_id": alert.campaign_id,
        "platform": alert.platform,
        "account": alert.account,
        "placement_id": alert.placement_id,
        "title": alert.title,
        "title_en": alert.title_en,
        "way_out": alert.way_out,
        "way_out_en": alert.way_out_en,
    }
    return _message(alert.event_id, f"alert.{alert.status}", alert.brand_id, alert.occurred_at, data)


def _event(record: PlacementRecord) -> str:
    if record.revision == 1 and record.state == "INTENDED":
        return CREATED
    entered = record.history[-1].state if record.history else record.state
    before = record.history[-2].state if len(record.history) > 1 else None
    return UPDATED if entered == before else _ENTERED[record.state]


def _message(message_id: str, event: str, brand_id: str, at: Any, data: dict[str, Any]) -> Message:
    body = {"type": event, "id": message_id, "brand_id": brand_id, "timestamp": at.isoformat(), "data": data}
    return Message(message_id, event, brand_id, body)
