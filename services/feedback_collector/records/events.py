"""Turns what a poll found into feedback events. Pure: the same find gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from schemas.codec import DecodeError, encode
from schemas.events.feedback import (
    CommentObserved,
    FollowersObserved,
    Metric,
    MetricsObserved,
    Reading,
    Readings,
    ReplyPosted,
    post_key,
)
from schemas.events.placement import PlacementRecord
from schemas.internal.callback import ArrivedComment
from services.adapter.contract.feedback import Comment
from services.feedback_collector.polling.polls import Found
from services.feedback_collector.posts.tracked_posts import TrackedAccount, TrackedPost
from services.feedback_collector.records.pseudonyms import Pseudonyms
from services.runtime.logging import get_logger

HEARTBEAT = timedelta(minutes=30)
MOST_BYTES = 900_000  # what a record may hold, with room for its frame
Told = TypeVar("Told", Comment, ArrivedComment)

log = get_logger(__name__)


def comment_events(one: TrackedPost, found: Found, pseudonyms: Pseudonyms) -> Iterator[bytes]:
    """Events of comments not collected yet, oldest first; they count as collected from here on.

    One that no reader could read is left out loudly; it goes on missing in the coverage.
    """
    brand, platform = one.post.brand_id, one.platform
    return _fresh(one, found.comments, lambda comment: pseudonyms.of(brand, platform, comment.author), found.at)


def arrived_events(one: TrackedPost, comments: Sequence[ArrivedComment], now: datetime) -> Iterator[bytes]:
    """The same for comments that a callback brought; their authors are pseudonyms already."""
    return _fresh(one, comments, lambda comment: comment.author, now)


def _fresh(one: TrackedPost, comments: Sequence[Told], author: Callable[[Told], str], now: datetime) -> Iterator[bytes]:
    for comment in sorted(comments, key=lambda c: (c.written_at.timestamp(), c.comment_id)):
        if comment.comment_id in one.seen:
            continue
        try:
            event = encode(_comment(one, comment, author(comment), now))
        except (DecodeError, UnicodeEncodeError) as error:
            log.error("comment_unwritable", post_key=one.key, field=getattr(error, "field", "text"))
            continue
        if len(event) > MOST_BYTES:
            log.error("comment_unwritable", post_key=one.key, field="text", size_bytes=len(event))
            continue
        one.seen.add(comment.comment_id)
        yield event


def _comment(one: TrackedPost, comment: Comment | ArrivedComment, author: str, now: datetime) -> CommentObserved:
    post = one.post
    return CommentObserved(
        event_id=f"{one.platform}:comment:{comment.comment_id}",
        occurred_at=comment.written_at,
        observed_at=now,
        brand_id=post.brand_id,
        campaign_id=post.campaign_id,
        trace_id=one.trace_id,
        post_key=one.key,
        placement_id=post.placement_id,
        content_id=post.content_id,
        platform=one.platform,
        account=post.account,
        native_id=post.post.native_id,
        published_at=post.post.published_at,
        comment_id=comment.comment_id,
        parent_comment_id=comment.parent_comment_id,
        author=author,
        text=comment.text,
        likes=comment.likes,
    )


def replies(record: PlacementRecord) -> Iterator[ReplyPosted]:
    """The answers that went out with this revision of a placement; each is told by one revision only."""
    assert record.post is not None
    for reply in record.replies:
        if reply.state != "DONE" or reply.reply_id is None or reply.at != record.occurred_at:
            continue
        yield ReplyPosted(
            event_id=f"{record.platform}:reply:{reply.reply_id}",
            occurred_at=reply.at,
            observed_at=record.observed_at,
            brand_id=record.brand_id,
            campaign_id=record.campaign_id,
            trace_id=record.trace_id,
            post_key=post_key(record.platform, record.post.native_id),
            placement_id=record.placement_id,
            content_id=record.content_id,
            platform=record.platform,
            account=record.account,
            native_id=record.post.native_id,
            published_at=record.post.published_at,
            comment_id=reply.comment_id,
            reply_id=reply.reply_id,
            text=reply.text,
            actor=reply.actor,
        )


def snapshot(one: TrackedPost, found: Found, native: Mapping[Metric, str]) -> MetricsObserved | None:
    """A snapshot where it says something new or the last one has grown old; None where there is nothing to say.

    native: the metrics that the platform has, which are the ones that can fail.
    """
    readings = found.readings or failed(native)
    told = (len(one.seen), found.total if found.total is not None else one.told[1])
    fresh = found.readings is not None  # a failed reading is told once, and never again because time has passed
    old = one.last_snapshot_at is None or found.read_at - one.last_snapshot_at >= HEARTBEAT
    if readings == one.readings and told == one.told and not (old and fresh):
        return None
    one.sequence += 1
    one.readings, one.told, one.last_snapshot_at = readings, told, found.read_at
    post = one.post
    return MetricsObserved(
        event_id=f"{one.platform}:metrics:{post.post.native_id}:{one.sequence}",
        occurred_at=found.read_at,
        observed_at=found.read_at,
        brand_id=post.brand_id,
        campaign_id=post.campaign_id,
        trace_id=one.trace_id,
        post_key=one.key,
        placement_id=post.placement_id,
        content_id=post.content_id,
        platform=one.platform,
        account=post.account,
        native_id=post.post.native_id,
        published_at=post.post.published_at,
        sequence=one.sequence,
        readings=readings,
        comments_collected=told[0],
        comments_total=told[1],
    )


def failed(native: Mapping[Metric, str]) -> Readings:
    """No answer: what the platform has could not be read; what it does not have stays unsupported."""
    return Readings(**{metric: Reading(reason="failed", native=name) for metric, name in native.items()})


def followers(one: TrackedAccount, reading: Reading, now: datetime) -> FollowersObserved:
    """Told once an hour to each campaign; the hour is part of its identity."""
    return FollowersObserved(
        event_id=f"{one.platform}:followers:{one.account}:{one.campaign_id}:{now:%Y-%m-%dT%H}",
        occurred_at=now,
        observed_at=now,
        brand_id=one.brand_id,
        campaign_id=one.campaign_id,
        trace_id=one.trace_id,
        platform=one.platform,
        account=one.account,
        followers=reading,
    )
