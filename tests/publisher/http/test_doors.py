"""What the API's address gives to those who have no business there: little time, short log lines, no name of theirs."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from services.publisher.http import problem_responses
from services.runtime.http.connections import ConnectionLimits
from services.runtime.http.said_once import LONGEST_PATH, SaidOnce
from services.runtime.logging import configure_logging
from services.runtime.settings import KafkaSettings
from tests.publisher.conftest import Running, Start, client
from tests.runtime.http.slow_clients import HALF_REQUESTS, many

pytestmark = pytest.mark.kafka


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Lines of the log; denials begin anew."""
    out = io.StringIO()
    configure_logging("publisher", "0", stream=out)
    monkeypatch.setattr(problem_responses, "_DENIALS", SaidOnce())
    yield out
    configure_logging("publisher", "0")


def denials(log: io.StringIO) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    return [one for one in lines if one["event"] in ("request_not_authenticated", "request_forbidden")]


def port_of(publisher: Running) -> int:
    return int(publisher.url.rpartition(":")[2])


def test_a_flood_of_denied_requests_is_one_short_line_for_each_sender_and_reason(
    publisher: Running, log: io.StringIO
) -> None:
    with client(publisher.url, None) as stranger:
        for number in range(50):
            assert stranger.get(f"/contents/{number}{'x' * 20_000}").status_code == 401
            assert stranger.get("/campaigns", headers={"Authorization": "Bearer tb_x"}).status_code == 401
    reading = publisher.holding("read", brands=("qinghe",))
    for _ in range(50):
        assert reading.post("/campaigns", json={}).status_code == 403
    assert sorted(one["reason"] for one in denials(log)) == ["no_token", "role_missing", "unknown_token"]
    assert max(len(one["path"]) for one in denials(log)) <= LONGEST_PATH + 10
    assert len(log.getvalue()) < 5_000


def test_nobody_chooses_the_sender_that_the_log_names(publisher: Running, log: io.StringIO) -> None:
    with client(publisher.url, None) as stranger:
        for number in range(20):
            stranger.get("/campaigns", headers={"X-Forwarded-For": f"10.9.8.{number}", "Forwarded": "for=10.9.8.7"})
    assert [one["sender"] for one in denials(log)] == ["127.0.0.1"]


@pytest.mark.parametrize("said", HALF_REQUESTS.values(), ids=HALF_REQUESTS)
def test_six_hundred_half_requests_keep_no_client_waiting(publisher: Running, said: bytes) -> None:
    with many(port_of(publisher), said):
        assert publisher.http.get("/campaigns", timeout=10).status_code == 200
        assert publisher.http.get("/brakes", timeout=10).status_code == 200


def test_a_body_that_stops_coming_is_refused_in_words_and_no_upload_is_left(start: Start, kafka: KafkaSettings) -> None:
    publisher = start(kafka, limits=ConnectionLimits(body_within_s=0.5))
    token = publisher.http.headers["authorization"]
    for path in ("/media", "/campaigns"):
        with socket.create_connection(("127.0.0.1", port_of(publisher)), timeout=60) as connection:
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Length: 1000\r\n\r\n{{"
            connection.sendall(head.encode())
            answer = connection.makefile("rb").read()
            assert answer.startswith(b"HTTP/1.1 408 "), answer[:200]
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["type"] == "urn:tongbo:problem:too_slow"
    assert list(publisher.parts.media.folder.glob(".incoming/*")) == []
