"""`tongbo rebuild` on the real broker: exact after kill -9, and a number that somebody changed is named."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest
from typer.testing import CliRunner

from schemas.events.aggregate import EngagementAggregate
from services.cli.main import application
from services.runtime.kafka.reader import read_topic
from services.runtime.kafka.records import Outgoing
from services.runtime.settings import KafkaSettings
from tests.engagement_aggregator.pipeline import Pipeline
from tests.waiting import wait_for

pytestmark = pytest.mark.kafka
Rebuild = Callable[..., tuple[int, str]]


@pytest.fixture
def pipeline(kafka_settings: KafkaSettings, unique: str, tmp_path: Path) -> Iterator[Pipeline]:
    made = Pipeline(kafka_settings, unique, tmp_path)
    made.create_topics()
    yield made
    made.close()


@pytest.fixture
def rebuild(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Rebuild:
    monkeypatch.setenv("TONGBO_TOPIC_PREFIX", pipeline.settings.topic_prefix)
    monkeypatch.setenv("TONGBO_PARTITIONS", str(pipeline.kafka.partitions))
    monkeypatch.setenv("TONGBO_STATE_DIR", str(pipeline.folder / "state"))
    monkeypatch.setenv("COLUMNS", "200")

    def command(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(application(), ["rebuild", "--kafka", pipeline.kafka.bootstrap, *arguments])
        return result.exit_code, result.output

    return command


def tamper(pipeline: Pipeline, key: str, **wrong: object) -> None:
    """Publish a row again with other numbers, as a bug or a stranger with write access would."""
    topic = pipeline.settings.output_topic
    place = next(one.partition for one in read_topic(pipeline.kafka, topic) if one.key == key.encode())
    value = msgspec.json.encode(msgspec.structs.replace(pipeline.rows()[key], **wrong))
    pipeline.put_records([Outgoing(topic, value, key.encode(), place)])


def test_compare_finds_nothing_after_kills_and_names_every_number_that_was_tampered_with(
    pipeline: Pipeline, rebuild: Rebuild
) -> None:
    pipeline.traffic(5)
    code, text = rebuild("--compare", "--timeout", "1")
    assert (code, "在运行吗" in text) == (3, True), text
    for point in ("flush:after_output", "flush:after_commit"):
        pipeline.start(kill_at=point).await_killed()
        pipeline.traffic(5)
    pipeline.start()
    code, text = rebuild("--compare")
    assert (code, "0 differences" in text) == (0, True), text
    assert f"{pipeline.feedback_count()} feedback records" in text
    right: EngagementAggregate = pipeline.rows()["campaign:camp-1"]
    tamper(pipeline, "campaign:camp-1", replies=right.replies + 1)
    code, text = rebuild("--compare")
    assert code == 1
    assert text.count(f"campaign:camp-1  replies：应为 {right.replies}，实为 {right.replies + 1}") == 2, (
        "both witnesses"
    )
    assert "2 differences" in text


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent was killed")
def test_a_rebuild_killed_in_the_middle_leaves_no_worker_behind_and_the_next_start_goes_on(
    pipeline: Pipeline, rebuild: Rebuild
) -> None:
    pipeline.traffic(3)
    wait_for(lambda: rebuild()[0] == 0, "the broker coordinates groups")
    command = [sys.executable, "-m", "services.cli.main", "rebuild", "--yes", "--kafka", pipeline.kafka.bootstrap]
    killed = subprocess.Popen(command)
    found = list[psutil.Process]()

    def folds() -> bool:
        found[:] = psutil.Process(killed.pid).children()
        return any("services.engagement_aggregator" in child.cmdline() for child in found)

    wait_for(folds, "its worker folds")
    killed.kill()
    killed.wait()
    wait_for(lambda: not any(child.is_running() for child in found), "the worker has ended with it")
    pipeline.start()
    pipeline.await_exact()


@pytest.mark.timeout(300)  # three starts of a worker, on a machine that may be busy
def test_rebuild_makes_every_row_anew_and_deletes_what_nothing_speaks_for(
    pipeline: Pipeline, rebuild: Rebuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.traffic(6)
    worker = pipeline.start()
    pipeline.await_exact()
    before = pipeline.rows()
    code, text = rebuild("--yes")
    assert (code, "先全部停止" in text) == (2, True), text
    assert worker.stop() == 0
    tamper(pipeline, "campaign:camp-0", replies=10_000)
    ghost = msgspec.json.encode(msgspec.structs.replace(before["campaign:camp-1"], key="campaign:ghost"))
    pipeline.put_records([Outgoing(pipeline.settings.output_topic, ghost, b"campaign:ghost", 1)])
    wait_for(lambda: "演练" in rebuild()[1], "the worker has left its group")
    assert pipeline.rows()["campaign:camp-0"].replies == 10_000, "a rehearsal changes nothing"
    code, text = rebuild("--yes", "--timeout", "100")
    assert (code, "1 unfounded rows deleted" in text) == (0, True), text
    assert pipeline.rows() == before
    pipeline.start()
    pipeline.traffic(2)
    pipeline.await_exact()
    code, text = rebuild("--compare")
    assert (code, "0 differences" in text) == (0, True), text
