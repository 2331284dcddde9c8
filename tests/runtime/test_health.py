"""Health means progress; the answers are for people and probes alike."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from services.runtime import metrics
from services.runtime.health import Health
from services.runtime.http.health_server import HealthServer


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def served() -> Iterator[tuple[Health, Seconds, HealthServer]]:
    seconds = Seconds()
    health = Health(10.0, seconds)
    server = HealthServer("probe", health, 0)
    yield health, seconds, server
    server.close()


def get(server: HealthServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()


def test_a_service_that_stands_still_is_alive_but_not_ready(served: tuple[Health, Seconds, HealthServer]) -> None:
    health, seconds, server = served
    assert get(server, "/health/live")[0] == 200
    assert get(server, "/health/ready")[0] == 503
    health.assigned(3)
    health.progress()
    status, body = get(server, "/health/ready")
    assert (status, json.loads(body)["assigned_partitions"]) == (200, 3)
    seconds.now = 10.5
    status, body = get(server, "/health/ready")
    assert status == 503
    assert json.loads(body)["reason"] == {"zh": "已 10 秒没有进展", "en": "no progress for 10 s"}
    assert get(server, "/health/live")[0] == 200


def test_each_hindrance_has_its_reason_and_progress_clears_it() -> None:
    health = Health(10.0, Seconds())
    assert health.verdict().en == "no progress yet"
    health.progress()
    assert health.verdict().ready
    health.waiting("Kafka")
    assert (health.verdict().ready, health.verdict().zh) == (False, "等待：Kafka")
    health.progress()
    health.waiting("old news")
    health.failed("Fenced")
    assert health.verdict().en == "failed: Fenced"
    health.waiting("Kafka")
    assert health.verdict().en == "failed: Fenced; waiting: Kafka", "neither the cause nor what holds it up is hidden"
    health.hindered("feed", "nothing is heard")
    assert health.verdict().en == "failed: Fenced; hindered: nothing is heard; waiting: Kafka"
    assert health.verdict().zh == "出错：Fenced；受阻：nothing is heard；等待：Kafka"
    health.hindered("feed", None)
    health.progress()
    health.assigned(0)
    assert health.verdict().en == "no partition assigned"


def test_metrics_are_served_with_readiness(served: tuple[Health, Seconds, HealthServer]) -> None:
    health, _, server = served
    health.progress()
    metrics.DEAD_LETTERS.labels("probe", "bug").inc()
    status, text = get(server, "/metrics")
    assert status == 200
    assert 'tongbo_ready{service="probe"} 1.0' in text
    assert 'tongbo_dead_letters_total{cause="bug",service="probe"} 1.0' in text
    assert get(server, "/nowhere")[0] == 404
