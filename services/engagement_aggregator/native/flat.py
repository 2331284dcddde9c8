"""Rows as the numbers and texts that C keeps them in, and back; null is NONE there. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from schemas.internal.aggregate_state import Minute, PostState
from services.engagement_aggregator.rows import event_time

NONE = -(2**63)
_bits, _double = struct.Struct("=q"), struct.Struct("=d")
_json = msgspec.json.encode
Level = int | None
Index = tuple[float, int, int]


def texts_of(key: str, fields: Iterable[str | None]) -> list[bytes]:
    return [key.encode(), _json(key)[1:-1], *map(_json, fields)]


def plain(values: Iterable[Level]) -> list[int]:
    return [NONE if value is None else value for value in values]


def levels(numbers: Iterable[int]) -> list[Level]:
    return [None if number == NONE else number for number in numbers]


def level(number: int) -> Level:
    return None if number == NONE else number


def instant(number: int) -> datetime | None:
    return None if number == NONE else event_time.from_micros(number)


def micros(at: datetime | None) -> int:
    return NONE if at is None else event_time.micros(at)


def numbers_of(post: PostState) -> list[int]:
    total, minute = post.comments_total, post.minute
    return [
        *plain(post.values), *post.sequences, *post.reasons, *post.reason_sequences,
        event_time.micros(post.as_of), micros(post.newest), micros(post.published_at), post.comments,
        NONE if total is None else total, post.comments_total_sequence, post.replies, post.events, post.late,
        NONE if minute is None else minute,
    ]  # fmt: skip


def index_of(index: Index | None) -> list[int]:
    if index is None:
        return [0, NONE, 0]
    ratio, age, sample = index
    return [_bits.unpack(_double.pack(ratio))[0], age, sample]


def minutes_of(minutes: Sequence[Minute]) -> list[int]:
    return [
        one
        for place in minutes
        for one in (
            place.minute, *plain(place.values), *place.sequences, *place.reasons, *plain(place.before),
            place.comments, place.replies, *place.restated,
        )
    ]  # fmt: skip


def minute_of(of: list[int]) -> Minute:
    return Minute(of[0], levels(of[1:9]), of[9:17], of[17:25], levels(of[25:33]), of[33], of[34], of[35:])
