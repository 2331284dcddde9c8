"""What is told to the outside by webhooks, and the log of telling it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from schemas.events.envelope import Count, Identifier, Instant

DeliveryState = Literal["PENDING", "DELIVERED", "GIVEN_UP"]


class Attempt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One try. status: what the receiver answered; None: no answer, and `problem` says why in a constant word."""

    at: Instant
    status: int | None = None
    problem: str = ""


class WebhookDelivery(Struct, frozen=True, kw_only=True, tag_field="type", tag="WebhookDelivery"):
    """One message for one subscription and what became of it. The newest record of a delivery_id counts.

    message_id: the same for every try and every resend, by which receivers recognise what they know already.
    body: what is posted, as it is. The secret it is signed with is in no record.
    """

    delivery_id: Annotated[str, Meta(min_length=1, max_length=300)]
    message_id: Annotated[str, Meta(min_length=1, max_length=300)]
    subscription_id: Identifier
    brand_id: Identifier
    event: str
    body: dict[str, Any]
    state: DeliveryState
    created_at: Instant
    next_attempt_at: Instant | None = None
    attempts: tuple[Attempt, ...] = ()
    tries: Count = 0
