"""Rows in memory: what is not on disk is never dropped, what is cold is, and the collector keeps out of the way."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import pytest

from schemas.internal.aggregate_state import AccountState, ItemState, Minute, PostHour
from services.engagement_aggregator.partitions.gc_pauses import GcPauses
from services.engagement_aggregator.rows.cached import CachedRows
from services.engagement_aggregator.rows.memory_shares import MemoryShares, weight

A_ROW = weight([AccountState([])])
AT = datetime(2026, 3, 21, tzinfo=UTC)


class Disk:
    """Counts what is asked of it."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.asked: list[bytes] = []

    def read(self, key: bytes) -> bytes | None:
        self.asked.append(key)
        return self.rows.get(key)

    def take(self, rows: CachedRows, *keys: str) -> None:
        self.rows |= {key.encode(): msgspec.json.encode(rows[key]) for key in keys}


def test_a_row_that_is_not_on_disk_is_never_dropped_however_many_come_after_it() -> None:
    disk = Disk()
    rows = CachedRows(disk.read, 4 * A_ROW)
    rows["held"] = held = AccountState([])
    for number in range(20):
        rows[f"row-{number}"] = AccountState([])
        disk.take(rows, f"row-{number}")
        rows.shrink({"held"})
    assert rows["held"] is held
    assert b"held" not in disk.asked
    assert len(rows) <= 4 + 2


def test_rows_in_use_stay_when_others_go() -> None:
    disk = Disk()
    rows = CachedRows(disk.read, 8 * A_ROW)
    rows["warm"] = warm = AccountState([])
    disk.take(rows, "warm")
    for number in range(40):
        rows[f"row-{number}"] = AccountState([])
        disk.take(rows, f"row-{number}")
        assert rows.get("warm") is warm
        rows.shrink(set())
    assert rows.get("row-0") is not None
    assert disk.asked == [b"row-0"]


def test_a_comment_is_known_until_it_is_on_disk_and_from_there_afterwards() -> None:
    disk = Disk()
    rows = CachedRows(disk.read, 100 * A_ROW)
    rows["comment"] = item = ItemState(version=1, deleted=False, minute=7)
    rows.shrink({"comment"})
    assert rows.get("comment") is item
    assert not disk.asked
    disk.take(rows, "comment")
    rows.shrink(set())
    assert rows.get("comment") == item
    assert disk.asked == [b"comment"]
    assert len(rows) == 0


def test_hours_that_grow_in_place_push_others_out_of_memory() -> None:
    disk = Disk()
    rows = CachedRows(disk.read, 40_000)
    for number in range(8):
        rows[f"hour-{number}"] = PostHour(("post",), number, AT, [])
        disk.take(rows, f"hour-{number}")
    rows.shrink(set())
    assert len(rows) == 8
    for number in range(8):
        hour = rows[f"hour-{number}"]
        assert isinstance(hour, PostHour)
        hour.minutes += [Minute(at, [None] * 8, [0] * 8, [0] * 8, [None] * 8, 0, 0, [0] * 4) for at in range(60)]
        disk.take(rows, f"hour-{number}")
    for _ in range(40):
        rows.shrink(set())
    assert len(rows) == 0
    assert isinstance(rows["hour-0"], PostHour)
    assert b"hour-0" in disk.asked


def test_what_rows_may_take_is_for_all_partitions_of_a_worker_together() -> None:
    shares = MemoryShares(4)
    shares.join("one")
    assert shares.of_each() == 4 * 1024 * 1024
    shares.join("other")
    assert shares.of_each() == 2 * 1024 * 1024
    shares.leave("one")
    shares.leave("one")
    assert shares.of_each() == 4 * 1024 * 1024


@pytest.fixture
def as_before() -> Iterator[None]:
    yield
    gc.enable()
    gc.unfreeze()


@pytest.mark.usefixtures("as_before")
def test_cycles_are_collected_now_and_then_and_rows_are_not_looked_through_with_every_record() -> None:
    now, looks = [0.0], 0

    def looked(phase: str, _: object) -> None:
        nonlocal looks
        looks += phase == "stop"
        now[0] += 1.0  # a look takes two seconds by this clock

    collector = GcPauses(lambda: now[0])
    collector.begin()
    gc.callbacks.append(looked)
    try:
        rows = [[number] for number in range(200_000)]
        collector.flushed()
        assert looks == 0
        now[0] = 11.0
        collector.flushed()
        assert looks == 1
        for now[0] in (100.0, 200.0):
            collector.flushed()
        assert looks == 1  # the next one comes after a hundred times as long as the last one took
        now[0] = 214.0
        collector.flushed()
        assert looks == 2
    finally:
        gc.callbacks.remove(looked)
    assert len(rows) == 200_000
