"""What the broker sent for one partition, unpacked a broker batch at a time, with no object per record.

Keys, headers and timestamps are needed only for records that are refused, and are taken from the bytes then. Must
leave out what aiokafka leaves out: control batches and aborted transactions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from struct import Struct
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer import fetcher as client_fetcher
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import _MemoryRecordsPy
from aiokafka.structs import TopicPartition
from crc32c import crc32c

from services.engagement_aggregator.fetch.frames import receive_in_place
from services.engagement_aggregator.native import sections
from services.engagement_aggregator.native.sections import Section

_HEAD = Struct(">qiibI")  # base offset, length, leader epoch, magic, checksum
_RECORDS = Struct(">q13xh34xi")  # base offset, attributes, number of records
_COMPRESSED = 0b111
_LENGTH_AT_LEAST = 61 - 12
_UNCOUNTED = 12  # base offset and length are not in the length
_CHECKED_FROM = 21
_OLDEST_FORMAT = 2


@dataclass(frozen=True, slots=True)
class Batch:
    """One fetch of one partition. start and end: the reader's position before and after, markers included.

    pieces: the broker's batches as bytes; they are unpacked only where they are folded, to hold them but once.
    """

    topic: str
    partition: int
    start: int
    end: int
    pieces: list[memoryview]

    def sections(self) -> Iterator[Section]:
        """The same as `values`, for the fold: records that stay in the fetched bytes where those are not compressed."""
        for piece in self.pieces:
            base_offset, attributes, count = _RECORDS.unpack_from(piece)
            if attributes & _COMPRESSED:
                batch = DefaultRecordBatch(piece)
                yield sections.of_values([record.value for record in batch if record.offset >= self.start])
            else:
                yield sections.of_batch(piece[_RECORDS.size :], base_offset=base_offset, count=count, start=self.start)

    def values(self) -> list[bytes | None]:
        """What is folded."""
        found: list[bytes | None] = []
        for piece in self.pieces:
            batch = DefaultRecordBatch(piece)
            if batch.base_offset < self.start:
                found += [record.value for record in batch if record.offset >= self.start]
            else:
                found += [record.value for record in batch]
        return found

    def records(self) -> list[Any]:
        """The whole records of the values, in the same order: offset, timestamp, key, value, headers."""
        whole = [record for piece in self.pieces for record in DefaultRecordBatch(piece)]
        return [record for record in whole if record.offset >= self.start]

    def rows(self) -> list[tuple[bytes, bytes | None]]:
        """Key and value of each record; the changelog has no records without a key."""
        found = []
        for piece in self.pieces:
            batch = DefaultRecordBatch(piece)
            if batch.base_offset < self.start:
                found += [(record.key or b"", record.value) for record in batch if record.offset >= self.start]
            else:
                found += [(record.key or b"", record.value) for record in batch]
        return found

    def size(self) -> int:
        """In bytes, as fetched."""
        return sum(len(piece) for piece in self.pieces)

    def last_offset(self) -> int:
        """Of the last record, which may stand well before the end: markers and what compaction took follow it."""
        for piece in reversed(self.pieces):
            if offsets := [record.offset for record in DefaultRecordBatch(piece)]:
                return int(offsets[-1])
        return self.start

    def forget(self) -> None:
        """Let the bytes go now: Faust's messages stand in cycles, and the collector would find them megabytes later."""
        self.pieces.clear()

    def since(self, offset: int) -> Batch:
        """The part from this offset on."""
        return replace(self, start=offset)


class FetchedBytes:
    """Takes the place of aiokafka's MemoryRecords in its fetcher, which does not give its bytes away."""

    def __init__(self, data: memoryview | bytes) -> None:
        self.data = data
        self._records = _MemoryRecordsPy(data)  # the one that takes views

    def size_in_bytes(self) -> int:
        return len(self.data)

    def has_next(self) -> bool:
        return bool(self._records.has_next())

    def next_batch(self) -> Any:
        return self._records.next_batch()


def keep_fetched_bytes() -> None:
    """From now on the fetchers of this process keep the bytes that `unpacked` needs, where they were received."""
    receive_in_place()
    client_fetcher.MemoryRecords = FetchedBytes  # has all that the fetcher asks of it


def taken(fetcher: Any, where: TopicPartition) -> Batch | None:
    """What an aiokafka fetcher has got for a partition, if the reader still stands there; raises what it met."""
    fetched = fetcher._records.pop(where)
    fetcher._notify(fetcher._wait_consume_future)
    if not isinstance(fetched, FetchResult):
        fetched.check_raise()
    if not fetched.check_assignment(where):
        return None
    source = fetched._partition_records
    batch = unpacked(where.topic, where.partition, source)
    fetched._update_position()
    source._records_iterator = None  # it stands in a cycle that would hold the bytes until the collector comes
    return batch if batch.end > batch.start else None


async def next_batch(consumer: AIOKafkaConsumer, where: TopicPartition, timeout_s: float) -> Batch | None:
    """The next fetch of the one partition that is assigned, for readers outside a group."""
    fetcher = consumer._fetcher
    if where not in fetcher._records:
        waiter = fetcher._create_fetch_waiter()
        await asyncio.wait([waiter], timeout=timeout_s)
        waiter.cancel()
    return taken(fetcher, where) if where in fetcher._records else None


def unpacked(topic: str, partition: int, fetched: Any) -> Batch:
    """All that a fetch (aiokafka's PartitionRecords) brought; moves its `next_fetch_offset` to the end."""
    start = fetched.next_fetch_offset
    kept = []
    for piece in pieces(fetched._records.data):
        batch = DefaultRecordBatch(piece)
        if not _left_out(fetched, batch):
            kept.append(piece)
        # The batch says where the next one begins, so records that compaction took away do not stall the reader.
        fetched.next_fetch_offset = max(start, batch.next_offset)
    return Batch(topic, partition, start, fetched.next_fetch_offset, kept)


def pieces(data: memoryview | bytes) -> Iterator[memoryview]:
    """The whole broker batches in what was fetched, each checked; the broker may cut off the last one."""
    at, size, view = 0, len(data), memoryview(data)
    while at + _HEAD.size <= size:
        _, length, _, magic, checksum = _HEAD.unpack_from(data, at)
        if magic < _OLDEST_FORMAT or length < _LENGTH_AT_LEAST:
            raise CorruptRecordException(f"record batch of format {magic} and length {length}")
        end = at + _UNCOUNTED + length
        if end > size:
            return
        piece = view[at:end]
        if crc32c(piece[_CHECKED_FROM:]) != checksum:
            raise CorruptRecordException("Invalid CRC")
        yield piece
        at = end


def _left_out(fetched: Any, batch: Any) -> bool:
    """Control batches, and those of transactions that the broker listed as aborted."""
    if batch.producer_id is not None:
        fetched._consume_aborted_up_to(batch.base_offset)
        if batch.is_control_batch and fetched._contains_abort_marker(batch):
            fetched._aborted_producers.discard(batch.producer_id)
        if batch.is_transactional and batch.producer_id in fetched._aborted_producers:
            return True
    return bool(batch.is_control_batch)
