"""Turns what a poll found into feedback events and the cursor that stands for them. Pure: same find, same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from schemas.cursor import CollectorCursor
from schemas.feedback import (
    CommentObserved,
    FollowersObserved,
    Metric,
    MetricsObserved,
    Reading,
    Readings,
)
from services.adapter.contract import Comment
from services.feedback_collector.polls import Found
from services.feedback_collector.posts import Watched
from services.feedback_collector.pseudonyms import Pseudonyms

HEARTBEAT = timedelta(minutes=30)


def comment_events(
    one: Watched, comments: list[Comment], pseudonyms: Pseudonyms, now: datetime
) -> list[CommentObserved]:
    """Events of comments not collected yet, oldest first; they count as seen from here on."""
    events = []
    for comment in sorted(comments, key=lambda c: (c.written_at, c.comment_id)):
        if comment.comment_id in one.seen:
            continue
        one.seen.add(comment.comment_id)
        events.append(_comment(one, comment, pseudonyms, now))
    return events


def _comment(one: Watched, comment: Comment, pseudonyms: Pseudonyms, now: datetime) -> CommentObserved:
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
        comment_id=comment.comment_id,
        parent_comment_id=comment.parent_comment_id,
        author=pseudonyms.of(post.brand_id, one.platform, comment.author),
        text=comment.text,
        likes=comment.likes,
    )


def snapshot(one: Watched, found: Found, native: Mapping[Metric, str], now: datetime) -> MetricsObserved | None:
    """A snapshot where it says something new or the last one has grown old; None where there is nothing to say.

    native: the metrics that the platform has, which are the ones that can fail.
    """
    readings = found.readings or failed(native)
    told = (len(one.seen), found.total if found.total is not None else one.told[1] if one.told else None)
    old = one.last_snapshot_at is None or now - one.last_snapshot_at >= HEARTBEAT
    if readings == one.readings and told == one.told and not (old and found.readings is not None):
        return None
    one.sequence += 1
    one.readings, one.told, one.last_snapshot_at = readings, told, now
    post = one.post
    return MetricsObserved(
        event_id=f"{one.key.replace(':', ':metrics:', 1)}:{one.sequence}",
        occurred_at=now,
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
        sequence=one.sequence,
        readings=readings,
        comments_collected=told[0],
        comments_total=told[1],
    )


def failed(native: Mapping[Metric, str]) -> Readings:
    """No answer: what the platform has could not be read; what it does not have stays unsupported."""
    return Readings(**{metric: Reading(reason="failed", native=name) for metric, name in native.items()})


def cursor(one: Watched, now: datetime) -> CollectorCursor:
    return CollectorCursor(
        event_id=f"cursor:{one.key}:{now.isoformat()}",
        occurred_at=now,
        observed_at=now,
        brand_id=one.post.brand_id,
        campaign_id=one.post.campaign_id,
        trace_id=one.trace_id,
        post_key=one.key,
        platform=one.platform,
        account=one.post.account,
        position=dict(one.position),
        seen=one.seen.packed(),
        metrics_sequence=one.sequence,
        last_polled_at=now,
        next_poll_at=one.next_poll_at,
        failures=one.failures,
    )


def followers_event(one: Watched, reading: Reading, now: datetime) -> FollowersObserved:
    """Told once an hour to each campaign; the hour is part of its identity."""
    account, campaign = one.post.account, one.post.campaign_id
    return FollowersObserved(
        event_id=f"{one.platform}:followers:{account}:{campaign}:{now:%Y-%m-%dT%H}",
        occurred_at=now,
        observed_at=now,
        brand_id=one.post.brand_id,
        campaign_id=campaign,
        trace_id=one.trace_id,
        platform=one.platform,
        account=account,
        followers=reading,
    )
