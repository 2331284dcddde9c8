"""What a flush writes, without an object per row: nothing is lost between rows, record batches and the broker."""

from __future__ import annotations

import asyncio
import ctypes
import mmap
import random
import subprocess
import sys
from array import array
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.producer.sender import TxnOffsetCommitHandler
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy as ClientBuilder
from hypothesis import example, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from schemas.internal.aggregate_state import TableRow
from services.engagement_aggregator.fold.fold import Fold
from services.engagement_aggregator.native.keyed_rows import Block, KeyedRow, KeyedRows
from services.engagement_aggregator.native.library import ffi, plan_batch, rows_size, write_batch
from services.engagement_aggregator.native.record_batches import record_batches
from services.engagement_aggregator.native.sections import Section
from services.engagement_aggregator.partitions.flush import FlushWriter
from services.engagement_aggregator.partitions.staging import Staged
from services.runtime.kafka.reader import read_topic
from services.runtime.kafka.records import Outgoing
from services.runtime.settings import KafkaSettings
from tests.engagement_aggregator.audience import AUDIENCE, Table, as_sent, encoded

_NOW = 1_764_230_400_123
_HEAD = 61
_rows = st.tuples(st.binary(max_size=150), st.none() | st.binary(max_size=300))
_long = st.builds(lambda size: (b"key", bytes(size)), st.sampled_from([126, 127, 128, 8_191, 8_192, 16_400]))


def as_the_client_builds(rows: Sequence[KeyedRow], largest: int) -> list[bytes]:
    """Batches of a producer with id 7, epoch 3 and sequence numbers that go on."""
    built, at = [], 0
    while at < len(rows):
        builder = ClientBuilder(2, 0, 1, -1, -1, 0, largest)
        builder.set_producer_state(7, 3, at)
        count = 0
        while at < len(rows) and builder.append(count, _NOW, *rows[at], []) is not None:
            count, at = count + 1, at + 1
        built.append(bytes(builder.build()))
    return built


def assert_as_the_client(keyed: KeyedRows, largest: int) -> int:
    """Returns the size of the first batch."""
    expected, sequence = as_the_client_builds(list(keyed), largest), 0
    batches = list(record_batches(keyed, largest=largest, timestamp=_NOW))
    assert [batch.size() for batch in batches] == list(map(len, expected))
    for batch, wanted in zip(batches, expected, strict=True):
        batch._set_producer_state(7, 3, sequence)
        sequence += batch.record_count()
        assert batch._build() == wanted
        assert batch._build() is batch._build(), "sent again, it is the same"
    assert sequence == len(keyed)
    return batches[0].size() if batches else 0


@given(st.lists(st.lists(_rows | _long, max_size=40), max_size=4), st.integers(_HEAD, 3_000))
@example([[(b"", b"")] * 130], 900_000)  # record numbers of two bytes
@settings(max_examples=300, deadline=None)
def test_batches_of_rows_are_byte_for_byte_those_of_the_client(parts: list[list[KeyedRow]], largest: int) -> None:
    rows, keyed = [row for part in parts for row in part], KeyedRows()
    for part in parts:
        keyed += KeyedRows.of(part)
    assert (list(keyed), len(keyed)) == (rows, len(rows))
    full = assert_as_the_client(keyed, largest)
    assert_as_the_client(keyed, full)
    assert_as_the_client(keyed, full - 1)


@pytest.mark.parametrize("sizes", [(1, 3), (1, 1), (-1, 4), (4, -2), (3,), (1, 2, 0), (2**31 - 1, 2**31 - 1)])
def test_sizes_that_are_not_those_of_the_bytes_are_refused(sizes: tuple[int, ...]) -> None:
    assert list(Block(b"kvv", array("i", (1, 2)))) == [(b"k", b"vv")]
    with pytest.raises(ValueError, match="3 bytes are not the rows"):
        Block(b"kvv", array("i", sizes))


