"""One flush is one Kafka transaction: changelog rows, published rows, campaign totals, dead letters, source offsets.

The transactional id belongs to the partition number, not to the worker: who starts a writer for a partition ends
the transaction of its predecessor and fences it, so a worker that lost the partition cannot write any more. Must not
touch the local table: that is written only after `commit` returned.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from services.engagement_aggregator.native.keyed_rows import KeyedRows
from services.engagement_aggregator.native.record_batches import RecordBatch, record_batches
from services.engagement_aggregator.partitions.staging import Place, Staged
from services.runtime.failpoints import reached
from services.runtime.kafka.records import Headers
from services.runtime.logging import get_logger

Headed = tuple[bytes | None, bytes | None, Headers]
_BATCH_BYTES = 900_000  # of a partition one batch is under way at a time, so few large ones; brokers take 1 MB
_CLOSE_S = 3.0
OWES = "owes"  # noted beside an offset: rows of what was read up to there are still to be published
_TRANSACTION_TIMEOUT_MS = 60_000  # only for a worker that never comes back: a successor ends it at once

log = get_logger(__name__)


class FlushWriter:
    """The transactional writer of one partition number. After any error it is spent: close it and start another."""

    def __init__(
        self, options: Mapping[str, Any], *, transactional_id: str, group: str, changelog: str, partition: int
    ) -> None:
        self._group = group
        self._changelog = changelog
        self._partition = partition
        self._producer = AIOKafkaProducer(
            **options,
            client_id=transactional_id,
            transactional_id=transactional_id,
            transaction_timeout_ms=_TRANSACTION_TIMEOUT_MS,
            acks="all",
            max_batch_size=_BATCH_BYTES,
            max_request_size=1_000_000,
        )

    async def start(self) -> None:
        """Take the partition over: returns once every transaction of a predecessor is decided and it is fenced."""
        await self._producer.start()

    async def commit(self, staged: Staged) -> int:
        """Write everything or nothing; returns the changelog offset of the last row."""
        await self._producer.begin_transaction()
        reached("flush:begun")
        note = OWES if staged.owes else ""
        offsets = {
            TopicPartition(topic, self._partition): OffsetAndMetadata(offset, note)
            for topic, offset in staged.offsets.items()
        }
        table = asyncio.ensure_future(self._write_changelog(staged.changelog))
        records = asyncio.ensure_future(self._write_records(staged))
        try:
            offset = await table
            reached("flush:after_changelog")
            await records
            reached("flush:after_output")
        finally:
            table.cancel()
            records.cancel()
            await asyncio.gather(table, records, return_exceptions=True)
        # Not beside the rows: before a broker takes either it asks the transaction's coordinator, and not twice at once
        # for one transaction. Side by side it refused rows or offsets of one flush in eight.
        await self._producer.send_offsets_to_transaction(offsets, self._group)
        reached("flush:after_offsets")
        await self._producer.commit_transaction()
        reached("flush:after_commit")
        return offset

    async def close(self) -> None:
        """Let go within seconds, whatever state the producer or the cluster is in; nothing is flushed."""
        self._producer._closed = True  # its own stop() waits for deliveries that may never come
        for step in (self._producer._sender.close(), self._producer.client.close()):
            with contextlib.suppress(Exception):
                await asyncio.wait_for(step, _CLOSE_S)

    async def _write_changelog(self, rows: KeyedRows) -> int:
        """The last row's offset: a sent batch reports that of its first record."""
        sent = await self._send((self._changelog, self._partition), self._batches(rows))
        written = await asyncio.gather(*(future for _, future in sent))
        return int(written[-1].offset) + sent[-1][0] - 1

    async def _write_records(self, staged: Staged) -> None:
        besides: dict[Place, list[Headed]] = {}
        for record in staged.besides:
            besides.setdefault((record.topic, record.partition), []).append((record.key, record.value, record.headers))
        streams = [(place, self._batches(rows)) for place, rows in staged.published.items()]
        streams += [(place, self._with_headers(records)) for place, records in besides.items()]
        sent = await asyncio.gather(*(self._send(place, batches) for place, batches in streams))
        await asyncio.gather(*(future for stream in sent for _, future in stream))

    async def _send(self, place: Place, batches: Iterator[Any]) -> list[tuple[int, asyncio.Future[Any]]]:
        """Queue batches one after the other; returns how many records each holds and when it is acknowledged."""
        topic, partition = place
        sent: list[tuple[int, asyncio.Future[Any]]] = []
        for batch in batches:
            future = await self._producer.send_batch(batch, topic, partition=partition)
            sent.append((batch.record_count(), future))
        return sent

    def _batches(self, rows: KeyedRows) -> Iterator[RecordBatch]:
        for batch in record_batches(rows, largest=_BATCH_BYTES, timestamp=_now()):
            if batch.size() > _BATCH_BYTES:  # alone in its batch; a broker that refuses it does not say which it was
                log.warning("row_larger_than_a_batch", key=batch.first_key.decode(), bytes=batch.size())
            yield batch

    def _with_headers(self, records: Sequence[Headed]) -> Iterator[Any]:
        """Few, so the client's own builder will do."""
        batch, now = self._producer.create_batch(), _now()
        for key, value, headers in records:
            whole = {"timestamp": now, "key": key, "value": value, "headers": list(headers)}
            if batch.append(**whole) is None:
                yield batch
                batch = self._producer.create_batch()
                batch.append(**whole)
        batch.close()
        yield batch


def _now() -> int:
    return int(time.time() * 1000)
