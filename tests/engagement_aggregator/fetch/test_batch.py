"""Unpacking broker batches: nothing aborted, nothing damaged and nothing twice reaches the fold."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.structs import TopicPartition

from services.engagement_aggregator.faust_parts.transport import BatchThread
from services.engagement_aggregator.fetch.batch import Batch, FetchedBytes, taken, unpacked
from tests.engagement_aggregator.log import ABORT, COMMIT, broker_batch, marker


def fetched(data: bytes, offset: int = 10, aborted: list[tuple[int, int]] | None = None) -> Any:
    where = TopicPartition("feedback", 1)
    records: Any = FetchedBytes(data)
    return PartitionRecords(where, records, aborted, offset, None, None, False, READ_COMMITTED)


def unpack(data: bytes, offset: int = 10, aborted: list[tuple[int, int]] | None = None) -> Batch:
    return unpacked("feedback", 1, fetched(data, offset, aborted))


def test_transactions_that_were_aborted_and_markers_are_left_out_and_passed_over() -> None:
    data = (
        broker_batch({10: b"a", 11: b"b"}, producer=7)
        + broker_batch({12: b"lost"}, producer=8)
        + marker(13, 8, ABORT)
        + marker(14, 7, COMMIT)
        + broker_batch({15: b"c"}, producer=8)
        + marker(16, 8, COMMIT)
    )
    batch = unpack(data, aborted=[(8, 12)])
    assert batch.values() == [b"a", b"b", b"c"]
    assert (batch.start, batch.end) == (10, 17)
    assert [record.offset for record in batch.records()] == [10, 11, 15]


def test_a_fetch_that_begins_inside_a_batch_leaves_out_what_was_read_before() -> None:
    batch = unpack(broker_batch({8: b"old", 9: b"old", 10: b"new"}))
    assert (batch.values(), batch.start, batch.end) == ([b"new"], 10, 11)
    assert [record.value for record in batch.records()] == [b"new"]


def test_records_that_compaction_took_away_do_not_stall_the_reader() -> None:
    batch = unpack(broker_batch({10: b"a", 13: b"b"}, next_offset=16))
    assert (batch.values(), batch.end) == ([b"a", b"b"], 16)
    assert batch.since(12).values() == [b"b"]


def test_a_batch_that_the_broker_cut_off_waits_for_the_next_fetch() -> None:
    whole = broker_batch({10: b"a"})
    batch = unpack(whole + broker_batch({11: b"b"})[:-3])
    assert (batch.values(), batch.end) == ([b"a"], 11)


@pytest.mark.parametrize("at", [21, 60, -1])
def test_a_damaged_byte_is_never_folded(at: int) -> None:
    data = bytearray(broker_batch({10: b"a" * 50}))
    data[at] ^= 1
    with pytest.raises(CorruptRecordException):
        unpack(bytes(data))


def test_a_refused_record_is_found_again_with_key_headers_and_time() -> None:
    record = unpack(broker_batch({10: b"good", 11: None})).records()[1]
    assert (record.offset, record.key, record.value) == (11, b"key", None)
    assert (record.timestamp, record.headers) == (1_700_000_000_000, [("trace", "追踪".encode())])


class Standing:
    """What aiokafka's fetcher keeps of one assigned partition, as far as it is asked here."""

    active, paused, position = True, False, 10

    def state_value(self, _: TopicPartition) -> Standing:
        return self

    def consumed_to(self, position: int) -> None:
        self.position = position


def test_the_bytes_of_a_fetch_are_let_go_at_once_and_not_when_the_collector_comes() -> None:
    where, standing = TopicPartition("feedback", 1), Standing()
    source = fetched(broker_batch({10: b"a", 11: b"b"}))
    bytes_of_it = weakref.ref(source._records)
    result = FetchResult(where, assignment=standing, partition_records=source, backoff=0)
    fetcher = SimpleNamespace(_records={where: result}, _notify=lambda _: None, _wait_consume_future=None)
    del source, result
    gc.disable()
    try:
        batch = taken(fetcher, where)
        assert batch is not None
        assert (batch.values(), standing.position) == ([b"a", b"b"], 12)
        batch.forget()
        assert bytes_of_it() is None
    finally:
        gc.enable()


def test_a_group_that_waits_for_kafka_to_assign_it_does_not_keep_the_poll_from_coming_back() -> None:
    """Else nobody says that Kafka is missed: the worker stayed as healthy as it was for as long as Kafka was away."""

    async def polled() -> dict[Any, Batch]:
        never = asyncio.get_running_loop().create_future()
        subscriptions = SimpleNamespace(
            fetch_context=nullcontext, reassignment_in_progress=True, wait_for_assignment=lambda: never
        )
        fetcher = SimpleNamespace(_closed=False, _subscriptions=subscriptions, _records={})
        thread: Any = SimpleNamespace(consumer=SimpleNamespace(flow_active=True))
        consumer = SimpleNamespace(_closed=False, _fetcher=fetcher)
        return await asyncio.wait_for(BatchThread._fetch_records(thread, consumer, set(), timeout=0.01), 60)

    assert asyncio.run(polled()) == {}
