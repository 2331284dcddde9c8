"""What people have done about placements that failed."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from schemas.events.envelope import Count, Identifier, Instant


class FailureHandled(Struct, frozen=True, kw_only=True, tag_field="type", tag="FailureHandled"):
    """A person has taken note of a failure, up to that revision of its ledger record: a later failure is a new one."""

    placement_id: Identifier
    brand_id: Identifier
    campaign_id: Identifier
    revision: Count
    reason: Annotated[str, Meta(min_length=1, max_length=2000)]
    actor: Annotated[str, Meta(min_length=1, max_length=200)]
    handled_at: Instant
