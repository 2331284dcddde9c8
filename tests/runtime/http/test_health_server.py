"""Health is told to whoever asks, whatever others do, and on this machine only unless it is wanted otherwise."""

from __future__ import annotations

import socket
import threading
import urllib.request
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.runtime.health import Health
from services.runtime.http.health_server import MOST_CONNECTIONS, HealthServer
from tests.runtime.http.slow_clients import HALF_REQUESTS, ended, many, wait_until_ended

SLOWEST_ANSWER_S = 5.0


@pytest.fixture
def server() -> Iterator[HealthServer]:
    found = HealthServer("probe", Health(), 0)
    yield found
    found.close()


def live(server: HealthServer) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/health/live", timeout=SLOWEST_ANSWER_S) as answer:
        return int(answer.status)


@pytest.mark.parametrize("said", HALF_REQUESTS.values(), ids=HALF_REQUESTS)
def test_six_hundred_half_requests_keep_nobody_from_an_answer_and_cost_no_thread(
    server: HealthServer, said: bytes
) -> None:
    before = threading.active_count()
    with many(server.port, said) as connections:
        assert [live(server) for _ in range(5)] == [200] * 5
        assert threading.active_count() <= before
        assert sum(not ended(one) for one in connections) <= MOST_CONNECTIONS


def test_who_has_not_asked_in_time_is_put_out_also_when_it_sends_a_byte_now_and_then() -> None:
    server = HealthServer("probe", Health(), 0, within_s=0.5)
    try:
        with many(server.port, b"GET /health/live HTTP/1.1\r\nX: ", 20) as connections:
            drip = threading.Event()

            def dripping() -> None:
                while not drip.wait(0.1):
                    for one in connections:
                        try:
                            one.send(b"a")
                        except OSError:
                            drip.set()

            threading.Thread(target=dripping, daemon=True).start()
            wait_until_ended(connections, "all are put out")
            drip.set()
    finally:
        server.close()


def test_it_listens_on_this_machine_only(server: HealthServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5):
        pass
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", server.port), timeout=5)


def said_to(server: HealthServer, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=SLOWEST_ANSWER_S) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            return connection.makefile("rb").read()
        except ConnectionError:
            return b""


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.sampled_from([b"GET ", b"HEAD ", b"/health/ready", b"/metrics", b"?", b" HTTP/1.1", b"\r\n", b"\n",
                         b"Host: x", b"\x00", b"\xff", b"/" * 9_000, b" ", b":"]) | st.binary(max_size=20),
        max_size=12,
    ).map(b"".join)
)  # fmt: skip
def test_whatever_is_sent_gets_a_whole_answer_or_none(server: HealthServer, said: bytes) -> None:
    answer = said_to(server, said + b"\r\n\r\n")
    if answer:
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 ")
        assert not head.startswith(b"HTTP/1.1 500")
        assert said.startswith(b"HEAD ") or f"Content-Length: {len(body)}".encode() in head
    assert live(server) == 200


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"POST /health/live HTTP/1.1", 405), (b"GET /nowhere HTTP/1.1", 404), (b"GET / SMTP", 400),
        (b"GET /" + b"a" * 10_000 + b" HTTP/1.1", 431), (b"HEAD /metrics HTTP/1.0", 200),
    ],
)  # fmt: skip
def test_what_it_does_not_take_is_refused_by_name(server: HealthServer, request_line: bytes, status: int) -> None:
    assert said_to(server, request_line + b"\r\nHost: x\r\n\r\n").split(b" ")[1] == str(status).encode()
