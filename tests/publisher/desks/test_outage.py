"""Kafka away, silent or not there yet: nothing half accepted, and repeating is safe."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas.topics import load_topics
from services.runtime.embedded_broker import EmbeddedBroker
from services.runtime.kafka.admin import ensure_topics
from services.runtime.kafka.records import Record
from services.runtime.settings import KafkaSettings
from tests.conftest import BROKER_UP_WITHIN_S
from tests.publisher.conftest import Running, Start, content
from tests.publisher.http.test_api import contents
from tests.waiting import wait_for

pytestmark = pytest.mark.kafka
CAMPAIGN = {"campaign_id": "c", "brand_id": "qinghe", "name": "冷泡茶", "objective": "launch"}


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """A broker of this module's own, to be ended and frozen."""
    directory: Path = tmp_path_factory.mktemp("own-kafka")
    with EmbeddedBroker(directory / "data", log_dir=directory / "log").start(BROKER_UP_WITHIN_S) as broker:
        ensure_topics(KafkaSettings(bootstrap=broker.bootstrap, partitions=2), load_topics())
        yield broker


def settings_of(broker: EmbeddedBroker) -> KafkaSettings:
    return KafkaSettings(bootstrap=broker.bootstrap, partitions=2)


def accepted(
    publisher: Running, body: dict[str, Any], within_s: float = 60.0, path: str = "/contents"
) -> httpx.Response:
    """Repeat the same request as its 503 asks, until it is accepted."""

    def taken() -> httpx.Response | None:
        answer = publisher.http.post(path, json=body)
        if answer.status_code == 202:
            return answer
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) >= 1
        return None

    return wait_for(taken, f"{path} is accepted", within_s)


def test_without_kafka_nothing_is_accepted_and_later_the_same_request_is(
    own_broker: EmbeddedBroker, start: Start
) -> None:
    publisher = start(settings_of(own_broker))
    assert publisher.http.post("/campaigns", json=CAMPAIGN).status_code == 202
    own_broker.kill()
    body = content("c")
    down = publisher.http.post("/contents", json=body)
    assert down.status_code == 503
    assert down.json()["type"].endswith("kafka_unavailable")
    assert int(down.headers["Retry-After"]) >= 1
    assert publisher.http.get("/campaigns/c").status_code == 200, "what is known can still be read"
    own_broker.start()
    assert accepted(publisher, body).status_code == 202
    assert [one.content_id for one in contents(settings_of(own_broker), "c")].count(body["content_id"]) == 1


@pytest.mark.timeout(240)
def test_a_missing_acknowledgement_is_unknown_and_repeating_never_accepts_twice(
    own_broker: EmbeddedBroker, start: Start
) -> None:
    publisher = start(settings_of(own_broker), acknowledge_within_s=1.0)
    # In so short a time a busy broker does not always acknowledge either: then as often as it takes.
    assert accepted(publisher, CAMPAIGN, path="/campaigns").status_code == 202
    assert accepted(publisher, content("c")).status_code == 202, "the producer is connected"
    body = content("c")
    os.kill(own_broker.pid, signal.SIGSTOP)
    try:
        silent = publisher.http.post("/contents", json=body)
        assert silent.status_code == 503
        assert silent.json()["type"].endswith("outcome_unknown")
        again = publisher.http.post("/contents", json=body)
        assert again.status_code == 503, "an open question is not answered by asking again"
    finally:
        os.kill(own_broker.pid, signal.SIGCONT)
    answer = accepted(publisher, body, within_s=120)
    assert answer.status_code == 202
    assert publisher.http.post("/contents", json=body).content == answer.content
    assert [one.content_id for one in contents(settings_of(own_broker), "c")].count(body["content_id"]) == 1


def test_a_publisher_started_before_kafka_says_not_ready_and_comes_to_work_by_itself(
    own_broker: EmbeddedBroker, start: Start
) -> None:
    own_broker.stop()
    publisher = start(settings_of(own_broker), wait=False)
    early = publisher.http.post("/contents", json=content("c"))
    assert early.status_code == 503
    assert early.json()["type"].endswith("not_ready")
    assert publisher.http.get("/health/ready").status_code == 503
    assert publisher.http.get("/schema").status_code == 200
    own_broker.start()
    wait_for(lambda: publisher.http.get("/health/ready").status_code == 200, "the publisher is ready")
    assert publisher.http.post("/contents", json=content("c")).status_code == 202


def test_what_was_just_accepted_and_not_read_back_yet_is_ask_again_and_not_unknown(
    own_broker: EmbeddedBroker, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = start(settings_of(own_broker))
    campaign = {**CAMPAIGN, "campaign_id": "slow"}
    takers: dict[str, Callable[[Record], None]] = publisher.parts.follower._takers  # type: ignore[assignment]
    take, held = takers["master-content"], list[Record]()
    takers["master-content"] = held.append  # reading the log lags behind
    monkeypatch.setattr(publisher.parts.follower, "wait_for", lambda *_: False)
    assert publisher.http.post("/campaigns", json=campaign).status_code == 202
    body = content("slow")
    for path in ("/contents", "/contents/check"):
        early = publisher.http.post(path, json=body)
        assert (early.status_code, early.json()["type"].rpartition(":")[2]) == (503, "outcome_unknown"), path
    wait_for(lambda: len(held) == 1, "one record is held")
    take(held.pop())
    assert publisher.http.post("/contents", json=body).status_code == 202
    cancel = {"reason": "撤回", "actor": "wang"}
    early = publisher.http.post(f"/contents/{body['content_id']}/cancel", json=cancel)
    assert (early.status_code, early.json()["type"].rpartition(":")[2]) == (503, "outcome_unknown")
    wait_for(lambda: len(held) == 1, "one record is held")
    take(held.pop())
    assert publisher.http.post(f"/contents/{body['content_id']}/cancel", json=cancel).status_code == 202


def test_another_number_of_partitions_than_the_topics_have_is_never_ready(
    own_broker: EmbeddedBroker, start: Start
) -> None:
    publisher = start(KafkaSettings(bootstrap=own_broker.bootstrap, partitions=3), wait=False)
    with pytest.raises(AssertionError):
        wait_for(lambda: publisher.parts.follower.ready, "the publisher has read the topics", 3)
    assert publisher.http.post("/contents", json=content("c")).status_code == 503
