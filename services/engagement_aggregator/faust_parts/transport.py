"""Faust's consumer, changed in three ways: one fetch of a partition is one message, only committed records are read,
and Faust never commits an offset, for offsets are committed by the flush that holds what was made of the records.

Each batch says from which position to which it was read, taken where the client moves its position. So a batch that
Faust drops between a rewind and the next flow is noticed by the one after it, whatever the reason.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import ConsumerStoppedError, KafkaError
from aiokafka.structs import TopicPartition
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP, ConsumerMessage
from mode import Service

from services.engagement_aggregator.fetch.batch import Batch, keep_fetched_bytes, taken
from services.engagement_aggregator.fetch.pacing import keep_pace
from services.engagement_aggregator.partitions.progress import PartitionStanding
from services.runtime.logging import get_logger

_ASK_S = 1.0
_VOUCH_S = 1.0
_FETCH_WAIT_MS = 1_000

log = get_logger(__name__)


class BatchThread(AIOKafkaConsumerThread):  # type: ignore[misc]  # Faust ships no annotations for its drivers
    """The thread that owns the client."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        keep_fetched_bytes()
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # Faust asks for it only in a mode of its own that loses updates
        consumer._check_crcs = False  # `taken` does, with the processor's own instruction
        consumer._fetch_max_wait_ms = _FETCH_WAIT_MS  # Faust's 1.5 s would hold up partitions that join meanwhile
        return consumer

    async def on_start(self) -> None:
        await super().on_start()
        keep_pace(self._consumer._fetcher, self.app.pace)

    @Service.task  # type: ignore[untyped-decorator]  # as above
    async def _go_on_after_group_errors(self) -> None:
        """The client stops at an error of the group until it is asked about it, and fetching as below never asks.

        Without this a broker that stumbles while it starts leaves a worker that is alive and never owns a partition.
        """
        while not self.should_stop:
            await self.sleep(_ASK_S)
            coordinator = self._consumer and self._consumer._coordinator
            if not coordinator:
                continue
            if coordinator._coordination_task.done():
                await self.crash(coordinator._coordination_task.exception() or ConsumerStoppedError())
                return
            try:
                coordinator.check_errors()
            except KafkaError as error:
                log.warning("group_error", cause=repr(error), then="joining again")

    async def hold_changelogs(self, changelogs: Iterable[TP]) -> None:
        """Do not fetch these: they are read by recovery, outside the group."""
        await self.call_thread(self._pause, [TopicPartition(*tp) for tp in changelogs])

    async def _pause(self, partitions: list[TopicPartition]) -> None:
        self._ensure_consumer().pause(*partitions)

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 - the driver calls it so
        max_records: int | None = None,
    ) -> dict[TP, Batch]:
        if not self.consumer.flow_active:
            return {}
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        with fetcher._subscriptions.fetch_context():
            if fetcher._subscriptions.reassignment_in_progress:
                # Without Kafka there is none, and the poll has to return so that the missing Kafka can be reported.
                await asyncio.wait([fetcher._subscriptions.wait_for_assignment()], timeout=timeout or _ASK_S)
                if fetcher._subscriptions.reassignment_in_progress:
                    return {}
            found = _drained(fetcher, active_partitions)
            if not found and timeout:
                waiter = fetcher._create_fetch_waiter()
                done, _ = await asyncio.wait([waiter], timeout=timeout)
                if not done:
                    waiter.cancel()
                    return {}
                waiter.result()  # raises what the fetcher could not get past, such as refused access
                found = _drained(fetcher, active_partitions)
            self.app.pace.brought(sum(batch.size() for batch in found.values()))
            return found


def _drained(fetcher: Any, active: set[TP]) -> dict[TP, Batch]:
    """Everything that has been fetched for the active partitions, with the position before and after each."""
    found: dict[TP, Batch] = {}
    for tp in list(fetcher._records):
        if tp not in active:
            if not fetcher._subscriptions.is_assigned(tp):
                del fetcher._records[tp]
            continue
        if found and not isinstance(fetcher._records[tp], FetchResult):
            break  # hand over what there is, the error comes with the next call
        if (batch := taken(fetcher, tp)) is not None:
            found[tp] = batch
    return found


class BatchConsumer(Consumer):  # type: ignore[misc]
    """Hands over whole fetches; knows nothing of acknowledgements."""

    _thread: BatchThread

    def _new_consumer_thread(self) -> BatchThread:
        return BatchThread(self, loop=self.loop, beacon=self.beacon)

    @Service.task  # type: ignore[untyped-decorator]  # as above
    async def _vouch_while_recovering(self) -> None:
        """A worker that polls no more is put out of the group, but one that recovers does not poll either."""
        while not self.should_stop:
            await self.sleep(_VOUCH_S)
            if self.app.ownership.taking and self._thread._consumer is not None:
                self._thread._consumer._subscription._last_fetch_ended = time.monotonic()

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109 - as above
        batches, _ = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        self.app.ownership.polled(self._standing, in_touch=self._in_touch())
        for tp, batch in (batches or {}).items():
            if self.should_stop or not self.flow_active or self.app.consumer_generation_id != generation:
                return
            yield tp, self._message(tp, batch, generation)

    def _standing(self, tp: TP) -> PartitionStanding | None:
        """Read from the client's own books, on another thread; it only ever replaces whole values there."""
        client = self._thread._consumer
        if client is None or not client._subscription.is_assigned(tp):
            return None
        state = client._subscription.subscription.assignment.state_value(tp)
        return PartitionStanding(state.lso, state.timestamp)

    def _in_touch(self) -> bool:
        """Whether the group's coordinator is known to answer: an empty poll comes back without any Kafka as well."""
        consumer = self._thread._consumer
        return consumer is not None and consumer._coordinator.coordinator_id is not None

    def _message(self, tp: TP, batch: Batch, generation: int) -> ConsumerMessage:
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            batch.end - 1,
            None,
            0,
            [],
            None,
            batch,
            None,
            None,
            None,
            tp,
            generation_id=generation,
        )

    async def perform_seek(self) -> None:
        """Read on from where the table stands, not from the group's offsets."""
        await self._thread.hold_changelogs(tp for tp in self.assignment() if self._is_changelog_tp(tp))
        await self.read_on_from(self.app.ownership.positions())

    async def read_on_from(self, positions: Mapping[TP, int]) -> None:
        """Raises IllegalStateError when a partition has been taken away meanwhile."""
        if positions:
            await self.seek_wait(positions)

    def ack(self, message: ConsumerMessage) -> bool:
        """Nothing is committed by acknowledgements, so they need not be remembered."""
        first = not message.acked
        message.acked = True
        self._unacked_messages.discard(message)
        return first

    async def commit(self, *_: Any, **__: Any) -> bool:
        return False

    async def force_commit(self, *_: Any, **__: Any) -> bool:
        return False

    async def _add_gap(self, *_: Any) -> None:
        """Gaps between batches are transaction markers; the batches themselves say whether they join on."""

    async def verify_all_partitions_active(self) -> None:
        """Looks for commits that are not made here; health is told by `polled` instead."""


class BatchTransport(Transport):  # type: ignore[misc]
    Consumer = BatchConsumer
