"""Three workers that come and go, and one whose loop hangs while its heart beats: every row stays exact."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engagement_aggregator.partitions.test_ownership import fenced, owned, shared_by
from tests.engagement_aggregator.pipeline import Pipeline, Worker, before
from tests.waiting import wait_for

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(420)]  # six starts of a worker, on a machine that may be busy

# The loop hangs from the moment the file is there, for as long as it is there; other threads go on.
HANGS = """
import os
import time

import services.engagement_aggregator.partitions.owned as partition

accept = partition.OwnedPartition.accept


def hanging(self, batch):
    outcome = accept(self, batch)
    while os.path.exists("PATH"):
        time.sleep(0.1)
    return outcome


partition.OwnedPartition.accept = hanging
"""


def complete(pipeline: Pipeline, *workers: Worker) -> bool:
    all_of_them = sorted(number for worker in workers for number in owned(worker))
    return all_of_them == list(range(pipeline.kafka.partitions)) and all(owned(worker) for worker in workers)


def under_load(pipeline: Pipeline, *workers: Worker) -> None:
    """Events flow until these workers share the partitions, or for as long as memory of a test allows."""
    pipeline.traffic(400, until=lambda: complete(pipeline, *workers))
    wait_for(lambda: complete(pipeline, *workers), "they share the partitions")


def test_three_workers_that_join_die_leave_and_return_under_load_leave_every_row_exact(pipeline: Pipeline) -> None:
    one = pipeline.start("0", flush_s=0.1)
    pipeline.traffic(5)
    two, three = pipeline.start("1", flush_s=0.1), pipeline.start("2", flush_s=0.1)
    under_load(pipeline, one, two, three)
    two.kill()
    under_load(pipeline, one, three)
    back = pipeline.start("1", flush_s=0.1)
    under_load(pipeline, one, back, three)
    assert three.stop() == 0
    under_load(pipeline, one, back)
    pipeline.await_exact()


def test_a_worker_whose_loop_hangs_loses_its_partitions_and_writes_nothing_when_it_goes_on(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    flag = tmp_path / "hang"
    (tmp_path / "sitecustomize.py").write_text(HANGS.replace("PATH", str(flag)))  # Python runs it before the service
    hung = pipeline.start("0", flush_s=60.0, PYTHONPATH=before(tmp_path), TONGBO_MAX_POLL_INTERVAL_S="2")
    heir = pipeline.start("1")
    shared_by(pipeline, hung, heir)
    pipeline.traffic(50, until=lambda: hung.folded() > 0)
    flag.touch()
    pipeline.traffic(5)
    wait_for(lambda: len(owned(heir)) == pipeline.kafka.partitions, "the heir owns all")
    pipeline.await_exact()
    flag.unlink()
    wait_for(lambda: fenced(hung), "the hung one tried to write and was fenced")
    assert pipeline.differences() == []
    hung.kill()
    pipeline.traffic(3)
    pipeline.await_exact()


SLOW_RECOVERY = """
import asyncio

import services.engagement_aggregator.state.changelog as changelog

restore = changelog.restore


async def slow(*arguments):
    await asyncio.sleep(12)
    return await restore(*arguments)


changelog.restore = slow
"""


def test_a_recovery_that_takes_longer_than_a_loop_may_hang_is_not_begun_again_and_again(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SLOW_RECOVERY)
    pipeline.traffic(2)
    worker = pipeline.start(PYTHONPATH=before(tmp_path), TONGBO_MAX_POLL_INTERVAL_S="4", TONGBO_SESSION_TIMEOUT_S="8")
    pipeline.await_exact()
    assert len(worker.events("partitions_taken")) == 1


# What the client does while it closes a reader, made to last: it leaves out a cancellation that comes meanwhile.
SLOW_CLOSE = """
import asyncio
import contextlib

from aiokafka.consumer.fetcher import Fetcher

close = Fetcher.close


async def slow(self):
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(5)
    await close(self)


Fetcher.close = slow
"""


def test_partitions_whose_recovery_is_just_ending_are_given_up_when_a_second_worker_joins(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SLOW_CLOSE)
    first = pipeline.start("0", PYTHONPATH=before(tmp_path))
    wait_for(lambda: len(first.events("recovered")) >= pipeline.kafka.partitions, "the first recovered")
    second = pipeline.start("1")
    wait_for(lambda: bool(first.events("partitions_released")), "the first gave them up")
    shared_by(pipeline, first, second)
    pipeline.traffic(3)
    pipeline.await_exact()
