"""Recovery: brings the local table of one partition up to the committed end of its changelog.

Must run only after the partition's transactional id has been taken over, so that no open transaction is left and the
last stable offset is the end. The reader's position, not the last record, says when the end is reached: the end of
the log may be transaction markers and aborted records.
"""

from __future__ import annotations

import time
import uuid
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer
from faust.types import TP

from schemas.internal.aggregate_state import TablePosition
from services.engagement_aggregator.fetch.batch import keep_fetched_bytes, next_batch
from services.engagement_aggregator.partitions.staging import POSITION_KEY
from services.engagement_aggregator.state.table import RowStore
from services.runtime.logging import get_logger

_REPORT_S = 5.0
_WAIT_S = 0.5
_FETCH_BYTES = 4 * 1024 * 1024

log = get_logger(__name__)
_position: msgspec.json.Decoder[TablePosition] = msgspec.json.Decoder(TablePosition)


class WrongLineage(Exception):  # noqa: N818 - says what is the case, caught here
    """Raised when the local copy was not made from this changelog."""


def reader(options: dict[str, Any]) -> AIOKafkaConsumer:
    """A reader of committed records outside any group, for `next_batch`."""
    keep_fetched_bytes()
    return AIOKafkaConsumer(
        **options,
        group_id=None,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        check_crcs=False,  # `next_batch` does
        max_partition_fetch_bytes=_FETCH_BYTES,
        fetch_max_wait_ms=100,
    )


async def restore(consumer: AIOKafkaConsumer, store: RowStore, where: TP) -> TablePosition:
    """Catch the local copy up and return the table's position; a copy of another changelog is thrown away first."""
    known = _local_position(store, where)
    persisted = store.persisted_offset(where)
    if known is not None and persisted is not None:
        try:
            with store.filling(where.partition):
                return await _read(consumer, store, where, persisted, known.lineage)
        except WrongLineage:
            log.warning("state_of_another_changelog_thrown_away", topic=where.topic, partition=where.partition)
    store.wipe(where.partition)
    with store.filling(where.partition):
        return await _read(consumer, store, where, 0, None)


def _local_position(store: RowStore, where: TP) -> TablePosition | None:
    raw = store.read(where.partition, POSITION_KEY)
    return None if raw is None else _position.decode(raw)


async def _read(
    consumer: AIOKafkaConsumer, store: RowStore, where: TP, start: int, lineage: str | None
) -> TablePosition:
    """Read from `start`, which is the position row of the last local flush where `lineage` is given."""
    end = (await consumer.end_offsets([where]))[where]
    if lineage is not None and start >= end:
        raise WrongLineage
    consumer.assign([where])
    begin = (await consumer.beginning_offsets([where]))[where]
    start = max(start, begin)
    consumer.seek(where, start)
    position: TablePosition | None = None
    rows, began, reported = 0, time.monotonic(), time.monotonic()
    while (reached := await consumer.position(where)) < end:
        batch = await next_batch(consumer, where, _WAIT_S)
        if batch is None or not (found := batch.rows()):
            continue
        for key, value in found:
            if key == POSITION_KEY:
                position = _position.decode(value or b"")
                if lineage is not None and position.lineage != lineage:
                    raise WrongLineage
        store.write(where, found, batch.last_offset())
        rows += len(found)
        if time.monotonic() - reported > _REPORT_S:
            reported = time.monotonic()
            done = round(100 * (reached - start) / (end - start))
            log.info("recovering", partition=where.partition, rows=rows, offset=reached, end=end, percent=done)
    if position is None and lineage is not None:
        raise WrongLineage
    took = time.monotonic() - began
    log.info("recovered", partition=where.partition, rows=rows, seconds=round(took, 2), end=end)
    return position or TablePosition(lineage=uuid.uuid4().hex, next_offsets={})
