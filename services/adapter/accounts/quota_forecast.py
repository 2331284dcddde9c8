"""Whether the plans of one account can keep the limits of its platform, before anything is accepted. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from schemas.moments import shown
from services.adapter.accounts.budgets import applies, plain
from services.adapter.contract.content import RateLimit


@dataclass(frozen=True, slots=True)
class Planned:
    """A call that would make a post: which endpoint, when."""

    endpoint: str
    due_at: datetime
    placement_id: str = ""


@dataclass(frozen=True, slots=True)
class Overfull:
    """A limit that the plans cannot keep. planned: calls within one window, from `starts_at` on."""

    rate: RateLimit
    planned: int
    starts_at: datetime
    placement_ids: tuple[str, ...]

    @property
    def message(self) -> str:
        return (
            f"{self.rate.per_s:g} 秒内最多 {self.rate.calls} 次“{self.rate.endpoint}”，"
            f"计划中有 {self.planned} 次（从 {shown(self.starts_at)} 起）"
            f" / {self.planned} planned, {self.rate.calls} allowed"
        )


def limits_exceeded(plans: Sequence[Planned], rates: Sequence[RateLimit], patience_s: float = 0.0) -> list[Overfull]:
    """The limits that these plans of one account cannot keep, each once with its first overfull window.

    patience_s: how late a post may be; what fits within its window and that much more time is no problem.
    """
    found = []
    for rate in rates:
        own = sorted((one for one in plans if applies(rate.endpoint, plain(one.endpoint))), key=lambda one: one.due_at)
        overfull = _first_overfull(own, rate, patience_s)
        if overfull is not None:
            found.append(overfull)
    return found


def _first_overfull(plans: Sequence[Planned], rate: RateLimit, patience_s: float) -> Overfull | None:
    """Each plan goes out when it is due or, if the window is full by then, when the window has room again."""
    sent: list[float] = []
    for number, one in enumerate(plans):
        due = one.due_at.timestamp()
        at = due if len(sent) < rate.calls else max(due, sent[-rate.calls] + rate.per_s)
        if at > due + patience_s:
            within = [two for two in plans[: number + 1] if (one.due_at - two.due_at).total_seconds() < rate.per_s]
            return Overfull(rate, len(within), within[0].due_at, tuple(two.placement_id for two in within))
        sent.append(at)
    return None
