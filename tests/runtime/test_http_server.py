"""An address that answers, and a service that notices when it no longer does."""

from __future__ import annotations

import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import httpx
import pytest

from services.runtime.http_server import HttpServer
from tests.sockets import without_delay

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
