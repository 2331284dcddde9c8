"""The local disk is a cache: lost, foreign or broken, the rows come back from the changelog."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from services.engagement_aggregator.flush import FlushWriter
from services.engagement_aggregator.native.keyed_rows import KeyedRows
from services.runtime.embedded_broker import EmbeddedBroker
from services.runtime.kafka.records import Outgoing
from services.runtime.settings import KafkaSettings
from tests.engagement_aggregator.pipeline import Pipeline, Worker, eventually

pytestmark = pytest.mark.kafka


def settled(pipeline: Pipeline) -> Worker:
    pipeline.traffic(8)
    worker = pipeline.start()
    pipeline.await_exact()
    return worker


def databases(pipeline: Pipeline) -> list[Path]:
    return sorted((pipeline.folder / "state").rglob("rows-*.db"))


def recovered_rows(worker: Worker) -> int:
    return sum(event["rows"] for event in worker.events("recovered"))


def test_the_table_is_on_disk_and_a_restart_reads_only_the_tail(pipeline: Pipeline) -> None:
    worker = settled(pipeline)
    assert len(databases(pipeline)) == pipeline.kafka.partitions
    assert all(list(path.glob("*.log")) for path in databases(pipeline)), "RocksDB files, not a table in memory"
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
    eventually("ready", heir.ready)
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
    eventually("ready", heir.ready, timeout_s=40)
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
            eventually("ready", worker.ready)
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
    eventually("two dead letters", lambda: len(pipeline.dead_letters()) == 2)
    letters = {letter.key: letter for letter in pipeline.dead_letters()}
    assert set(letters) == {b"weibo:1", b"weibo:2"}
    assert letters[b"weibo:1"].header("trace") == "追踪".encode()
    assert letters[b"weibo:1"].partition == 1
    assert worker.stop() == 0
