"""What clients of the publisher send. Shapes only: unknown fields are refused, meaning is checked in acceptance.py."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.events.content import ConfirmedWord, ContentKind, MediaRole
from schemas.events.envelope import Identifier, Instant, Platform, Sha256

LONGEST_LATE_S = 30 * 24 * 3600
LONGEST_DELAY_S = 366 * 24 * 3600
KEY_MESSAGE_CHARACTERS = 40

Version = Annotated[int, Meta(ge=1, le=1_000_000, description="版本号，从 1 起递增 / version, from 1 upwards")]
Title = Annotated[str, Meta(min_length=1, max_length=200, description="标题 / title")]
Topic = Annotated[str, Meta(min_length=1, max_length=40, description="话题，不带 # / topic without #")]
Address = Annotated[str, Meta(min_length=1, max_length=1_000, description="网址 / URL")]
AtLeastOne = Annotated[int, Meta(ge=1)]
WallClock = Annotated[
    str,
    Meta(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?$", description="当地钟面时间 / local time in `zone`"),
]
Delay = Annotated[float, Meta(ge=0, le=LONGEST_DELAY_S, description="接收后多少秒 / seconds after acceptance")]
Reason = Annotated[str, Meta(min_length=1, max_length=500, description="原因 / reason")]


class ScheduleRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When to post; exactly one of due_at, wall_clock, in_s. Without a schedule it goes out at once."""

    due_at: Annotated[Instant | None, Meta(description="带时区的时刻 / instant with offset")] = None
    wall_clock: WallClock | None = None
    zone: Annotated[str | None, Meta(description="IANA 时区，默认 Asia/Shanghai / IANA zone")] = None
    fold: Annotated[
        Literal["earlier", "later"] | None,
        Meta(description="夏令时回拨重复的一小时取哪一个 / which of a repeated hour"),
    ] = None
    in_s: Delay | None = None


class TargetRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One place to post to."""

    platform: Platform
    account: Identifier
    slot: Identifier = "main"
    schedule: ScheduleRequest | None = None
    late_within_s: Annotated[
        int, Meta(ge=0, le=LONGEST_LATE_S, description="最多迟发多少秒，再晚记为 MISSED / latest, else MISSED")
    ] = 3600


class MediaRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file: uploaded before (POST /media) and named by its sha256, or at an https address with its measurements."""

    media_id: Identifier
    role: MediaRole
    sha256: Sha256
    uri: Annotated[str | None, Meta(description="https 地址；已上传的可省略 / https address, or none")] = None
    content_type: str | None = None
    size_bytes: AtLeastOne | None = None
    width: AtLeastOne | None = None
    height: AtLeastOne | None = None
    duration_s: Annotated[float, Meta(gt=0)] | None = None
    alt: Annotated[str, Meta(max_length=200, description="图片说明 / alternative text")] = ""
    watermarked: bool = False


class VariantRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words written by a person for one platform (or one account of it)."""

    platform: Platform
    account: Identifier | None = None
    title: Title | None = None
    text: Annotated[str, Meta(min_length=1, max_length=20_000)] | None = None
    body: Annotated[str, Meta(min_length=1, max_length=100_000)] | None = None
    digest: Annotated[str, Meta(min_length=1, max_length=500)] | None = None
    topics: Annotated[tuple[Topic, ...], Meta(max_length=20)] | None = None


class ConfirmedWordRequest(ConfirmedWord, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A banned phrase that a person answers for, and why."""


class DeclarationsRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Said for every content, never assumed: whose it is, whether made by AI, whether an advertisement."""

    origin: Annotated[Literal["original", "repost"], Meta(description="原创或转载 / original or repost")]
    ai_generated: Annotated[bool, Meta(description="是否 AI 生成 / made by AI")]
    advertisement: Annotated[bool, Meta(description="是否广告 / an advertisement")]
    source_url: Address | None = None
    confirmed_words: Annotated[
        tuple[ConfirmedWordRequest, ...],
        Meta(max_length=20, description="由人负责的禁用词与理由 / banned phrases a person answers for, and why"),
    ] = ()


class ContentRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One version of one content and where it goes."""

    campaign_id: Identifier
    brand_id: Annotated[
        Identifier | None, Meta(description="可省略；写了就必须与活动一致 / must be the campaign's")
    ] = None
    content_id: Identifier
    version: Version = 1
    kind: ContentKind
    title: Title
    key_message: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=KEY_MESSAGE_CHARACTERS,
            description="核心信息，不超过 40 字 / what every variant must still say",
        ),
    ]
    summary: Annotated[str, Meta(max_length=2_000, description="摘要 / summary")] = ""
    body: Annotated[str, Meta(max_length=100_000, description="正文 Markdown / body in Markdown")] = ""
    author: Annotated[str, Meta(max_length=64, description="作者 / author")] = ""
    topics: Annotated[tuple[Topic, ...], Meta(max_length=20)] = ()
    link: Annotated[Address | None, Meta(description="品牌自己的网页 / the brand's own page")] = None
    media: Annotated[tuple[MediaRequest, ...], Meta(max_length=100)] = ()
    declarations: DeclarationsRequest
    targets: Annotated[tuple[TargetRequest, ...], Meta(min_length=1, max_length=200, description="发布位 / targets")]
    variants: Annotated[tuple[VariantRequest, ...], Meta(max_length=200)] = ()
    confirm_similar: Annotated[
        bool,
        Meta(description="确要一天内在同一账号发几乎相同的文字 / nearly the same words within a day are meant"),
    ] = False


class CampaignRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A campaign, defined before its contents: what belongs together and what it is for."""

    campaign_id: Identifier
    brand_id: Identifier
    name: Annotated[str, Meta(min_length=1, max_length=200, description="活动名称 / name")]
    objective: Annotated[
        Literal["awareness", "engagement", "launch", "conversion", "service"],
        Meta(description="目标 / what it is for"),
    ]
    starts_at: Instant | None = None
    ends_at: Instant | None = None


class CancelRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing of the content up to `version` (default: the newest) may be called any more."""

    version: Version | None = None
    reason: Reason
    actor: Annotated[str, Meta(min_length=1, max_length=100, description="谁取消 / who cancels")]


class CheckRequest(ContentRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A content to try out; `campaign` where its campaign is not defined yet."""

    campaign: CampaignRequest | None = None
