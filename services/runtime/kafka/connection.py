"""How clients of this project connect: their common options, and whether there is anything to connect to."""

from __future__ import annotations

import selectors
import socket
from typing import Any

from services.runtime.settings import KafkaSettings

PORT_ANSWERS = (
    "端口可连，若一直如此请检查 KAFKA_SECURITY_PROTOCOL 与 KAFKA_SASL_MECHANISM"
    " / the port answers: if this lasts, check these settings"
)


class _Selector(selectors.DefaultSelector):
    """Says without a word that a socket is not registered.

    The client asks so before each wait; the usual answer describes the socket, twice, with four calls of the system.
    """

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        lookup: Any = self  # these parts are not in the stubs
        key: selectors.SelectorKey = lookup._fd_to_key[lookup._fileobj_lookup(fileobj)]
        return key


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """Options that producers, consumers and admin clients share."""
    from services.runtime.kafka.message_classes import make_each_class_once  # noqa: PLC0415 - loads the client

    make_each_class_once()
    options: dict[str, Any] = {
        "bootstrap_servers": [server.strip() for server in settings.bootstrap.split(",")],
        "security_protocol": settings.security_protocol,
        "reconnect_backoff_ms": 50,
        "reconnect_backoff_max_ms": 2_000,
        "bootstrap_timeout_ms": 10_000,
        "selector": _Selector,
    }
    if settings.sasl_mechanism is not None:
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.sasl_username
        options["sasl_plain_password"] = settings.sasl_password.reveal() if settings.sasl_password else None
    if settings.ssl_cafile is not None:
        options["ssl_cafile"] = str(settings.ssl_cafile)
    return options


def reachable(settings: KafkaSettings, timeout_s: float = 1.0) -> bool:
    """Whether any bootstrap address accepts a connection; cheaper than a client, which leaks a thread on failure."""
    for server in settings.bootstrap.split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_s):
                return True
        except (OSError, ValueError):
            continue
    return False
