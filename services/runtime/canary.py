"""Canaries as the stages see them: each passes one on in its turn. No I/O; a canary is never a reason to fail."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec.structs import replace

from schemas.internal.canary import CanaryPassed, Passing
from services.runtime.kafka.records import Outgoing, Record

CANARY_TOPIC = "pipeline-canary"
_DECODER = msgspec.json.Decoder(CanaryPassed)


def canary(value: bytes | None) -> CanaryPassed | None:
    """The canary in a record; None for anything else."""
    try:
        return _DECODER.decode(value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def departed(one: CanaryPassed, partition: int) -> Outgoing:
    """A canary as a record; it keeps its partition through all stages."""
    return Outgoing(CANARY_TOPIC, msgspec.json.encode(one), one.canary_id.encode(), partition)


def passed_on(value: bytes | None, partition: int, service: str, worker: str, now: datetime) -> Outgoing | None:
    """What `service` writes for this record; None where it is not its turn."""
    one = canary(value)
    if one is None or one.next != service:
        return None
    passing = Passing(service=service, worker=worker, at=now)
    return departed(replace(one, passed=(*one.passed, passing)), partition)


def passed_on_record(record: Record, service: str, worker: str, now: datetime) -> tuple[Outgoing, ...]:
    onward = passed_on(record.value, record.partition, service, worker, now)
    return () if onward is None else (onward,)
