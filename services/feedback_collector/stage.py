"""The collector's stage of the consume loop: live posts from the ledger in, feedback events and cursors out.

Events and the cursors that stand for them leave in one transaction; what is in memory is void when that fails.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from schemas.codec import DecodeError, decoder, encode
from schemas.events.feedback import Reading, post_key
from schemas.events.placement import PlacementRecord
from services.adapter.contract.adapter import Adapter
from services.feedback_collector.polling.poll_pool import PollPool
from services.feedback_collector.polling.polls import Ask, Found, poll_followers, poll_posts
from services.feedback_collector.posts.callback_comments import CallbackComments
from services.feedback_collector.posts.cursors import CURSOR_TOPIC, Cursors
from services.feedback_collector.posts.tracked_posts import TrackedAccount, TrackedPost, TrackedPosts, watched
from services.feedback_collector.records.events import replies
from services.feedback_collector.records.pseudonyms import Pseudonyms
from services.feedback_collector.records.records import FEEDBACK_TOPIC, Tally, of_account, of_arrivals, of_post
from services.runtime import metrics
from services.runtime.clock import Clock, ahead
from services.runtime.consume import Drop, Due, Emit, Outcome, ToDeadLetter
from services.runtime.kafka.records import Outgoing, Record
from services.runtime.logging import get_logger

LEDGER_TOPIC = "placement-ledger"
POSTS_PER_POLL = 20
REST_S = 3.0  # a stage at rest is asked again sooner than that
MOST_RECORDS = 2_000  # of one transaction, exceeded by what a single post brought at most

ReadPartition = Callable[[str, int], Iterable[Record]]
ClientOf = Callable[[str, str], object]

log = get_logger(__name__)
_decode = decoder(LEDGER_TOPIC)


@dataclass(frozen=True, slots=True)
class PollPace:
    """scale: below 1 polls more densely than the cadence table. least_s: real seconds between two polls of a post.

    most: polls at the same time.
    """

    scale: float = 1.0
    least_s: float = 0.3
    most: int = 16


@dataclass(frozen=True, slots=True)
class PostPolled:
    one: TrackedPost
    found: Found


@dataclass(frozen=True, slots=True)
class FollowersPolled:
    told: Sequence[TrackedAccount]
    reading: Reading
    at: datetime


class CollectorStage:
    """adapters: all platforms by name. client_of: (platform, account) → client, called on threads; may raise
    PlatformError. monotonic: real seconds. arrivals: what callbacks bring."""

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        client_of: ClientOf,
        read_partition: ReadPartition,
        pseudonyms: Pseudonyms,
        clock: Clock,
        pace: PollPace,
        monotonic: Callable[[], float] = time.monotonic,
        arrivals: CallbackComments | None = None,
    ) -> None:
        self.posts = TrackedPosts()
        self._arrivals = arrivals or CallbackComments()
        self._adapters, self._client_of, self._read = adapters, client_of, read_partition
        self._pseudonyms, self._clock, self._pace, self._monotonic = pseudonyms, clock, pace, monotonic
        self._pool: PollPool[PostPolled | FollowersPolled] = PollPool(pace.most)
        self._rebuilt_to: dict[int, int] = {}

    # --- what the consume loop asks for ---

    def assigned(self, partitions: Sequence[int]) -> None:
        for partition in partitions:
            known = Cursors(self._read(CURSOR_TOPIC, partition))
            newest: dict[bytes | None, Record] = {}
            for record in self._read(LEDGER_TOPIC, partition):
                newest[record.key] = record
                self._rebuilt_to[partition] = record.offset
            for record in newest.values():
                self._take_up(record, known)
        log.info("live_posts_rebuilt", partitions=list(partitions), posts=len(self.posts.by_key))

    def revoked(self, partitions: Sequence[int]) -> None:
        self.posts.forget(partitions)
        for partition in partitions:
            self._rebuilt_to.pop(partition, None)

    def lost(self) -> None:
        self.posts = TrackedPosts()
        self._rebuilt_to = {}

    def in_flight(self) -> int:
        return self.posts.busy()

    def handle(self, record: Record) -> Outcome:
        """A ledger record: listen to what went live, stop listening to what was removed."""
        if record.offset <= self._rebuilt_to.get(record.partition, -1):
            # Perhaps overtaken: to begin anew without its cursor would repeat. Its replies nobody has told yet.
            told = _replies(record)
            return Emit(told) if told else Drop("known_from_rebuild")
        if record.value is None:
            return Drop("tombstone")
        try:
            placement = _decode(record.value)
        except DecodeError as error:
            return ToDeadLetter("undecodable", f"无法解析的发布记录 / cannot decode: {error}")
        if placement.post is None or placement.state not in ("LIVE", "REMOVED"):
            return Drop("not_live")
        if placement.platform not in self._adapters:
            return ToDeadLetter("unknown_platform", f"没有平台 {placement.platform} 的适配器 / no adapter for it")
        if placement.state == "LIVE":
            self._listen(placement, record.partition, Cursors(()))
        else:
            self.posts.drop(post_key(placement.platform, placement.post.native_id))
        return Emit(_replies(record))

    def tick(self) -> Due:
        self._pool.resume()
        due = self._taken()
        self._start_polls()
        return due

    def at_rest(self) -> bool:
        return self.posts.waits(ahead(self._clock, REST_S))

    def drain(self) -> Due:
        """Take back what polls found; those under way end after the page they are at."""
        self._pool.call_off()
        return self._taken()

    # --- listening ---

    def _take_up(self, record: Record, known: Cursors) -> None:
        """The newest ledger record of a placement; whatever is wrong with it is `handle`'s to refuse."""
        if record.value is None:
            return
        try:
            placement = _decode(record.value)
        except DecodeError as error:
            log.error("ledger_record_unreadable", partition=record.partition, offset=record.offset, error=str(error))
            return
        if placement.state == "LIVE" and placement.platform in self._adapters:
            self._listen(placement, record.partition, known)

    def _listen(self, placement: PlacementRecord, partition: int, known: Cursors) -> None:
        one = watched(placement, partition)
        if one is not None and one.key not in self.posts.by_key and known.resume(one):
            known.resume_account(self.posts.add(one))
            self._arrivals.again(one.key)

    # --- polling ---

    def _start_polls(self) -> None:
        now, monotonic = self._clock.now(), self._monotonic()
        for posts in self.posts.due(now, monotonic, self._pace.least_s):
            for start in range(0, len(posts), POSTS_PER_POLL):
                if not self._pool.room:
                    return
                self._poll(posts[start : start + POSTS_PER_POLL], monotonic)
        for accounts in self.posts.accounts_due(now):
            if not self._pool.room:
                return
            self._poll_followers(accounts)

    def _poll(self, posts: Sequence[TrackedPost], monotonic: float) -> None:
        """Posts of one account."""
        for one in posts:
            one.busy, one.polled_at = True, monotonic
        asks = [Ask(one.post, dict(one.position), one.seen.__contains__, one.shortfall.walk_again) for one in posts]
        platform, account = posts[0].platform, posts[0].post.account
        source, now = self._adapters[platform].feedback, self._clock.now

        def work() -> Iterator[PostPolled]:
            found = poll_posts(source, lambda: self._client_of(platform, account), asks, now, self._pool.called_off)
            return (PostPolled(one, its) for one, its in zip(posts, found, strict=True))

        self._pool.start(work)

    def _poll_followers(self, accounts: Sequence[TrackedAccount]) -> None:
        for one in accounts:
            one.busy = True
        platform, account = accounts[0].platform, accounts[0].account
        source, now = self._adapters[platform].feedback, self._clock.now

        def work() -> Iterator[FollowersPolled]:
            reading = poll_followers(source, lambda: self._client_of(platform, account), now)
            yield FollowersPolled(accounts, reading, now())

        self._pool.start(work)

    # --- what polls found ---

    def _taken(self) -> Due:
        tally: Tally = Counter()
        records = self._arrived(tally)
        platforms: set[str] = set()
        for result in self._pool.results():
            if isinstance(result, PostPolled):
                platforms.add(result.one.platform)
                records += self._post_taken(result.one, result.found, tally)
            else:
                records += self._followers_taken(result, tally)
            if len(records) >= MOST_RECORDS:
                break
        for platform in platforms:
            if (coverage := self.posts.coverage(platform)) is not None:
                metrics.COVERAGE.labels(platform).set(coverage)
        return Due(tuple(records), (lambda: _count(tally),) if records else ())

    def _arrived(self, tally: Tally) -> list[Outgoing]:
        """What callbacks brought for posts that are listened on here; others keep theirs until they are taken up."""
        records: list[Outgoing] = []
        for key in self._arrivals.news():
            one = self.posts.by_key.get(key)
            if one is None:
                continue
            if len(records) >= MOST_RECORDS:
                self._arrivals.again(key)
                continue
            records += of_arrivals(one, self._arrivals.of(key, one.post.brand_id), self._clock.now(), tally)
        return records

    def _post_taken(self, one: TrackedPost, found: Found, tally: Tally) -> list[Outgoing]:
        one.busy = False
        if found.skipped or self.posts.by_key.get(one.key) is not one:
            return []  # a result for a partition given away meanwhile is the new owner's to fetch
        metrics.POLLS.labels(one.platform, "failed" if found.error else "ok").inc()
        native = self._adapters[one.platform].feedback.native_metrics()
        try:
            return of_post(one, found, native, self._pseudonyms, self._pace.scale, tally)
        except Exception:  # one post must not stop all; what is in memory of it cannot be trusted any more
            log.exception("feedback_bug", post_key=one.key)
            self.posts.drop(one.key)
            return []

    def _followers_taken(self, polled: FollowersPolled, tally: Tally) -> list[Outgoing]:
        records: list[Outgoing] = []
        for one in polled.told:
            one.busy = False
            if self.posts.accounts.get(one.key) is one:
                records += of_account(one, polled.reading, polled.at, tally)
        return records


def _replies(record: Record) -> tuple[Outgoing, ...]:
    """What the adapter answered with this revision of the ledger, as feedback."""
    try:
        placement = _decode(record.value or b"")
    except DecodeError:
        return ()
    if placement.post is None:
        return ()
    return tuple(
        Outgoing(FEEDBACK_TOPIC, encode(one), one.post_key.encode(), record.partition) for one in replies(placement)
    )


def _count(tally: Tally) -> None:
    """Only what is committed is counted."""
    for (platform, kind), number in tally.items():
        metrics.COLLECTED.labels(platform, kind).inc(number)
