"""Feedback from every platform in one form: comments, metric snapshots, followers, replies."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.events.envelope import Count, Event, Identifier, Instant, Platform

Metric = Literal["views", "likes", "comments", "shares", "saves", "follows", "clicks", "conversions"]
METRICS: tuple[Metric, ...] = ("views", "likes", "comments", "shares", "saves", "follows", "clicks", "conversions")
Absence = Literal["unsupported", "not_yet", "failed"]
Via = Literal["poll", "webhook"]


def post_key(platform: str, native_id: str) -> str:
    """The identity of a post on the log: key of its feedback, its cursor and its aggregate row."""
    return f"{platform}:{native_id}"


class Reading(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One metric of one post: a value *or* the reason why there is none, never both, never a made-up 0.

    native: the platform's own name of the metric.
    """

    value: Count | None = None
    reason: Absence | None = None
    native: str = ""

    def __post_init__(self) -> None:
        if (self.value is None) == (self.reason is None):
            raise ValueError("a reading has a value or a reason, and not both / 指标要么有数值，要么有缺失原因")


UNSUPPORTED = Reading(reason="unsupported")


class Readings(Struct, frozen=True, kw_only=True):
    """The canonical metrics: absolute snapshots as of `observed_at`, not increments."""

    views: Reading = UNSUPPORTED
    likes: Reading = UNSUPPORTED
    comments: Reading = UNSUPPORTED
    shares: Reading = UNSUPPORTED
    saves: Reading = UNSUPPORTED
    follows: Reading = UNSUPPORTED
    clicks: Reading = UNSUPPORTED
    conversions: Reading = UNSUPPORTED


class PostEvent(Event, frozen=True, kw_only=True):
    """Feedback about one live post. post_key = `<platform>:<native_id>`, the key on the topic.

    published_at: when the post went live, null where the writer does not know.
    """

    post_key: str
    placement_id: Identifier
    content_id: Identifier
    platform: Platform
    account: Identifier
    native_id: str
    via: Via = "poll"
    published_at: Instant | None = None


class CommentObserved(PostEvent, frozen=True, kw_only=True, tag="CommentObserved"):
    """A comment, once per (platform, comment_id, version). occurred_at: when it was written.

    author: pseudonym, salted per brand. version: 1, higher where the comment changed. deleted: it is gone.
    """

    comment_id: str
    version: Annotated[int, Meta(ge=1)] = 1
    parent_comment_id: str | None = None
    author: str
    text: str
    likes: Count | None = None
    deleted: bool = False


class MetricsObserved(PostEvent, frozen=True, kw_only=True, tag="MetricsObserved"):
    """A snapshot of all metrics of one post. sequence: counts the snapshots of the post, from 1.

    comments_collected: comments of the post collected so far; comments_total: the platform's own number, None unknown.
    """

    sequence: Annotated[int, Meta(ge=1)]
    readings: Readings
    comments_collected: Count = 0
    comments_total: Count | None = None


class FollowersObserved(Event, frozen=True, kw_only=True, tag="FollowersObserved"):
    """Followers of an account, told to each campaign that has a live post on it."""

    platform: Platform
    account: Identifier
    followers: Reading


class ReplyPosted(PostEvent, frozen=True, kw_only=True, tag="ReplyPosted"):
    """The brand answered a comment. occurred_at: when the reply went live."""

    comment_id: str
    reply_id: str
    text: str
    actor: str


FeedbackEvent = CommentObserved | MetricsObserved | FollowersObserved | ReplyPosted
