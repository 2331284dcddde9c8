"""`results.json`: what was measured, kept run by run, so that a run that was cut off loses nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.exactness import Difference
from benchmarks.measure import Figures, median

FILE = Path(__file__).parent / "results.json"


@dataclass(frozen=True)
class Outcome:
    """What one run gave. differences: the first of them; none means exact."""

    figures: Figures
    peak_mb: float
    wall_s: float
    output_records: int
    differences: list[Difference]
    different: int

    @property
    def exact(self) -> bool:
        return self.different == 0


class Results:
    """The file, written after every change. Parts that are not measured now keep what was measured before."""

    def __init__(self, file: Path, machine: dict[str, Any], runs: int, quick: bool) -> None:
        self._file = file
        self.data: dict[str, Any] = _read(file)
        self.data |= {"machine": machine, "runs": runs, "quick": quick}
        self.data.setdefault("aggregate", {})

    def put(self, value: Any, *path: str) -> None:
        place = self.data
        for name in path[:-1]:
            place = place.setdefault(name, {})
        place[path[-1]] = value
        self._file.write_text(json.dumps(self.data, ensure_ascii=False, indent=2) + "\n", "utf-8")


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, json.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def summary(outcomes: Sequence[Outcome], what: str, events: int, posts: int) -> dict[str, Any]:
    """Medians of the runs of one contender. It is exact only if every run was; what is not exact does not count."""
    rates = [outcome.figures.events_per_s for outcome in outcomes]
    inexact = next((outcome for outcome in outcomes if not outcome.exact), None)
    found: dict[str, Any] = {
        "events_per_s": round(median(rates)),
        "min": round(min(rates)),
        "max": round(max(rates)),
        "cpu_s_per_million": round(median([outcome.figures.cpu_s_per_million for outcome in outcomes]), 2),
        "peak_mb": round(median([outcome.peak_mb for outcome in outcomes])),
        "exact": bool(outcomes) and inexact is None,
        "what": what,
        "events": events,
        "posts": posts,
        "runs": len(outcomes),
        "broker_cpu_s_per_million": round(median([o.figures.broker_cpu_s_per_million for o in outcomes]), 2),
        "output_records": round(median([outcome.output_records for outcome in outcomes])),
        "measured_share": round(median([outcome.figures.share for outcome in outcomes]), 3),
    }
    if inexact is not None:
        found["different"] = inexact.different
        found["differences"] = [list(difference) for difference in inexact.differences]
    return found


def failed(why: str) -> dict[str, Any]:
    """The entry of a contender that did not come to an end."""
    return {"events_per_s": None, "min": None, "max": None, "cpu_s_per_million": None, "peak_mb": None,
            "exact": False, "failed": why}  # fmt: skip
