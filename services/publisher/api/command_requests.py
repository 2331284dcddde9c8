"""What operators send to `POST /commands`. Shapes only; what each kind needs is checked in commanding.py."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.events.commands import BrakeLevel
from schemas.events.envelope import Identifier, Instant, Platform
from services.publisher.api.requests import Address, Reason

CommandKind = Literal[
    "brake_set", "brake_release", "cancel", "retract", "retry", "confirm", "deny", "release", "reply",
]  # fmt: skip
LONGEST_SPREAD_S = 7 * 24 * 3600
Spread = Annotated[
    float,
    Meta(gt=0, le=LONGEST_SPREAD_S, description="在多少秒内分批放行 / spread what is parked over so many seconds"),
]
CommentId = Annotated[str, Meta(min_length=1, max_length=200, description="要回复的评论 / the comment")]
ReplyText = Annotated[str, Meta(min_length=1, max_length=2000, description="回复内容 / what to answer")]


class ScopeRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a brake holds, always within one brand."""

    level: BrakeLevel
    campaign_id: Identifier | None = None
    platform: Platform | None = None
    account: Identifier | None = None


class SeenPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The post that a person has found on the platform."""

    native_id: Annotated[str, Meta(min_length=1, max_length=200, description="平台上的帖子编号 / the platform's id")]
    url: Address | None = None
    published_at: Annotated[Instant | None, Meta(description="默认现在 / default: now")] = None


class CommandRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One command. Which of the optional fields it needs depends on `kind`; the others must be left out.

    brake_set: scope, brand_id; until. brake_release: brake_id; over_s. confirm: placement_id, post. release:
    placement_id; due_at. reply: placement_id, comment_id, text. The others: placement_id.
    """

    kind: CommandKind
    command_id: Annotated[
        Identifier | None,
        Meta(description="重发同一指令用同一编号 / the same id repeats the command, once carried out"),
    ] = None
    reason: Reason
    actor: Annotated[str, Meta(min_length=1, max_length=100, description="谁下的指令 / who commands")]
    brand_id: Identifier | None = None
    scope: ScopeRequest | None = None
    until: Annotated[Instant | None, Meta(description="到时自动解除 / ends by itself then")] = None
    brake_id: Annotated[Identifier | None, Meta(description="要解除的刹车 / the brake to release")] = None
    over_s: Spread | None = None
    placement_id: Identifier | None = None
    post: SeenPost | None = None
    due_at: Annotated[Instant | None, Meta(description="何时发布，默认立即 / when, default at once")] = None
    comment_id: CommentId | None = None
    text: ReplyText | None = None


class Effect(Struct, frozen=True, kw_only=True):
    """What the command means for one placement, by what is known now; the adapter decides when it gets there."""

    placement_id: str
    state: str
    state_after: str
    note: Annotated[str, Meta(description="中文说明 / in plain Chinese")]
    due_at: Instant


class CommandAccepted(Struct, frozen=True, kw_only=True):
    """The answer to a command: Kafka has it, adapters carry it out."""

    command_id: str
    kind: CommandKind
    brand_id: str
    accepted_at: Instant
    trace_id: str
    affected: Annotated[int, Meta(description="涉及多少个发布位 / placements it concerns")]
    effects: Annotated[tuple[Effect, ...], Meta(description="最多 200 个 / 200 at most")]


class BrakeStatus(Struct, frozen=True, kw_only=True):
    """A brake that is on."""

    brake_id: str
    brand_id: str
    level: BrakeLevel
    campaign_id: str | None
    platform: str | None
    account: str | None
    reason: str
    actor: str
    since: Instant
    until: Instant | None
    parked: Annotated[int, Meta(description="它拦下的发布位数 / placements that it holds")]


class BrakeList(Struct, frozen=True, kw_only=True):
    brakes: tuple[BrakeStatus, ...]
