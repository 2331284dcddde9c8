"""Transactions on the real broker: all or nothing, fencing, and recovery of a producer that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from services.runtime.kafka.consumer import GroupConsumer, PartitionCallbacks
from services.runtime.kafka.errors import Fenced, KafkaUnavailable, RecordTooLarge, SendFailed
from services.runtime.kafka.producer import MAX_RECORD_BYTES, Producer, TransactionalProducer
from services.runtime.kafka.reader import read_partition, read_topic
from services.runtime.kafka.records import GroupMetadata, Outgoing, TopicPartition
from services.runtime.settings import KafkaSettings
from tests.waiting import wait_for

pytestmark = pytest.mark.kafka
Topics = Callable[..., str]


def numbered(topic: str, *numbers: int, partition: int = 0) -> list[Outgoing]:
    return [Outgoing(topic, f"值{n}".encode(), f"k{n}".encode(), partition) for n in numbers]


def values(settings: KafkaSettings, topic: str) -> list[str]:
    return sorted((record.value or b"").decode() for record in read_topic(settings, topic))


def test_an_acknowledged_send_returns_the_offset_under_which_it_is_read(
    kafka_settings: KafkaSettings, topics: Topics, unique: str
) -> None:
    topic = topics("sent")
    producer = Producer(kafka_settings, unique)
    try:
        first = producer.send(Outgoing(topic, "文".encode(), b"k", 2, (("原因", "超时".encode()),)))
        more = producer.send_many(numbered(topic, 1, 2, partition=2))
    finally:
        producer.close()
    records = list(read_partition(kafka_settings, topic, 2))
    assert [record.offset for record in records] == [first, *more]
    assert records[0].header("原因") == "超时".encode()
    assert records[0].timestamp.utcoffset() is not None


def test_sending_to_a_topic_that_does_not_exist_is_an_error_not_a_new_topic(
    kafka_settings: KafkaSettings, unique: str
) -> None:
    producer = Producer(kafka_settings, unique)
    try:
        with pytest.raises((KafkaUnavailable, SendFailed)):
            producer.send(Outgoing(f"absent-{unique}", b"v", b"k", 0), timeout_s=2)
    finally:
        producer.close()


def test_an_aborted_transaction_leaves_nothing_and_the_producer_works_on(
    kafka_settings: KafkaSettings, topics: Topics, unique: str
) -> None:
    topic = topics("atomic")
    producer = TransactionalProducer(kafka_settings, unique)
    try:
        producer.commit(numbered(topic, 1) + numbered(topic, 2, partition=3))
        too_large = Outgoing(topic, b"x" * (MAX_RECORD_BYTES + 1), b"large", 0)
        with pytest.raises(RecordTooLarge):
            producer.commit([*numbered(topic, 3, partition=1), too_large])
        assert producer.usable
        producer.commit(numbered(topic, 4))
    finally:
        producer.close()
    assert values(kafka_settings, topic) == ["值1", "值2", "值4"]


def test_a_replaced_producer_is_fenced_and_stays_fenced(
    kafka_settings: KafkaSettings, topics: Topics, unique: str
) -> None:
    topic = topics("fenced")
    old = TransactionalProducer(kafka_settings, unique)
    old.commit(numbered(topic, 1))
    new = TransactionalProducer(kafka_settings, unique)
    try:
        with pytest.raises(Fenced):
            old.commit(numbered(topic, 2))
        assert not old.usable
        with pytest.raises(Fenced, match="spent"):
            old.commit(numbered(topic, 3))
        new.commit(numbered(topic, 4))
    finally:
        old.close()
        new.close()
    assert values(kafka_settings, topic) == ["值1", "值4"]


def test_offsets_of_a_passed_generation_fence_the_whole_transaction(
    kafka_settings: KafkaSettings, topics: Topics, unique: str
) -> None:
    source, sink = topics("source"), topics("sink")
    member = joined(kafka_settings, unique, source, "a")
    stale = member.group_metadata()
    assert stale.generation > 0
    second = threading.Thread(target=lambda: others.append(joined(kafka_settings, unique, source, "b")))
    others: list[GroupConsumer] = []
    second.start()

    def rebalanced() -> bool:
        member.poll(0.05)
        return not second.is_alive() and member.group_metadata().generation != stale.generation

    wait_for(rebalanced, "both are members of a new generation")
    second.join(5)
    producer = TransactionalProducer(kafka_settings, unique)
    try:
        with pytest.raises(Fenced):
            producer.commit(numbered(sink, 1), {TopicPartition(source, 0): 0}, stale)
        producer.commit(numbered(sink, 2), member.positions(), member.group_metadata())
    finally:
        producer.close()
        member.close()
        for other in others:
            other.close()
    assert values(kafka_settings, sink) == ["值2"]


def test_a_member_that_fell_out_of_its_group_is_fenced_and_not_taken_for_a_stranger_without_generation(
    kafka_settings: KafkaSettings, topics: Topics, unique: str
) -> None:
    """A worker that was frozen learns from the answer to its heartbeat that it is out, perhaps in mid-round.

    The client then forgets its generation, and the broker checks no generation where none is named.
    """
    source, sink = topics("source"), topics("sink")
    zombie = joined(kafka_settings, unique, source, "a", session_timeout_ms=2_000)
    positions = zombie.positions()
    zombie._client._coordinator.reset_generation()  # as its handler of that answer does
    heir = joined(kafka_settings, unique, source, "b")
    forgotten = zombie._client.group_metadata()
    assert (forgotten.generation_id, forgotten.member_id) == (-1, "")
    producer = TransactionalProducer(kafka_settings, unique)
    try:
        producer.commit(numbered(sink, 1), positions, GroupMetadata(unique, -1, ""))  # the hazard: nobody objects
        with pytest.raises(Fenced):
            producer.commit(numbered(sink, 2), positions, zombie.group_metadata())
    finally:
        producer.close()
        zombie.close()
        heir.close()
    assert values(kafka_settings, sink) == ["值1"]


def joined(
    settings: KafkaSettings, group: str, topic: str, name: str, *, session_timeout_ms: int = 10_000
) -> GroupConsumer:
    consumer = GroupConsumer(
        settings, group, [topic], PartitionCallbacks(lambda _: None, lambda _: None), client_id=name,
        session_timeout_ms=session_timeout_ms,
    )  # fmt: skip
    wait_for(lambda: consumer.poll(0.05) or consumer.assignment(), "the consumer has its partitions")
    assert consumer.assignment()
    return consumer


_KILLED_BETWEEN_PRODUCE_AND_COMMIT = """
import sys, time
from services.runtime.kafka.producer import TransactionalProducer
from services.runtime.kafka.records import Outgoing
from services.runtime.settings import KafkaSettings
bootstrap, transactional_id, topic = sys.argv[1:]
producer = TransactionalProducer(KafkaSettings(bootstrap=bootstrap), transactional_id, timeout_ms=60_000)
producer.commit([Outgoing(topic, b"committed", b"k", 0)])
producer._client.begin_transaction()
producer._client.send(topic, value=b"half", key=b"k", partition=0).get(timeout=10)
print("produced", flush=True)
time.sleep(60)
"""


def test_a_restart_after_kill_9_aborts_the_open_transaction_at_once(
    kafka_settings: KafkaSettings, topics: Topics, unique: str
) -> None:
    topic = topics("killed")
    command = [sys.executable, "-c", _KILLED_BETWEEN_PRODUCE_AND_COMMIT, kafka_settings.bootstrap, unique, topic]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": os.getcwd()})
    try:
        assert child.stdout is not None
        lines = iter(child.stdout.readline, b"")
        assert any(b"produced" in line for line in lines)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    began = time.monotonic()
    successor = TransactionalProducer(kafka_settings, unique)
    successor.commit(numbered(topic, 2))
    successor.close()
    records = list(read_partition(kafka_settings, topic, 0))
    took = time.monotonic() - began
    assert [record.value for record in records] == [b"committed", "值2".encode()]
    # The gap proves that the half transaction was there; without the abort its time-out of a minute would hold us.
    assert records[1].offset - records[0].offset > 2
    assert took < 45


def test_offsets_without_the_group_that_read_them_are_refused(
    kafka_settings: KafkaSettings, topics: Topics, unique: str
) -> None:
    topic = topics("misuse")
    producer = TransactionalProducer(kafka_settings, unique)
    try:
        with pytest.raises(ValueError, match="group metadata"):
            producer.commit([], {TopicPartition(topic, 0): 0})
        with pytest.raises(Fenced):
            producer.commit([], {TopicPartition(topic, 0): 0}, GroupMetadata(unique, 7, "nobody"))
        producer.commit(numbered(topic, 1))
    finally:
        producer.close()
    assert values(kafka_settings, topic) == ["值1"]
