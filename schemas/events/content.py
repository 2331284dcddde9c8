"""Master content: what a brand wants to say once, before it is rewritten for the platforms."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.events.envelope import Count, Event, Identifier, Instant, Platform, Sha256

ContentKind = Literal["article", "video", "pictures", "notice"]
MediaRole = Literal["cover", "inline", "gallery", "video"]


class MediaRef(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file by reference; the bytes never travel through Kafka.

    uri: `file:///…` below the media folder, or `https://…`. size in bytes, duration in seconds, width and height in
    pixels. Markdown shows an inline picture as `![alt](media:<media_id>)`.
    """

    media_id: Identifier
    role: MediaRole
    uri: str
    sha256: Sha256
    content_type: str
    size_bytes: Count
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
    alt: str = ""
    watermarked: bool = False


class Schedule(Struct, frozen=True, kw_only=True):
    """When: the instant that binds, and the wall-clock time and zone that were meant."""

    due_at: Instant
    zone: str = "Asia/Shanghai"
    wall_clock: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?$")]


class Target(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One place to post to. schedule None = at once. Sent at most `late_within_s` seconds late, else MISSED."""

    platform: Platform
    account: Identifier
    slot: Identifier = "main"
    schedule: Schedule | None = None
    late_within_s: Count = 3600


class Variant(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Human-written words for one platform (or one account of it); what is None is localised from the master."""

    platform: Platform
    account: Identifier | None = None
    title: str | None = None
    text: str | None = None  # the plain caption or status, sent as written
    body: str | None = None  # Markdown, where the platform shows an article
    digest: str | None = None
    topics: tuple[str, ...] | None = None


class ConfirmedWord(Struct, frozen=True, kw_only=True):
    """A banned phrase that a person answers for, such as one that is warned of, and why; it stays on the log."""

    word: Annotated[str, Meta(min_length=1, max_length=60)]
    reason: Annotated[str, Meta(min_length=1, max_length=200)]


class Declarations(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the platforms and the law want said about the content."""

    origin: Literal["original", "repost"] = "original"
    source_url: str | None = None
    ai_generated: bool = False
    advertisement: bool = False
    confirmed_words: tuple[ConfirmedWord, ...] = ()


def placement_id(*, brand_id: str, campaign_id: str, content_id: str, platform: str, account: str, slot: str) -> str:
    """The identity of a placement: a hash *without* the content version, so a new version is never a second post."""
    identity = "\x1f".join((brand_id, campaign_id, content_id, platform, account, slot))
    return "pl-" + hashlib.sha256(identity.encode()).hexdigest()[:24]


class MasterContent(Event, frozen=True, kw_only=True, tag="MasterContent"):
    """One version of one content with the places it goes to. A higher version supersedes a lower one.

    occurred_at: when it was accepted. body: Markdown. topics: words without `#`. link: the brand's own page.
    request_sha256: hash of the accepted request, so that the same idempotency key with another body is a conflict.
    """

    content_id: Identifier
    version: Annotated[int, Meta(ge=1)]
    kind: ContentKind
    title: str
    key_message: str
    summary: str = ""
    body: str = ""
    author: str = ""
    topics: tuple[str, ...] = ()
    link: str | None = None
    media: tuple[MediaRef, ...] = ()
    declarations: Declarations = Declarations()
    targets: tuple[Target, ...]
    variants: tuple[Variant, ...] = ()
    idempotency_key: str | None = None
    request_sha256: Sha256 | None = None

    def variant_for(self, platform: str, account: str) -> Variant | None:
        """The human variant that applies: one for this account before one for the whole platform."""
        mine = [v for v in self.variants if v.platform == platform and v.account in (None, account)]
        return min(mine, key=lambda v: v.account is None, default=None)

    def placement_id(self, target: Target) -> str:
        """The identity of this content's placement on one of its targets; the same for every version."""
        return placement_id(
            brand_id=self.brand_id,
            campaign_id=self.campaign_id,
            content_id=self.content_id,
            platform=target.platform,
            account=target.account,
            slot=target.slot,
        )

    def due_at(self, target: Target) -> datetime:
        """When the content is due on one of its targets: as scheduled, or at once on acceptance."""
        return target.schedule.due_at if target.schedule else self.occurred_at


class ContentCancelled(Event, frozen=True, kw_only=True, tag="ContentCancelled"):
    """Nothing of this content up to `version` may be called any more."""

    content_id: Identifier
    version: Annotated[int, Meta(ge=1)]
    reason: str
    actor: str


class CampaignDefined(Event, frozen=True, kw_only=True, tag="CampaignDefined"):
    """A campaign: what belongs together and what it is for."""

    name: str
    objective: Literal["awareness", "engagement", "launch", "conversion", "service"] = "awareness"
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    request_sha256: Sha256 | None = None
    idempotency_key: str | None = None


MasterContentEvent = MasterContent | ContentCancelled | CampaignDefined
