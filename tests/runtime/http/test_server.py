"""An address that answers, and a service that notices when it no longer does."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest

from services.runtime.http.connections import ConnectionLimits
from services.runtime.http.patience import SLOWEST_BYTES_PER_S, BodyInTime
from services.runtime.http.server import HttpServer
from tests.runtime.http.slow_clients import HALF_REQUESTS, ended, many, wait_until_ended
from tests.sockets import without_delay
from tests.waiting import wait_for

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]
WITHIN_S = 20.0


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"6")]})
    await send({"type": "http.response.body", "body": "你好".encode()})


async def refuses_to_start(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no"})


def test_it_answers_until_it_is_closed_which_is_no_failure() -> None:
    stop = threading.Event()
    server = HttpServer("probe", hello, "127.0.0.1", 0, stop, lifespan=False)
    server.start()
    with urllib.request.urlopen(server.url, timeout=WITHIN_S) as answer:
        assert (answer.status, answer.read().decode()) == (200, "你好")
        assert "server" not in answer.headers
    server.close()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(server.url, timeout=WITHIN_S)
    assert not stop.is_set()
    assert not server.failed


def test_no_answer_waits_for_an_acknowledgement_of_the_client() -> None:
    server = HttpServer("probe", hello, "127.0.0.1", 0, threading.Event(), lifespan=False)
    server.start()
    port = int(server.url.rpartition(":")[2])
    with httpx.Client(trust_env=False, timeout=WITHIN_S) as client:
        assert client.get(server.url).text == "你好"
        assert without_delay(port) == [True]
    server.close()


def test_a_server_that_ends_by_itself_stops_its_service_instead_of_leaving_nobody_to_answer() -> None:
    stop = threading.Event()
    server = HttpServer("probe", refuses_to_start, "127.0.0.1", 0, stop, lifespan=True)
    server.start()
    assert stop.wait(WITHIN_S)
    assert server.failed
    server.close()
    assert server.failed


def test_an_address_that_is_taken_is_refused_at_once_and_closing_before_the_start_gives_it_back() -> None:
    server = HttpServer("probe", hello, "127.0.0.1", 0, threading.Event(), lifespan=False)
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        HttpServer("other", hello, "127.0.0.1", port, threading.Event(), lifespan=False)
    server.close()
    socket.create_server(("127.0.0.1", port), reuse_port=False).close()


QUICK = ConnectionLimits(head_within_s=0.5, read_within_s=0.5, most=100)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """As many bytes as came, or as many as the address asks for."""
    length, more = int(scope["path"].strip("/") or 0), True
    while more:
        message = await receive()
        length, more = length + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % length)]})
    for at in range(0, length, 65_536):
        await send({"type": "http.response.body", "body": b"x" * min(65_536, length - at), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


@contextmanager
def serving(app: Callable[..., Any], limits: ConnectionLimits) -> Iterator[HttpServer]:
    server = HttpServer("probe", app, "127.0.0.1", 0, threading.Event(), lifespan=False, limits=limits)
    server.start()
    try:
        yield server
    finally:
        server.close()


def port_of(server: HttpServer) -> int:
    return int(server.url.rpartition(":")[2])


def answered(server: HttpServer) -> int:
    with urllib.request.urlopen(server.url, timeout=5.0) as answer:
        return len(answer.read())


@pytest.mark.parametrize("said", HALF_REQUESTS.values(), ids=HALF_REQUESTS)
def test_six_hundred_half_requests_keep_nobody_from_an_answer(said: bytes) -> None:
    with serving(hello, ConnectionLimits(most=100)) as server, many(port_of(server), said) as connections:
        assert [answered(server) for _ in range(5)] == [6] * 5
        assert sum(not ended(one) for one in connections) <= 100


@pytest.mark.parametrize("said", [b"", b"GET /", b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"])
def test_who_does_not_send_its_head_in_time_is_put_out(said: bytes) -> None:
    with serving(hello, QUICK) as server, many(port_of(server), said, 20) as connections:
        wait_until_ended(connections, "all are put out")


@pytest.mark.parametrize("before", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"], ids=["first", "second"])
def test_a_head_that_comes_byte_by_byte_is_put_out_like_one_that_does_not_come(before: bytes) -> None:
    with serving(hello, QUICK) as server, many(port_of(server), before + b"GET / HTTP/1.1\r\nX: ", 5) as connections:

        def dripped_out() -> bool:
            for one in connections:
                with suppress(OSError):
                    one.send(b"a")
            return all(ended(one) for one in connections)

        wait_for(dripped_out, "all are put out although each goes on sending", timeout_s=20)


def test_a_body_that_does_not_come_in_time_ends_its_request_with_a_reason() -> None:
    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345"
    slow = BodyInTime(echo, body_within_s=0.3)
    with serving(slow, ConnectionLimits()) as server, many(port_of(server), request, 5) as connections:
        for one in connections:
            assert one.recv(1_000).startswith(b"HTTP/1.1 408 ")
        wait_until_ended(connections, "the connection is of no use any more")


def test_a_body_may_take_longer_the_longer_it_is() -> None:
    async def spoken() -> list[int]:
        left = [b"x" * SLOWEST_BYTES_PER_S, b"y"]

        async def receive() -> Scope:
            await asyncio.sleep(0.2)
            return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

        said: list[Scope] = []

        async def send(message: Scope) -> None:
            said.append(message)

        await BodyInTime(echo, body_within_s=0.3)({"type": "http", "path": "/"}, receive, send)
        return [one["status"] for one in said if "status" in one]

    assert asyncio.run(spoken()) == [200]


def test_who_does_not_read_its_answer_is_put_out() -> None:
    large = b"GET /50000000 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    with serving(echo, QUICK) as server, many(port_of(server), large, 3) as connections:
        wait_for(lambda: all(broken_off(one) for one in connections), "the answers are broken off")


def broken_off(one: socket.socket) -> bool:
    """Whether the other side has gone, told by writing: what came is not read."""
    try:
        one.send(b"x")
    except OSError:
        return True
    return False


def test_a_further_request_on_a_connection_is_answered() -> None:
    with serving(hello, QUICK) as server:
        connection = http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=5)
        for _ in range(3):
            connection.request("GET", "/")
            assert connection.getresponse().read() == "你好".encode()
        connection.close()


def test_a_request_that_is_being_worked_on_is_never_put_out_for_another() -> None:
    go_on, under_way = asyncio.Event(), threading.Semaphore(0)
    loops: list[asyncio.AbstractEventLoop] = []

    async def works(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/work":
            loops.append(asyncio.get_running_loop())
            await receive()
            under_way.release()
            await go_on.wait()
        await hello(scope, receive, send)

    asked = b"GET /work HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with serving(works, ConnectionLimits(most=10)) as server, many(port_of(server), asked, 9) as workers:
        assert all(under_way.acquire(timeout=WITHIN_S) for _ in workers)
        with many(port_of(server), b"GET /", 100):
            assert answered(server) == 6
            loops[0].call_soon_threadsafe(go_on.set)
            assert all("你好".encode() in one.makefile("rb").read() for one in workers)
