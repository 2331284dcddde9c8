"""Connections to a platform, over real sockets: what one call leaves behind must not harm the next."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from services.adapter.contract.errors import NoAnswerError, NotSentError
from services.adapter.wire.connections import Connections
from services.adapter.wire.http import PlatformHttp
from tests.waiting import wait_for

CALLS = 8
LARGE = 1 << 20
PATIENCE_S = 60.0  # on a machine that is busy


class Platform:
    """Answers each request with `answer`, once `together` of them are under way; counts its connections."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.together = threading.Barrier(1)
        self.requests: list[bytes] = []
        self.connections: list[socket.socket] = []
        self.threads: list[threading.Thread] = []
        self.begun: list[bytes] = []  # what was there of each when its first bytes came
        self.much = threading.Event()
        self.fields = b""
        self.status = b"200 OK"
        self.closes = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            self.threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
            self.threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            while begun := connection.recv(LARGE, socket.MSG_PEEK):
                self.begun.append(begun)
                head = line = stream.readline()
                while (line := stream.readline()) not in (b"\r\n", b""):
                    head += line
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0] or b"0")
                body = b""
                while len(body) < length:
                    body += stream.read1(length - len(body))
                    if len(body) > LARGE // 2:
                        self.much.set()
                self.requests.append(head + body)
                self.together.wait(PATIENCE_S)
                lines = b"HTTP/1.1 " + self.status + b"\r\n" + self.fields
                connection.sendall(lines + b'Content-Length: 11\r\n\r\n{"done": 1}')
                if self.closes:
                    return


@pytest.fixture
def platform() -> Iterator[Platform]:
    found = Platform()
    yield found
    found.listener.close()
    for connection in found.connections:
        connection.close()


@pytest.fixture
def http(platform: Platform) -> Iterator[PlatformHttp]:
    found = PlatformHttp(platform.url, PATIENCE_S)
    yield found
    found.close()


def post(http: PlatformHttp, number: int = 0) -> object:
    return http.call("POST", "/post", form={"number": str(number)}).body


def test_calls_at_the_same_time_do_not_wait_for_each_other_and_their_connections_are_used_again(
    platform: Platform, http: PlatformHttp
) -> None:
    platform.together = threading.Barrier(CALLS)  # nobody is answered before all have asked
    with ThreadPoolExecutor(CALLS) as pool:
        for _ in range(3):
            assert list(pool.map(lambda number: post(http, number), range(CALLS))) == [{"done": 1}] * CALLS
    platform.together = threading.Barrier(1)
    for number in range(CALLS):
        post(http, number)
    assert (len(platform.requests), len(platform.connections)) == (4 * CALLS, CALLS)


def test_a_connection_that_the_platform_has_closed_meanwhile_takes_no_request_down_with_it(
    platform: Platform, http: PlatformHttp
) -> None:
    platform.closes = True
    post(http, 1)
    platform.threads[0].join(PATIENCE_S)
    post(http, 2)
    assert [request[-1:] for request in platform.requests] == [b"1", b"2"]
    assert len(platform.connections) == 2


def test_a_broken_connection_is_said_to_be_unanswered_and_the_next_call_gets_a_new_one(
    platform: Platform, http: PlatformHttp
) -> None:
    platform.status = b"no status at all"
    with pytest.raises(NoAnswerError):
        post(http, 1)
    platform.status = b"200 OK"
    assert post(http, 2) == {"done": 1}
    assert len(platform.connections) == 2


def test_a_platform_that_nobody_hears_at_is_said_to_have_been_sent_nothing() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens, and while it is taken nobody else can
        with pytest.raises(NotSentError):
            post(PlatformHttp(f"http://127.0.0.1:{taken.getsockname()[1]}", PATIENCE_S))


def test_no_redirect_is_followed_and_no_cookie_sent_back(platform: Platform, http: PlatformHttp) -> None:
    platform.status, platform.fields = b"302 Found", b"Location: /elsewhere\r\nSet-Cookie: tracked=1\r\n"
    assert http.call("POST", "/post", form={"number": "1"}).status == 302
    post(http, 2)
    assert [request.partition(b" HTTP")[0] for request in platform.requests] == [b"POST /post"] * 2
    assert not any(b"cookie" in request.lower() for request in platform.requests)


def test_connections_that_a_burst_left_behind_are_closed_when_nobody_needs_them_any_more(
    platform: Platform, http: PlatformHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.together = threading.Barrier(CALLS)
    with ThreadPoolExecutor(CALLS) as pool:
        list(pool.map(lambda number: post(http, number), range(CALLS)))
    platform.together = threading.Barrier(1)
    monkeypatch.setattr("services.adapter.wire.connections.IDLE_S", 0.0)
    post(http)
    wait_for(
        lambda: sum(thread.is_alive() for thread in platform.threads) <= 1, "connections that nobody needs are gone",
        PATIENCE_S,
    )  # fmt: skip


def test_an_address_that_is_none_is_said_to_have_been_sent_nothing() -> None:
    with pytest.raises(NotSentError, match="base_url"):
        post(PlatformHttp("api.weibo.com:443", 5.0))


def test_head_and_body_of_a_small_request_leave_together_and_a_large_body_does_not_wait_for_its_end(
    platform: Platform, http: PlatformHttp
) -> None:
    post(http, 7)
    assert platform.begun[0].endswith(b"\r\n\r\nnumber=7")

    def large() -> Iterator[bytes]:
        yield bytes(LARGE - 1)
        assert platform.much.wait(PATIENCE_S)  # what was given so far has left before there is more
        yield b"!"

    port = int(platform.listener.getsockname()[1])
    lanes = Connections(b"http", b"127.0.0.1", port, httpx.create_ssl_context(trust_env=False))
    fields = [(b"Host", b"localhost"), (b"Content-Length", str(LARGE).encode())]
    assert lanes.exchange("POST", b"/post", fields, large(), {"read": PATIENCE_S})[0] == 200
    assert platform.requests[1].endswith(b"!")
    lanes.close()
