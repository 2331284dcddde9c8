"""A cluster with TLS and passwords: every client of ours comes in by settings, and is told in words why it does not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.topics import load_topics
from services.cli.local.pipeline import dead_letter_services
from services.runtime.embedded_broker import Access, EmbeddedBroker
from services.runtime.kafka.admin import ensure_topics, wait_for_kafka
from services.runtime.kafka.admission import admitted
from services.runtime.kafka.connection import client_options
from services.runtime.kafka.consumer import GroupConsumer, PartitionCallbacks
from services.runtime.kafka.errors import AccessRefused
from services.runtime.kafka.producer import Producer, TransactionalProducer
from services.runtime.kafka.reader import read_topic
from services.runtime.kafka.records import Outgoing
from services.runtime.settings import KafkaSettings, read_settings
from tests.conftest import BROKER_UP_WITHIN_S, Layout
from tests.engagement_aggregator.pipeline import Pipeline
from tests.runtime.kafka.certificates import Authority
from tests.waiting import wait_for

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[3]
AT_ONCE_S = 45.0  # the client library itself tries for ten seconds where nothing is known of a login


class Closed:
    """A broker that lets in `tongbo` over TLS only, and the settings that are right for it."""

    def __init__(self, folder: Path) -> None:
        self.authority, self.stranger = Authority(folder), Authority(folder, "stranger")
        access = Access("tongbo", "开门-pw".encode().hex(), self.authority.keystore("127.0.0.1"))
        self.broker = EmbeddedBroker(folder / "data", log_dir=folder / "log", access=access)
        self._password = access.password

    def env(self, **changes: str) -> dict[str, str]:
        right = {
            "KAFKA_BOOTSTRAP": self.broker.bootstrap,
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "KAFKA_SASL_USERNAME": "tongbo",
            "KAFKA_SASL_PASSWORD": self._password,
            "KAFKA_SSL_CAFILE": str(self.authority.file),
            "TONGBO_PARTITIONS": "4",
        }
        return right | changes

    def settings(self, **changes: str) -> KafkaSettings:
        return read_settings(KafkaSettings, self.env(**changes))


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Closed]:
    made = Closed(tmp_path_factory.mktemp("closed"))
    with made.broker.start(BROKER_UP_WITHIN_S):
        ensure_topics(made.settings(), load_topics(dead_letter_services()))
        yield made


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_producers_consumers_and_readers_come_in_with_password_and_tls(closed: Closed, mechanism: str) -> None:
    settings, topic = closed.settings(KAFKA_SASL_MECHANISM=mechanism), f"in-{mechanism.lower()}"
    ensure_topics(settings, [Layout(topic, 1)])
    transactional = TransactionalProducer(settings, topic)
    transactional.commit([Outgoing(topic, b"one", b"k", 0)])
    transactional.close()
    single = Producer(settings, topic)
    single.send(Outgoing(topic, b"two", b"k", 0))
    single.close()
    assert [record.value for record in read_topic(settings, topic)] == [b"one", b"two"]
    consumer = GroupConsumer(
        settings, topic, [topic], PartitionCallbacks(lambda _: None, lambda _: None), client_id=topic
    )
    found: list[bytes | None] = []

    def both() -> bool:
        found.extend(record.value for record in consumer.poll(0.5))
        return len(found) >= 2

    wait_for(both, "both records are read")
    consumer.close()
    assert found == [b"one", b"two"]


def test_the_aggregator_comes_in_with_password_and_tls_and_counts_exactly(closed: Closed, tmp_path: Path) -> None:
    pipeline = Pipeline(closed.settings(), "closed", tmp_path)
    try:
        pipeline.create_topics()
        pipeline.traffic(3)
        worker = pipeline.start("0", kill_at="", flush_s=0.2, **closed.env())
        pipeline.await_exact(120)
        assert worker.stop() == 0
    finally:
        pipeline.close()


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"KAFKA_SASL_PASSWORD": "wrong"}, "KAFKA_SASL_PASSWORD"),
        ({"KAFKA_SASL_PASSWORD": "wrong", "KAFKA_SASL_MECHANISM": "PLAIN"}, "KAFKA_SASL_PASSWORD"),
        ({"KAFKA_SASL_USERNAME": "nobody"}, "KAFKA_SASL_USERNAME"),
        ({"KAFKA_SSL_CAFILE": "stranger"}, "KAFKA_SSL_CAFILE"),
        ({"KAFKA_SSL_CAFILE": ""}, "KAFKA_SSL_CAFILE"),
        ({"KAFKA_SSL_CAFILE": "/nowhere.pem"}, "KAFKA_SSL_CAFILE"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"}, "KAFKA_SECURITY_PROTOCOL"),
        ({"KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"}, "KAFKA_SECURITY_PROTOCOL"),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL"}, "KAFKA_SECURITY_PROTOCOL.*SASL_SSL"),
    ],
    ids=[
        "password",
        "plain-password",
        "user",
        "other-authority",
        "no-authority",
        "no-file",
        "no-tls",
        "open",
        "no-login",
    ],
)
def test_who_is_not_let_in_is_told_which_setting_is_wrong_and_does_not_wait(
    closed: Closed, changes: dict[str, str], names: str
) -> None:
    if changes.get("KAFKA_SSL_CAFILE") == "stranger":
        changes = {"KAFKA_SSL_CAFILE": str(closed.stranger.file)}
    began = time.monotonic()
    with pytest.raises(AccessRefused, match=names) as caught:
        wait_for_kafka(closed.settings(**changes), timeout_s=60)
    assert time.monotonic() - began < AT_ONCE_S
    assert "请检查" in str(caught.value)
    assert " / " in str(caught.value)
    assert "wrong" not in str(caught.value), "no password in an error"


@pytest.mark.parametrize("protocol", ["SASL_SSL", "SASL_PLAINTEXT"])
def test_tls_or_a_login_towards_an_open_listener_is_told_too(closed: Closed, protocol: str) -> None:
    inside = closed.settings(KAFKA_BOOTSTRAP=closed.broker.inside, KAFKA_SECURITY_PROTOCOL=protocol)
    with pytest.raises(AccessRefused, match="KAFKA_SECURITY_PROTOCOL"):
        wait_for_kafka(inside, timeout_s=60)


def test_an_open_listener_is_not_taken_for_one_that_wants_a_login(closed: Closed) -> None:
    inside = closed.settings(KAFKA_BOOTSTRAP=closed.broker.inside, KAFKA_SECURITY_PROTOCOL="PLAINTEXT")
    admitted(inside, client_options(inside))


@pytest.mark.parametrize("service", ["adapter_weibo", "engagement_aggregator", "feedback_collector"])
def test_a_service_with_a_wrong_password_ends_with_the_reason_instead_of_waiting(
    closed: Closed, tmp_path: Path, service: str
) -> None:
    env = closed.env(
        KAFKA_SASL_PASSWORD="wrong",
        TONGBO_ACCOUNTS=str(ROOT / "deploy/demo/accounts.yaml"),
        TONGBO_STATE_DIR=str(tmp_path),
    )
    ended = subprocess.run(
        [sys.executable, "-m", f"services.{service}"],
        env={**os.environ, **env}, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert "KAFKA_SASL_PASSWORD" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_command_line_says_the_same(closed: Closed) -> None:
    command = [sys.executable, "-m", "services.cli.main", "topics"]
    good, bad = closed.env(COLUMNS="200"), closed.env(KAFKA_SASL_PASSWORD="wrong")
    listed = subprocess.run(command, env={**os.environ, **good}, cwd=ROOT, capture_output=True, text=True, check=False)
    assert listed.returncode == 0, listed.stderr
    assert "placement-ledger" in listed.stdout
    refused = subprocess.run(command, env={**os.environ, **bad}, cwd=ROOT, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "KAFKA_SASL_PASSWORD" in refused.stdout + refused.stderr
