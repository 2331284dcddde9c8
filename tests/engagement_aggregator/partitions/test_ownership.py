"""Several workers: partitions move, and whoever lost one cannot write to it any more."""

from __future__ import annotations

import signal

import pytest

from tests.engagement_aggregator.pipeline import Pipeline, Worker
from tests.waiting import wait_for

pytestmark = pytest.mark.kafka


def owned(worker: Worker) -> list[int]:
    taken = worker.events("partitions_taken")
    return list(taken[-1]["partitions"]) if taken else []


def shared_by(pipeline: Pipeline, one: Worker, other: Worker) -> None:
    def disjoint_and_complete() -> bool:
        both = owned(one) + owned(other)
        return sorted(both) == list(range(pipeline.kafka.partitions)) and all((owned(one), owned(other)))

    wait_for(lambda: disjoint_and_complete() and one.ready() and other.ready(), "two workers share the partitions")


def test_a_second_worker_takes_over_what_a_killed_one_owned(pipeline: Pipeline) -> None:
    first, second = pipeline.start("0"), pipeline.start("1")
    shared_by(pipeline, first, second)
    pipeline.traffic(10)
    first.kill()
    pipeline.traffic(10)
    wait_for(lambda: owned(second) == list(range(pipeline.kafka.partitions)), "the survivor owns all")
    pipeline.await_exact()


def test_partitions_move_to_a_worker_that_joins_while_events_flow(pipeline: Pipeline) -> None:
    first = pipeline.start("0")
    pipeline.traffic(10)
    second = pipeline.start("1")
    pipeline.traffic(60, until=lambda: bool(owned(second)))
    shared_by(pipeline, first, second)
    pipeline.traffic(10)
    pipeline.await_exact()
    assert second.stop() == 0
    pipeline.traffic(5)
    wait_for(lambda: len(owned(first)) == pipeline.kafka.partitions, "the first owns all again")
    pipeline.await_exact()


def test_a_worker_that_slept_through_its_eviction_writes_nothing_when_it_wakes(pipeline: Pipeline) -> None:
    zombie, heir = pipeline.start("0", flush_s=60.0), pipeline.start("1")
    shared_by(pipeline, zombie, heir)
    pipeline.traffic(50, until=lambda: zombie.folded() > 0)
    flushed = zombie.folded()
    pipeline.traffic(3)
    wait_for(lambda: zombie.folded() > flushed, "the zombie holds folded events that it has not written")
    zombie.process.send_signal(signal.SIGSTOP)
    pipeline.traffic(5)
    wait_for(lambda: len(owned(heir)) == pipeline.kafka.partitions, "the heir owns all")
    pipeline.await_exact()
    zombie.process.send_signal(signal.SIGCONT)
    wait_for(lambda: fenced(zombie), "the zombie tried to write and was fenced")
    assert pipeline.differences() == []
    shared_by(pipeline, zombie, heir)
    zombie.kill()
    pipeline.traffic(5)
    pipeline.await_exact()


def test_a_second_process_with_the_same_instance_number_is_refused_and_harms_nobody(pipeline: Pipeline) -> None:
    first = pipeline.start("0")
    wait_for(first.ready, "ready")
    twin = pipeline.start("0")
    assert twin.process.wait(60) == 2
    assert "TONGBO_INSTANCE" in twin.log.read_text()
    pipeline.traffic(3)
    pipeline.await_exact()


def fenced(worker: Worker) -> bool:
    failures = worker.events("last_flush_failed") + worker.events("partition_begun_anew")
    return any("ProducerFenced" in failure["cause"] for failure in failures)
