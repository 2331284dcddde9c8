"""What a poll found becomes records: events and the cursor that stands for them, always together. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from schemas.codec import encode
from schemas.events.cursor import CollectorCursor
from schemas.events.feedback import Metric, Reading
from schemas.internal.callback import ArrivedComment
from services.adapter.contract import poll_cadence as cadence
from services.feedback_collector.polling.polls import Found
from services.feedback_collector.posts import cursors
from services.feedback_collector.posts.tracked_posts import TrackedAccount, TrackedPost
from services.feedback_collector.records import events
from services.feedback_collector.records.pseudonyms import Pseudonyms
from services.runtime.kafka.records import Outgoing
from services.runtime.logging import get_logger

FEEDBACK_TOPIC = "feedback-unified"
FOLLOWERS_EVERY = timedelta(hours=1)

Tally = Counter[tuple[str, str]]  # (platform, event type) → events

log = get_logger(__name__)


def of_post(
    one: TrackedPost,
    found: Found,
    native: Mapping[Metric, str],
    pseudonyms: Pseudonyms,
    scale: float,
    tally: Tally,
) -> list[Outgoing]:
    """Moves the post on. Nothing to write where the poll changed nothing that a restart would have to know."""
    before = (one.failures, one.position)
    comments = list(events.comment_events(one, found, pseudonyms))
    _note_walk(one, found, fresh=len(comments))
    _schedule(one, found, scale)
    snapshot = events.snapshot(one, found, native)
    values = [*comments, *([encode(snapshot)] if snapshot else [])]
    if not values and before == (one.failures, one.position):
        return []
    tally[one.platform, "CommentObserved"] += len(comments)
    tally[one.platform, "MetricsObserved"] += snapshot is not None
    written = [Outgoing(FEEDBACK_TOPIC, value, one.key.encode(), one.partition) for value in values]
    return written + [_cursor(key, cursor, one.partition) for key, cursor in cursors.of_post(one, found.at)]


def of_arrivals(one: TrackedPost, comments: Sequence[ArrivedComment], at: datetime, tally: Tally) -> list[Outgoing]:
    """Comments that callbacks brought, and the cursor by which the next poll knows them."""
    values = list(events.arrived_events(one, comments, at))
    if not values:
        return []
    tally[one.platform, "CommentObserved"] += len(values)
    written = [Outgoing(FEEDBACK_TOPIC, value, one.key.encode(), one.partition) for value in values]
    return written + [_cursor(key, cursor, one.partition) for key, cursor in cursors.of_post(one, at)]


def of_account(one: TrackedAccount, reading: Reading, at: datetime, tally: Tally) -> list[Outgoing]:
    one.next_poll_at = at + FOLLOWERS_EVERY
    tally[one.platform, "FollowersObserved"] += 1
    event, key = events.followers(one, reading, at), f"{one.platform}:{one.account}"
    return [
        Outgoing(FEEDBACK_TOPIC, encode(event), key.encode(), one.partition),
        _cursor(*cursors.of_account(one, at), one.partition),
    ]


def _note_walk(one: TrackedPost, found: Found, fresh: int) -> None:
    """Keep the walk's position, and whether it found as many comments as the platform counts."""
    if found.position is None:
        return
    one.position = dict(found.position)
    if not found.complete:
        one.shortfall.after_part(again=found.ask.again)
    elif found.total is not None:
        missing = found.total - len(one.seen)
        if one.shortfall.after_walk(missing, fresh, again=found.ask.again):
            log.info("coverage_short", post_key=one.key, collected=len(one.seen), total=found.total)


def _schedule(one: TrackedPost, found: Found, scale: float) -> None:
    """The next poll counts from when this one asked: what it brought is as old as the question."""
    error = found.error
    if error is None:
        one.failures = 0
        cut = found.position is not None and not found.complete
        one.next_poll_at = found.at if cut else cadence.next_poll(one.post.post.published_at, found.asked_at, scale)
        return
    one.failures += 1
    one.next_poll_at = cadence.after_failure(one.failures, found.at, error.retry_after_s)
    log.warning(
        "poll_failed", post_key=one.key, failures=one.failures, code=error.code, error_class=error.error_class,
        error=error.message, next_poll_at=one.next_poll_at.isoformat(),
    )  # fmt: skip


def _cursor(key: str, cursor: CollectorCursor, partition: int) -> Outgoing:
    return Outgoing(cursors.CURSOR_TOPIC, encode(cursor), key.encode(), partition)
