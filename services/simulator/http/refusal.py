"""What the simulator says to a wrong request of its own operator: the field, what is wrong, what there is instead."""

from __future__ import annotations

from collections.abc import Iterable


class AdminError(ValueError):
    """Raised for bad input to the admin API or to SimulatorServer; answered as HTTP 400, never as 500."""

    def __init__(self, field: str, problem: str, known: Iterable[str] = ()) -> None:
        self.field = field
        self.problem = problem
        self.known = tuple(known)
        choices = f"（可用 known: {', '.join(self.known)}）" if self.known else ""
        super().__init__(f"{field}: {problem}{choices}")

    def body(self) -> dict[str, object]:
        answer: dict[str, object] = {"error": str(self), "field": self.field}
        return answer | ({"known": list(self.known)} if self.known else {})


def number(field: str, value: object, low: float, high: float) -> float:
    """`value` as a finite number within [low, high]; booleans, NaN and strings are refused."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise AdminError(field, f"必须是 {low:g} 到 {high:g} 之间的数 / must be a number from {low:g} to {high:g}")
    return float(value)
