"""Follows the log in a thread of its own: feeds the register and the placements, and says how far it has read."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping

from services.publisher.log import accepted as contents
from services.publisher.log import commands
from services.publisher.log import placements as ledger
from services.publisher.log.canaries import CanaryRelay
from services.runtime.canary import CANARY_TOPIC
from services.runtime.failpoints import reached
from services.runtime.health import Health
from services.runtime.kafka.errors import KafkaProblem, KafkaUnavailable
from services.runtime.kafka.reader import Tail
from services.runtime.kafka.records import Record
from services.runtime.logging import get_logger
from services.runtime.settings import KafkaSettings

_POLL_S = 1.0
_PAUSE_S = 2.0

log = get_logger(__name__)


class WrongPartitionsError(Exception):
    """Raised while the topics are laid out otherwise than the settings say."""


class LogFollower:
    """Reads contents, ledger and commands from their first record on, for as long as the service runs."""

    def __init__(
        self,
        settings: KafkaSettings,
        register: contents.AcceptedLog,
        placements: ledger.Placements,
        canaries: CanaryRelay,
        given: commands.CommandLog,
        stop: threading.Event,
        health: Health,
    ) -> None:
        self._settings, self._stop, self._health = settings, stop, health
        self._takers: Mapping[str, Callable[[Record], None]] = {
            contents.TOPIC: register.apply,
            ledger.TOPIC: placements.apply,
            CANARY_TOPIC: canaries.apply,
            commands.TOPIC: given.apply,
        }
        self._moved = threading.Condition()
        self._next: dict[tuple[str, int], int] = {}
        self._ready = threading.Event()
        self._stuck = False
        self._thread = threading.Thread(target=self._follow, name="log-follower", daemon=True)

    def start(self) -> None:
        self._health.waiting("正在读取日志 / reading the log")
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    @property
    def ready(self) -> bool:
        """Whether everything that was on the log at start has been read."""
        return self._ready.is_set()

    @property
    def healthy(self) -> bool:
        """Whether it is ready and still follows."""
        return self.ready and self._health.verdict().ready

    @property
    def stuck(self) -> bool:
        """Whether reading failed by a fault of this service and has not come back since: what is known may be old."""
        return self._stuck

    def wait_for(self, topic: str, partition: int, offset: int, timeout_s: float) -> bool:
        """Whether the record at `offset` has been read within the time."""
        with self._moved:
            return self._moved.wait_for(lambda: self._next.get((topic, partition), 0) > offset, timeout_s)

    def _follow(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow_once()
            except KafkaUnavailable as error:
                self._pause("kafka_away", error)
            except (KafkaProblem, WrongPartitionsError) as error:
                self._pause("log_follower_failed", error)
            except Exception as error:  # this thread is the only one that reads: it must not end
                self._stuck = True
                log.exception("log_follower_failed")
                self._pause("log_follower_retries", error)

    def _follow_once(self) -> None:
        # Reading anew from the start after an error is harmless: what is known already changes nothing.
        tail = Tail(self._settings, tuple(self._takers), stop=self._stop)
        try:
            self._check_partitions(tail)
            while not self._stop.is_set():
                records = tail.poll(_POLL_S)
                for record in records:
                    self._takers[record.topic](record)
                self._note(records)
                reached("publisher:follow")
                if not tail.in_touch():
                    self._health.waiting("Kafka 无应答 / Kafka does not answer")
                elif self._ready.is_set() or tail.caught_up():
                    self._ready.set()
                    self._stuck = False
                    self._health.progress()
        finally:
            tail.close()

    def _check_partitions(self, tail: Tail) -> None:
        """A campaign lives in one partition number everywhere; with another count we would write it elsewhere."""
        counts = Counter(where.topic for where in tail.positions() if where.topic != commands.TOPIC)
        wrong = {name: count for name, count in counts.items() if count != self._settings.partitions}
        if wrong:
            raise WrongPartitionsError(
                f"主题分区数 {wrong} 与 TONGBO_PARTITIONS={self._settings.partitions} 不一致 / partition counts differ"
            )

    def _note(self, records: list[Record]) -> None:
        if not records:
            return
        with self._moved:
            for record in records:
                self._next[(record.topic, record.partition)] = record.offset + 1
            self._moved.notify_all()

    def _pause(self, event: str, error: Exception) -> None:
        if self._stop.is_set():
            return
        log.warning(event, cause=repr(error))
        self._health.failed(str(error))
        self._stop.wait(_PAUSE_S)
