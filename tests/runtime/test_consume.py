"""The consume loop on the real broker: refused records, rebalances, fencing, draining, and starting before Kafka."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from kafka import errors as client

from services.runtime.clock import SystemClock
from services.runtime.consume import ConsumeLoop, Drop, Due, Emit, Outcome, ToDeadLetter, TopicSubscription
from services.runtime.dead_letters import decode, replay_of, topic_of
from services.runtime.embedded_broker import EmbeddedBroker
from services.runtime.health import Health
from services.runtime.kafka.admin import ensure_topics
from services.runtime.kafka.producer import Producer, TransactionalProducer
from services.runtime.kafka.reader import read_partition, read_topic
from services.runtime.kafka.records import Outgoing, Record
from services.runtime.settings import KafkaSettings, ServiceSettings
from tests.conftest import PARTITIONS, Layout
from tests.waiting import wait_for

pytestmark = pytest.mark.kafka
Topics = Callable[..., str]
POLL_S = 0.05


class Copier:
    """Copies records to a sink; refuses, drops or fails on some; has work in flight when told so."""

    def __init__(self, sink: str) -> None:
        self.sink = sink
        self.owned: set[int] = set()
        self.handled: list[Record] = []
        self.calls: list[str] = []
        self.due: list[Due] = []
        self.under_way: list[Due] = []

    def assigned(self, partitions: Sequence[int]) -> None:
        self.owned |= set(partitions)
        self.calls.append("assigned")

    def revoked(self, partitions: Sequence[int]) -> None:
        self.owned -= set(partitions)
        self.calls.append("revoked")

    def lost(self) -> None:
        self.owned.clear()
        self.calls.append("lost")

    def handle(self, record: Record) -> Outcome:
        self.handled.append(record)
        match record.value:
            case b"poison":
                raise KeyError("缺少字段")
            case b"bad":
                return ToDeadLetter("undecodable", "无法解析 / cannot decode")
            case b"noise":
                return Drop("noise")
            case b"grows":
                return Emit((Outgoing(self.sink, b"x" * 2_000_000, record.key, record.partition),))
        return Emit((Outgoing(self.sink, record.value, record.key, record.partition, record.headers),))

    def tick(self) -> Due:
        return self.due.pop() if self.due else Due()

    def drain(self) -> Due:
        return self.under_way.pop() if self.under_way else Due()

    def in_flight(self) -> int:
        return len(self.under_way)


class Running:
    """A loop in a thread, ended by `stop`."""

    def __init__(self, kafka: KafkaSettings, service: str, topic: str, stage: Copier, instance: str = "0") -> None:
        self.stage, self.stop_event = stage, threading.Event()
        self.health = Health(5.0)
        settings = ServiceSettings(kafka=kafka, instance=instance)
        self.loop = ConsumeLoop(
            settings, TopicSubscription(service, service, (topic,)), stage, self.health, self.stop_event, SystemClock(),
            drain_s=5.0, session_timeout_ms=3_000,
        )  # fmt: skip
        self.error: list[BaseException] = []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.loop.run()
        except BaseException as error:
            self.error.append(error)

    def stop(self) -> None:
        self.stop_event.set()
        self.thread.join(30)
        assert not self.thread.is_alive()


@contextmanager
def running(kafka: KafkaSettings, service: str, topic: str, stage: Copier, instance: str = "0") -> Iterator[Running]:
    loop = Running(kafka, service, topic, stage, instance)
    try:
        yield loop
    finally:
        loop.stop()
    assert not loop.error


def fill(settings: KafkaSettings, topic: str, count: int, *, start: int = 0) -> None:
    producer = Producer(settings, "fill")
    producer.send_many(
        [Outgoing(topic, f"{n}".encode(), f"k{n}".encode(), n % PARTITIONS) for n in range(start, start + count)]
    )
    producer.close()


def numbers(settings: KafkaSettings, topic: str) -> list[int]:
    return sorted(int(record.value or b"-1") for record in read_topic(settings, topic))


def test_a_refused_record_keeps_key_headers_and_chinese_and_its_neighbours_are_processed(
    kafka_settings: KafkaSettings, topics: Topics, unique: str
) -> None:
    source, sink = topics("source"), topics("sink")
    dlq = topics(topic_of(unique), exact=True)
    producer = Producer(kafka_settings, unique)
    sent = [b"before", b"poison", b"between", b"bad", b"noise", b"grows", b"after"]
    headers = (("trace", b"t1"), ("说明", "第二次".encode()))
    producer.send_many([Outgoing(source, value, "键".encode(), 1, headers) for value in sent])
    producer.close()
    with running(kafka_settings, unique, source, Copier(sink)):
        wait_for(lambda: len(list(read_partition(kafka_settings, sink, 1))) == 3, "neighbours copied")
    assert [record.value for record in read_partition(kafka_settings, sink, 1)] == [b"before", b"between", b"after"]

    refused = list(read_partition(kafka_settings, dlq, 1))
    letters = [decode(record) for record in refused]
    assert [letter.cause for letter in letters] == ["bug", "undecodable", "result_too_large"]
    assert [letter.offset for letter in letters] == [1, 3, 5]
    assert "缺少字段" in letters[0].message
    assert letters[0].event_id == f"{unique}:dlq:{source}:1:1"
    assert refused[1].key == "键".encode()
    assert refused[1].headers[: len(headers)] == headers
    assert refused[1].header("dlq.message") == "无法解析 / cannot decode".encode()
    assert replay_of(refused[1]) == Outgoing(source, b"bad", "键".encode(), 1, headers)


def test_two_workers_share_all_partitions_and_the_survivor_takes_over_without_repeating(
    kafka_settings: KafkaSettings, topics: Topics, unique: str
) -> None:
    source, sink = topics("source"), topics("sink")
    everything = set(range(PARTITIONS))
    with running(kafka_settings, unique, source, Copier(sink), "a") as first:
        wait_for(lambda: first.stage.owned == everything, "the lone worker owns everything")
        fill(kafka_settings, source, 200)
        with running(kafka_settings, unique, source, Copier(sink), "b") as second:
            # Until then either may own everything for a moment, if the other is late for a round of the group.
            wait_for(lambda: (first.stage.owned, second.stage.owned) == ({0, 1}, {2, 3}), "half of them for each")
            fill(kafka_settings, source, 200, start=200)
            wait_for(lambda: len(numbers(kafka_settings, sink)) == 400, "all copied by two")
        assert first.stop_event.is_set() is False
        wait_for(lambda: first.stage.owned == everything, "the survivor owns everything")
        fill(kafka_settings, source, 100, start=400)
        wait_for(lambda: len(numbers(kafka_settings, sink)) >= 500, "all copied by the survivor")
    assert numbers(kafka_settings, sink) == list(range(500))
    assert second.stage.handled


def test_callbacks_run_after_the_commit_and_never_without_it(
    kafka_settings: KafkaSettings, topics: Topics, unique: str
) -> None:
    source, sink = topics("source"), topics("sink")
    seen: list[int] = []
    stage = Copier(sink)
    with running(kafka_settings, unique, source, stage) as loop:
        wait_for(lambda: bool(stage.owned), "assigned")
        wait_for(lambda: loop.health.verdict().ready, "ready")
        record = Outgoing(sink, b"1", b"k", 0)
        stage.due.append(Due((record,), (lambda: seen.append(len(numbers(kafka_settings, sink))),)))
        wait_for(lambda: seen == [1], "called back when the record could be read")
        # Another producer takes the transactional id: the next transaction of the loop must fail, and void the stage.
        TransactionalProducer(kafka_settings, f"{unique}-0").close()
        stage.due.append(Due((Outgoing(sink, b"2", b"k", 0),), (lambda: seen.append(-1),)))
        wait_for(lambda: stage.calls.count("assigned") == 2, "assigned again after being fenced")
        assert stage.calls == ["assigned", "lost", "assigned"]
        fill(kafka_settings, source, 1, start=7)
        wait_for(lambda: numbers(kafka_settings, sink) == [1, 7], "the loop works on")
    assert seen == [1]


def test_stopping_writes_what_was_under_way(kafka_settings: KafkaSettings, topics: Topics, unique: str) -> None:
    source, sink = topics("source"), topics("sink")
    done: list[int] = []
    stage = Copier(sink)
    with running(kafka_settings, unique, source, stage):
        wait_for(lambda: bool(stage.owned), "assigned")
        for number in (1, 2, 3):
            record = Outgoing(sink, str(number).encode(), b"k", 0)
            stage.under_way.append(Due((record,), (lambda n=number: done.append(n),)))  # type: ignore[misc]
    assert numbers(kafka_settings, sink) == [1, 2, 3]
    assert done == [3, 2, 1]
    assert stage.calls == ["assigned", "revoked"]


_WORKER = """
import sys, threading
sys.path.insert(0, sys.argv[5])
from services.runtime.clock import SystemClock
from services.runtime.consume import ConsumeLoop, Due, Emit, TopicSubscription
from services.runtime.health import Health
from services.runtime.kafka.records import Outgoing
from services.runtime.settings import KafkaSettings, ServiceSettings
bootstrap, service, source, sink, _ = sys.argv[1:]
class Stage:
    def assigned(self, partitions): print("assigned", flush=True)
    def revoked(self, partitions): pass
    def lost(self): pass
    def tick(self): return Due()
    drain = tick
    def handle(self, record): return Emit((Outgoing(sink, record.value, record.key, record.partition),))
