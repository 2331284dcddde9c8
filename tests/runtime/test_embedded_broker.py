"""The embedded broker: comes back after kill -9, refuses to run twice on one directory, tells what is wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from services.runtime.embedded_broker import BrokerFailed, EmbeddedBroker, JarsUnavailable, fetch_jars, jars
from services.runtime.embedded_broker.layout import Quorum, server_properties
from services.runtime.kafka.admin import ensure_topics
from services.runtime.kafka.errors import KafkaUnavailable, TransactionFailed
from services.runtime.kafka.producer import Producer, TransactionalProducer
from services.runtime.kafka.reader import read_topic
from services.runtime.kafka.records import Outgoing
from services.runtime.settings import KafkaSettings
from tests.conftest import Layout
from tests.waiting import wait_for


@pytest.mark.kafka
def test_what_was_acknowledged_survives_kill_9_and_an_outage_fails_a_transaction_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")  # under which Java by itself would not find a folder with such a name
    broker = EmbeddedBroker(tmp_path / "数 据")
    try:
        broker.start()
        settings = KafkaSettings(bootstrap=broker.bootstrap, partitions=2)
        ensure_topics(settings, [Layout("kept")])
        producer = TransactionalProducer(settings, "writer", timeout_ms=1_000)
        producer.commit([Outgoing("kept", b"before", b"k", 0)])
        with pytest.raises(BrokerFailed, match=str(broker.pid)):
            EmbeddedBroker(tmp_path / "数 据").start()
        first = broker.pid
        broker.kill()
        with pytest.raises(TransactionFailed):
            producer.commit([Outgoing("kept", b"into the void", b"k", 0)])
        with pytest.raises(TransactionFailed, match="spent"):
            producer.commit([Outgoing("kept", b"into the void", b"k", 0)])
        producer.close()
        wait_for(
            lambda: not any("writer" in one.name for one in threading.enumerate()),
            "no thread of the producer is left", 30,
        )  # fmt: skip
        with pytest.raises(KafkaUnavailable):
            Producer(settings, "late", connect_timeout_s=0.5)
        broker.start()
        assert broker.pid != first
        assert broker.bootstrap == settings.bootstrap
        successor = TransactionalProducer(settings, "writer")
        successor.commit([Outgoing("kept", b"after", b"k", 0)])
        successor.close()
        found = [record.value for record in read_topic(settings, "kept")]
        assert found in ([b"before", b"after"], [b"before", b"into the void", b"after"])
        broker.stop()
        assert not broker.running
    finally:
        broker.kill()


@pytest.mark.kafka
def test_the_foreground_command_says_where_it_is_and_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "services.runtime.embedded_broker", "--data-dir", str(tmp_path), "--port", "0"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": os.getcwd()})
    try:
        assert child.stdout is not None
        word, bootstrap, _, pid = next(line for line in child.stdout if line.startswith("kafka ")).split()
        assert (word, bootstrap.split(":")[0]) == ("kafka", "127.0.0.1")
        java = psutil.Process(int(pid))
        child.send_signal(signal.SIGTERM)
        assert child.wait(40) == 0
        assert not java.is_running()
    finally:
        child.kill()
        child.wait()


def test_an_altered_or_missing_jar_is_named(tmp_path: Path) -> None:
    good, altered = tmp_path / "good.jar", tmp_path / "altered.jar"
    good.write_bytes(b"a")
    altered.write_bytes(b"changed")
    expected = {"good.jar": jars.digest(good), "altered.jar": "0" * 64, "absent.jar": "1" * 64}
    with pytest.raises(JarsUnavailable) as caught:
        jars.verify([good, altered], expected)
    assert str(altered) in str(caught.value)
    assert "missing: absent.jar" in str(caught.value)
    assert str(good) not in str(caught.value)


def test_all_jars_are_locked_and_the_cached_ones_are_found_without_the_resolver(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fetch_jars()
    monkeypatch.setattr(jars, "all_jars", lambda name: pytest.fail(f"the network was asked for {name}"))
    found = fetch_jars()
    assert len(found) == len(jars.locked()) == 45


def test_an_unknown_machine_is_told_to_use_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(JarsUnavailable, match="KAFKA_BOOTSTRAP"):
        jars.java()


def test_a_broker_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "meta.properties").write_text("version=1\ncluster.id=other\nnode.id=9\n")
    broker = EmbeddedBroker(tmp_path)
    with pytest.raises(BrokerFailed, match="node id"):
        broker.start()
    assert not broker.running


def test_one_node_never_asks_for_replicas_it_cannot_have(tmp_path: Path) -> None:
    lines = server_properties(tmp_path / "数据", 1, Quorum("c", {1: 2})).splitlines()
    settings = dict(line.split("=", 1) for line in lines)
    assert {value for key, value in settings.items() if key.endswith("replication.factor")} == {"1"}
    assert settings["auto.create.topics.enable"] == "false"
    assert settings["log.dirs"].endswith("\\u6570\\u636e/log")
