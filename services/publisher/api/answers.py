"""What the publisher answers. Shapes only; the texts in them are made where the facts are known."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.events.content import ContentKind, MasterContent, Schedule
from schemas.events.placement import Dropped, PlacementRecord
from services.publisher.media.uploads import StoredMedia

__all__ = ["StoredMedia"]

Accepted = Literal["ACCEPTED_BY_PUBLISHER", "WOULD_BE_ACCEPTED"]


class VariantMedia(Struct, frozen=True, kw_only=True):
    """One file as this platform uses it."""

    media_id: str
    use: str


class VariantReport(Struct, frozen=True, kw_only=True):
    """The content in one platform's own form, and what localising did to it."""

    platform: str
    account: str
    slot: str
    form: Annotated[str, Meta(description="平台上的发布形式 / the platform's form of post")]
    written_by: Annotated[Literal["rules", "person"], Meta(description="规则生成或人工撰写 / by rules or by a person")]
    title: str
    text: str
    html: str
    length_used: Annotated[int, Meta(description="按平台算法的长度 / in the platform's own counting")]
    length_limit: int
    media: tuple[VariantMedia, ...]
    rules_version: str
    rules_applied: tuple[str, ...]
    dropped: Annotated[tuple[Dropped, ...], Meta(description="省略或缩短了什么 / left out or shortened")]
    warnings: tuple[str, ...]


class PlannedPlacement(Struct, frozen=True, kw_only=True):
    """One placement of the accepted content."""

    placement_id: str
    platform: str
    account: str
    slot: str
    due_at: datetime
    late_until: Annotated[datetime, Meta(description="最晚发布时刻，过后记为 MISSED / latest, then MISSED")]
    schedule: Annotated[Schedule | None, Meta(description="null = 立即 / at once")]
    state: Accepted


class ContentAccepted(Struct, frozen=True, kw_only=True):
    """The answer to a content; repeated byte for byte when the same request comes again."""

    content_id: str
    version: int
    campaign_id: str
    brand_id: str
    accepted_at: datetime
    trace_id: str
    placements: tuple[PlannedPlacement, ...]
    variants: tuple[VariantReport, ...]
    warnings: tuple[str, ...]


class CampaignAccepted(Struct, frozen=True, kw_only=True):
    """The answer to a campaign."""

    campaign_id: str
    brand_id: str
    name: str
    objective: str
    starts_at: datetime | None
    ends_at: datetime | None
    accepted_at: datetime
    trace_id: str


class CancelAccepted(Struct, frozen=True, kw_only=True):
    """The answer to a cancel: everything up to `version` that was not called yet is not called any more."""

    content_id: str
    version: int
    reason: str
    actor: str
    accepted_at: datetime
    trace_id: str


class PlacementStatus(Struct, frozen=True, kw_only=True):
    """Where one placement stands, as far as the ledger says."""

    placement_id: str
    campaign_id: str
    content_id: str
    content_version: int
    kind: ContentKind
    title: str
    platform: str
    account: str
    slot: str
    state: Annotated[str, Meta(description="台账状态；台账还没有记录时为 ACCEPTED_BY_PUBLISHER / ledger state")]
    state_zh: str
    final: bool
    overdue: Annotated[bool, Meta(description="过了最晚时刻仍无结果 / past its latest time without an answer")]
    waiting_on: str
    since: datetime
    due_at: datetime
    late_until: datetime
    url: str | None
    native_id: str | None
    error: Annotated[str | None, Meta(description="最近的错误 / the latest error")]


class PlacementDetail(Struct, frozen=True, kw_only=True):
    """One placement with its ledger record (null while no adapter has taken it over)."""

    status: PlacementStatus
    record: PlacementRecord | None


class PlacementList(Struct, frozen=True, kw_only=True):
    placements: tuple[PlacementStatus, ...]


class CancelNote(Struct, frozen=True, kw_only=True):
    version: int
    reason: str
    actor: str
    at: datetime


class ContentStatus(Struct, frozen=True, kw_only=True):
    """A content with all its versions, newest last, and where its placements stand."""

    content_id: str
    campaign_id: str
    brand_id: str
    versions: tuple[MasterContent, ...]
    cancelled: tuple[CancelNote, ...]
    placements: tuple[PlacementStatus, ...]


class ContentSummary(Struct, frozen=True, kw_only=True):
    content_id: str
    version: int
    kind: ContentKind
    title: str
    placements: int


class CampaignStatus(Struct, frozen=True, kw_only=True):
    """A campaign, its contents and how many placements are in which state."""

    campaign_id: str
    brand_id: str
    name: str
    objective: str
    starts_at: datetime | None
    ends_at: datetime | None
    contents: tuple[ContentSummary, ...]
    states: Annotated[dict[str, int], Meta(description="状态 → 发布位数 / state → placements")]


class CampaignList(Struct, frozen=True, kw_only=True):
    campaigns: tuple[CampaignStatus, ...]
