"""The connections to one platform: one for each call under way, used again by the next, and what failed on them.

Uses the engine below httpx without its pool: shared by all threads, that looks at every idle connection before each
request and after it, with a call of the system each; with dozens of threads it was more work than the requests.
"""

from __future__ import annotations

import ssl
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import httpcore

from services.adapter.contract.errors import NoAnswerError, NotSentError
from services.adapter.wire.send_guard import past_send_deadline

IDLE_S = 5.0  # platforms close idle connections; one that has just been closed would lose a request
HELD_BYTES = 65_536
_PORTS = {b"http": 80, b"https": 443}
NEVER_SENT = (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout, httpcore.UnsupportedProtocol)
SENT = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)


class Connections:
    """Threads may share it. No redirect is followed, no cookie kept, no proxy asked."""

    def __init__(self, scheme: bytes, host: bytes, port: int | None, context: ssl.SSLContext) -> None:
        self._origin = httpcore.Origin(scheme, host, port or _PORTS.get(scheme, 0))
        self._context, self._backend = context, _Backend()
        self._idle: deque[tuple[float, httpcore.HTTPConnection]] = deque()

    def exchange(
        self,
        method: str,
        target: bytes,
        headers: list[tuple[bytes, bytes]],
        body: Iterable[bytes],
        timeouts: dict[str, float | None],
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """One attempt: status, headers and body of the answer. Raises NotSentError or NoAnswerError."""
        if self._origin.scheme not in _PORTS:
            raise NotSentError(f"base_url 不是 http(s) 地址 / no http(s) address: {self._origin.scheme.decode()!r}")
        url = httpcore.URL(scheme=self._origin.scheme, host=self._origin.host, port=self._origin.port, target=target)
        request = httpcore.Request(
            method, url, headers=headers, content=_in_time(body), extensions={"timeout": timeouts}
        )
        connection = self._acquire()
        try:
            answer = connection.handle_request(request)
            content = answer.read()
            answer.close()
        except NEVER_SENT as error:
            connection.close()
            raise NotSentError(f"请求未发出 / never sent ({type(error).__name__})") from error
        except SENT as error:
            connection.close()
            raise NoAnswerError(f"请求已发出但没有答复 / sent, no answer ({type(error).__name__})") from error
        except BaseException:
            connection.close()
            raise
        self._idle.append((time.monotonic(), connection))
        self._prune()
        return answer.status, answer.headers, content

    def _acquire(self) -> httpcore.HTTPConnection:
        with suppress(IndexError):
            while True:
                _, connection = self._idle.pop()
                if connection.is_available() and not connection.has_expired():
                    return connection
                connection.close()
        return httpcore.HTTPConnection(
            self._origin, ssl_context=self._context, keepalive_expiry=IDLE_S, network_backend=self._backend
        )

    def _prune(self) -> None:
        """The last used is taken first, so those at the other end are the ones that nobody needs any more."""
        oldest = time.monotonic() - 2 * IDLE_S
        with suppress(IndexError):  # another thread was faster
            while self._idle[0][0] < oldest:
                self._idle.popleft()[1].close()

    def close(self) -> None:
        with suppress(IndexError):
            while True:
                self._idle.pop()[1].close()


def _in_time(body: Iterable[bytes]) -> Iterator[bytes]:
    """A request's body, of which nothing leaves late: a process may be frozen at any point and go on much later."""
    for piece in body:
        if past_send_deadline():
            raise httpcore.WriteTimeout("the request did not leave in time")
        yield piece


class _Backend(httpcore.SyncBackend):
    def connect_tcp(self, *where: Any, **how: Any) -> httpcore.NetworkStream:
        return _CoalescedWrites(super().connect_tcp(*where, **how))


class _CoalescedWrites(httpcore.NetworkStream):
    """Head and body of a small request leave in one piece: half the calls of the system, and half the packets."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner
        self._held: list[bytes] = []
        self._size = 0
        self._timeout: float | None = None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._held.append(buffer)
        self._size, self._timeout = self._size + len(buffer), timeout
        if self._size >= HELD_BYTES:
            self._flush()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with suppress(httpcore.WriteError):  # a server that hangs up early may have said why
            self._flush()
        return self._inner.read(max_bytes, timeout)

    def _flush(self) -> None:
        together, self._held, self._size = b"".join(self._held), [], 0
        if together:
            self._inner.write(together, self._timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _CoalescedWrites(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
