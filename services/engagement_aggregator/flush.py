"""One flush is one Kafka transaction: changelog rows, published rows, campaign totals, dead letters, source offsets.

The transactional id belongs to the partition number, not to the worker: whoever starts a writer for a partition ends
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
from aiokafka.structs import TopicPartition

from services.engagement_aggregator.native.scanner import KeyedRow
from services.engagement_aggregator.staging import Place, Staged
from services.runtime.failpoints import reached
from services.runtime.kafka.records import Headers
from services.runtime.logging import get_logger

Row = KeyedRow | tuple[bytes | None, bytes | None, Headers]
_BATCH_BYTES = 900_000  # of a partition one batch is under way at a time, so few large ones; brokers take 1 MB
_POINTS = ("flush:after_changelog", "flush:after_output", "flush:after_offsets")
_CLOSE_S = 3.0
_NO_HEADERS: list[tuple[str, bytes]] = []
_TRANSACTION_TIMEOUT_MS = 60_000  # only for a worker that never comes back: a successor ends it at once

log = get_logger(__name__)


class FlushWriter:
    """The transactional writer of one partition number. After any error it is spent: close it and start another."""

    def __init__(
        self, options: Mapping[str, Any], *, transactional_id: str, group: str, changelog: str, partition: int
    ) -> None:
        self._group, self._changelog, self._partition = group, changelog, partition
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
        offsets = {TopicPartition(topic, self._partition): offset for topic, offset in staged.offsets.items()}
        parts = [
            asyncio.ensure_future(part)
            for part in (
                self._write_changelog(staged.changelog),
                self._write_records(staged),
                self._producer.send_offsets_to_transaction(offsets, self._group),
            )
        ]
        try:
            for part, point in zip(parts, _POINTS, strict=True):
                await part
                reached(point)
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
        await self._producer.commit_transaction()
        reached("flush:after_commit")
        return int(parts[0].result())

    async def close(self) -> None:
        """Let go within seconds, whatever state the producer or the cluster is in; nothing is flushed."""
        self._producer._closed = True  # its own stop() waits for deliveries that may never come
        for step in (self._producer._sender.close(), self._producer.client.close()):
            with contextlib.suppress(Exception):
                await asyncio.wait_for(step, _CLOSE_S)

    async def _write_changelog(self, rows: Sequence[KeyedRow]) -> int:
        """The last row's offset: a sent batch reports that of its first record."""
        sent = await self._send((self._changelog, self._partition), rows)
        written = await asyncio.gather(*(future for _, future in sent))
        return int(written[-1].offset) + sent[-1][0] - 1

    async def _write_records(self, staged: Staged) -> None:
        besides: dict[Place, list[Row]] = {}
        for record in staged.besides:
            besides.setdefault((record.topic, record.partition), []).append((record.key, record.value, record.headers))
        streams: list[tuple[Place, Sequence[Row]]] = [*staged.published.items(), *besides.items()]
        sent = await asyncio.gather(*(self._send(place, rows) for place, rows in streams if rows))
        await asyncio.gather(*(future for stream in sent for _, future in stream))

    async def _send(self, place: Place, rows: Sequence[Row]) -> list[tuple[int, asyncio.Future[Any]]]:
        """Queue rows as whole batches; returns how many records each holds and when it is acknowledged."""
        topic, partition = place
        sent: list[tuple[int, asyncio.Future[Any]]] = []
        for builder in self._batches(rows):
            future = await self._producer.send_batch(builder, topic, partition=partition)
            sent.append((builder.record_count(), future))
        return sent

    def _batches(self, rows: Sequence[Row]) -> Iterator[Any]:
        """Rows as whole batches, put straight into the record builder: its wrapper takes twice as long as the work."""
        now = int(time.time() * 1000)
        builder, count = self._producer.create_batch(), 0
        append = builder._builder.append
        for key, value, *more in rows:
            headers = list(more[0]) if more else _NO_HEADERS
            if append(count, now, key, value, headers) is None:
                yield _closed(builder, count)
                builder, count = self._producer.create_batch(), 0
                append = builder._builder.append
                append(count, now, key, value, headers)
            count += 1
        yield _closed(builder, count)


def _closed(builder: Any, count: int) -> Any:
    builder._relative_offset = count
    builder.close()
    return builder
