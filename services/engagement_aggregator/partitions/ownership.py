"""The partitions this worker owns: opened on assignment, begun anew after any failure, flushed and let go on revoke.

A partition that fails is never repaired in place: it is closed, fenced, recovered from its changelog and read on from
there, which is the same path as after a crash.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

from aiokafka.errors import ProducerFenced
from faust.types import TP

from services.engagement_aggregator.fetch.batch import Batch
from services.engagement_aggregator.fetch.cancellation import end_if_cancelled
from services.engagement_aggregator.partitions.owned import OwnedPartition
from services.engagement_aggregator.partitions.progress import PartitionStanding, Progress
from services.engagement_aggregator.settings import SERVICE
from services.runtime import metrics
from services.runtime.failpoints import reached
from services.runtime.health import Health
from services.runtime.logging import get_logger

_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.5, 10.0
_LAST_FLUSH_S = 8.0

log = get_logger(__name__)


class HoleInSource(Exception):  # noqa: N818 - says what is the case
    """Raised when a batch does not join on to what was folded: something between was fetched and dropped."""


class Ownership:
    """All owned partitions. `rewind` makes the consumer read on from given offsets."""

    def __init__(
        self,
        make: Callable[[int], OwnedPartition],
        *,
        rewind: Callable[[Mapping[TP, int]], Awaitable[None]],
        health: Health,
        progress: Progress,
        fenced_pause_s: float,
    ) -> None:
        self._make = make
        self._rewind = rewind
        self._health = health
        self._progress = progress
        self._fenced_pause_s = fenced_pause_s
        self.taking = False
        self._partitions: dict[int, OwnedPartition] = {}
        self._keepers: list[asyncio.Task[None]] = []

    def positions(self) -> dict[TP, int]:
        """Where to read on, of every open partition."""
        return {
            TP(topic, number): offset
            for number, partition in self._partitions.items()
            if partition.is_open
            for topic, offset in partition.positions.items()
        }

    def polled(self, standing: Callable[[TP], PartitionStanding | None], *, in_touch: bool) -> None:
        """The consumer came back from a poll: progress if Kafka answers, every partition is open, none stands still."""
        reached("aggregate:polled")
        if not in_touch:
            self._health.waiting("Kafka 无应答 / Kafka does not answer")
            return
        if not self._partitions or not all(partition.is_open for partition in self._partitions.values()):
            return
        stalled = self._progress.stalled(self.positions(), standing)
        for where, count in self._progress.behind.items():
            if where.partition in self._partitions:
                self._partitions[where.partition].behind[where.topic] = count
        if stalled:
            places = ", ".join(f"{where.topic}-{where.partition}" for where in stalled)
            self._health.failed(f"{places} 没有进展，其余照常 / no progress there, the others go on")
        else:
            self._health.progress()

    async def take(self, numbers: Iterable[int]) -> None:
        """Own exactly these partitions; returns when all are open, however long Kafka lets that wait."""
        await self.release()
        self._progress.forget()
        wanted = sorted(numbers)
        log.info("partitions_taken", partitions=wanted)
        metrics.REBALANCES.labels(SERVICE, "assigned").inc()
        if wanted:
            self._health.waiting("正在从变更日志恢复状态 / recovering state from the changelog")
        ready = {number: asyncio.Event() for number in wanted}
        self._keepers = [asyncio.create_task(self._keep(number, opened)) for number, opened in ready.items()]
        self.taking = True
        try:
            for opened in ready.values():
                await opened.wait()
        finally:
            self.taking = False
        self._tell(len(wanted))

    async def release(self) -> None:
        """Flush what is folded, within a deadline, and own nothing."""
        if not self._keepers:
            return
        numbers = sorted(self._partitions)
        flushes = [partition.flush() for partition in self._partitions.values() if partition.is_open]
        if flushes:
            for outcome in await asyncio.gather(
                *(asyncio.wait_for(flush, _LAST_FLUSH_S) for flush in flushes), return_exceptions=True
            ):
                if isinstance(outcome, Exception):
                    log.warning("last_flush_failed", cause=repr(outcome))
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        self._keepers, self._partitions = [], {}
        metrics.REBALANCES.labels(SERVICE, "revoked").inc()
        self._tell(0)
        log.info("partitions_released", partitions=numbers)

    async def deliver(self, batch: Batch) -> None:
        """Fold one batch; what belongs to no open partition is dropped, it will be read again."""
        try:
            if (partition := self._partitions.get(batch.partition)) is not None:
                await partition.room()
            partition = self._partitions.get(batch.partition)
            if partition is not None and partition.is_open and partition.accept(batch) == "hole":
                place = f"{batch.topic}-{batch.partition}: {partition.positions[batch.topic]} → {batch.start}"
                partition.abandon(HoleInSource(place))
        finally:
            batch.forget()

    async def _keep(self, number: int, opened: asyncio.Event) -> None:
        """Keep one partition going until cancelled."""
        delay = _FIRST_DELAY_S
        while True:
            partition = self._partitions[number] = self._make(number)
            try:
                await partition.open()
                end_if_cancelled()
                if opened.is_set():
                    await self._rewind({TP(topic, number): at for topic, at in partition.positions.items()})
                opened.set()
                delay = _FIRST_DELAY_S
                await partition.run()
            except Exception as error:  # whatever it was, the changelog knows the state: begin anew from there
                log.warning("partition_begun_anew", partition=number, cause=repr(error), in_s=delay)
                metrics.LOOP_RESTARTS.labels(SERVICE, type(error).__name__).inc()
                self._health.failed(
                    f"分区 {number} 重新开始 / partition {number} is begun anew: {type(error).__name__}"
                )
                fenced = isinstance(error, ProducerFenced)
            finally:
                await partition.close()
            end_if_cancelled()
            # Fenced: another worker owns it by now. The group will say so within its session; until then stay away.
            await asyncio.sleep(self._fenced_pause_s if fenced else delay)
            delay = min(delay * 2, _LONGEST_DELAY_S)

    def _tell(self, assigned: int) -> None:
        metrics.ASSIGNED.labels(SERVICE).set(assigned)
        self._health.assigned(assigned)
