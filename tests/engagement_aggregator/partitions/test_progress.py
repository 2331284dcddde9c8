"""A partition that stands still among busy ones turns the worker red; one that has nothing to read does not."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from faust.types import TP

from services.engagement_aggregator.partitions.progress import PartitionStanding, Progress
from services.runtime.kafka.partitions import partition_of
from tests.engagement_aggregator.pipeline import Pipeline, Worker, before
from tests.waiting import wait_for

BUSY, QUIET = TP("feedback-unified", 0), TP("feedback-unified", 1)


class Hours:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def watched(
    positions: Iterator[dict[TP, int]], standings: Iterator[dict[TP, PartitionStanding]], seconds: int
) -> list[TP]:
    clock = Hours()
    progress = Progress(15.0, clock)
    stalled: list[TP] = []
    for _ in range(seconds):
        known = next(standings)
        stalled = progress.stalled(next(positions), known.get)
        clock.now += 1
    return stalled


def test_a_partition_with_records_left_that_does_not_move_is_named_and_the_moving_one_not() -> None:
    positions = ({BUSY: second, QUIET: 10} for second in count())
    standings = ({BUSY: PartitionStanding(1_000, second), QUIET: PartitionStanding(20, second)} for second in count())
    assert watched(positions, standings, 20) == [QUIET]


def test_a_partition_at_its_end_is_well_for_as_long_as_the_broker_says_so() -> None:
    positions = ({QUIET: 20} for _ in count())
    standings = ({QUIET: PartitionStanding(20, second)} for second in count())
    assert watched(positions, standings, 60) == []


def test_an_end_that_the_broker_no_longer_confirms_is_no_progress() -> None:
    positions = ({QUIET: 20} for _ in count())
    standings = ({QUIET: PartitionStanding(20, 7)} for _ in count())
    assert watched(positions, standings, 20) == [QUIET]


def test_what_the_client_knows_nothing_of_is_no_progress() -> None:
    nothing: dict[TP, PartitionStanding] = {}
    assert watched(({QUIET: 20} for _ in count()), (nothing for _ in count()), 20) == [QUIET]


# What is delivered of one partition after the first flush is lost on the way, as if its stream hung.
DEAF = """
import services.engagement_aggregator.partitions.ownership as ownership

deliver = ownership.Ownership.deliver


async def deaf(self, batch):
    if batch.partition != DEAF_TO or batch.start < 1:
        await deliver(self, batch)


ownership.Ownership.deliver = deaf
"""


def readiness(worker: Worker) -> tuple[int, str]:
    port = worker.await_event("service_started")["http_port"]
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=30) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as error:
        return error.code, str(json.load(error)["reason"]["zh"])


@pytest.mark.kafka
def test_a_worker_whose_one_partition_stands_still_is_red_and_says_which(pipeline: Pipeline, tmp_path: Path) -> None:
    number = partition_of("camp-0", pipeline.kafka.partitions)
    (tmp_path / "sitecustomize.py").write_text(
        DEAF.replace("DEAF_TO", str(number))
    )  # Python runs it before the service
    pipeline.traffic(1)
    worker = pipeline.start(PYTHONPATH=before(tmp_path), TONGBO_STALL_AFTER_S="8")
    wait_for(lambda: readiness(worker)[0] == 200, "it works")
    pipeline.traffic(3)
    deaf = f"{pipeline.settings.feedback_topic}-{number}"
    told: list[str] = []

    def named() -> bool:
        told.append(readiness(worker)[1])
        return deaf in told[-1]

    wait_for(named, "it is red and names the partition")
    assert pipeline.settings.feedback_topic not in told[-1].replace(deaf, ""), "it names another one as well"
