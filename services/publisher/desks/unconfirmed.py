"""Remembers requests whose record may be on its way to the log, until reading the log has settled it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from services.publisher.api.problems import RequestRefusedError, unavailable
from services.publisher.log.accepted import TOPIC, AcceptedLog
from services.runtime.clock import Clock
from services.runtime.kafka.errors import KafkaProblem
from services.runtime.kafka.reader import read_partition
from services.runtime.kafka.records import Record
from services.runtime.settings import KafkaSettings

# Longer than the producer keeps trying to deliver a record (30 s): afterwards the log has it or never will.
UNDECIDED_S = 35.0
RETRY_AFTER_S = 5

ReadPartition = Callable[[int], Iterable[Record]]


@dataclass(frozen=True, slots=True)
class _Doubt:
    decided_at: float
    partition: int


class UnconfirmedWrites:
    """Thread-safe. A name in doubt is not written a second time."""

    def __init__(self, register: AcceptedLog, clock: Clock, read: ReadPartition) -> None:
        self._register, self._clock, self._read = register, clock, read
        self._guard = threading.Lock()
        self._open: dict[str, _Doubt] = {}

    def opened(self, identities: Iterable[str], partition: int) -> RequestRefusedError:
        """These are in doubt from now on; returns the answer to give."""
        doubt = _Doubt(self._clock.monotonic() + UNDECIDED_S, partition)
        with self._guard:
            self._open.update(dict.fromkeys(identities, doubt))
        return _unknown()

    def below(self, prefix: str) -> tuple[str, ...]:
        """The names in doubt that begin so."""
        with self._guard:
            return tuple(name for name in self._open if name.startswith(prefix))

    def settle(self, identities: Iterable[str]) -> None:
        """Return once the register can be asked about these; raises RefusedError (503) while that is open."""
        for name in identities:
            with self._guard:
                doubt = self._open.get(name)
            if doubt is None:
                continue
            if self._register.entry(name) is None:
                self._look(doubt)
            with self._guard:
                self._open.pop(name, None)

    def _look(self, doubt: _Doubt) -> None:
        if self._clock.monotonic() < doubt.decided_at:
            raise _unknown()
        try:
            for record in self._read(doubt.partition):
                self._register.apply(record)
        except KafkaProblem:
            raise _unknown() from None


def reader_of(settings: KafkaSettings) -> ReadPartition:
    """Reads one partition of `master-content` to its present end."""
    return lambda partition: read_partition(settings, TOPIC, partition)


def _unknown() -> RequestRefusedError:
    detail = (
        "已交给 Kafka 但未收到确认，结果未知；请用同一个 Idempotency-Key 原样重发，不会重复接收 / "
        "handed to Kafka without an acknowledgement: the outcome is unknown. Repeat it unchanged with the same "
        "Idempotency-Key, it cannot be accepted twice"
    )
    return unavailable("outcome_unknown", detail, RETRY_AFTER_S)
