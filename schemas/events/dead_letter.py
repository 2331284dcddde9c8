"""A record that could not be handled, kept whole with the reason, so that it can be understood and replayed.

Not a `Fact`: the brand and even the type of an unreadable record may be unknown.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.events.envelope import Count, Instant


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


class DeadLetterHandled(Struct, frozen=True, kw_only=True, tag_field="type", tag="DeadLetterHandled"):
    """What a person did about a dead letter, beside it on the same topic. dead_letter_id: its event_id.

    action: `resent` = its record went to its own topic again (edited: with other bytes); `discarded` = it will not.
    """

    event_id: Annotated[str, Meta(min_length=1, max_length=500)]
    schema_version: int = 1
    dead_letter_id: Annotated[str, Meta(min_length=1, max_length=400)]
    action: Literal["resent", "discarded"]
    edited: bool = False
    reason: Annotated[str, Meta(min_length=1, max_length=1000)]
    actor: Annotated[str, Meta(min_length=1, max_length=200)]
    handled_at: Instant
