"""One owned partition number: fold what arrives, write it out in atomic flushes, know how far it has read.

The truth about how far is the table itself: the last row of every flush holds the next offsets, so rows and offsets
can never disagree. A batch is folded only if it joins on to what has been folded; a hole is read again.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from faust.types import TP

from schemas.internal.aggregate_state import TablePosition
from services.engagement_aggregator.fetch.batch import Batch
from services.engagement_aggregator.fetch.cancellation import end_if_cancelled
from services.engagement_aggregator.fold.brand import fold_campaigns
from services.engagement_aggregator.fold.fold import Fold, Owed
from services.engagement_aggregator.fold.refusals import Refused
from services.engagement_aggregator.partitions.flush import FlushWriter
from services.engagement_aggregator.partitions.staging import Staged, stage
from services.engagement_aggregator.rows.cached import CachedRows
from services.engagement_aggregator.rows.memory_shares import MemoryShares
from services.engagement_aggregator.settings import SERVICE, AggregatorSettings
from services.engagement_aggregator.state import changelog
from services.engagement_aggregator.state.table import RowStore
from services.runtime import metrics
from services.runtime.canary import CANARY_TOPIC, passed_on
from services.runtime.dead_letters import dead_letter
from services.runtime.failpoints import reached
from services.runtime.kafka.partitions import partition_of
from services.runtime.kafka.records import Outgoing, Record
from services.runtime.logging import get_logger

_MANY_RECORDS = 10_000
_OWED_BYTES = 700_000  # a record of the position may have, for brokers take 1 MB
_OWED_OF_A_ROW = 220  # bytes; a post with the longest key there is counts for four rows that are not written

Accepted = Literal["folded", "old", "hole"]

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of partitions: of the co-partitioned topics, and of the dead letter topic."""

    partitions: int
    dead_letters: int


