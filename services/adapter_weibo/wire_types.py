"""Weibo's answers as types, read from both JSON dialects of the sources. Sends nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson

from services.adapter.contract.errors import NoAnswerError

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_STAMP = re.compile(r"\w{3} (\w{3}) +(\d{1,2}) (\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2})(\d{2}) (\d{4})")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture to send as the file part `pic`."""

    filename: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Status:
    """A post as the platform shows it. placement: the placement id of the annotation, None without one."""

    id: str
    mid: str
    uid: str
    text: str
    created_at: datetime
    placement: str | None
    deleted: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """The visible part of the account's timeline, newest first. total: how many posts exist, None where unknown."""

    rows: tuple[Status, ...]
    total: int | None


@dataclass(frozen=True, slots=True)
class CommentRow:
    """parent: the comment that it answers. status_id: the post it stands under, empty where the row does not say."""

    id: str
    author: str
    text: str
    created_at: datetime
    parent: str | None
    likes: int | None
    status_id: str = ""


@dataclass(frozen=True, slots=True)
class CommentRows:
    """One page, newest first. next_cursor 0: the platform says that this is the end."""

    rows: tuple[CommentRow, ...]
    next_cursor: int
    total: int | None


@dataclass(frozen=True, slots=True)
class StatusCounts:
    """Absolute figures; None where the answer has no readable one."""

    reposts: int | None
    comments: int | None
    attitudes: int | None


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """The user of a token and its remaining life in seconds, None where the answer does not say."""

    uid: str
    expires_in_s: int | None


@dataclass(frozen=True, slots=True)
class Hits:
    """Calls of one hour: api as the platform names it (`/statuses/update`), empty = all calls together."""

    api: str
    limit: int
    remaining: int


@dataclass(frozen=True, slots=True)
class HitLimits:
    """resets_in_s: seconds until the next hour; None where the answer does not say."""

    rows: tuple[Hits, ...]
    resets_in_s: int | None


def read_status(body: Mapping[str, Any]) -> Status:
    """Ids as strings, whichever of `id`, `idstr` and `mid` the answer has, as numbers or strings."""
    status_id = str(body.get("idstr") or body.get("id") or body.get("mid") or "")
    if not status_id:
        raise NoAnswerError("答复缺少微博 id / the answer has no id")
    user = body.get("user") or {}
    return Status(
        id=status_id,
        mid=str(body.get("mid") or status_id),
        uid=str(user.get("idstr") or user.get("id") or ""),
        text=str(body.get("text", "")),
        created_at=created_at(body.get("created_at")),
        placement=_placement(body.get("annotations")),
        deleted=str(body.get("deleted", "0")) == "1",
    )


def annotation(placement_id: str) -> str:
    """The `annotations` parameter of a post: the placement id, by which `find` recognises the post."""
    return orjson.dumps([{"tongbo": placement_id}]).decode()


def _placement(annotated: Any) -> str | None:
    if isinstance(annotated, str):
        try:
            annotated = orjson.loads(annotated)
        except orjson.JSONDecodeError:
            return None
    rows = annotated if isinstance(annotated, list) else []
    return next((str(row["tongbo"]) for row in rows if isinstance(row, dict) and "tongbo" in row), None)


def read_comments(body: Mapping[str, Any]) -> CommentRows:
    return CommentRows(
        tuple(read_comment(row) for row in body.get("comments") or ()),
        whole_number(body.get("next_cursor")) or 0,
        whole_number(body.get("total_number")),
    )


def read_comment(body: Mapping[str, Any]) -> CommentRow:
    comment_id = str(body.get("idstr") or body.get("id") or "")
    if not comment_id:
        raise NoAnswerError("答复缺少评论 id / the answer has no comment id")
    user, status = body.get("user") or {}, body.get("status") or {}
    answered = body.get("reply_comment") or {}
    root = str(body.get("rootidstr") or body.get("rootid") or comment_id)
    parent = str(answered.get("idstr") or answered.get("id") or (root if root not in ("0", comment_id) else ""))
    return CommentRow(
        id=comment_id,
        author=str(user.get("idstr") or user.get("id") or ""),
        text=str(body.get("text", "")),
        created_at=created_at(body.get("created_at")),
        parent=parent or None,
        likes=whole_number(body.get("like_count")),
        status_id=str(status.get("idstr") or status.get("id") or ""),
    )


def read_counts(row: Mapping[str, Any]) -> tuple[str, StatusCounts]:
    reposts, comments, attitudes = (whole_number(row.get(name)) for name in ("reposts", "comments", "attitudes"))
    return str(row.get("idstr") or row.get("id")), StatusCounts(reposts, comments, attitudes)


def read_hits(api: str, limit: Any, remaining: Any) -> Hits | None:
    most, left = whole_number(limit), whole_number(remaining)
    return None if most is None or left is None else Hits(api, most, max(0, left))


def whole_number(value: Any) -> int | None:
    """A number that may come as a string; None for anything else."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def created_at(stamp: Any) -> datetime:
    """`Wed Oct 24 23:49:17 +0800 2012` as a UTC instant, whatever the machine's locale is."""
    match = _STAMP.fullmatch(str(stamp).strip())
    if match is None or match[1] not in _MONTHS:
        raise NoAnswerError(f"无法识别的时间 {str(stamp)[:40]} / unreadable created_at")
    month, day, hour, minute, second, sign, off_hours, off_minutes, year = match.groups()
    offset = timedelta(hours=int(off_hours), minutes=int(off_minutes)) * (1 if sign == "+" else -1)
    local = datetime(
        int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second), tzinfo=timezone(offset)
    )
    return local.astimezone(UTC)


def base62(mid: str) -> str:
    """The short form of a mid in post addresses: 7 decimal digits from the right become 4 of base 62."""
    groups = [mid[max(0, end - 7) : end] for end in range(len(mid), 0, -7)][::-1]
    return "".join(
        _base62_of(int(group)).rjust(4, "0") if i else _base62_of(int(group)) for i, group in enumerate(groups)
    )


def _base62_of(number: int) -> str:
    digits = ""
    while number or not digits:
        number, digit = divmod(number, 62)
        digits = _DIGITS[digit] + digits
    return digits


def post_url(uid: str, mid: str) -> str:
    return f"https://weibo.com/{uid}/{base62(mid)}"
