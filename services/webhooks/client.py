"""Posts one message to one address: without redirects, to private networks only where allowed.

A try has one connection and one deadline, for connecting, sending and the answer's head together: a receiver that sends
a byte now and then gains nothing by it.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping

import httpcore

from services.adapter.media.deadline import DeadlineBackend
from services.adapter.media.download import GuardedBackend
from services.adapter.media.public_addresses import ForbiddenAddressError, first_public

_TIMEOUT_S = 10.0


class NotDeliveredError(Exception):
    """Raised when no answer came; the text is a constant word for the log."""


class Poster:
    """allow_private: also addresses that are not on the public internet. timeout_s: from the call to its answer."""

    def __init__(self, *, allow_private: bool, timeout_s: float = _TIMEOUT_S) -> None:
        self._backend = GuardedBackend(choose=_any if allow_private else first_public)
        self._timeout_s, self._tls = timeout_s, ssl.create_default_context()

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """The status of the answer, whose body is not read; raises NotDeliveredError."""
        within = DeadlineBackend(self._backend, self._timeout_s)
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


def _any(host: str, addresses: Iterable[str]) -> str:
    found = list(addresses)
    if not found:
        raise ForbiddenAddressError(host)
    return found[0]