class OwnedPartition:
    """Opened by `open`, fed by `accept`, written by `run` until it fails or is closed. Not reusable."""

    def __init__(
        self,
        number: int,
        *,
        settings: AggregatorSettings,
        options: dict[str, Any],
        store: Callable[[], RowStore],
        counts: Counts,
        shares: MemoryShares,
        flushed: Callable[[], None],
        large: asyncio.Semaphore,
    ) -> None:
        self.number = number
        self.positions: dict[str, int] = {}
        self.behind: dict[str, int] = {}  # by source topic, told from outside
        self.is_open = False
        self._settings = settings
        self._options = options
        self._store = store
        self._counts = counts
        self._flushed = flushed
        self._shares = shares
        self._large = large
        shares.join(self)
        self._changelog = TP(settings.changelog_topic, number)
        self._lineage = ""
        self._rows = CachedRows(lambda key: store().read(number, key), shares.of_each)
        self._fold = Fold(self._rows, self._owns, load=self._rows.load, home=self._home, limit=shares.of_each)
        self._brands: set[str] = set()
        self._dead: list[Outgoing] = []
        self._canaries: list[Outgoing] = []
        self._moved, self._full = asyncio.Event(), asyncio.Event()
        self._owed, self._published = 0, -1  # bytes of the list of rows to publish; the second of the last that were
        self._abandoned: Exception | None = None
        self._drained = asyncio.Event()
        self._flushing = asyncio.Lock()
        self._writer = FlushWriter(
            options,
            transactional_id=f"{settings.application}-{number}",
            group=settings.application,
            changelog=settings.changelog_topic,
            partition=number,
        )

    async def open(self) -> None:
        """Fence the predecessor, recover the table, learn the position. Raises what Kafka or the disk raises."""
        await self._writer.start()
        reached("open:after_fencing")
        async with changelog.reader(self._options) as consumer:
            position = await changelog.restore(consumer, self._store(), self._changelog)
            for topic in self._settings.sources:
                self.positions[topic] = await _place(consumer, TP(topic, self.number), position)
            owed = Owed(position.owed, position.owed_rows)
            self._fold.owe(owed)
        self._owed = owed.size()
        self._lineage, self.is_open = position.lineage, True
        self._drained.set()

    def accept(self, batch: Batch) -> Accepted:
        """Fold a batch that joins on to what is known; tells when it is old or does not join on."""
        position = self.positions[batch.topic]
        if batch.end <= position:
            return "old"
        if batch.start > position:
            return "hole"
        if batch.start < position:
            batch = batch.since(position)
        count, refused = self._take(batch)
        if refused:
            self._refuse(batch, refused)
        metrics.RECORDS.labels(SERVICE, batch.topic, "folded").inc(count - len(refused))
        self.positions[batch.topic] = batch.end
        self._moved.set()
        if self._unwritten() >= self._settings.unflushed_rows:
            self._drained.clear()
            self._full.set()
        return "folded"

    async def room(self) -> None:
        """Wait while more is unwritten than memory should hold; returns at once when the partition has failed."""
        await self._drained.wait()

    async def run(self) -> None:
        """Flush at most every interval, for as long as it goes well; raises what ends it."""
        try:
            while True:
                end_if_cancelled()
                await self._due()
                if self._abandoned is not None:
                    raise self._abandoned
                began = time.monotonic()
                if self._moved.is_set():
                    await self.flush(is_full=self._publishes_now())
                if self._owes_publication():
                    await self.flush()  # on its own, so that posts do not wait for windows and parents
                await self._rest(began)
        finally:
            self.is_open = False
            self._drained.set()

    async def _due(self) -> None:
        """Until there is something to write, or it is time to publish what was only written."""
        while not self._moved.is_set() and not self._owes_publication():
            await _either(self._moved, self._settings.coalesce_s if self._owed else math.inf)

    def _second(self) -> int:
        """The number of this stretch of `coalesce_s`; those of the partitions begin one after the other."""
        return int(time.monotonic() / self._settings.coalesce_s + self.number / self._counts.partitions)

    def _owes_publication(self) -> bool:
        """Rows of windows and parents were written but not published, and their second is over."""
        return self._owed > 0 and self._second() > self._published

    def _publishes_now(self) -> bool:
        """Windows and parents too: flushes come no more often than those are wanted, or much is behind or owed."""
        is_slow = self._settings.flush_interval_s >= self._settings.coalesce_s
        is_much = self._owed + _OWED_OF_A_ROW * self._unwritten() > _OWED_BYTES
        return is_slow or is_much or self._full.is_set() or self._is_behind()

    async def _rest(self, began: float) -> None:
        """Until the next flush is due. While many records wait, folding them comes before showing rows of the past."""
        interval, longest = self._settings.flush_interval_s, self._settings.catch_up_interval_s
        while not self._full.is_set():
            left = (max(interval, longest) if self._is_behind() else interval) - (time.monotonic() - began)
            if left <= 0:
                return
            await _either(self._full, min(left, interval))

    async def flush(self, *, is_full: bool = True) -> None:
        """Write out everything folded so far, in one transaction, and only then to the disk."""
        async with self._flushing, self._turn():
            if not (self._moved.is_set() or self._owed) or not self.is_open:
                return
            began = time.monotonic()
            self._published = self._second() if is_full else self._published
            staged = self._staged(is_full=is_full)
            offset = await asyncio.wait_for(self._writer.commit(staged), self._settings.flush_timeout_s)
            self._store().write(self._changelog, staged.changelog, offset)
            self._fold.written()
            reached("flush:after_disk")
            self._rows.shrink(self._fold.held() | self._brands)
            if self._unwritten() < self._settings.unflushed_rows:
                self._drained.set()
        self._flushed()
        metrics.FLUSH_SECONDS.observe(time.monotonic() - began)
        for scope, count in staged.scopes.items():
            metrics.AGGREGATE_ROWS.labels(scope).inc(count)

    def _turn(self) -> AbstractAsyncContextManager[object]:
        """Behind, flushes are large and go one after the other: what they write stands in memory three times."""
        return self._large if self._is_behind() else nullcontext()

    def _is_behind(self) -> bool:
        return max(self.behind.values(), default=0) > _MANY_RECORDS

    def abandon(self, reason: Exception) -> None:
        """End `run` with this error; nothing more is folded or written."""
        self._abandoned = reason
        self.is_open = False
        self._moved.set()
        self._full.set()

    async def close(self) -> None:
        """Let go of writer and disk; what is not flushed is read again by the successor."""
        self.is_open = False
        self._drained.set()
        self._shares.leave(self)
        await self._writer.close()
        self._store().close(self.number)

    def _take(self, batch: Batch) -> tuple[int, Sequence[Refused]]:
        """How many records a batch has, and those that were refused."""
        if batch.topic not in (CANARY_TOPIC, self._settings.campaign_topic):
            return self._fold_feedback(batch)
        values = batch.values()
        if batch.topic == CANARY_TOPIC:
            self._pass_on(values)
            return len(values), []
        folded = fold_campaigns(self._rows, values)
        self._brands |= folded.changed
        return len(values), folded.refused

    def _fold_feedback(self, batch: Batch) -> tuple[int, Sequence[Refused]]:
        count, refused = 0, []
        for section in batch.sections():
            refused += [replace(one, index=one.index + count) for one in self._fold.take_section(section)]
            count += len(section)
        return count, refused

    def _pass_on(self, canaries: Sequence[bytes | None]) -> None:
        """They leave with the next flush, in its transaction, and are counted nowhere."""
        worker, now = self._settings.instance, datetime.now(UTC)
        passed = (passed_on(value, self.number, SERVICE, worker, now) for value in canaries)
        self._canaries += [one for one in passed if one is not None]

    def _unwritten(self) -> int:
        return len(self._fold) + len(self._brands)

    def _owns(self, campaign_id: str) -> bool:
        return partition_of(campaign_id, self._counts.partitions) == self.number

    def _home(self, brand_id: str) -> int:
        return partition_of(brand_id, self._counts.partitions)

    def _refuse(self, batch: Batch, refused: Sequence[Refused]) -> None:
        records, now = batch.records(), datetime.now(UTC)
        for one in refused:
            raw = records[one.index]
            record = Record(
                topic=batch.topic,
                partition=batch.partition,
                offset=raw.offset,
                key=raw.key,
                value=raw.value,
                headers=tuple((name, value or b"") for name, value in raw.headers),
                timestamp=datetime.fromtimestamp(max(raw.timestamp, 0) / 1000, UTC),
            )
            letter = dead_letter(
                self._settings.application,
                record,
                cause=one.cause,
                message=one.message,
                first_seen_at=now,
                partitions=self._counts.dead_letters,
            )
            self._dead.append(letter)
            metrics.DEAD_LETTERS.labels(SERVICE, one.cause).inc()
            log.warning(
                "record_refused", topic=batch.topic, partition=batch.partition, offset=raw.offset, cause=one.cause
            )

    def _staged(self, *, is_full: bool) -> Staged:
        """A consistent picture of now, taken without a pause; what is folded from here on belongs to the next one."""
        settled = self._fold.settle(is_full=is_full)
        self._owed = settled.owed.size()
        brands, self._brands = self._brands, set()
        besides, self._dead, self._canaries = self._dead + self._canaries, [], []
        self._moved.clear()
        self._full.clear()
        return stage(
            self._rows,
            settled,
            brands,
            position=TablePosition(self._lineage, dict(self.positions), settled.owed.hours, settled.owed.parents),
            besides=besides,
            settings=self._settings,
            number=self.number,
        )


async def _either(event: asyncio.Event, timeout_s: float) -> None:
    """Until the event or the time, whichever is first."""
    end_if_cancelled()
    try:
        await asyncio.wait_for(event.wait(), timeout_s)
    except TimeoutError:
        return


async def _place(consumer: Any, where: TP, position: TablePosition) -> int:
    """Where to read on; says loudly when the source no longer has that place."""
    begin: int = (await consumer.beginning_offsets([where]))[where]
    end: int = (await consumer.end_offsets([where]))[where]
    wanted = position.next_offsets.get(where.topic, begin)
    if wanted < begin:
        log.error("source_records_expired_unread", topic=where.topic, partition=where.partition, lost=begin - wanted)
        return begin
    if wanted > end:
        log.error("source_shorter_than_read", topic=where.topic, partition=where.partition, read=wanted, end=end)
        return begin
    return wanted