ConsumeLoop(ServiceSettings(kafka=KafkaSettings(bootstrap=bootstrap)), TopicSubscription(service, service, (source,)),
            Stage(), Health(), threading.Event(), SystemClock(), session_timeout_ms=2000).run()
"""


def test_a_worker_killed_under_load_again_and_again_copies_each_record_once(
    kafka_settings: KafkaSettings, topics: Topics, unique: str
) -> None:
    source, sink = topics("source"), topics("sink")
    fill(kafka_settings, source, 3_000)
    command = [sys.executable, "-c", _WORKER, kafka_settings.bootstrap, unique, source, sink, os.getcwd()]
    for already in (0, 400, 1_200):
        child = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            wait_for(lambda seen=already: len(numbers(kafka_settings, sink)) > seen, "progress")  # type: ignore[misc]
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
    with running(kafka_settings, unique, source, Copier(sink)):
        wait_for(lambda: len(numbers(kafka_settings, sink)) >= 3_000, "the rest")
    assert numbers(kafka_settings, sink) == list(range(3_000))


def test_a_worker_frozen_past_its_session_writes_nothing_for_partitions_it_has_lost(
    kafka_settings: KafkaSettings, topics: Topics, unique: str
) -> None:
    source, sink = topics("source"), topics("sink")
    fill(kafka_settings, source, 2_000)
    command = [sys.executable, "-c", _WORKER, kafka_settings.bootstrap, unique, source, sink, os.getcwd()]
    zombie = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        wait_for(lambda: len(numbers(kafka_settings, sink)) > 200, "progress")
        zombie.send_signal(signal.SIGSTOP)
        with running(kafka_settings, unique, source, Copier(sink), "b") as heir:
            wait_for(lambda: heir.stage.owned == set(range(PARTITIONS)), "everything moved to the heir")
            fill(kafka_settings, source, 1_000, start=2_000)
            zombie.send_signal(signal.SIGCONT)
            wait_for(lambda: heir.stage.owned == {2, 3}, "the frozen one has come back as a member")
            wait_for(lambda: len(numbers(kafka_settings, sink)) >= 3_000, "all copied")
            assert numbers(kafka_settings, sink) == list(range(3_000))
    finally:
        zombie.kill()
        zombie.wait()


def test_work_under_way_is_written_before_its_partition_moves(
    kafka_settings: KafkaSettings, topics: Topics, unique: str
) -> None:
    source, sink = topics("source"), topics("sink")
    first = Copier(sink)
    written_when_assigned: list[int] = []

    class Observer(Copier):
        def assigned(self, partitions: Sequence[int]) -> None:
            written_when_assigned.append(len(numbers(kafka_settings, sink)))
            super().assigned(partitions)

    with running(kafka_settings, unique, source, first, "a"):
        wait_for(lambda: bool(first.owned), "assigned")
        first.under_way += [Due((Outgoing(sink, b"1", b"k", 3),)), Due((Outgoing(sink, b"2", b"k", 3),))]
        second = Observer(sink)
        with running(kafka_settings, unique, source, second, "b"):
            wait_for(lambda: second.owned == {2, 3} and first.owned == {0, 1}, "moved, and both know it")
    assert written_when_assigned[0] == 2
    assert first.calls[:3] == ["assigned", "revoked", "assigned"]


def test_a_broker_that_goes_away_while_it_is_asked_for_a_position_ends_no_process_and_repeats_no_record(
    kafka_settings: KafkaSettings, topics: Topics, unique: str
) -> None:
    source, sink = topics("source"), topics("sink")
    fill(kafka_settings, source, 20)
    with running(kafka_settings, unique, source, Copier(sink)) as loop:
        wait_for(lambda: len(numbers(kafka_settings, sink)) == 20, "all copied")
        asked, position = list[tuple[str, int]](), loop.loop._consumer._client.position

        def once(where: tuple[str, int], **options: int) -> int | None:
            """The client checks the place with the leader after a broker's restart, and says so when that fails."""
            if where[1] == 1 and not asked:
                asked.append(where)
                raise client.KafkaConnectionError("gone")
            found: int | None = position(where, **options)
            return found

        loop.loop._consumer._client.position = once
        fill(kafka_settings, source, 20, start=20)
        wait_for(lambda: len(numbers(kafka_settings, sink)) >= 40, "the rest is copied all the same")
        assert asked
    assert numbers(kafka_settings, sink) == list(range(40))


