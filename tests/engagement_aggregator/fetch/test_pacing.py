"""Asking for more: seldom while little comes, at once for whoever is behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from services.engagement_aggregator.connection import client_options
from services.engagement_aggregator.fetch.batch import next_batch
from services.engagement_aggregator.fetch.pacing import Pace, keep_pace
from services.engagement_aggregator.state import changelog
from services.runtime.kafka.producer import Producer
from services.runtime.kafka.records import Outgoing
from services.runtime.settings import KafkaSettings

FLUSH_S, REST_S = 0.1, 0.01


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Fetcher:
    """The part of aiokafka's that says what to ask; the test says what it would ask, left to itself."""

    def __init__(self) -> None:
        self.requests: list[str] = ["node 1"]

    def _get_actions_per_node(self, assignment: Any) -> tuple[Any, ...]:
        return self.requests, {"node 2": "reset"}, 0.2, False, ["resumed"]


class Round:
    """A fetcher that is kept to a pace, the clock it goes by, and what it asks next."""

    def __init__(self) -> None:
        self.clock, self.fetcher = Clock(), Fetcher()
        self.pace = Pace(FLUSH_S, self.clock)
        keep_pace(self.fetcher, self.pace)

    def asks(self) -> tuple[list[str], float]:
        requests, resets, look_again_s, invalid, resumed = self.fetcher._get_actions_per_node(SimpleNamespace())
        assert (resets, invalid, resumed) == ({"node 2": "reset"}, False, ["resumed"])
        return requests, look_again_s


def test_while_little_comes_the_brokers_are_asked_once_in_an_interval() -> None:
    round_ = Round()
    assert round_.asks() == (["node 1"], 0.2)
    round_.pace.brought(20_000)
    for rested in (0.0, 0.5, 0.75):
        round_.clock.now = 100.0 + REST_S * rested
        requests, look_again_s = round_.asks()
        assert requests == []
        assert look_again_s == pytest.approx(REST_S * (1 - rested))
    round_.clock.now = 100.0 + REST_S * 1.01
    assert round_.asks() == (["node 1"], 0.2)


def test_who_is_behind_asks_at_once_and_so_does_who_waited_for_long() -> None:
    round_ = Round()
    for _ in range(5):
        assert round_.asks() == (["node 1"], 0.2)
        round_.pace.brought(8_000_000)
    round_.pace.brought(100)
    assert round_.asks()[0] == ["node 1"]
    round_.clock.now += 0.25  # the broker had nothing for so long
    round_.pace.brought(100)
    assert round_.asks()[0] == ["node 1"]


def test_nothing_is_asked_where_the_client_has_nothing_to_ask() -> None:
    round_ = Round()
    round_.fetcher.requests = []
    assert round_.asks() == ([], 0.2)
    round_.fetcher.requests = ["node 1"]
    assert round_.asks() == (["node 1"], 0.2)
    round_.fetcher.requests = []
    assert round_.asks() == ([], 0.2)


@pytest.mark.parametrize(("flush_s", "pause_s"), [(0.01, 0.001), (0.05, 0.005), (0.2, 0.02), (1.0, 0.02), (60.0, 0.02)])
def test_the_pause_is_short_beside_the_flush_that_rows_wait_for_anyway(flush_s: float, pause_s: float) -> None:
    assert Pace(flush_s, Clock()).interval_s == pytest.approx(pause_s)


@pytest.mark.kafka
def test_a_real_fetcher_asks_no_second_time_before_the_clock_says_so(
    kafka_settings: KafkaSettings, topics: Callable[..., str]
) -> None:
    where = TopicPartition(topics("paced", partitions=1), 0)
    clock = Clock()
    pace = Pace(FLUSH_S, clock)

    async def run() -> list[list[bytes | None]]:
        async with changelog.reader(client_options(kafka_settings)) as consumer:
            keep_pace(consumer._fetcher, pace)
            consumer.assign([where])
            found = [await read(consumer)]
            put(b"second")
            found.append(await read(consumer, tries=1))
            clock.now += REST_S * 2
            found.append(await read(consumer))
            return found

    async def read(consumer: Any, tries: int = 100) -> list[bytes | None]:
        for _ in range(tries):
            if (batch := await next_batch(consumer, where, 0.6)) is not None:
                pace.brought(batch.size())
                return batch.values()
        return []

    def put(value: bytes) -> None:
        producer = Producer(kafka_settings, where.topic)
        producer.send(Outgoing(where.topic, value, b"k", 0))
        producer.close()

    put(b"first")
    assert asyncio.run(run()) == [[b"first"], [], [b"second"]]
