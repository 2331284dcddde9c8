"""How people react to a post over simulated time. An audience is asked once per live post; it never sees a clock."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from schemas.events.feedback import METRICS, Metric


@dataclass(frozen=True, slots=True)
class Curve:
    """A counter that grows to `total` in the rhythm of `times` (seconds after the post went live, ascending)."""

    total: int
    times: Sequence[float]

    def at(self, elapsed: float) -> int:
        if not self.times:
            return 0
        return self.total * bisect_right(self.times, elapsed) // len(self.times)


@dataclass(frozen=True, slots=True)
class Remark:
    """A comment to come, `after` seconds after the post went live. parent: ordinal (from 1) of an earlier remark."""

    after: float
    author: str
    text: str
    parent: int | None = None
    likes: int = 0


NOBODY = Curve(0, ())


@dataclass(frozen=True, slots=True)
class Reactions:
    """All that will ever happen to one post: its remarks in order of time and the curves of its other counters."""

    remarks: Sequence[Remark]
    curves: Mapping[Metric, Curve]
    remark_times: Sequence[float]

    @classmethod
    def of(cls, remarks: Sequence[Remark], curves: Mapping[Metric, Curve]) -> Reactions:
        return cls(remarks, curves, [remark.after for remark in remarks])

    def written(self, elapsed: float) -> int:
        """Number of remarks written so far."""
        return bisect_right(self.remark_times, elapsed)

    def counts(self, elapsed: float) -> dict[Metric, int]:
        figures = {metric: self.curves.get(metric, NOBODY).at(elapsed) for metric in METRICS}
        figures["comments"] = self.written(elapsed)
        return figures

    @property
    def lasts(self) -> float:
        """Seconds after going live at which the last reaction happens."""
        ends = [curve.times[-1] for curve in self.curves.values() if curve.times]
        return max([*ends, *self.remark_times[-1:]], default=0.0)


class Audience(Protocol):
    """Deterministic: the same account, ordinal (of the account's posts, from 1) and kind get the same reactions."""

    description: str

    def reactions(self, platform: str, account: str, ordinal: int, kind: str) -> Reactions: ...
