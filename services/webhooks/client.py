"""Posts one message to one address: bounded in time, without redirects, to private networks only where allowed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import httpcore

from services.adapter.media.download import GuardedBackend
from services.adapter.media.public_addresses import ForbiddenAddressError, first_public

_TIMEOUT_S = 10.0


class NotDeliveredError(Exception):
    """Raised when no answer came; the text is a constant word for the log."""


class Poster:
    """allow_private: also addresses that are not on the public internet, for receivers in the own network."""

    def __init__(self, *, allow_private: bool, timeout_s: float = _TIMEOUT_S) -> None:
        backend = GuardedBackend(choose=_any if allow_private else first_public)
        self._pool = httpcore.ConnectionPool(network_backend=backend, max_connections=64, keepalive_expiry=5.0)
        self._timeouts = dict.fromkeys(("connect", "read", "write", "pool"), timeout_s)

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """The status of the answer, whose body is not read; raises NotDeliveredError."""
        try:
            with self._pool.stream(
                "POST",
                url,
                headers=[(name.encode(), value.encode()) for name, value in headers.items()],
                content=body,
                extensions={"timeout": self._timeouts},
            ) as answer:
                return int(answer.status)
        except ForbiddenAddressError as error:
            raise NotDeliveredError("address_refused") from error
        except httpcore.TimeoutException as error:
            raise NotDeliveredError("timeout") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, ValueError) as error:
            raise NotDeliveredError("connection_failed") from error

    def close(self) -> None:
        self._pool.close()


def _any(host: str, addresses: Iterable[str]) -> str:
    found = list(addresses)
    if not found:
        raise ForbiddenAddressError(host)
    return found[0]
