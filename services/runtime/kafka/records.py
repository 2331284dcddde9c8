"""What is read from and written to Kafka, free of the client library's own types. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

Headers = tuple[tuple[str, bytes], ...]


class TopicPartition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it stands in the log; `value` None is a tombstone, `timestamp` is UTC."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: datetime

    @property
    def coordinates(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)

    def header(self, name: str) -> bytes | None:
        """The newest value of a header, for a header may stand several times."""
        return next((value for key, value in reversed(self.headers) if key == name), None)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to write; the partition is explicit because entity topics share their partition numbers."""

    topic: str
    value: bytes | None
    key: bytes | None
    partition: int
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class GroupMetadata:
    """A member's standing in its group; the broker refuses offsets of a member whose generation has passed."""

    group: str
    generation: int
    member: str
