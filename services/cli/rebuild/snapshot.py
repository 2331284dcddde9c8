"""A consistent picture of the live aggregates: up to which feedback offsets which rows were published.

A flush is one transaction over rows and offsets, so a partition whose committed offsets and log ends stand still, with
no transaction open and no note that it owes rows, has published exactly what it has read. Markers of one transaction
reach the topics milliseconds apart, so standing still is seen twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from services.engagement_aggregator.partitions.flush import OWES
from services.engagement_aggregator.settings import AggregatorSettings
from services.runtime.kafka.admin import Committed, committed
from services.runtime.kafka.errors import KafkaUnavailable
from services.runtime.kafka.reader import Extent, extents
from services.runtime.kafka.records import TopicPartition

_PAUSE_S = 0.3
_NOTHING_READ = Committed(0, "")


@dataclass(frozen=True, slots=True)
class LiveSnapshot:
    """Per partition the feedback that is in the rows, and per topic of rows where they end.

    whole: all partitions at one moment, which the brand rows need.
    """

    feedback: dict[int, int]
    rows: dict[str, dict[int, Extent]]
    whole: bool


class SnapshotState(NamedTuple):
    """Of one partition: up to where feedback and campaign totals are read, and the extents of rows and windows."""

    feedback: Committed
    campaigns: Committed
    rows: Extent
    windows: Extent

    def is_quiet(self) -> bool:
        """No transaction is open, and no row is owed."""
        notes = (self.feedback.note, self.campaigns.note)
        return OWES not in notes and all(extent.stable == extent.end for extent in (self.rows, self.windows))


class NeverStillError(Exception):
    """Raised when a partition did not stand still in time; speaks to people."""


def snapshot(
    settings: AggregatorSettings, *, timeout_s: float, waiting: Callable[[int, int], None] = lambda done, total: None
) -> LiveSnapshot:
    """Wait until the aggregator has read what stands on the feedback topic now, then take the picture.

    `waiting` is told how many records of all are read. Raises NeverStillError, KafkaUnavailable.
    """
    deadline = time.monotonic() + timeout_s
    wanted = extents(settings.kafka, settings.feedback_topic)
    _await_read(settings, wanted, deadline, waiting)
    still: dict[int, SnapshotState] = {}
    before = _states(settings)
    while time.monotonic() < deadline:
        time.sleep(_PAUSE_S)
        now = _states(settings)
        standing = {number: state for number, state in now.items() if _stands(before.get(number), state)}
        if len(standing) == len(now) and nothing_waits(
            settings, {number: state.campaigns.offset for number, state in standing.items()}
        ):
            return _picture(settings, standing, whole=True)
        still.update({number: state for number, state in standing.items() if number not in still})
        before = now
    if len(still) == len(before):
        return _picture(settings, still, whole=False)
    moving = sorted(before.keys() - still.keys())
    raise NeverStillError(
        f"分区 {moving} 在 {timeout_s:g} 秒内没有停下来：汇总服务在运行吗？可加长 --timeout"
        f" / these partitions never stood still: is the aggregator running? try a longer --timeout"
    )


def _await_read(
    settings: AggregatorSettings, wanted: dict[int, Extent], deadline: float, waiting: Callable[[int, int], None]
) -> None:
    total = sum(extent.end - extent.first for extent in wanted.values())
    while True:
        places = read_up_to(settings, settings.feedback_topic)
        done = sum(
            min(places.get(number, extent.first), extent.end) - extent.first for number, extent in wanted.items()
        )
        waiting(done, total)
        if done >= total:
            return
        if time.monotonic() > deadline:
            raise NeverStillError(
                f"汇总服务还差 {total - done} 条没有读完：它在运行吗？可加长 --timeout"
                f" / the aggregator is {total - done} records behind: is it running? try a longer --timeout"
            )
        time.sleep(_PAUSE_S)


def read_up_to(settings: AggregatorSettings, topic: str) -> dict[int, int]:
    """By partition, up to where the aggregator has read a topic and written what follows from it."""
    try:
        places = committed(settings.kafka, settings.application)
    except (
        KafkaUnavailable
    ) as error:  # a broker that has never had a group makes its offsets topic at the first question
        if not error.retriable:
            raise
        return {}
    return {where.partition: at.offset for where, at in places.items() if where.topic == topic}


def _states(settings: AggregatorSettings) -> dict[int, SnapshotState]:
    places = committed(settings.kafka, settings.application)
    rows = extents(settings.kafka, settings.output_topic)
    windows = extents(settings.kafka, settings.window_topic)
    return {
        number: SnapshotState(
            places.get(TopicPartition(settings.feedback_topic, number), _NOTHING_READ),
            places.get(TopicPartition(settings.campaign_topic, number), _NOTHING_READ),
            extent,
            windows[number],
        )
        for number, extent in rows.items()
    }


def _stands(before: SnapshotState | None, now: SnapshotState) -> bool:
    return before == now and now.is_quiet()


def nothing_waits(settings: AggregatorSettings, read: Mapping[int, int]) -> bool:
    """Whether the brand stage has read all campaign totals, so that brand rows are of the same moment."""
    ends = extents(settings.kafka, settings.campaign_topic)
    return all(read.get(number, 0) >= extent.end for number, extent in ends.items())


def _picture(settings: AggregatorSettings, states: dict[int, SnapshotState], *, whole: bool) -> LiveSnapshot:
    return LiveSnapshot(
        {number: state.feedback.offset for number, state in states.items()},
        {
            settings.output_topic: {number: state.rows for number, state in states.items()},
            settings.window_topic: {number: state.windows for number, state in states.items()},
        },
        whole,
    )
