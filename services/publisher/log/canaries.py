"""Passes canaries on as the publisher's stage of the pipeline: read by its follower, written by a thread of its own.

Neither a slow acknowledgement holds up the reading of the log, nor a failed one the writing of requests: the relay has
a producer for itself.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from queue import Full, Queue

from services.publisher.api.problems import RequestRefusedError
from services.publisher.log.writer import LogWriter, OutcomeUnknownError
from services.runtime.canary import canary, passed_on_record
from services.runtime.clock import Clock, SystemClock
from services.runtime.kafka.records import Outgoing, Record
from services.runtime.logging import get_logger

SERVICE = "publisher"
FRESH = timedelta(minutes=2)  # the topic is read from its start, and the canaries of yesterday are at rest
MOST_WAITING = 64  # more than fresh ones there are

log = get_logger(__name__)


class CanaryRelay:
    """One per process. `writer` is used by nobody else and closed with the relay."""

    def __init__(self, writer: LogWriter, instance: str, clock: Clock | None = None) -> None:
        self._writer, self._instance, self._clock = writer, instance, clock or SystemClock()
        self._waiting: Queue[Outgoing | None] = Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="canary-relay", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, timeout_s: float) -> None:
        """End the thread; canaries that still wait are lost. May be called without `start`."""
        if self._thread.ident is not None:
            while not self._waiting.empty():
                self._waiting.get_nowait()
            self._waiting.put(None)
            self._thread.join(timeout_s)
        self._writer.close()

    def apply(self, record: Record) -> None:
        """Take a fresh canary and return at once. One that finds no room is lost, which is what the watchdog tells."""
        one, now = canary(record.value), self._clock.now()
        if one is None or now - one.started_at > FRESH:
            return
        for onward in passed_on_record(record, SERVICE, self._instance, now):
            try:
                self._waiting.put_nowait(onward)
            except Full:
                log.warning("canary_not_passed_on", canary_id=one.canary_id, cause="others wait already")

    def _run(self) -> None:
        while (onward := self._waiting.get()) is not None:
            try:
                self._writer.pass_on(onward)
            except (RequestRefusedError, OutcomeUnknownError) as error:
                log.warning("canary_not_passed_on", cause=type(error).__name__)
            except Exception:  # the next canary may fare better, and a thread that has ended passes none on
                log.exception("canary_not_passed_on")
