"""The small fold of the Python contenders: totals only, no windows, no followers, no reasons; less than the product.

Latest snapshot per post by sequence, comments and replies by identity, parents by the difference of a post before and
after. A row is a list of eight figures in the order of `truth.FIGURES`; a post's has its sequence as the ninth.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from benchmarks.load.truth import COLLECTED, FIGURES, REPLIES

Row = list[int]
_READINGS = FIGURES[:6]


class Reading(msgspec.Struct, gc=False):
    value: int = 0


class Readings(msgspec.Struct, gc=False):
    views: Reading
    likes: Reading
    comments: Reading
    shares: Reading
    saves: Reading
    follows: Reading


class OfPost(msgspec.Struct, gc=False, tag_field="type"):
    """Only what the job needs; everything else in the record is passed over without building objects."""

    post_key: str
    campaign_id: str
    content_id: str
    platform: str


class Metrics(OfPost, gc=False, tag="MetricsObserved"):
    sequence: int
    readings: Readings


class Comment(OfPost, gc=False, tag="CommentObserved"):
    comment_id: str


class Reply(OfPost, gc=False, tag="ReplyPosted"):
    reply_id: str


class Followers(msgspec.Struct, gc=False, tag_field="type", tag="FollowersObserved"):
    pass


Event = Metrics | Comment | Reply | Followers
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
decode = _decoder.decode
decode_lines = _decoder.decode_lines


class Rows(Protocol):
    """A dict, or whatever keeps the rows of a partition."""

    def get(self, key: str, /) -> Row | None: ...

    def __setitem__(self, key: str, row: Row, /) -> None: ...


def apply(rows: Rows, event: Event) -> list[str]:
    """Fold one event; the keys of the rows that changed."""
    if isinstance(event, Followers):
        return []
    key = f"post:{event.post_key}"
    old = rows.get(key) or [0] * 9
    new = _folded(rows, event, old)
    if new is old:
        return []
    rows[key] = new
    keys = parents(event)
    for name in keys:
        row = rows.get(name) or [0] * 8
        rows[name] = [value + new[place] - old[place] for place, value in enumerate(row[:8])]
    return [key, *keys]


def parents(event: OfPost) -> list[str]:
    campaign = event.campaign_id
    return [f"content:{event.content_id}", f"campaign_platform:{campaign}:{event.platform}", f"campaign:{campaign}"]


def _folded(rows: Rows, event: OfPost, old: Row) -> Row:
    if isinstance(event, Metrics):
        if event.sequence <= old[8]:
            return old
        return [*(getattr(event.readings, name).value for name in _READINGS), *old[6:8], event.sequence]
    place, item = _item(event)
    if rows.get(item):
        return old
    rows[item] = [1]
    new = old.copy()
    new[place] += 1
    return new


def _item(event: OfPost) -> tuple[int, str]:
    if isinstance(event, Comment):
        return COLLECTED, f"comment:{event.post_key}:{event.comment_id}"
    assert isinstance(event, Reply)
    return REPLIES, f"reply:{event.post_key}:{event.reply_id}"


def encode(row: Row) -> bytes:
    return msgspec.json.encode(dict(zip(FIGURES, row, strict=False)))
