"""Posts one message to one address: without redirects, to private networks only where allowed.

A try has one connection and one deadline, for connecting, sending and the answer's head together: a receiver that sends
a byte now and then gains nothing by it.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Mapping
from typing import Any

import httpcore

from services.adapter.media.download import GuardedBackend
from services.adapter.media.public_addresses import ForbiddenAddressError, first_public

_TIMEOUT_S = 10.0
_PIECE = 16_384  # sent between two looks at the time


class NotDeliveredError(Exception):
    """Raised when no answer came; the text is a constant word for the log."""


class Poster:
    """allow_private: also addresses that are not on the public internet. timeout_s: from the call to its answer."""

    def __init__(self, *, allow_private: bool, timeout_s: float = _TIMEOUT_S) -> None:
        self._backend = GuardedBackend(choose=_any if allow_private else first_public)
        self._timeout_s, self._tls = timeout_s, ssl.create_default_context()

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """The status of the answer, whose body is not read; raises NotDeliveredError."""
        within = _Within(self._backend, self._timeout_s)
        try:
            with (
                httpcore.ConnectionPool(network_backend=within, ssl_context=self._tls, max_connections=1) as pool,
                pool.stream(
                    "POST",
                    url,
                    headers=[(name.encode(), value.encode()) for name, value in headers.items()],
                    content=body,
                ) as answer,
            ):
                return int(answer.status)
        except ForbiddenAddressError as error:
            raise NotDeliveredError("address_refused") from error
        except httpcore.TimeoutException as error:
            raise NotDeliveredError("timeout") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
            raise NotDeliveredError("connection_failed") from error
        except (ValueError, TypeError) as error:  # TypeError: the address is not percent-encoded
            raise NotDeliveredError("address_malformed") from error


class _Within(httpcore.NetworkBackend):
    """Connections of one exchange; what they wait for has to come before its time is over."""

    def __init__(self, inner: httpcore.NetworkBackend, timeout_s: float) -> None:
        self._inner, self._ends_at = inner, time.monotonic() + timeout_s

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._inner.connect_tcp(host, port, self.left_s(), local_address, socket_options)
        return _Stream(stream, self)

    def left_s(self) -> float:
        """Raises httpcore.ReadTimeout where nothing is left."""
        left_s = self._ends_at - time.monotonic()
        if left_s <= 0:
            raise httpcore.ReadTimeout
        return left_s


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, within: _Within) -> None:
        self._inner, self._within = inner, within

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._within.left_s())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for at in range(0, len(buffer), _PIECE):
            self._inner.write(buffer[at : at + _PIECE], self._within.left_s())

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, self._within.left_s()), self._within)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _any(host: str, addresses: Iterable[str]) -> str:
    found = list(addresses)
    if not found:
        raise ForbiddenAddressError(host)
    return found[0]
