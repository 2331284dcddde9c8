"""A stage at rest costs nothing, and neither a record nor a wake-up has to wait for the end of the rest."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import pytest

from services.runtime.clock import SystemClock
from services.runtime.consume import ConsumeLoop, Drop, Due, Outcome, TopicSubscription
from services.runtime.health import Health
from services.runtime.kafka.producer import Producer
from services.runtime.kafka.records import Outgoing, Record
from services.runtime.settings import KafkaSettings, ServiceSettings
from tests.waiting import wait_for

pytestmark = pytest.mark.kafka
MANY = 10_000  # twenty batches of the client


class _Quiet:
    """Counts how often it is asked; rests for as long as it is told to."""

    def __init__(self) -> None:
        self.resting = True
        self.ticks, self.count = 0, 0
        self.handled = threading.Event()
        self.assigned_now = threading.Event()

    def assigned(self, partitions: Sequence[int]) -> None:
        self.assigned_now.set()

    def revoked(self, partitions: Sequence[int]) -> None: ...

    def lost(self) -> None: ...

    def handle(self, record: Record) -> Outcome:
        self.count += 1
        self.handled.set()
        return Drop("seen")

    def tick(self) -> Due:
        self.ticks += 1
        return Due()

    def drain(self) -> Due:
        return Due()

    def at_rest(self) -> bool:
        return self.resting

    def asked_within(self, seconds: float) -> int:
        before = self.ticks
        time.sleep(seconds)
        return self.ticks - before

    def next_tick_s(self) -> float:
        """Real seconds until it is asked again."""
        before, began = self.ticks, time.monotonic()
        while self.ticks == before and time.monotonic() - began < 30:
            time.sleep(0.002)
        return time.monotonic() - began


def test_a_stage_at_rest_is_left_alone_until_a_record_or_a_wake_up_comes(
    kafka_settings: KafkaSettings, topics: Callable[..., str]
) -> None:
    topic = topics("rest", partitions=4)
    stage, stop = _Quiet(), threading.Event()
    loop = ConsumeLoop(
        ServiceSettings(kafka=kafka_settings),
        TopicSubscription(topic, topic, (topic,)),
        stage,
        Health(),
        stop,
        SystemClock(),
    )
    thread = threading.Thread(target=loop.run, daemon=True)
    thread.start()
    try:
        assert stage.assigned_now.wait(60)
        assert stage.next_tick_s() < 30
        stage.next_tick_s()
        rested = stage.asked_within(4.0)
        assert rested <= 30  # about twice a second; twenty times a second without rest
        quickest = []
        for _ in range(5):
            stage.next_tick_s()  # a rest has just begun
            began = time.monotonic()
            loop.wake()
            stage.next_tick_s()
            quickest.append(time.monotonic() - began)
        assert min(quickest) < 0.3
        _write(kafka_settings, topic, 1)
        assert stage.handled.wait(30)
        stage.next_tick_s()  # a rest has just begun
        began, before = time.monotonic(), stage.count
        _write(kafka_settings, topic, MANY)
        wait_for(lambda: stage.count >= before + MANY, f"{MANY} records are handled")
        assert stage.count == before + MANY
        assert time.monotonic() - began < MANY / 1_000  # one batch of the client after the other, not one per rest
        stage.resting = False
        loop.wake()
        stage.next_tick_s()
        assert stage.asked_within(4.0) > rested + 4
    finally:
        stop.set()
        loop.wake()
        thread.join(30)
    assert not thread.is_alive()


def _write(settings: KafkaSettings, topic: str, number: int) -> None:
    """So many records into one partition; the others stay empty."""
    producer = Producer(settings, topic)
    try:
        producer.send_many([Outgoing(topic, b"x", b"k", 0)] * number)
    finally:
        producer.close()
