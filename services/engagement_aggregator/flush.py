"""One flush is one Kafka transaction: changelog rows, published rows, campaign totals, dead letters, source offsets.

The transactional id belongs to the partition number, not to the worker: whoever starts a writer for a partition ends
the transaction of its predecessor and fences it, so a worker that lost the partition cannot write any more. Must not
touch the local table: that is written only after `commit` returned.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition

from services.runtime.failpoints import reached
from services.runtime.kafka.records import Outgoing
from services.runtime.logging import get_logger

KeyedRow = tuple[bytes, bytes]
_BATCH_BYTES = 256 * 1024
_CLOSE_S = 3.0
_TRANSACTION_TIMEOUT_MS = 60_000  # only for a worker that never comes back: a successor ends it at once

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Staged:
    """What one flush writes. offsets: next offset per source topic."""

    changelog: Sequence[KeyedRow]
    records: Sequence[Outgoing]
    offsets: Mapping[str, int]


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
        last = await self._write_changelog(staged.changelog)
        reached("flush:after_changelog")
        await self._write_records(staged.records)
        reached("flush:after_output")
        offsets = {TopicPartition(topic, self._partition): offset for topic, offset in staged.offsets.items()}
        await self._producer.send_offsets_to_transaction(offsets, self._group)
        reached("flush:after_offsets")
        await self._producer.commit_transaction()
        reached("flush:after_commit")
        return last

    async def close(self) -> None:
        """Let go within seconds, whatever state the producer or the cluster is in; nothing is flushed."""
        self._producer._closed = True  # its own stop() waits for deliveries that may never come
        for step in (self._producer._sender.close(), self._producer.client.close()):
            with contextlib.suppress(Exception):
                await asyncio.wait_for(step, _CLOSE_S)

    async def _write_changelog(self, rows: Sequence[KeyedRow]) -> int:
        """The last row's offset: a sent batch reports that of its first record."""
        sent = await self._send(self._changelog, self._partition, [(key, value, ()) for key, value in rows])
        count, future = sent[-1]
        base = (await asyncio.gather(*(one for _, one in sent)))[-1].offset
        del future
        return int(base) + count - 1

    async def _write_records(self, records: Sequence[Outgoing]) -> None:
        by_place: dict[tuple[str, int], list[tuple[bytes | None, bytes | None, Any]]] = {}
        for record in records:
            by_place.setdefault((record.topic, record.partition), []).append((record.key, record.value, record.headers))
        sent = await asyncio.gather(*(self._send(topic, number, rows) for (topic, number), rows in by_place.items()))
        await asyncio.gather(*(future for place in sent for _, future in place))

    async def _send(
        self, topic: str, partition: int, rows: Sequence[tuple[bytes | None, bytes | None, Any]]
    ) -> list[tuple[int, asyncio.Future[Any]]]:
        """Queue rows as whole batches; returns how many records each holds and when it is acknowledged."""
        sent: list[tuple[int, asyncio.Future[Any]]] = []
        builder = self._producer.create_batch()
        for key, value, headers in rows:
            if builder.append(timestamp=None, key=key, value=value, headers=list(headers)) is None:
                sent.append(
                    (builder.record_count(), await self._producer.send_batch(builder, topic, partition=partition))
                )
                builder = self._producer.create_batch()
                builder.append(timestamp=None, key=key, value=value, headers=list(headers))
        sent.append((builder.record_count(), await self._producer.send_batch(builder, topic, partition=partition)))
        return sent
