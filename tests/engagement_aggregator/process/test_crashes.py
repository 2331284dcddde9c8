"""kill -9 inside a flush, at every point where one half could be written without the other."""

from __future__ import annotations

import pytest

from tests.engagement_aggregator.pipeline import Pipeline
from tests.waiting import wait_for

pytestmark = pytest.mark.kafka

BEFORE_COMMIT = ("flush:after_changelog", "flush:after_output", "flush:after_offsets")
POINTS = ("open:after_fencing", "flush:begun", *BEFORE_COMMIT, "flush:after_commit", "flush:after_disk")


@pytest.mark.parametrize("point", POINTS)
def test_kill_9_inside_a_flush_leaves_every_row_equal_to_a_recount(pipeline: Pipeline, point: str) -> None:
    pipeline.traffic(5)
    whole = pipeline.start()
    pipeline.await_exact()
    whole.kill()
    pipeline.traffic(5)
    pipeline.start(kill_at=point).await_killed()
    survivor = pipeline.start()
    pipeline.await_exact()  # with no new event that would touch the same rows again and heal what is missing
    if point in BEFORE_COMMIT:
        assert pipeline.aborted(pipeline.settings.changelog_topic) > 0
    pipeline.traffic(5)
    pipeline.await_exact()
    assert survivor.stop() == 0


def test_kill_9_at_any_moment_under_load_leaves_every_row_equal_to_a_recount(pipeline: Pipeline) -> None:
    for _ in range(3):
        victim = pipeline.start(flush_s=0.05)
        pipeline.traffic(200, until=lambda process=victim: process.folded() > 0)  # type: ignore[misc]
        pipeline.traffic(3)
        victim.kill()
    pipeline.start()
    pipeline.await_exact()


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
    pipeline.traffic(1)
    worker = pipeline.start(flush_s=60.0)
    wait_for(lambda: bool(pipeline.rows()), "the first flush, which comes at once")
    pipeline.traffic(3)
    wait_for(lambda: worker.folded() >= pipeline.feedback_count(), "all is folded")
    assert [d for d in pipeline.differences() if not d.key.startswith("brand:")] != []
    assert worker.stop() == 0
    assert [d for d in pipeline.differences() if not d.key.startswith("brand:")] == []
