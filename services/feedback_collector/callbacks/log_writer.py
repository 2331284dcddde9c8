"""Writes callbacks to Kafka within the time a platform waits; what is not acknowledged by then counts as unwritten."""

from __future__ import annotations

import threading

from services.runtime.kafka.connection import reachable
from services.runtime.kafka.errors import KafkaProblem, KafkaUnavailable
from services.runtime.kafka.producer import Producer
from services.runtime.kafka.records import Outgoing
from services.runtime.settings import KafkaSettings

_REACHABLE_WITHIN_S = 1.0


class CallbackWriter:
    """Thread-safe. A record that arrives late after all is no harm: the platform's next try has the same identity."""

    def __init__(self, settings: KafkaSettings, client_id: str, within_s: float) -> None:
        self._settings, self._client_id, self._within_s = settings, client_id, within_s
        self._guard = threading.Lock()
        self._producer: Producer | None = None

    def __call__(self, records: list[Outgoing]) -> None:
        producer = self._connected()
        try:
            producer.send_many(records, timeout_s=self._within_s)
        except KafkaProblem:
            self._give_up(producer)
            raise

    def close(self) -> None:
        with self._guard:
            producer, self._producer = self._producer, None
        if producer is not None:
            producer.close()

    def _connected(self) -> Producer:
        with self._guard:
            if self._producer is None:
                if not reachable(self._settings, _REACHABLE_WITHIN_S):  # the client would wait longer than a platform
                    raise KafkaUnavailable("Kafka 没有应答 / Kafka does not answer")
                self._producer = Producer(self._settings, self._client_id, connect_timeout_s=self._within_s)
            return self._producer

    def _give_up(self, producer: Producer) -> None:
        with self._guard:
            if self._producer is producer:
                self._producer = None
            else:
                return
        threading.Thread(target=producer.close, name="callback-writer-close", daemon=True).start()
