"""The local disk is a cache: lost, foreign or broken, the rows come back from the changelog."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from faust.types import TP

from schemas.internal.aggregate_state import TablePosition
from services.engagement_aggregator.app import build
from services.engagement_aggregator.native.keyed_rows import KeyedRow, KeyedRows
from services.engagement_aggregator.partitions.flush import FlushWriter
from services.engagement_aggregator.partitions.owned import Counts
from services.engagement_aggregator.partitions.staging import POSITION_KEY, Staged
from services.engagement_aggregator.settings import TABLE, AggregatorSettings
from services.engagement_aggregator.state import changelog
from services.engagement_aggregator.state.table import RowStore
from services.runtime.embedded_broker import EmbeddedBroker
from services.runtime.health import Health
from services.runtime.kafka.records import Outgoing
from services.runtime.settings import KafkaSettings
from tests.engagement_aggregator.pipeline import Pipeline, Worker
from tests.waiting import wait_for

pytestmark = pytest.mark.kafka


def settled(pipeline: Pipeline) -> Worker:
    pipeline.traffic(8)
    worker = pipeline.start()
    pipeline.await_exact()
    return worker


def databases(pipeline: Pipeline) -> list[Path]:
    return sorted((pipeline.folder / "state").rglob("rows-*.db"))


def written(pipeline: Pipeline) -> bool:
    """Each partition has RocksDB files, and not a table in memory."""
    found = databases(pipeline)
    return len(found) == pipeline.kafka.partitions and all(list(path.glob("*.log")) for path in found)


def recovered_rows(worker: Worker) -> int:
    return sum(event["rows"] for event in worker.events("recovered"))


def test_the_table_is_on_disk_and_a_restart_reads_only_the_tail(pipeline: Pipeline) -> None:
    worker = settled(pipeline)
    wait_for(lambda: written(pipeline), "a database for each partition, also for those without rows")
    assert worker.stop() == 0
    again = pipeline.start()
    pipeline.traffic(3)
    pipeline.await_exact()
    assert recovered_rows(again) <= pipeline.kafka.partitions  # the position row of each


def test_a_lost_disk_is_recovered_from_the_changelog_and_nothing_is_read_again(pipeline: Pipeline) -> None:
    worker = settled(pipeline)
    assert worker.stop() == 0
    before = pipeline.rows()
    shutil.rmtree(pipeline.folder / "state")
    heir = pipeline.start()
    wait_for(heir.ready, "ready")
    assert heir.folded() == 0
    assert recovered_rows(heir) > len(before)
    pipeline.traffic(3)
    pipeline.await_exact()


def test_a_database_that_cannot_be_read_is_thrown_away_and_recovered(pipeline: Pipeline) -> None:
    worker = settled(pipeline)
    worker.kill()
    for path in databases(pipeline):
        (path / "CURRENT").write_text("garbage")
    heir = pipeline.start()
    pipeline.traffic(3)
    pipeline.await_exact()
    assert heir.events("state_unreadable_thrown_away")


def test_state_left_by_another_cluster_is_not_mistaken_for_ours(pipeline: Pipeline, tmp_path: Path) -> None:
    assert settled(pipeline).stop() == 0  # an orderly end leaves everything on the disk
    other = Pipeline(pipeline.kafka, f"{pipeline.settings.topic_prefix}other", tmp_path)
    other.create_topics()
    try:
        other.traffic(4)
        first = other.start()
        other.await_exact()
        first.kill()
        mine, theirs = databases(pipeline)[0].parent, databases(other)[-1].parent
        assert mine != theirs
        shutil.rmtree(theirs)
        shutil.copytree(mine, theirs)
        heir = other.start()
        other.traffic(30)
        other.await_exact()
        assert heir.events("state_of_another_changelog_thrown_away")
    finally:
        other.close()


async def _leave_aborted_rows(pipeline: Pipeline, partition: int) -> None:
    settings = pipeline.settings
    options = {"bootstrap_servers": pipeline.kafka.bootstrap}
    writer = FlushWriter(
        options,
        transactional_id=f"{settings.application}-{partition}",
        group=settings.application,
        changelog=settings.changelog_topic,
        partition=partition,
    )
    await writer.start()
    await writer._producer.begin_transaction()
    await writer._write_changelog(KeyedRows.of([(b"post:lost", b"{}")] * 5))
    await writer._producer.abort_transaction()
    await writer.close()


def test_a_changelog_that_ends_in_aborted_rows_and_markers_does_not_stall_recovery(pipeline: Pipeline) -> None:
    settled(pipeline).kill()
    shutil.rmtree(pipeline.folder / "state")
    for partition in range(pipeline.kafka.partitions):
        asyncio.run(_leave_aborted_rows(pipeline, partition))
    heir = pipeline.start()
    wait_for(heir.ready, "ready")
    pipeline.traffic(3)
    pipeline.await_exact()


def test_a_worker_started_before_kafka_comes_to_work_by_itself(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path / "kafka", log_dir=tmp_path / "log")
    with broker:
        pass  # formats the data and fixes the port
    pipeline = Pipeline(KafkaSettings(bootstrap=broker.bootstrap, partitions=2), "early", tmp_path)
    try:
        worker = pipeline.start()
        worker.await_event("kafka_waiting")
        assert not worker.ready()
        with broker:
            worker.await_event("topics_awaited")
            pipeline.create_topics()
            pipeline.traffic(3)
            pipeline.await_exact()
            wait_for(worker.ready, "ready")
            broker.kill()
            broker.start()
            pipeline.traffic(3)
            pipeline.await_exact(90)
            assert worker.stop() == 0
    finally:
        pipeline.close()


def test_a_bad_record_becomes_a_dead_letter_and_its_neighbours_are_counted(pipeline: Pipeline) -> None:
    settings = pipeline.settings
    pipeline.traffic(2)
    pipeline.put_records(
        [
            Outgoing(settings.feedback_topic, b"\xff not json", b"weibo:1", 1, (("trace", "追踪".encode()),)),
            Outgoing(settings.feedback_topic, None, b"weibo:2", 2),
        ]
    )
    pipeline.traffic(2)
    worker = pipeline.start()
    wait_for(lambda: len(pipeline.dead_letters()) == 2, "two dead letters")
    letters = {letter.key: letter for letter in pipeline.dead_letters()}
    assert set(letters) == {b"weibo:1", b"weibo:2"}
    assert letters[b"weibo:1"].header("trace") == "追踪".encode()
    assert letters[b"weibo:1"].partition == 1
    assert worker.stop() == 0


async def _flushed(kafka: KafkaSettings, name: str, changelog: str, *tables: KeyedRows) -> list[int]:
    options = {"bootstrap_servers": kafka.bootstrap}
    writer = FlushWriter(options, transactional_id=name, group=name, changelog=changelog, partition=0)
    await writer.start()
    try:
        return [await writer.commit(Staged(table, {}, [], {changelog: 1}, {})) for table in tables]
    finally:
        await writer.close()


def _table(kafka: KafkaSettings, folder: Path) -> RowStore:
    counts = Counts(kafka.partitions, kafka.partitions)
    app = build(AggregatorSettings(kafka=kafka, state_dir=folder), counts, Health(), lambda: None)
    store: RowStore = app.tables[TABLE].data
    return store


async def _restored(kafka: KafkaSettings, store: RowStore, where: TP) -> TablePosition:
    async with changelog.reader({"bootstrap_servers": kafka.bootstrap}) as consumer:
        return await changelog.restore(consumer, store, where)


def test_a_flush_of_which_only_the_first_rows_came_to_the_disk_is_made_good_by_recovery(
    kafka_settings: KafkaSettings, topics: Callable[..., str], unique: str, tmp_path: Path
) -> None:
    topic = topics("changelog", cleanup_policy="compact")
    where = TP(topic, 0)

    def rows(version: int) -> list[KeyedRow]:
        position = msgspec.json.encode(TablePosition(lineage="ours", next_offsets={"source": version}))
        changed = range(0, 6_000, version)
        return [*((b"post:%d" % number, b"%d" % version) for number in changed), (POSITION_KEY, position)]

    first, _ = asyncio.run(_flushed(kafka_settings, unique, topic, KeyedRows.of(rows(1)), KeyedRows.of(rows(2))))

    def cut_off(store: RowStore) -> Iterator[KeyedRow]:
        yield from rows(2)[:2_900]
        store._db_for_partition(0).flush()  # as when a buffer is full
        raise InterruptedError

    async def interrupted_and_restored() -> tuple[TablePosition, dict[bytes, bytes | None]]:
        store = _table(kafka_settings, tmp_path)
        store.write(where, rows(1), first)
        with pytest.raises(InterruptedError):
            store.write(where, cut_off(store), first + 10**6)
        store.close(0)
        again = _table(kafka_settings, tmp_path)
        assert again.persisted_offset(where) == first
        left = [again.read(0, b"post:%d" % number) for number in range(0, 6_000, 2)]
        assert {left.count(b"1"), left.count(b"2")} == {2_000, 1_000}, "the hazard was there: some rows are newer"
        position = await _restored(kafka_settings, again, where)
        return position, {key: again.read(0, key) for key, _ in rows(1)}

    position, found = asyncio.run(interrupted_and_restored())
    assert position.next_offsets == {"source": 2}
    assert found == dict(rows(1)) | dict(rows(2))
