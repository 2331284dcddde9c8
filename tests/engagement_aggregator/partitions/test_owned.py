"""Batches must join on: what Faust drops between a rewind and the next flow is noticed, what comes twice is not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, TypeVar, cast

import msgspec
import pytest
from faust.types import TP

from services.engagement_aggregator.fetch.batch import Batch
from services.engagement_aggregator.partitions.owned import Counts, OwnedPartition
from services.engagement_aggregator.partitions.ownership import Ownership
from services.engagement_aggregator.partitions.progress import Progress
from services.engagement_aggregator.rows.memory_shares import MemoryShares
from services.engagement_aggregator.settings import AggregatorSettings
from services.engagement_aggregator.state.table import RowStore
from services.runtime.health import Health
from services.runtime.kafka.partitions import partition_of
from tests.engagement_aggregator.audience import AUDIENCE
from tests.engagement_aggregator.log import broker_batch

SETTINGS = AggregatorSettings()
TOPIC = SETTINGS.feedback_topic
NUMBER = partition_of("camp-0", 4)


class EmptyDisk:
    """A store that has nothing and is never written here."""

    def read(self, partition: int, key: bytes) -> bytes | None:
        return None

    def close(self, partition: int) -> None:
        """Nothing is open."""


class Opened(OwnedPartition):
    """Open at offset 10 without Kafka."""

    async def open(self) -> None:
        self.positions = {TOPIC: 10, SETTINGS.campaign_topic: 0}
        self.is_open = True
        self._drained.set()

    async def flush(self, *, is_full: bool = True) -> None:
        """Nothing to write to."""
        self._moved.clear()


P = TypeVar("P", bound=Opened)


def partition(kind: type[P], settings: AggregatorSettings = SETTINGS) -> P:
    disk = cast(RowStore, EmptyDisk())
    options = {"bootstrap_servers": "127.0.0.1:1"}
    return kind(
        NUMBER, settings=settings, options=options, store=lambda: disk, counts=Counts(4, 4),
        shares=MemoryShares(1), flushed=lambda: None,
            large=asyncio.Semaphore(1),
    )  # fmt: skip


def batch(start: int, end: int, *offsets: int) -> Batch:
    values = [msgspec.json.encode(AUDIENCE.metrics(0, offset, likes=offset)) for offset in offsets]
    pieces = [memoryview(broker_batch(dict(zip(offsets, values, strict=True))))] if offsets else []
    return Batch(TOPIC, NUMBER, start, end, pieces)


async def accepted(*batches: Batch) -> tuple[list[str], Opened]:
    opened = partition(Opened)
    await opened.open()
    try:
        return [opened.accept(one) for one in batches], opened
    finally:
        await opened.close()


def test_a_batch_that_joins_on_is_folded_up_to_its_end_markers_included() -> None:
    outcomes, opened = asyncio.run(accepted(batch(10, 13, 10, 11), batch(13, 14), batch(14, 16, 14)))
    assert outcomes == ["folded", "folded", "folded"]
    assert opened.positions[TOPIC] == 16


def test_a_batch_delivered_again_is_left_out_and_an_overlapping_one_is_cut() -> None:
    outcomes, opened = asyncio.run(accepted(batch(10, 12, 10, 11), batch(10, 12, 10, 11), batch(11, 13, 11, 12)))
    assert outcomes == ["folded", "old", "folded"]
    assert opened.positions[TOPIC] == 13


def test_a_batch_behind_a_hole_is_not_folded() -> None:
    outcomes, opened = asyncio.run(accepted(batch(12, 14, 12, 13)))
    assert outcomes == ["hole"]
    assert opened.positions[TOPIC] == 10


def test_a_hole_makes_the_partition_begin_anew_and_read_from_its_own_position() -> None:
    rewound: list[Mapping[TP, int]] = []

    async def deliver_with_a_hole() -> dict[TP, int]:
        again = asyncio.Event()

        async def rewind(positions: Mapping[TP, int]) -> None:
            rewound.append(positions)
            again.set()

        ownership = Ownership(
            lambda _: partition(Opened),
            rewind=rewind,
            health=Health(),
            progress=Progress(15, lambda: 0.0),
            fenced_pause_s=0.1,
        )
        await ownership.take([NUMBER])
        await ownership.deliver(batch(12, 14, 12, 13))
        await asyncio.wait_for(again.wait(), 10)
        whole = batch(10, 14, 10, 11, 12, 13)
        await ownership.deliver(whole)
        assert whole.pieces == [], "what was folded is not held"
        positions = ownership.positions()
        await ownership.release()
        return positions

    positions = asyncio.run(deliver_with_a_hole())
    assert rewound == [{TP(TOPIC, NUMBER): 10, TP(SETTINGS.campaign_topic, NUMBER): 0}]
    assert positions[TP(TOPIC, NUMBER)] == 14


@pytest.mark.parametrize("value", [None, b"{", b"\xff"])
def test_an_unreadable_record_does_not_hold_up_the_position(value: bytes | None) -> None:
    outcomes, opened = asyncio.run(accepted(Batch(TOPIC, NUMBER, 10, 11, [memoryview(broker_batch({10: value}))])))
    assert outcomes == ["folded"]
    assert opened.positions[TOPIC] == 11
    assert [letter.topic for letter in opened._dead] == [SETTINGS.dead_letter_topic]


class Counting(Opened):
    """Counts its flushes, and always has something more to write."""

    flushes = 0
    first: asyncio.Event
    fourth: asyncio.Event

    async def flush(self, *, is_full: bool = True) -> None:
        self.flushes += 1
        self.first.set()
        if self.flushes == 4:
            self.fourth.set()


def test_while_many_records_wait_rows_are_shown_less_often_and_at_once_when_they_are_folded() -> None:
    quick = AggregatorSettings(flush_interval_s=0.02, catch_up_interval_s=600.0)

    async def flushes() -> tuple[int, int]:
        opened = partition(Counting, quick)
        opened.first, opened.fourth = asyncio.Event(), asyncio.Event()
        await opened.open()
        opened.behind = {TOPIC: 1_000_000}
        opened.accept(batch(10, 11, 10))
        running = asyncio.create_task(opened.run())
        await asyncio.wait_for(opened.first.wait(), 30)
        await asyncio.sleep(0.3)  # time for many
        behind = opened.flushes
        opened.behind = {TOPIC: 0}
        await asyncio.wait_for(opened.fourth.wait(), 30)
        running.cancel()
        return behind, opened.flushes

    behind, after = asyncio.run(flushes())
    assert behind == 1
    assert after >= 4


class Recording(Opened):
    """Says which flushes publish windows and parents as well."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.full: list[bool] = []
        self.flushed = asyncio.Event()

    async def flush(self, *, is_full: bool = True) -> None:
        self.full.append(is_full)
        self.flushed.set()
        self._owed = 0 if is_full else 100
        self._published = self._second() if is_full else self._published
        self._moved.clear()

    async def until(self, number: int) -> None:
        while len(self.full) < number:
            self.flushed.clear()
            await self.flushed.wait()


@pytest.mark.parametrize(
    ("settings", "owed", "full"),
    [
        (AggregatorSettings(flush_interval_s=1.0), 0, [True]),
        (AggregatorSettings(flush_interval_s=0.02, coalesce_s=0.3), 0, [False, True]),
        (AggregatorSettings(flush_interval_s=0.02, coalesce_s=0.3), 800_000, [True]),
    ],
    ids=["flushes are rare", "posts first", "more is owed than a record holds"],
)
def test_windows_and_parents_follow_the_posts_within_their_interval(
    settings: AggregatorSettings, owed: int, full: list[bool]
) -> None:
    async def flushes() -> list[bool]:
        opened = partition(Recording, settings)
        await opened.open()
        opened._owed, opened._published = owed, opened._second()
        opened.accept(batch(10, 11, 10))
        running = asyncio.create_task(opened.run())
        await asyncio.wait_for(opened.until(len(full)), 30)
        await asyncio.sleep(0.5)  # time for more, if there were any
        running.cancel()
        return opened.full

    assert asyncio.run(flushes()) == full
