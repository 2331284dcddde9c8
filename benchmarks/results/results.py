"""`results.json`: what was measured, kept run by run, so that a run that was cut off loses nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load.exactness import Difference
from benchmarks.results.measure import Figures, median

FILE = Path(__file__).parents[1] / "results.json"


@dataclass(frozen=True)
class Outcome:
    """What one run gave. figures: None where it was over too soon. differences: the first of them; none means exact."""

    figures: Figures | None
    peak_mb: float
    wall_s: float
    output_records: int
    differences: list[Difference]
    different: int

    @property
    def exact(self) -> bool:
        return self.different == 0


class Results:
    """The file, written after every change.

    Parts that are not measured now keep what was measured before, if on the same CPU and of the same size: a small run
    never mixes with a full one. `commits` says of each part on which commit it was measured.
    """

    def __init__(self, file: Path, machine: dict[str, Any], runs: int, quick: bool) -> None:
        self._file = file
        before = _read(file)
        comparable = before.get("quick") == quick and before.get("machine", {}).get("cpu") == machine["cpu"]
        self.data: dict[str, Any] = before if comparable else {}
        self.data |= {"machine": machine, "runs": runs, "quick": quick}
        self.data.setdefault("aggregate", {})
        self._commits = self.data.setdefault("commits", {})

    def put(self, value: Any, *path: str) -> None:
        place = self.data
        for name in path[:-1]:
            place = place.setdefault(name, {})
        place[path[-1]] = value
        self._commits["/".join(path)] = self.data["machine"]["commit"]
        self._file.write_text(json.dumps(self.data, ensure_ascii=False, indent=2) + "\n", "utf-8")


def middle_of_fan_outs(measured: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The run with the median p50, and of the throughputs the median one; `runs` has p50, p99 and rate of them all."""
    runs = [
        {"p50_ms": one["p50_ms"], "p99_ms": one["p99_ms"], "placements_per_s": one["throughput"]["placements_per_s"]}
        for one in measured
    ]
    latency = sorted(measured, key=lambda one: one["p50_ms"])[len(measured) // 2]
    throughputs = sorted((one["throughput"] for one in measured), key=lambda one: one["placements_per_s"])
    return {**latency, "throughput": throughputs[len(measured) // 2], "runs": runs}


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, json.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def summary(outcomes: Sequence[Outcome], what: str, events: int, posts: int) -> dict[str, Any]:
    """Medians of the runs of one contender. It is exact only if every run was; what is not exact does not count."""
    measured = [outcome.figures for outcome in outcomes if outcome.figures is not None]
    rates = [figures.events_per_s for figures in measured]
    inexact = next((outcome for outcome in outcomes if not outcome.exact), None)
    found: dict[str, Any] = {
        "events_per_s": _median(rates, 0),
        "min": _median(sorted(rates)[:1], 0),
        "max": _median(sorted(rates)[-1:], 0),
        "cpu_s_per_million": _median([figures.cpu_s_per_million for figures in measured], 2),
        "peak_mb": round(median([outcome.peak_mb for outcome in outcomes])),
        "exact": bool(outcomes) and inexact is None,
        "what": what,
        "events": events,
        "posts": posts,
        "runs": len(outcomes),
        "broker_cpu_s_per_million": _median([figures.broker_cpu_s_per_million for figures in measured], 2),
        "output_records": round(median([outcome.output_records for outcome in outcomes])),
        "measured_share": _median([figures.share for figures in measured], 3),
    }
    if not measured:
        found["too_few_events"] = "it was over before two commits were seen"
    if inexact is not None:
        found["different"] = inexact.different
        found["differences"] = [list(difference) for difference in inexact.differences]
    return found


def _median(values: Sequence[float], digits: int) -> float | None:
    if not values:
        return None
    middle = round(median(values), digits)
    return int(middle) if digits == 0 else middle


def failed(why: str) -> dict[str, Any]:
    """The entry of a contender that did not come to an end."""
    return {"events_per_s": None, "min": None, "max": None, "cpu_s_per_million": None, "peak_mb": None,
            "exact": False, "failed": why}  # fmt: skip
