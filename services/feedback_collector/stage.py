"""The collector's stage of the consume loop: live posts from the ledger in, feedback events and cursors out.

Events and the cursor that stands for them leave in one transaction; what is in memory is void when that fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from typing import Any

import msgspec

from schemas.cursor import CollectorCursor
from schemas.placement import PlacementRecord
from services.adapter.contract import Adapter
from services.adapter.errors import PlatformError
from services.feedback_collector import cadence, events
from services.feedback_collector.polls import Ask, Found, Polled, poll_followers, poll_posts
from services.feedback_collector.posts import Posts, Watched, watched
from services.feedback_collector.pseudonyms import Pseudonyms
from services.runtime import metrics
from services.runtime.clock import Clock
from services.runtime.consume import DeadLetter, Drop, Due, Emit, Outcome
from services.runtime.kafka.records import Outgoing, Record
from services.runtime.logging import get_logger

FEEDBACK_TOPIC, CURSOR_TOPIC, LEDGER_TOPIC = "feedback-unified", "collector-cursor", "placement-ledger"
POSTS_PER_POLL = 20
FOLLOWERS_EVERY = timedelta(hours=1)
WALK_AGAIN_EVERY = 5

ReadPartition = Callable[[str, int], Iterable[Record]]
ClientOf = Callable[[str, str], Any]

log = get_logger(__name__)
_decode_record = msgspec.json.Decoder(PlacementRecord).decode
_decode_cursor = msgspec.json.Decoder(CollectorCursor).decode
_encode = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class Pace:
    """scale: below 1 polls more densely than the cadence table. least_s: real seconds between two polls of a post."""

    scale: float = 1.0
    least_s: float = 0.3


class CollectorStage:
    """adapters: all platforms by name. client_of: (platform, account) → client, may raise PlatformError."""

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        client_of: ClientOf,
        read_partition: ReadPartition,
        pseudonyms: Pseudonyms,
        clock: Clock,
        pace: Pace,
        most_polls: int = 16,
    ) -> None:
        self.posts = Posts()
        self._adapters, self._client_of, self._read = adapters, client_of, read_partition
        self._pseudonyms, self._clock, self._pace = pseudonyms, clock, pace
        self._pool = ThreadPoolExecutor(max_workers=most_polls, thread_name_prefix="poll")
        self._results: SimpleQueue[tuple[Polled, dict[str, Watched]]] = SimpleQueue()
        self._followers_due: dict[tuple[str, str], datetime] = {}

    # --- what the consume loop asks for ---

    def assigned(self, partitions: Sequence[int]) -> None:
        for partition in partitions:
            cursors = {}
            for record in self._read(CURSOR_TOPIC, partition):
                if record.value is not None:
                    one = _decode_cursor(record.value)
                    cursors[one.post_key] = one
            newest = {record.key: record.value for record in self._read(LEDGER_TOPIC, partition)}
            for value in newest.values():
                if value is not None:
                    self._listen(_decode_record(value), partition, cursors)
        log.info("live_posts_rebuilt", partitions=list(partitions), posts=len(self.posts.by_key))

    def revoked(self, partitions: Sequence[int]) -> None:
        self.posts.forget(partitions)

    def lost(self) -> None:
        self.posts = Posts()
        self._followers_due = {}

    def in_flight(self) -> int:
        return self.posts.busy()

    def handle(self, record: Record) -> Outcome:
        """A ledger record: listen to what went live, stop listening to what was removed."""
        if record.value is None:
            return Drop("tombstone")
        try:
            placement = _decode_record(record.value)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            return DeadLetter("undecodable", f"无法解析的发布记录 / cannot decode: {error}")
        if placement.state not in ("LIVE", "REMOVED"):
            return Drop("not_live")
        self._listen(placement, record.partition, {})
        return Emit()

    def tick(self) -> Due:
        due = self.drain()
        self._start_polls()
        return due

    def drain(self) -> Due:
        """Take back what polls found."""
        records: list[Outgoing] = []
        while True:
            try:
                polled, asked = self._results.get_nowait()
            except Empty:
                return Due(tuple(records))
            records.extend(self._taken(polled, asked))

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    # --- listening ---

    def _listen(self, record: PlacementRecord, partition: int, cursors: Mapping[str, CollectorCursor]) -> None:
        if record.post is None or record.platform not in self._adapters:
            return
        key = f"{record.platform}:{record.post.native_id}"
        if record.state == "REMOVED":
            self.posts.drop(key)
        elif record.state == "LIVE" and (one := watched(record, partition, cursors.get(key))) is not None:
            self.posts.add(one)

    # --- polling ---

    def _start_polls(self) -> None:
        now, monotonic = self._clock.now(), time.monotonic()
        for (platform, account), due in self.posts.due(now, monotonic, self._pace.least_s).items():
            for start in range(0, len(due), POSTS_PER_POLL):
                chunk = due[start : start + POSTS_PER_POLL]
                for one in chunk:
                    one.busy, one.polled_at = True, monotonic
                asked = {one.post.post.native_id: one for one in chunk}
                self._submit(platform, account, now, asked, self._posts_call(platform, account, now, chunk))
        for (platform, account), campaigns in self.posts.accounts().items():
            if now >= self._followers_due.get((platform, account), now):
                self._followers_due[platform, account] = now + FOLLOWERS_EVERY
                asked = dict(campaigns)
                self._submit(platform, account, now, asked, self._followers_call(platform, account, now))

    def _posts_call(self, platform: str, account: str, now: datetime, chunk: Sequence[Watched]) -> Callable[[], Polled]:
        asks = [Ask(one.post, one.position, one.seen.__contains__, _walk_again(one)) for one in chunk]
        source = self._adapters[platform].feedback
        return lambda: Polled(
            platform, account, now, tuple(poll_posts(source, self._client_of(platform, account), asks, now))
        )

    def _followers_call(self, platform: str, account: str, now: datetime) -> Callable[[], Polled]:
        source = self._adapters[platform].feedback
        return lambda: Polled(
            platform, account, now, followers=poll_followers(source, self._client_of(platform, account), now)
        )

    def _submit(
        self, platform: str, account: str, now: datetime, asked: dict[str, Watched], call: Callable[[], Polled]
    ) -> None:
        def run() -> None:
            try:
                polled = call()
            except PlatformError as error:  # no client for this account
                polled = Polled(platform, account, now, tuple(Found(native_id, error=error) for native_id in asked))
            except Exception:  # a thread's own border: whatever went wrong, its posts must not stay busy for ever
                log.exception("poll_bug", platform=platform, account=account)
                polled = Polled(platform, account, now, tuple(Found(native_id) for native_id in asked))
            self._results.put((polled, asked))

        self._pool.submit(run)

    # --- what polls found ---

    def _taken(self, polled: Polled, asked: Mapping[str, Watched]) -> list[Outgoing]:
        if polled.followers is not None:
            told = [one for one in asked.values() if self._held(one)]
            return [
                self._outgoing(events.followers_event(one, polled.followers, polled.at), one, account=True)
                for one in told
            ]
        return [
            record
            for found in polled.found
            if (one := asked.get(found.native_id)) is not None and self._held(one)
            for record in self._post_taken(one, found, polled.at)
        ]

    def _held(self, one: Watched) -> bool:
        """Whether the post is still ours: results for a partition given away meanwhile are the new owner's to fetch."""
        return self.posts.by_key.get(one.key) is one

    def _post_taken(self, one: Watched, found: Found, at: datetime) -> list[Outgoing]:
        one.busy = False
        failed = found.error is not None or found.comments is None
        metrics.POLLS.labels(one.platform, "failed" if failed else "ok").inc()
        before = (one.failures, dict(one.position))
        told = events.comment_events(one, found.comments or [], self._pseudonyms, at)
        self._walked(one, found)
        self._schedule(one, found, at, failed=failed)
        native = self._adapters[one.platform].feedback.native_metrics()
        snapshot = events.snapshot(one, found, native, at)
        written = [*told, *([snapshot] if snapshot else [])]
        if not written and before == (one.failures, one.position):
            return []
        records = [self._outgoing(event, one) for event in written]
        return [
            *records,
            Outgoing(CURSOR_TOPIC, _encode(events.cursor(one, at)), one.key.encode(), one.partition),
        ]

    def _walked(self, one: Watched, found: Found) -> None:
        """Keep the walk's position; where it found fewer comments than there are, walk from the start before long."""
        if found.comments is None:
            return
        one.position = dict(found.position)
        if found.total is None or not found.complete:
            return
        if found.total > len(one.seen):
            one.walked_short += 1
            log.info("coverage_short", post_key=one.key, collected=len(one.seen), total=found.total)
        else:
            one.walked_short = 0
        if found.total:
            metrics.COVERAGE.labels(one.platform).set(min(1.0, len(one.seen) / found.total))

    def _schedule(self, one: Watched, found: Found, at: datetime, *, failed: bool) -> None:
        if not failed:
            one.failures = 0
            one.next_poll_at = cadence.next_poll(one.post.post.published_at, at, self._pace.scale)
            return
        one.failures += 1
        error = found.error
        one.next_poll_at = cadence.after_failure(one.failures, at, error.retry_after_s if error else None)
        log.warning(
            "poll_failed",
            post_key=one.key,
            failures=one.failures,
            code=error.code if error else None,
            error_class=error.error_class if error else "bug",
        )

    def _outgoing(self, event: msgspec.Struct, one: Watched, *, account: bool = False) -> Outgoing:
        metrics.COLLECTED.labels(one.platform, type(event).__name__).inc()
        key = f"{one.platform}:{one.post.account}" if account else one.key
        return Outgoing(FEEDBACK_TOPIC, _encode(event), key.encode(), one.partition)


def _walk_again(one: Watched) -> bool:
    return one.walked_short % WALK_AGAIN_EVERY == 1
