"""The shape of a campaign file: what people write, with the publisher's own limits on every field."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from schemas.events.content import ContentKind, MediaRole
from schemas.events.envelope import Identifier
from services.publisher.api.requests import (
    KEY_MESSAGE_CHARACTERS,
    CampaignRequest,
    DeclarationsRequest,
    TargetRequest,
    Title,
    Topic,
    VariantRequest,
    Version,
)


class MediaEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file beside the YAML."""

    media_id: Identifier
    role: MediaRole
    file: Annotated[str, Meta(min_length=1, description="相对于 YAML 的路径 / path relative to the YAML file")]
    alt: str = ""
    watermarked: bool = False


class VariantEntry(VariantRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words written by a person; body_file instead of body for longer ones."""

    body_file: str | None = None


class Defaults(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for every content that does not say otherwise."""

    author: str | None = None
    link: str | None = None
    topics: tuple[Topic, ...] | None = None
    declarations: DeclarationsRequest | None = None
    zone: str | None = None
    late_within_s: int | None = None


class ContentEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One content; body_file: its Markdown."""

    content_id: Identifier
    version: Version = 1
    kind: ContentKind
    title: Title
    key_message: Annotated[str, Meta(min_length=1, max_length=KEY_MESSAGE_CHARACTERS, description="核心信息 / message")]
    summary: str = ""
    body: str | None = None
    body_file: str | None = None
    author: str | None = None
    topics: tuple[Topic, ...] | None = None
    link: str | None = None
    media: tuple[MediaEntry, ...] = ()
    declarations: DeclarationsRequest | None = None
    targets: Annotated[tuple[TargetRequest, ...], Meta(min_length=1, description="发布位 / targets")]
    variants: tuple[VariantEntry, ...] = ()


class CampaignDocument(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    campaign: CampaignRequest
    defaults: Defaults = Defaults()
    contents: Annotated[tuple[ContentEntry, ...], Meta(min_length=1, description="内容 / contents")]
