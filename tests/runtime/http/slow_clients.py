"""Clients that open connections and then take their time; used against every address that answers."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.waiting import wait_for

MANY = 600
HALF_REQUESTS = {
    "nothing": b"",
    "half a line": b"GET /hea",
    "half a head": b"GET /health/live HTTP/1.1\r\nHost: x\r\n",
    "half a body": b"POST /contents HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
    "half a chunk": b"POST /contents HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{",
}


def room_for_files(number: int = 4 * MANY) -> None:
    """Tests hold both ends of the connections in one process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number if hard == resource.RLIM_INFINITY else min(number, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextmanager
def many(port: int, said: bytes, number: int = MANY) -> Iterator[list[socket.socket]]:
    """So many connections, each of which has said this and no more."""
    room_for_files()
    with ExitStack() as opened:
        connections = []
        for _ in range(number):
            one = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            connections.append(one)
            one.sendall(said)
        yield connections


def ended(one: socket.socket) -> bool:
    """Whether the other side has closed it, without waiting for more than a moment."""
    one.settimeout(0.01)
    try:
        while one.recv(65_536):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def wait_until_ended(connections: list[socket.socket], what: str) -> None:
    left = list(connections)

    def none_left() -> bool:
        left[:] = [one for one in left if not ended(one)]
        return not left

    wait_for(none_left, what)
