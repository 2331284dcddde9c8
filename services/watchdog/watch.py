"""The watchdog's loop: follow the log, ask the rules what is wrong, tell the changes on `engagement-alert`.

Reads and tells, and nothing else: no rule of it holds anything up or sets anything right.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from schemas.codec import DecodeError, decoder, encode
from schemas.events.alert import Alert
from schemas.events.content import ContentCancelled, MasterContent
from services.runtime import metrics
from services.runtime.canary import CANARY_TOPIC
from services.runtime.clock import Clock, SystemClock
from services.runtime.health import Health
from services.runtime.kafka.errors import KafkaProblem, KafkaUnavailable
from services.runtime.kafka.partitions import partition_of
from services.runtime.kafka.producer import Producer
from services.runtime.kafka.progress import GroupProgress
from services.runtime.kafka.reader import Tail, read_topic
from services.runtime.kafka.records import Outgoing, Record
from services.runtime.logging import get_logger
from services.watchdog import canary as canaries
from services.watchdog import groups, overdue, stale
from services.watchdog.pulse import Pulse
from services.watchdog.settings import WatchdogSettings
from services.watchdog.trouble import AlertBook, Trouble

CONTENT_TOPIC, LEDGER_TOPIC, CURSOR_TOPIC = "master-content", "placement-ledger", "collector-cursor"
ALERT_TOPIC = "engagement-alert"
TOPICS = (CONTENT_TOPIC, LEDGER_TOPIC, CURSOR_TOPIC, CANARY_TOPIC)
KINDS = (overdue.KIND, groups.KIND, stale.KIND, canaries.KIND)
_POLL_S = 1.0
_PAUSE_S = 2.0
_UNJUDGED_S = 5.0
_AT_ONCE = 500

log = get_logger(__name__)
_decode_content, _decode_record = decoder(CONTENT_TOPIC), decoder(LEDGER_TOPIC)
_decode_cursor, _decode_alert = decoder(CURSOR_TOPIC), decoder(ALERT_TOPIC)


@dataclass(frozen=True, slots=True)
class Rule:
    """What is wrong now, of one kind. every_s: asked no more often than that."""

    kind: str
    troubles: Callable[[datetime], Sequence[Trouble]]
    every_s: float


class Watchdog:
    """One per process. real: the machines' clock; platforms: the platforms' clock."""

    def __init__(
        self,
        settings: WatchdogSettings,
        platforms: Sequence[str],
        platform_clock: Clock,
        stop: threading.Event,
        health: Health,
        real: Clock | None = None,
    ) -> None:
        self._settings, self._platforms, self._stop, self._health = settings, tuple(platforms), stop, health
        self._platform_clock, self._real = platform_clock, real or SystemClock()

    def run(self) -> None:
        """Until told to stop; begins anew from the log after any trouble with Kafka."""
        pulse = Pulse(self._settings.stuck_after_s)
        pulse.watch(self._stop)
        while not self._stop.is_set():
            try:
                _Session(
                    self._settings, self._platforms, self._platform_clock, self._real, self._stop, self._health, pulse
                )()
            except KafkaProblem as problem:
                if self._stop.is_set():
                    return
                log.warning("watch_begins_anew", cause=repr(problem))
                away = isinstance(problem, KafkaUnavailable)
                tell = self._health.waiting if away else self._health.failed
                tell(f"Kafka：{problem}")
                self._stop.wait(_PAUSE_S)


class _Session:
    """From reading the log anew until Kafka fails: all of the state."""

    def __init__(
        self,
        settings: WatchdogSettings,
        platforms: Sequence[str],
        platform_clock: Clock,
        real: Clock,
        stop: threading.Event,
        health: Health,
        pulse: Pulse,
    ) -> None:
        self._settings, self._platform_clock, self._real = settings, platform_clock, real
        self._stop, self._health = stop, health
        self._awaiting = overdue.Awaiting(timedelta(seconds=settings.overdue_after_s))
        self._observed = stale.Observed(
            timedelta(seconds=settings.stale_feedback_s), timedelta(seconds=settings.stale_feedback_real_s)
        )
        self._groups = groups.Groups(timedelta(seconds=settings.stalled_after_s))
        self._expected = groups.expected(platforms)
        self._canaries = canaries.Canaries(platforms, timedelta(seconds=settings.canary_within_s))
        self._canary_sent_at, self._canary_partition = float("-inf"), 0
        self._book = AlertBook(KINDS)
        self._checked: dict[str, float] = {}
        self._pulse = pulse
        self._progress: GroupProgress
        self._producer: Producer
        self._rules = (
            Rule(overdue.KIND, self._overdue, settings.check_every_s),
            Rule(stale.KIND, self._stale, settings.check_every_s),
            Rule(canaries.KIND, self._lost, settings.check_every_s),
            Rule(groups.KIND, self._stalled, settings.groups_every_s),
        )

    def __call__(self) -> None:
        self._health.waiting("正在读取日志 / reading the log")
        tail = Tail(self._settings.kafka, TOPICS, stop=self._stop)
        self._pulse.rest()
        try:
            self._producer = Producer(self._settings.kafka, "watchdog", stop=self._stop)
            try:
                self._progress = GroupProgress(self._settings.kafka)
                try:
                    self._recall()
                    self._follow(tail)
                finally:
                    self._pulse.rest()
                    self._progress.close()
            finally:
                self._producer.close()
        finally:
            tail.close()

    def _recall(self) -> None:
        """Which alerts are open, by the topic itself: a restart must neither repeat nor forget one."""
        for record in read_topic(self._settings.kafka, ALERT_TOPIC):
            if record.value is None:
                continue
            try:
                self._book.wrote(_decode_alert(record.value))
            except DecodeError as error:
                log.error("alert_unreadable", partition=record.partition, offset=record.offset, field=error.field)

    def _follow(self, tail: Tail) -> None:
        caught_up, judged_at = False, self._real.monotonic()
        while not self._stop.is_set():
            self._pulse.beat()
            records = tail.poll(_POLL_S)
            for record in records:
                self._take(record)
            caught_up = caught_up or tail.caught_up()
            # Best judged when nothing is left to read, for its end might be there; under steady traffic something is.
            if caught_up and (not records or self._real.monotonic() - judged_at > _UNJUDGED_S):
                self._check()
                judged_at = self._real.monotonic()

    def _check(self) -> None:
        for rule in self._rules:
            monotonic = self._real.monotonic()
            if monotonic - self._checked.get(rule.kind, float("-inf")) < rule.every_s:
                continue
            self._checked[rule.kind] = monotonic
            now = self._real.now()
            found = rule.troubles(now)
            metrics.TROUBLES.labels(rule.kind).set(len(found))
            self._tell(self._book.changes((rule.kind,), found, now))
            self._health.progress()

    def _tell(self, alerts: Sequence[Alert]) -> None:
        for start in range(0, len(alerts), _AT_ONCE):
            some = alerts[start : start + _AT_ONCE]
            self._producer.send_many([self._record(alert) for alert in some])
            for alert in some:
                self._book.wrote(alert)
                log.warning("alert_told", status=alert.status, alert_key=alert.alert_key, severity=alert.severity)

    def _record(self, alert: Alert) -> Outgoing:
        place = partition_of(alert.campaign_id or alert.brand_id, self._settings.kafka.partitions)
        return Outgoing(ALERT_TOPIC, encode(alert), alert.alert_key.encode(), place)

    # --- what the log says ---

    def _take(self, record: Record) -> None:
        if record.value is None:
            return
        try:
            if record.topic == CONTENT_TOPIC:
                self._content(record.value)
            elif record.topic == LEDGER_TOPIC:
                placement = _decode_record(record.value)
                self._awaiting.recorded(placement)
                self._observed.recorded(placement, record.timestamp)
            elif record.topic == CANARY_TOPIC:
                self._canaries.seen(record, self._real.now())
            else:
                self._observed.polled(_decode_cursor(record.value), record.timestamp)
        except (DecodeError, msgspec.MsgspecError) as error:  # its own service puts it on the dead letter topic
            log.error("record_unreadable", topic=record.topic, partition=record.partition, offset=record.offset,
                      error=str(error))  # fmt: skip

    def _content(self, value: bytes) -> None:
        event = _decode_content(value)
        if isinstance(event, MasterContent):
            self._awaiting.accepted(event)
        elif isinstance(event, ContentCancelled):
            self._awaiting.cancelled(event)

    # --- the rules ---

    def _overdue(self, now: datetime) -> list[Trouble]:
        return [overdue.trouble(one, now) for one in self._awaiting.overdue(now)]

    def _stale(self, now: datetime) -> list[Trouble]:
        return self._observed.stale(self._platform_clock.now(), now)

    def _lost(self, now: datetime) -> list[Trouble]:
        """Send the next canaries when it is time, each on the next partition; tell which should be back."""
        if self._real.monotonic() - self._canary_sent_at >= self._settings.canary_every_s:
            self._canary_sent_at = self._real.monotonic()
            self._producer.send_many(self._canaries.departures(now, self._canary_partition))
            self._canary_partition = (self._canary_partition + 1) % self._settings.kafka.partitions
        return self._canaries.lost(now)

    def _stalled(self, now: datetime) -> list[Trouble]:
        return self._groups.stalled(self._progress.of(self._expected), now)
