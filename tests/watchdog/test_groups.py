"""A group that stands still while records wait is told; one that has nothing to do, or moves, is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.runtime.kafka.progress import Standing
from services.runtime.kafka.records import TopicPartition
from services.watchdog.groups import Groups, expected

NOW = datetime(2026, 11, 11, 2, 0, tzinfo=UTC)
WHERE = TopicPartition("master-content", 3)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def groups() -> Groups:
    return Groups(timedelta(seconds=30))


def test_no_progress_while_a_record_waits_is_a_stall_and_progress_ends_it(groups: Groups) -> None:
    waiting = {"g": {WHERE: Standing(7, 9, NOW)}}
    assert groups.stalled(waiting, after(1)) == []
    (found,) = groups.stalled(waiting, after(32))
    assert (found.kind, found.since, found.evidence) == ("group_stalled", NOW, ("master-content-3@7",))
    assert groups.stalled({"g": {WHERE: Standing(8, 9, NOW)}}, after(33)) == []


def test_a_record_that_comes_to_a_group_idle_for_hours_is_no_stall_yet(groups: Groups) -> None:
    groups.stalled({"g": {WHERE: Standing(7, 7, None)}}, after(0))
    arrived = {"g": {WHERE: Standing(7, 8, after(7200))}}
    assert groups.stalled(arrived, after(7201)) == []
    assert len(groups.stalled(arrived, after(7231))) == 1


def test_markers_alone_are_no_lag(groups: Groups) -> None:
    markers = {"g": {WHERE: Standing(7, 9, None)}}
    assert groups.stalled(markers, after(0)) == groups.stalled(markers, after(3600)) == []
    assert markers["g"][WHERE].lag == 0


def test_every_group_of_the_pipeline_is_expected() -> None:
    assert expected(["toy"]).keys() == {"tongbo-adapter-toy", "tongbo-feedback-collector", "engagement-aggregator"}
