"""The thread that reads all operator commands, and says how sure the worker may be that it has heard everything.

Reads the whole topic from the start, without a group: every adapter obeys every command. It carries nothing out.
"""

from __future__ import annotations

import threading

import msgspec

from schemas.events.commands import OperatorCommand
from services.adapter.commands.freshness import Freshness
from services.adapter.commands.view import Control
from services.adapter.wire.send_guard import elapsed
from services.runtime.health import Health
from services.runtime.kafka.errors import KafkaProblem, KafkaUnavailable
from services.runtime.kafka.reader import Tail
from services.runtime.kafka.records import Record, TopicPartition
from services.runtime.logging import get_logger
from services.runtime.settings import KafkaSettings

COMMAND_TOPIC = "operator-command"
CONTENT_TOPIC = "master-content"
POLL_S = 0.1
DEAF_AFTER_S = 15.0  # without a fresh view for so long the adapter is not ready: it runs and publishes nothing
PAUSE_S = 1.0

_decode = msgspec.json.Decoder(OperatorCommand).decode
log = get_logger(__name__)


class CommandFeed:
    """Fills `control` and `freshness` from Kafka until it is stopped. A feed that cannot read lets no call leave."""

    def __init__(
        self, settings: KafkaSettings, control: Control, freshness: Freshness, health: Health, stop: threading.Event
    ) -> None:
        self._settings, self._control, self._freshness = settings, control, freshness
        self._health, self._stop = health, stop
        self._heard_at = elapsed()
        self._thread = threading.Thread(target=self._run, name="command-feed", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        """Wait until it has ended; `stop` is set before."""
        self._thread.join(timeout=5.0)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except KafkaProblem as problem:
                log.warning("command_feed_interrupted", cause=repr(problem))
            except Exception:  # the thread's own border: nothing leaves meanwhile, and reading again may work
                log.exception("command_feed_bug")
            self._say_if_deaf()
            self._stop.wait(PAUSE_S)

    def _follow(self) -> None:
        tail = Tail(self._settings, [COMMAND_TOPIC], stop=self._stop)
        try:
            while not self._stop.is_set():
                for record in tail.poll(POLL_S):
                    self._take(record)
                self._check(tail)
                self._say_if_deaf()
        finally:
            tail.close()

    def _take(self, record: Record) -> None:
        try:
            self._control.take(_decode(record.value or b""))
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            log.error("command_undecodable", partition=record.partition, offset=record.offset, error=str(error)[:200])

    def _check(self, tail: Tail) -> None:
        """Ask the broker where the topics end: what stands there was acknowledged before this very question."""
        as_of = elapsed()
        try:
            ends = tail.ends((COMMAND_TOPIC, CONTENT_TOPIC))
            read_to = tail.positions()
        except KafkaUnavailable as problem:
            log.warning("commands_not_heard", cause=repr(problem))
            return
        commands = {where: end for where, end in ends.items() if where.topic == COMMAND_TOPIC}
        if all(read_to.get(where, -1) >= end for where, end in commands.items()):
            self._heard_at = as_of
            self._freshness.heard(as_of, _of_partitions(ends, CONTENT_TOPIC))

    def _say_if_deaf(self) -> None:
        deaf_s = elapsed() - self._heard_at
        reason = f"听不到运营指令，暂不发布 / operators cannot be heard, nothing is published ({deaf_s:.0f} s)"
        self._health.hindered("commands", reason if deaf_s > DEAF_AFTER_S else None)


def _of_partitions(ends: dict[TopicPartition, int], topic: str) -> dict[int, int]:
    return {where.partition: end for where, end in ends.items() if where.topic == topic}
