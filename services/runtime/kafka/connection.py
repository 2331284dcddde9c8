"""How clients of this project connect: common options, and the patient wait for a cluster that is not there yet."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from kafka import errors as client

from services.runtime.kafka.admission import admitted
from services.runtime.kafka.errors import KafkaUnavailable, translated
from services.runtime.logging import get_logger
from services.runtime.settings import KafkaSettings

T = TypeVar("T")
_FIRST_DELAY_S = 0.2
_LONGEST_DELAY_S = 5.0

PORT_ANSWERS = (
    "端口可连，若一直如此请检查 KAFKA_SECURITY_PROTOCOL 与 KAFKA_SASL_MECHANISM"
    " / the port answers: if this lasts, check these settings"
)

log = get_logger(__name__)


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


def connected(
    settings: KafkaSettings,
    build: Callable[[], T],
    *,
    what: str,
    stop: threading.Event | None = None,
    timeout_s: float | None = None,
    on_waiting: Callable[[str], None] | None = None,
) -> T:
    """What `build` makes, tried until the cluster answers; for ever without `timeout_s`, each attempt is logged.

    Raises KafkaUnavailable when stopped or out of time, and at once what no waiting can cure (refused credentials).
    """
    began, attempt, delay = time.monotonic(), 0, _FIRST_DELAY_S
    stop = stop or threading.Event()
    while True:
        attempt += 1
        reason = f"no broker listens at {settings.bootstrap}"
        if stop.is_set():
            raise KafkaUnavailable(f"stopped while waiting for Kafka ({what}): {reason}")
        if reachable(settings):
            try:
                if settings.security_protocol != "PLAINTEXT":
                    admitted(settings, client_options(settings))
                return build()
            except client.KafkaError as error:
                problem = translated(error, KafkaUnavailable, f"connecting {what}")
                if not problem.retriable:
                    raise problem from error
                admitted(settings, client_options(settings))  # an open client on a closed cluster shows only here
                reason = f"{problem}；{PORT_ANSWERS}"
        waited = time.monotonic() - began
        if timeout_s is not None and waited > timeout_s:
            raise KafkaUnavailable(f"Kafka 无应答 / no answer from Kafka within {timeout_s:g} s ({what}): {reason}")
        if on_waiting is not None:
            on_waiting(reason)
        log.warning("kafka_waiting", what=what, attempt=attempt, waited_s=round(waited, 1), reason=reason)
        stop.wait(delay)
        delay = min(delay * 1.6, _LONGEST_DELAY_S)
