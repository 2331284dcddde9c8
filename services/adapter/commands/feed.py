"""The thread that reads all operator commands, and says how sure the worker may be that it has heard everything.

Reads the whole topic from the start, without a group: every adapter obeys every command. It carries nothing out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec

from schemas.events.commands import OperatorCommand
from services.adapter.commands.freshness import Freshness
from services.adapter.commands.view import CommandView
from services.adapter.wire.send_guard import boot_seconds
from services.runtime.health import Health
from services.runtime.kafka.errors import KafkaProblem, KafkaUnavailable
from services.runtime.kafka.reader import LogEnds, Tail
from services.runtime.kafka.records import Record, TopicPartition
from services.runtime.logging import get_logger
from services.runtime.settings import KafkaSettings

COMMAND_TOPIC = "operator-command"
CONTENT_TOPIC = "master-content"
POLL_S = 1.0
CHECK_EVERY_S = 5.0
RETRY_S = 0.1
DEAF_AFTER_S = 15.0  # without a fresh view for so long the adapter is not ready: it runs and publishes nothing
PAUSE_S = 1.0

_decode = msgspec.json.Decoder(OperatorCommand).decode
log = get_logger(__name__)


class CommandFeed:
    """Fills `control` and `freshness` from Kafka until it is stopped. A feed that cannot read lets no call leave.

    One thread follows the commands; a second asks where the topics end, on a connection of its own and only when a call
    wants to know, so that nothing is spent while no call is made. wake: called after each command.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        control: CommandView,
        freshness: Freshness,
        health: Health,
        stop: threading.Event,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._control, self._freshness = control, freshness
        self._health, self._stop, self._wake = health, stop, wake
        self._heard_at = boot_seconds()
        self._read_to: dict[TopicPartition, int] = {}
        self._moved = threading.Condition()
        self._threads = [
            threading.Thread(target=self._run, args=(self._follow,), name="command-feed", daemon=True),
            threading.Thread(target=self._run, args=(self._answer,), name="command-freshness", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until it has ended; `stop` is set before."""
        self._freshness.ask()
        for thread in self._threads:
            thread.join(timeout=5.0)

    def _run(self, work: Callable[[], None]) -> None:
        while not self._stop.is_set():
            try:
                work()
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
                records = tail.poll(POLL_S)
                for record in records:
                    self._take(record)
                self._note_read(tail)
                if records:
                    self._wake()
                self._say_if_deaf()
        finally:
            tail.close()

    def _note_read(self, tail: Tail) -> None:
        try:
            read_to = tail.positions()
        except KafkaUnavailable as problem:  # what is read stays read: the topic need not be read anew for that
            log.warning("commands_not_heard", cause=repr(problem))
            return
        with self._moved:
            self._read_to = read_to
            self._moved.notify_all()

    def _take(self, record: Record) -> None:
        try:
            self._control.apply(_decode(record.value or b""), record.offset)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            log.error("command_undecodable", partition=record.partition, offset=record.offset, error=str(error)[:200])

    def _answer(self) -> None:
        """Whenever a call wants a fresh view, and now and then without one, so that deafness is noticed."""
        ends = LogEnds(self._settings, (COMMAND_TOPIC, CONTENT_TOPIC), self._stop)
        try:
            while not self._stop.is_set():
                self._check(ends)
                self._say_if_deaf()
                self._freshness.wanted(CHECK_EVERY_S if self._freshness.begun else POLL_S)
        finally:
            ends.close()

    def _check(self, log_ends: LogEnds) -> None:
        """Ask the broker where the topics end: what stands there was acknowledged before this very question."""
        as_of = boot_seconds()
        try:
            ends = log_ends.ask()
        except KafkaUnavailable as problem:
            log.warning("commands_not_heard", cause=repr(problem))
            self._stop.wait(RETRY_S)
            return
        commands = {where: end for where, end in ends.items() if where.topic == COMMAND_TOPIC}
        with self._moved:
            known = self._moved.wait_for(
                lambda: all(self._read_to.get(where, -1) >= end for where, end in commands.items()), POLL_S
            )
        if known:
            self._heard_at = as_of
            self._freshness.heard(as_of, _of_partitions(ends, CONTENT_TOPIC))

    def _say_if_deaf(self) -> None:
        deaf_s = boot_seconds() - self._heard_at
        reason = f"听不到运营指令，暂不发布 / operators cannot be heard, nothing is published ({deaf_s:.0f} s)"
        self._health.hindered("commands", reason if deaf_s > DEAF_AFTER_S else None)


def _of_partitions(ends: dict[TopicPartition, int], topic: str) -> dict[int, int]:
    return {where.partition: end for where, end in ends.items() if where.topic == topic}
