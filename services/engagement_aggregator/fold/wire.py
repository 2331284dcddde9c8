"""What the fold reads of a feedback event: the contract's types without what costs time and is decided elsewhere.

Accepts no record that the contract refuses, but for two things that the fold sees to: the patterns of identifiers (an
event is held against a post that is known, and a post becomes known only by the contract's own types) and that a
reading has either a value or a reason. Pure.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from schemas.events.envelope import Count, Instant
from schemas.events.feedback import Absence, FeedbackEvent, Via

LARGEST_COUNT = 10**15  # sums of such stay exact integers for every reader
Plausible = Annotated[int, Meta(ge=0, le=LARGEST_COUNT)]


class Read(Struct, frozen=True, gc=False):
    """One reading."""

    value: Plausible | None = None
    reason: Absence | None = None
    native: str = ""


_UNSUPPORTED = Read(reason="unsupported")


class AllRead(Struct, frozen=True, gc=False):
    """The readings of a snapshot."""

    views: Read = _UNSUPPORTED
    likes: Read = _UNSUPPORTED
    comments: Read = _UNSUPPORTED
    shares: Read = _UNSUPPORTED
    saves: Read = _UNSUPPORTED
    follows: Read = _UNSUPPORTED
    clicks: Read = _UNSUPPORTED
    conversions: Read = _UNSUPPORTED


class _Fact(Struct, frozen=True, kw_only=True, tag_field="type", gc=False):
    event_id: Annotated[str, Meta(min_length=1, max_length=300)]
    schema_version: int = 1
    occurred_at: Instant
    observed_at: Instant
    brand_id: str
    trace_id: str
    campaign_id: str


class _OfPost(_Fact, frozen=True, kw_only=True, gc=False):
    post_key: str
    placement_id: str
    content_id: str
    platform: str
    account: str
    native_id: str
    via: Via = "poll"
    published_at: Instant | None = None


class ReadComment(_OfPost, frozen=True, kw_only=True, tag="CommentObserved", gc=False):
    """A comment."""

    comment_id: str
    version: Annotated[int, Meta(ge=1)] = 1
    parent_comment_id: str | None = None
    author: str
    text: str
    likes: Count | None = None
    deleted: bool = False


class ReadSnapshot(_OfPost, frozen=True, kw_only=True, tag="MetricsObserved", gc=False):
    """A snapshot of all metrics of a post."""

    sequence: Annotated[int, Meta(ge=1)]
    readings: AllRead
    comments_collected: Count = 0
    comments_total: Plausible | None = None


class ReadFollowers(_Fact, frozen=True, kw_only=True, tag="FollowersObserved", gc=False):
    """Followers of an account."""

    platform: str
    account: str
    followers: Read


class ReadReply(_OfPost, frozen=True, kw_only=True, tag="ReplyPosted", gc=False):
    """A reply of the brand."""

    comment_id: str
    reply_id: str
    text: str
    actor: str


OfPost = ReadComment | ReadSnapshot | ReadReply
Wire = OfPost | ReadFollowers

one: msgspec.json.Decoder[Wire] = msgspec.json.Decoder(Wire)
strict: msgspec.json.Decoder[FeedbackEvent] = msgspec.json.Decoder(FeedbackEvent)
