"""The arithmetic: from samples of a run to its figures, from runs to medians. Pure, so that a test can hold it.

The rate is taken between the first and the last committed output that was seen, over the events between them: what a
contender needs to start is not in it, what it needs to get its last row out is.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Sample(NamedTuple):
    """At `at_s` this many events were covered by committed offsets and this much CPU had been spent."""

    at_s: float
    committed: int
    cpu_s: float
    broker_cpu_s: float = 0.0


class Figures(NamedTuple):
    """Of one run. share: part of the events that lay between the first and the last sample used."""

    events_per_s: float
    cpu_s_per_million: float
    broker_cpu_s_per_million: float
    seconds: float
    share: float


class TooCoarse(Exception):  # noqa: N818 - says what is the case
    """Raised when a run was over before two commits were seen: it needs more events."""


def figures(samples: Sequence[Sample], total: int) -> Figures:
    """The figures of a run that committed `total` events; raises TooCoarse."""
    reached = [sample for sample in samples if sample.committed > 0]
    if not reached or reached[-1].committed < total:
        raise ValueError(f"the run ended at {reached[-1].committed if reached else 0} of {total} events")
    first = reached[0]
    last = next(sample for sample in reached if sample.committed >= total)
    events, seconds = last.committed - first.committed, last.at_s - first.at_s
    if events <= 0 or seconds <= 0:
        raise TooCoarse(f"{total} events were committed at once")
    return Figures(
        events_per_s=events / seconds,
        cpu_s_per_million=(last.cpu_s - first.cpu_s) * 1e6 / events,
        broker_cpu_s_per_million=(last.broker_cpu_s - first.broker_cpu_s) * 1e6 / events,
        seconds=seconds,
        share=events / total,
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values")
    return ordered[max(0, math.ceil(len(ordered) * share - 1e-9) - 1)]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)
