"""A record that could not be handled, kept whole with the reason, so that it can be understood and replayed.

Not a `Fact`: the brand and even the type of an unreadable record may be unknown.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from schemas.envelope import Count, Instant


class DeadLetter(Struct, frozen=True, kw_only=True, tag_field="type", tag="DeadLetter"):
    """One refused record.

    event_id: made from the coordinates, so refusing the same record again is the same dead letter.
    cause: a constant such as `undecodable` or `bug`. message: what happened, Chinese first, for people.
    value: base64 of the original bytes, null for a tombstone and where `value_omitted` (too large for one record).
    timestamp: the original record's.
    """

    event_id: Annotated[str, Meta(min_length=1, max_length=400)]
    schema_version: int = 1
    service: Annotated[str, Meta(min_length=1)]
    topic: Annotated[str, Meta(min_length=1)]
    partition: Count
    offset: Count
    timestamp: Instant
    cause: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{1,63}$")]
    message: str
    value: str | None
    value_omitted: bool = False
    first_seen_at: Instant
