"""The patient wait for a cluster that is not there yet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from kafka import errors as client

from services.runtime.kafka.admission import admitted
from services.runtime.kafka.connection import PORT_ANSWERS, client_options, reachable
from services.runtime.kafka.errors import KafkaUnavailable
from services.runtime.kafka.translation import translated
from services.runtime.logging import get_logger
from services.runtime.settings import KafkaSettings

T = TypeVar("T")
_FIRST_DELAY_S = 0.2
_LONGEST_DELAY_S = 5.0

log = get_logger(__name__)


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
