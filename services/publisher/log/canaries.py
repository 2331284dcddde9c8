"""Passes canaries on as the publisher's stage of the pipeline: read by its follower, written by its writer."""

from __future__ import annotations

from datetime import timedelta

from services.publisher.api.problems import RequestRefusedError
from services.publisher.log.writer import LogWriter, OutcomeUnknownError
from services.runtime.canary import canary, passed_on_record
from services.runtime.clock import Clock, SystemClock
from services.runtime.kafka.records import Record
from services.runtime.logging import get_logger

SERVICE = "publisher"
FRESH = timedelta(minutes=2)  # the topic is read from its start, and the canaries of yesterday are at rest

log = get_logger(__name__)


class CanaryRelay:
    """One per process; called by the follower's thread only."""

    def __init__(self, writer: LogWriter, instance: str, clock: Clock | None = None) -> None:
        self._writer, self._instance, self._clock = writer, instance, clock or SystemClock()

    def apply(self, record: Record) -> None:
        """Pass a fresh canary on. One that cannot be written is lost, which is what the watchdog will tell."""
        one, now = canary(record.value), self._clock.now()
        if one is None or now - one.started_at > FRESH:
            return
        for onward in passed_on_record(record, SERVICE, self._instance, now):
            try:
                self._writer.pass_on(onward)
            except (RequestRefusedError, OutcomeUnknownError) as error:
                log.warning("canary_not_passed_on", canary_id=one.canary_id, cause=type(error).__name__)
