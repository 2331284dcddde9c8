"""What every event carries. Times are UTC instants; identifiers are stable strings chosen by their owner."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

Instant = Annotated[datetime, Meta(tz=True, description="UTC instant, RFC 3339")]
Identifier = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$", description="stable id: letters, digits, . _ : @ -"),
]
Platform = Annotated[
    str,
    Meta(pattern=r"^[a-z][a-z0-9_]{1,31}$", description="platform name; a pattern, so a new platform is no new type"),
]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$", description="SHA-256, lower-case hex")]
Count = Annotated[int, Meta(ge=0)]


class Fact(Struct, frozen=True, kw_only=True, tag_field="type"):
    """Something that happened.

    event_id: the same fact has the same id in every report, where the fact has an identity (`weibo:comment:501…`).
    occurred_at: when it happened. observed_at: when we saw it.
    """

    event_id: Annotated[str, Meta(min_length=1, max_length=300)]
    schema_version: int = 1
    occurred_at: Instant
    observed_at: Instant
    brand_id: Identifier
    trace_id: str


class Event(Fact, frozen=True, kw_only=True):
    """A fact of one campaign; every entity topic is partitioned by `campaign_id`."""

    campaign_id: Identifier
