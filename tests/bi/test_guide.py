"""docs/bi.md as written, run on the real broker: each way of reading finds the very rows that were published."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from schemas.topics import load_topics
from services.cli.local.pipeline import dead_letter_services
from services.runtime.embedded_broker import EmbeddedBroker
from services.runtime.kafka.admin import ensure_topics
from services.runtime.settings import KafkaSettings
from tests.conftest import PARTITIONS
from tests.engagement_aggregator.pipeline import Pipeline
from tests.waiting import wait_for

pytestmark = pytest.mark.kafka

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/bi.md").read_text()
PROMISE = "equal, number for number, to a recount of the feedback topic, also\nafter kill -9, rebalance and replay."


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.M | re.S)


def block(language: str, naming: str) -> str:
    (found,) = (one for one in blocks(language) if naming in one)
    return found


def install_kcat() -> None:
    """kcat from the system's packages where we may install it; elsewhere the test says what to do."""
    if shutil.which("kcat") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        subprocess.run(["apt-get", "install", "-qq", "-y", "kcat"], check=True, capture_output=True)
    assert shutil.which("kcat"), "请安装 kcat（apt install kcat / brew install kcat）/ install kcat for this test"


class Reader:
    """A folder as the guide has it: the repository's files in sight, its environment on the path."""

    def __init__(self, pipeline: Pipeline, folder: Path) -> None:
        self.pipeline, self.folder = pipeline, folder
        for name in ("deploy", ".venv"):
            (folder / name).symlink_to(ROOT / name)
        (folder / "bi").mkdir()
        self.env = {
            **os.environ,
            "KAFKA_BOOTSTRAP": pipeline.kafka.bootstrap,
            "PYTHONPATH": str(ROOT),
            "TONGBO_HOME": str(folder / "home"),
        }

    def bash(self, script: str) -> None:
        whole = "set -euo pipefail\n" + block("bash", "source .venv") + script
        done = subprocess.run(
            ["bash", "-c", whole],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def rows(self) -> dict[str, Any]:
        """The newest published rows, as plain JSON, by the product's own reader."""
        return {key: row.as_of for key, row in self.pipeline.rows().items()}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A broker of its own, because the guide names the topics as they are, and rows of which some are outdated."""
    folder = tmp_path_factory.mktemp("guide")
    with EmbeddedBroker(folder / "kafka") as broker:
        pipeline = Pipeline(KafkaSettings(bootstrap=broker.bootstrap, partitions=PARTITIONS), "guide", folder)
        pipeline.settings = replace(pipeline.settings, topic_prefix="")
        ensure_topics(pipeline.kafka, load_topics(dead_letter_services()))
        try:
            worker = pipeline.start()
            for _ in range(3):
                pipeline.traffic(2)
                pipeline.await_exact()
            assert worker.stop() == 0
            yield Reader(pipeline, folder)
        finally:  # also where the rows never became exact
            pipeline.close()


def newest(lines: list[str]) -> dict[str, Any]:
    """Of every key the last line; within a partition, and so within a key, the order of the topic is kept."""
    return {row["key"]: row["revision"] for row in map(json.loads, lines)}


def published(reader: Reader) -> dict[str, Any]:
    return {key: row.revision for key, row in reader.pipeline.rows().items()}


def test_kcat_finds_the_newest_row_of_every_key(reader: Reader) -> None:
    install_kcat()
    reader.bash(block("bash", "kcat -b"))
    lines = (reader.folder / "bi/kcat.jsonl").read_text().splitlines()
    assert newest(lines) == published(reader)
    assert len(lines) == len(published(reader))


def test_the_java_console_consumer_reads_every_committed_row(reader: Reader) -> None:
    command = block("bash", "console-consumer")
    assert "--timeout-ms 8000" in command
    reader.bash(command.replace("--timeout-ms 8000", "--timeout-ms 20000"))  # on a busy machine Java begins slowly
    lines = (reader.folder / "bi/java.tsv").read_text().splitlines()
    rows = [line.partition("\t") for line in lines if "\t{" in line]
    assert newest([value for _, _, value in rows]) == published(reader)
    assert all(json.loads(value)["key"] == key for key, _, value in rows)


def test_kafka_connect_writes_every_row_to_its_file(reader: Reader) -> None:
    script = block("bash", "source .venv") + block("bash", "connect-standalone").replace("python -m", "exec python -m")
    wanted, sink = published(reader), reader.folder / "bi/connect.jsonl"
    with (reader.folder / "connect.log").open("w+") as log:

        def written() -> bool:
            log.seek(0)
            said = log.read()[-2_000:]
            assert worker.poll() is None, said
            return sink.exists() and newest(_whole(sink.read_text())) == wanted

        worker = subprocess.Popen(["bash", "-c", script], cwd=reader.folder, env=reader.env, stdout=log, stderr=log)
        try:
            wait_for(written, "every row is in the file", 120)
        finally:
            worker.send_signal(signal.SIGINT)
            try:
                worker.wait(30)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()


def _whole(text: str) -> list[str]:
    """The lines that are written to their end."""
    return text[: text.rfind("\n") + 1].splitlines()


def test_the_python_example_prints_the_newest_figures(reader: Reader) -> None:
    (script,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=reader.env, capture_output=True, text=True, timeout=60, check=True
    )
    printed = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()}
    rows = reader.pipeline.rows().values()
    assert printed == {str(row.campaign_id): str(row.totals.likes.value) for row in rows if row.scope == "campaign"}


def test_every_sql_sample_runs_on_an_export_and_the_recount_in_it_agrees(reader: Reader) -> None:
    reader.bash(block("bash", "tongbo export"))
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"SET file_search_path = '{reader.folder}'")
    samples = blocks("sql")
    for sample in samples:
        found = connection.execute(sample).fetchall()
        assert found or sample.startswith("CREATE VIEW"), sample
    recounted = connection.execute(next(sample for sample in samples if "recounted" in sample)).fetchall()
    assert recounted
    assert all(mine == theirs for _, mine, theirs in recounted)


def test_the_promise_stands_in_the_guide_word_for_word() -> None:
    assert PROMISE in GUIDE


@pytest.mark.parametrize("path", sorted((ROOT / "deploy/connect").glob("*.json")), ids=lambda path: path.name)
def test_a_configuration_for_connect_reads_committed_rows_of_a_topic_that_exists(path: Path) -> None:
    configuration = json.loads(path.read_text())
    assert configuration["topics"] == "engagement-aggregate"
    assert configuration["consumer.override.isolation.level"] == "read_committed"
    secrets = [name for name, value in configuration.items() if "password" in name and not value.startswith("${env:")]
    assert secrets == []