def comments(first: int, end: int, **more: bool) -> Section:
    return as_sent(encoded([AUDIENCE.comment(0, number, **more) for number in range(first, end)]))


def test_rows_of_a_flush_under_way_stay_as_they_are_whatever_comes_in_meanwhile() -> None:
    fold = Fold({}, lambda _: True)
    fold.take_section(comments(0, 3_000))
    items = fold.settle().items
    before = list(items)
    assert len(before) == len({key for key, _ in before}) == 3_000 - 1  # the first one opened the post
    fold.take_section(comments(3_000, 5_000))
    fold.written()
    fold.take_section(comments(5_000, 9_000))
    assert len(fold.settle().items) == 6_000
    assert list(items) == before
    (batch,) = record_batches(items, largest=900_000, timestamp=_NOW)
    batch._set_producer_state(7, 3, 0)
    assert [bytes(batch._build())] == as_the_client_builds(before, 900_000)


def test_a_comment_that_waits_to_be_written_is_found_wherever_it_stands() -> None:
    rows: dict[str, TableRow] = {}
    fold = Fold(rows, lambda _: True)
    fold.take_section(comments(0, 5_000))
    fold.settle()
    fold.take_section(comments(5_000, 9_000))
    fold.take_section(comments(0, 9_000))
    places = (1, 2_047, 2_048, 2_049, 4_999, 5_000, 5_001, 8_999)
    for number in places:
        fold.take_section(comments(number, number + 1, deleted=True))
    settled = fold.settle()
    assert len(settled.items) == 4_000
    post: Any = Table.written_by(settled, rows)["post:weibo:500"]
    assert post.comments == 9_000 - len(places)


_HUNT = """
import random, sys
from tests.engagement_aggregator.native.test_keyed_rows import hunt
hunt(random.Random(int(sys.argv[1])), int(sys.argv[2]))
"""


def test_no_byte_beyond_rows_or_a_batch_is_touched() -> None:
    """Both end right before a page that may not be touched; a read or write beyond ends the process."""
    subprocess.run([sys.executable, "-c", _HUNT, "11", "20000"], check=True, timeout=120)


def hunt(chance: random.Random, rounds: int) -> None:
    page, room = mmap.PAGESIZE, 4 * mmap.PAGESIZE
    fences = [mmap.mmap(-1, room + page) for _ in range(3)]
    ends = [ctypes.addressof(ctypes.c_char.from_buffer(fence)) + room for fence in fences]
    for end in ends:
        if ctypes.CDLL(None, use_errno=True).mprotect(ctypes.c_void_p(end), page, mmap.PROT_READ & 0) != 0:
            raise OSError(ctypes.get_errno())
    for _ in range(rounds):
        pairs = [(chance.choice((0, 1, 70, 130)), chance.choice((-1, 0, 1, 63, 64, 300))) for _ in range(20)]
        sizes = array("i", [size for pair in pairs for size in pair]).tobytes()
        rows = chance.randbytes(sum(key + max(value, 0) for key, value in pairs))
        for fence, data in zip(fences, (rows, sizes), strict=False):
            fence[room - len(data) : room] = data
        block, told = ends[0] - len(rows), ends[1] - len(sizes)
        assert rows_size(told, len(pairs)) == len(rows)
        plan = ffi.new("tb_batch *")
        plan_batch(told, len(pairs), room, int(ffi.cast("intptr_t", plan)))
        assert (plan.row, plan.at, plan.count) == (len(pairs), len(rows), len(pairs))
        short = chance.choice((0, 0, 1, chance.randrange(plan.size)))
        took = write_batch(block, told, len(pairs), 0, ends[2] - plan.size + short, plan.size - short)
        assert took == (-1 if short else plan.size)


_MANY: list[KeyedRow] = [(f"comment:{number}".encode(), b"%d" % number * 40) for number in range(20_000)]