def test_a_loop_started_before_kafka_works_once_it_is_there_and_again_after_an_outage(
    tmp_path: Path, unique: str
) -> None:
    broker = EmbeddedBroker(tmp_path / "data")
    broker.start()  # only to choose a port and format the disk
    kafka = KafkaSettings(bootstrap=broker.bootstrap, partitions=PARTITIONS)
    broker.stop()
    source, sink = f"source-{unique}", f"sink-{unique}"
    with running(kafka, unique, source, Copier(sink)) as loop:
        time.sleep(1.0)
        assert not loop.health.verdict().ready
        try:
            broker.start()
            ensure_topics(kafka, [Layout(sink), Layout(source)])
            fill(kafka, source, 10)
            wait_for(lambda: len(numbers(kafka, sink)) == 10, "work begun by itself")
            broker.kill()
            wait_for(lambda: not loop.health.verdict().ready, "an outage is seen", 30)
            broker.start()
            fill(kafka, source, 10, start=10)
            wait_for(lambda: len(numbers(kafka, sink)) >= 20, "work resumed by itself")
            assert numbers(kafka, sink) == list(range(20))
            wait_for(lambda: loop.health.verdict().ready, "ready again")
            loop.stop()
        finally:
            loop.stop_event.set()
            broker.stop()
