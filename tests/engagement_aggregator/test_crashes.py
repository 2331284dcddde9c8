"""kill -9 inside a flush, at every point where one half could be written without the other."""

from __future__ import annotations

import pytest

from tests.engagement_aggregator.pipeline import Pipeline

pytestmark = pytest.mark.kafka

BEFORE_COMMIT = ("flush:after_changelog", "flush:after_output", "flush:after_offsets")
POINTS = ("open:after_fencing", "flush:begun", *BEFORE_COMMIT, "flush:after_commit", "flush:after_disk")


@pytest.mark.parametrize("point", POINTS)
def test_kill_9_inside_a_flush_leaves_every_row_equal_to_a_recount(pipeline: Pipeline, point: str) -> None:
    pipeline.traffic(5)
    whole = pipeline.start()
    pipeline.await_exact()
    whole.kill()
    for _ in range(2):
        victim = pipeline.start(kill_at=point)
        pipeline.traffic(400, until=lambda process=victim.process: process.poll() is not None)  # type: ignore[misc]
        victim.await_killed()
    survivor = pipeline.start()
    pipeline.traffic(5)
    pipeline.await_exact()
    if point in BEFORE_COMMIT:
        assert pipeline.aborted(pipeline.settings.changelog_topic) > 0
    assert survivor.stop() == 0
    assert pipeline.differences() == []


def test_records_delivered_again_after_everything_was_folded_change_nothing(pipeline: Pipeline) -> None:
    pipeline.traffic(10)
    worker = pipeline.start()
    pipeline.await_exact()
    before = pipeline.rows()
    pipeline.repeat_feedback()
    pipeline.await_lag_gone()
    assert worker.stop() == 0
    assert pipeline.rows() == before


def test_what_was_folded_is_flushed_when_the_worker_is_told_to_stop(pipeline: Pipeline) -> None:
    pipeline.traffic(5)
    worker = pipeline.start(flush_s=0.2)
    pipeline.await_exact()
    assert worker.stop() == 0
    slow = pipeline.start(flush_s=60.0)
    slow.await_event("recovered")
    pipeline.traffic(1)  # the first flush comes at once, what follows waits a minute or for the end
    pipeline.await_lag_gone()
    pipeline.traffic(3)
    pipeline.await_folded(slow)
    assert pipeline.differences() != []
    assert slow.stop() == 0
    stage_two = pipeline.start()
    pipeline.await_exact()
    assert stage_two.stop() == 0
