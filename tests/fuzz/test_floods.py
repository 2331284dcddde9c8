"""While one brand's clients, or strangers, send to an address as fast as they can, another brand publishes and brakes.

The processes are the real ones; what floods them runs beside them and takes its share of the same processor.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import httpx
import pytest
import yaml

from schemas.topics import load_topics
from services.cli.local.pipeline import dead_letter_services
from services.runtime.kafka.admin import ensure_topics
from services.runtime.settings import KafkaSettings
from tests.feedback_collector.calls import KINDS, collector
from tests.fuzz.cases import FLOOD_S
from tests.publisher.conftest import client, content, picture
from tests.publisher.process import ROOT, Process, environment, publisher_process
from tests.waiting import wait_for

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(3_600)]
SENDERS = 6
BRAKE_WITHIN_S, PUBLISH_WITHIN_S = 5.0, 8.0  # alone a hundredth of a second, and a tenth; before, up to a minute
CALLBACK_WITHIN_S = 5.0  # as long as platforms wait
LEAST_ROUNDS = 2


@dataclass(frozen=True)
class Bytes:
    """A request as it is sent over and over."""

    method: str
    path: str
    body: bytes = b""
    token: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@contextmanager
def flood(port: int, *requests: Bytes) -> Iterator[list[int]]:
    """SENDERS connections that send these in turn until the end of the block; the statuses of the answers."""
    over, statuses = threading.Event(), list[int]()

    def send() -> None:
        number, connection = 0, HTTPConnection("127.0.0.1", port, timeout=30)
        while not over.is_set():
            one = requests[number % len(requests)]
            number += 1
            headers = dict(one.headers) | ({"Authorization": f"Bearer {one.token}"} if one.token else {})
            try:
                connection.request(one.method, one.path, one.body, headers)
                answer = connection.getresponse()
                answer.read()
                statuses.append(answer.status)
            except (OSError, HTTPException):
                connection.close()

    senders = [threading.Thread(target=send, daemon=True) for _ in range(SENDERS)]
    for one in senders:
        one.start()
    try:
        yield statuses
    finally:
        over.set()
        for one in senders:
            one.join(60)


@pytest.fixture(scope="module")
def cluster(kafka_settings: KafkaSettings) -> KafkaSettings:
    """The broker with all topics."""
    ensure_topics(kafka_settings, load_topics(dead_letter_services()))
    return kafka_settings


@pytest.fixture(scope="module")
def publisher(tmp_path_factory: pytest.TempPathFactory, cluster: KafkaSettings) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("floods")
    declared = yaml.safe_load((ROOT / "deploy/demo/accounts.yaml").read_text())
    ours = next(one for one in declared["accounts"] if (one["platform"], one["account"]) == ("weibo", "qinghe-tea"))
    theirs = ours | {"account": "loud", "brand_id": "loud", "app_id": "39", "open_id": "39"}
    accounts = folder / "accounts.yaml"
    accounts.write_text(yaml.safe_dump({"accounts": [*declared["accounts"], theirs]}, allow_unicode=True))
    with publisher_process(folder, cluster, accounts) as running:
        yield running


def token(publisher: Process, kafka: KafkaSettings, brand: str) -> str:
    asked = ["--name", uuid.uuid4().hex, "--brand", brand, "--role", "publish", "--role", "operate"]
    made = subprocess.run(
        [sys.executable, "-m", "services.publisher.access.token_cli", "new", *asked],
        env=environment(publisher.log.parent, kafka), cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return made.stdout.strip()


def campaign_of(http: httpx.Client, brand: str) -> str:
    name = f"c-{uuid.uuid4().hex[:10]}"
    body = {"campaign_id": name, "brand_id": brand, "name": "n", "objective": "launch"}
    assert http.post("/campaigns", json=body).status_code == 202
    return name


def publishes(http: httpx.Client) -> float:
    """Seconds until a campaign is defined and a content of it is accepted."""
    began = time.monotonic()
    name = campaign_of(http, "qinghe")
    body = content(name, targets=[{"platform": "weibo", "account": "qinghe-tea"}])
    assert http.post("/contents", json=body).status_code == 202
    return time.monotonic() - began


def brakes(http: httpx.Client) -> float:
    """Seconds until a brake is accepted, and released again."""
    began = time.monotonic()
    why = {"reason": "停", "actor": "li"}
    brake = {"kind": "brake_set", "brand_id": "qinghe", "scope": {"level": "brand"}} | why
    given = http.post("/commands", json=brake)
    assert given.status_code == 202, given.text
    took = time.monotonic() - began
    release = {"kind": "brake_release", "brake_id": given.json()["command_id"]} | why
    assert http.post("/commands", json=release).status_code == 202
    return took


def attacks(loud: str, campaign: str) -> dict[str, tuple[Bytes, ...]]:
    """What a brand with a token of its own, or a stranger, can send to each address."""
    long_text = content(campaign, body="茶" * 90_000, targets=[{"platform": "weibo", "account": "loud"}])
    many_wrong = ('{"targets":[' + ",".join(["1"] * 400_000) + "]}").encode()
    command = {
        "kind": "brake_set",
        "brand_id": "loud",
        "scope": {"level": "brand"},
        "reason": "因" * 500,
        "actor": "某",
    }
    as_json = json.dumps
    return {
        "contents": (Bytes("POST", "/contents", as_json(long_text).encode(), loud),
                     Bytes("POST", "/contents", many_wrong, loud)),
        "check": (Bytes("POST", "/contents/check", as_json(long_text).encode(), loud),),
        "media": (Bytes("POST", "/media", picture(3_000, 2_000), loud),
                  Bytes("POST", "/media", b"x" * 2_000_000, loud)),
        "commands": (Bytes("POST", "/commands", as_json(command).encode(), loud),
                     Bytes("POST", "/commands/check", many_wrong, loud)),
        "queries": (Bytes("GET", "/campaigns", b"", loud), Bytes("GET", f"/placements?campaign={campaign}", b"", loud)),
        "strangers": (Bytes("POST", "/contents", b"x" * 1_000_000), Bytes("GET", "/" + "x" * 20_000)),
    }  # fmt: skip


DOORS = tuple(attacks("", ""))


@pytest.mark.parametrize("door", DOORS)
def test_another_brand_publishes_and_brakes_within_its_usual_times(
    publisher: Process, cluster: KafkaSettings, door: str
) -> None:
    loud, calm = token(publisher, cluster, "loud"), token(publisher, cluster, "qinghe")
    port = int(publisher.url.rpartition(":")[2])
    with client(publisher.url, loud) as theirs, client(publisher.url, calm) as ours:
        campaign = campaign_of(theirs, "loud")
        publishes(ours)
        brakes(ours)
        heavy = attacks(loud, campaign)["check"][0]
        assert theirs.post(heavy.path, content=heavy.body).status_code == 200, "the flood is work, not a refusal"
        with flood(port, *attacks(loud, campaign)[door]) as statuses:
            wait_for(lambda: len(statuses) >= SENDERS, "the flood has begun")
            published, braked = list[float](), list[float]()
            ends_at = time.monotonic() + FLOOD_S
            while time.monotonic() < ends_at or len(braked) < LEAST_ROUNDS:
                braked.append(brakes(ours))
                published.append(publishes(ours))
        assert max(braked) < BRAKE_WITHIN_S, (braked, published)
        assert max(published) < PUBLISH_WITHIN_S, (braked, published)
    assert not {status for status in statuses if status >= 500 and status != 503}
    assert publisher.crashes() == []
    assert publisher.log.stat().st_size < 1_000_000


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory, cluster: KafkaSettings) -> Iterator[tuple[int, Path]]:
    with (
        collector(tmp_path_factory.mktemp("flooded"), cluster) as running,
        httpx.Client(base_url=running.url, timeout=30) as http,
    ):
        wait_for(lambda: http.get("/callbacks/weibo/tea").status_code != 503, "it has read the calls it has had")
        yield running.port, running.log


def wrong_calls() -> tuple[Bytes, ...]:
    by_header = next(kind for kind in KINDS if kind.name == "douyin comment")
    signed = (("X-Douyin-Signature", hashlib.sha1(b"wrong").hexdigest()),)
    return (
        Bytes("POST", "/callbacks/douyin/tea", by_header.whole(), headers=signed),
        Bytes(
            "POST", "/callbacks/wechat/plain?signature=x&timestamp=1&nonce=2", b"<xml>" + b"<a/>" * 10_000 + b"</xml>"
        ),
        Bytes("POST", "/callbacks/douyin/nobody", b"[" * 200_000),
        Bytes("GET", "/callbacks/weibo/" + "a" * 100),
    )


def test_a_platform_is_answered_in_time_while_strangers_flood_the_callbacks(receiver: tuple[int, Path]) -> None:
    port, lines = receiver
    kind = next(one for one in KINDS if one.name == "douyin comment")
    took = list[float]()
    with flood(port, *wrong_calls()) as statuses, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
        wait_for(lambda: len(statuses) >= SENDERS, "the flood has begun")
        ends_at = time.monotonic() + FLOOD_S
        while time.monotonic() < ends_at or len(took) < LEAST_ROUNDS:
            request, began = kind.sign(kind.whole()), time.monotonic()
            answer = http.post(request.path, content=request.body, headers=dict(request.headers or {}))
            assert answer.status_code == 200
            took.append(time.monotonic() - began)
    assert max(took) < CALLBACK_WITHIN_S, took
    assert not {status for status in statuses if status >= 500}
    assert lines.stat().st_size < 1_000_000


def test_health_is_told_while_it_is_flooded(receiver: tuple[int, Path]) -> None:
    _, file = receiver
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    port = next(line["http_port"] for line in lines if line["event"] == "service_started")
    asked = (Bytes("GET", "/metrics"), Bytes("GET", "/health/ready"), Bytes("POST", "/" + "x" * 9_000, b"x" * 100_000))
    with flood(port, *asked) as statuses, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as http:
        wait_for(lambda: len(statuses) >= SENDERS, "the flood has begun")
        ends_at = time.monotonic() + FLOOD_S
        while time.monotonic() < ends_at:
            assert http.get("/health/live").status_code == 200
