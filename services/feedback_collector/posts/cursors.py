"""Cursors: what is written of a post's progress, and how it is taken up again. Pure.

A post's cursor stands under its post key; hashes that no longer fit stand under `<post key>#<n>`, written once each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime

from schemas.codec import DecodeError, decoder
from schemas.events.cursor import CollectorCursor
from services.feedback_collector.posts.seen_comments import SeenComments
from services.feedback_collector.posts.tracked_posts import TrackedAccount, TrackedPost
from services.runtime.kafka.records import Record
from services.runtime.logging import get_logger

CURSOR_TOPIC = "collector-cursor"

log = get_logger(__name__)


def of_post(one: TrackedPost, now: datetime) -> Iterator[tuple[str, CollectorCursor]]:
    """Keys and cursors to write, in the same transaction as the events they stand for."""
    for number, packed in one.seen.seal():
        yield f"{one.key}#{number}", _cursor(one, packed, now)
    yield one.key, _cursor(one, one.seen.packed(), now)


def _cursor(one: TrackedPost, seen: str, now: datetime) -> CollectorCursor:
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
        seen=seen,
        metrics_sequence=one.sequence,
        last_polled_at=now,
        next_poll_at=one.next_poll_at,
        failures=one.failures,
    )


def of_account(one: TrackedAccount, now: datetime) -> tuple[str, CollectorCursor]:
    """When the followers are told again, so that a restart tells nobody twice in an hour."""
    return one.key, CollectorCursor(
        event_id=f"cursor:{one.key}:{now.isoformat()}",
        occurred_at=now,
        observed_at=now,
        brand_id=one.brand_id,
        campaign_id=one.campaign_id,
        trace_id=one.trace_id,
        post_key=one.key,
        platform=one.platform,
        account=one.account,
        last_polled_at=now,
        next_poll_at=one.next_poll_at,
    )


class Cursors:
    """The newest cursors of one partition."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._heads: dict[str, CollectorCursor] = {}
        self._segments: dict[str, list[str]] = defaultdict(list)
        self.unreadable: set[str] = set()
        newest = {(record.key or b"").decode(errors="replace"): record.value for record in records}
        for key, value in newest.items():
            if value is not None:
                self._take(key, value)

    def _take(self, key: str, value: bytes) -> None:
        post_key, segment, _ = key.partition("#")
        try:
            cursor = decoder(CURSOR_TOPIC)(value)
            SeenComments(cursor.seen)
        except (DecodeError, ValueError) as error:
            log.error("cursor_unreadable", key=key, error=str(error))
            self.unreadable.add(post_key)
            return
        if segment:
            self._segments[post_key].append(cursor.seen)
        else:
            self._heads[key] = cursor

    def resume(self, one: TrackedPost) -> bool:
        """Let the post go on where its cursor stands. False: its cursor cannot be read, so nobody knows where that is,
        and beginning anew would tell everything twice."""
        if one.key in self.unreadable:
            return False
        cursor = self._heads.get(one.key)
        if cursor is not None:
            one.position, one.seen = dict(cursor.position), SeenComments(cursor.seen, self._segments[one.key])
            one.sequence, one.failures = cursor.metrics_sequence, cursor.failures
            one.next_poll_at = cursor.next_poll_at
        return True

    def resume_account(self, one: TrackedAccount) -> None:
        cursor = self._heads.get(one.key)
        if cursor is not None:
            one.next_poll_at = cursor.next_poll_at