async def _written(kafka: KafkaSettings, name: str, changelog: str, *flushes: Staged) -> list[int]:
    options = {"bootstrap_servers": kafka.bootstrap}
    writer = FlushWriter(options, transactional_id=name, group=name, changelog=changelog, partition=1)
    await writer.start()
    try:
        return [await writer.commit(staged) for staged in flushes]
    finally:
        await writer.close()


@pytest.mark.kafka
def test_a_flush_of_several_batches_is_on_the_broker_in_order_and_a_row_too_large_for_it_is_named(
    kafka_settings: KafkaSettings, topics: Callable[..., str], unique: str
) -> None:
    source, changelog, output, dead = topics("source"), topics("changelog"), topics("output"), topics("dead")

    def write(*flushes: Staged) -> list[int]:
        return asyncio.run(_written(kafka_settings, unique, changelog, *flushes))

    table = KeyedRows.of(_MANY[:15_000]) + KeyedRows.of([*_MANY[15_000:], (b"gone", None), (b"position", b"{}")])
    published = {(output, 1): KeyedRows.of(_MANY[:9_000]), (output, 3): KeyedRows.of(_MANY[:7])}
    published[(output, 0)] = KeyedRows()
    letters = [Outgoing(dead, b"x" * 5_000, b"key", 1, (("trace", "追踪".encode()),))] * 300
    staged = Staged(table, published, letters, {source: 5}, {})
    last, again = write(staged, staged)
    found = [record for record in read_topic(kafka_settings, changelog) if record.partition == 1]
    assert [(record.key, record.value) for record in found] == [*table, *table]
    assert (found[len(table) - 1].offset, found[-1].offset) == (last, again)
    assert last > len(table) - 2, "counted over several batches"
    rows = [(one.partition, one.key, one.value) for one in read_topic(kafka_settings, output)]
    for number, count in ((0, 0), (1, 9_000), (3, 7)):
        assert [row[1:] for row in rows if row[0] == number] == [*_MANY[:count], *_MANY[:count]]
    kept = list(read_topic(kafka_settings, dead))
    assert len(kept) == 600
    assert {(one.value, one.header("trace")) for one in kept} == {(b"x" * 5_000, "追踪".encode())}
    large = KeyedRows.of([(b"small", b"{}"), (b"post:large", bytes(2_000_000)), (b"position", b"{}")])
    with capture_logs() as logs, pytest.raises(MessageSizeTooLargeError):
        write(Staged(large, {}, [], {source: 6}, {}))
    assert [(one["key"], one["bytes"] > 2_000_000) for one in logs if one["event"] == "row_larger_than_a_batch"] == [
        ("post:large", True)
    ]
    write()  # ends the transaction of its predecessor, which readers wait for
    assert sum(1 for _ in read_topic(kafka_settings, changelog)) == 2 * len(table), "of such a flush nothing is there"


@pytest.mark.kafka
def test_no_small_flush_is_refused_and_repeated(
    kafka_settings: KafkaSettings, topics: Callable[..., str], unique: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Offsets beside the rows are: the broker asks about the transaction once at a time. A repeat costs a pause."""
    source, changelog, output = topics("source"), topics("changelog"), topics("output")
    repeats: list[str] = []
    refused = TxnOffsetCommitHandler.handle_response

    def noted(handler: TxnOffsetCommitHandler, answer: Any) -> float | None:
        pause: float | None = refused(handler, answer)
        repeats.extend([] if pause is None else ["offsets"])
        return pause

    staged = Staged(KeyedRows.of(_MANY[:50]), {(output, 1): KeyedRows.of(_MANY[:50])}, [], {source: 5}, {})
    with pytest.MonkeyPatch.context() as patch, caplog.at_level("WARNING", "aiokafka.producer.sender"):
        patch.setattr(TxnOffsetCommitHandler, "handle_response", noted)
        asyncio.run(_written(kafka_settings, unique, changelog, *[staged] * 150))
    repeats += [record.getMessage() for record in caplog.records if "retrying" in record.getMessage()]
    assert len(repeats) <= 2, repeats
