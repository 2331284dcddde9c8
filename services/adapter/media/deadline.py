"""A limit for a whole exchange with a foreign server, whatever it does in between.

A timeout for each read is no limit: a server that sends a byte now and then keeps a client for as long as it likes.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpcore

_PIECE = 16_384  # sent between two looks at the time: a reader that takes a byte now and then gains nothing


class DeadlineBackend(httpcore.NetworkBackend):
    """Connects as `inner` does; after `seconds` from now on every read and write of its connections times out."""

    def __init__(
        self, inner: httpcore.NetworkBackend, seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._inner, self._monotonic = inner, monotonic
        self._until = monotonic() + seconds

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = self.left(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(self._inner.connect_tcp(host, port, left, local_address, socket_options), self)

    def left(self, timeout: float | None, over: type[httpcore.TimeoutException]) -> float:
        """The shorter of `timeout` and the time that is left; raises `over` where none is."""
        left = self._until - self._monotonic()
        if left <= 0:
            raise over("the time for the whole exchange is over")
        return left if timeout is None else min(left, timeout)


class _DeadlineStream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, limit: DeadlineBackend) -> None:
        self._inner, self._limit = inner, limit

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._limit.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for at in range(0, len(buffer), _PIECE):
            self._inner.write(buffer[at : at + _PIECE], self._limit.left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._limit.left(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(self._inner.start_tls(ssl_context, server_hostname, left), self._limit)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
