"""Makes dead letters, and the original records again from them. Keeps key, headers and bytes; no I/O."""

from __future__ import annotations

import base64
from datetime import datetime

import msgspec

from schemas.events.dead_letter import DeadLetter as DeadLetterEvent
from schemas.events.dead_letter import DeadLetterHandled
from services.runtime.kafka.partitions import partition_of
from services.runtime.kafka.records import Outgoing, Record

_OURS = "dlq."
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(DeadLetterEvent)
_ENTRY: msgspec.json.Decoder[DeadLetterEvent | DeadLetterHandled] = msgspec.json.Decoder(
    DeadLetterEvent | DeadLetterHandled
)
_MESSAGE_HEADER_LIMIT = 1_000  # characters: a header is for a glance, the value has more of it
_MESSAGE_LIMIT = 20_000
_VALUE_LIMIT = 650_000  # bytes; base64 adds a third, and the whole must stay below what the broker accepts


class OriginalOmitted(ValueError):  # noqa: N818 - says what is the case, as the other runtime errors do
    """Raised when a dead letter without its original bytes shall be replayed."""


def topic_of(service: str) -> str:
    """The dead letter topic of a service."""
    return f"{service}-dlq"


def dead_letter(
    service: str, record: Record, *, cause: str, message: str, first_seen_at: datetime, partitions: int
) -> Outgoing:
    """The dead letter of `record`, in the partition its original stood in where the topic has that many.

    Bytes too many for one record are left out and have to be read at the coordinates while the topic keeps them.
    """
    omitted = record.value is not None and len(record.value) > _VALUE_LIMIT
    event = DeadLetterEvent(
        event_id=f"{service}:dlq:{record.topic}:{record.partition}:{record.offset}",
        service=service,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp=record.timestamp,
        cause=cause,
        message=message[:_MESSAGE_LIMIT],
        value=None if record.value is None or omitted else base64.b64encode(record.value).decode("ascii"),
        value_omitted=omitted,
        first_seen_at=first_seen_at,
    )
    coordinates = {
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "cause": cause,
        "message": message[:_MESSAGE_HEADER_LIMIT],
    }
    return Outgoing(
        topic=topic_of(service),
        key=record.key,
        value=_ENCODER.encode(event),
        partition=_place(record, partitions),
        headers=original_headers(record)
        + tuple((_OURS + name, text.encode("utf-8")) for name, text in coordinates.items()),
    )


def _place(record: Record, partitions: int) -> int:
    if record.partition < partitions:
        return record.partition
    return partition_of(f"{record.topic}:{record.partition}", partitions)


def original_headers(record: Record) -> tuple[tuple[str, bytes], ...]:
    """The headers without the ones a dead letter adds."""
    return tuple(header for header in record.headers if not header[0].startswith(_OURS))


def decode(record: Record) -> DeadLetterEvent:
    """The dead letter in a record; raises msgspec.DecodeError or ValidationError for anything else."""
    return _DECODER.decode(record.value or b"")


def entry(record: Record) -> DeadLetterEvent | DeadLetterHandled:
    """What a record of a `<service>-dlq` topic holds; raises msgspec.DecodeError or ValidationError."""
    return _ENTRY.decode(record.value or b"")


def handled(record: Record, event: DeadLetterHandled) -> Outgoing:
    """The note about the dead letter in `record`, for the same place of the same topic."""
    return Outgoing(record.topic, _ENCODER.encode(event), record.key, record.partition)


def replay_of(record: Record, edited: bytes | None = None) -> Outgoing:
    """The original record again, for its own topic and partition: same key and headers, and the same bytes or `edited`.

    Raises OriginalOmitted where the bytes were not kept and none are given.
    """
    event = decode(record)
    if edited is not None:
        return Outgoing(event.topic, edited, record.key, event.partition, original_headers(record))
    if event.value_omitted:
        where = f"{event.topic}-{event.partition} @ {event.offset}"
        raise OriginalOmitted(f"原记录过大，未随死信保存 / too large to be kept in the dead letter: read it at {where}")
    return Outgoing(
        topic=event.topic,
        key=record.key,
        value=None if event.value is None else base64.b64decode(event.value, validate=True),
        partition=event.partition,
        headers=original_headers(record),
    )
