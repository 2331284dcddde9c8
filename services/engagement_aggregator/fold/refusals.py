"""Which records are not folded, and why: a constant cause, and words that name the way out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import msgspec

from schemas.events.feedback import FeedbackEvent
from services.engagement_aggregator.fold import wire
from services.engagement_aggregator.fold.open_post import IDENTITY
from services.engagement_aggregator.fold.wire import OfPost, ReadSnapshot, Wire
from services.engagement_aggregator.rows import event_time

LONGEST_POST_KEY = 256


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that was not folded: its place in the batch, a constant cause, and words for people."""

    index: int
    cause: str
    message: str


class Owner(Protocol):
    """A row by whose campaign it is."""

    @property
    def brand_id(self) -> str: ...

    @property
    def campaign_id(self) -> str | None: ...


class Unfoldable(Exception):  # noqa: N818 - it is an outcome of one record, caught at once
    """Raised inside the fold for a record that cannot be counted without making some row wrong."""

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause


def decoded(value: bytes | None) -> FeedbackEvent:
    """The event of a record by the contract's own types; raises Refusal."""
    if value is None:
        raise Unfoldable("undecodable", "空记录（墓碑）不是反馈事件 / a tombstone is no feedback event")
    try:
        return wire.strict.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unfoldable("undecodable", f"无法解读为反馈事件：{error} / not a feedback event") from None


def looked_at(value: bytes | None) -> Wire:
    """One record that its batch could not be decoded with, or because of; raises Refusal."""
    if value is None:
        decoded(value)
    try:
        return wire.one.decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        decoded(value)
        raise Unfoldable(
            "number_out_of_range",
            f"有计数超过 {wire.LARGEST_COUNT}，不可能是真实计数，请检查适配器 / no real count, check the adapter",
        ) from None


def readings(event: ReadSnapshot) -> tuple[wire.Read, ...]:
    r = event.readings
    return r.views, r.likes, r.comments, r.shares, r.saves, r.follows, r.clicks, r.conversions


def is_whole(reading: wire.Read) -> bool:
    """A value or a reason, and not both."""
    return (reading.value is None) != (reading.reason is None)


def moved(identity: Sequence[str], event: OfPost) -> Unfoldable:
    """The event of a post that is another one's; identity: of the post."""
    name, known = next(one for one in zip(IDENTITY, identity, strict=True) if one[1] != getattr(event, one[0]))
    return Unfoldable(
        "identity_conflict",
        f"帖子 {event.post_key} 的 {name} 原为 {known}，事件却写 {getattr(event, name)}"
        f" / {name} of this post was another one, a post cannot move",
    )


def refuse_unreal(at: datetime) -> None:
    """An event time that cannot be one."""
    if not at >= event_time.EPOCH or at.year > event_time.LAST_YEAR:
        raise Unfoldable("time_out_of_range", f"{at} 不可能是真实时间，请检查采集 / no real time, check the collector")


def refuse_long(event: OfPost) -> None:
    if len(event.post_key) > LONGEST_POST_KEY:
        raise Unfoldable(
            "post_key_too_long",
            f"post_key 超过 {LONGEST_POST_KEY} 个字符，请缩短 native_id / post_key too long, shorten native_id",
        )


def refuse_conflicts(known: Sequence[tuple[str, Owner]], event: Wire, owns: Callable[[str], bool]) -> None:
    """Refuse what would mix two brands or campaigns in one row, before anything is written. known: rows by key."""
    for key, total in known:
        if (total.brand_id, total.campaign_id) != (event.brand_id, event.campaign_id):
            raise Unfoldable(
                "identity_conflict",
                f"{key} 属于品牌 {total.brand_id} 的活动 {total.campaign_id}，事件却写 brand_id={event.brand_id} "
                f"campaign_id={event.campaign_id}：请换一个 id / the id is taken by another brand or campaign",
            )
    if not known and not owns(event.campaign_id):
        raise Unfoldable(
            "foreign_partition",
            f"活动 {event.campaign_id} 不属于这个分区：写入方须按 campaign_id 分区"
            " / this campaign belongs to another partition, its producer must partition by campaign_id",
        )
