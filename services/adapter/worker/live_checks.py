"""When a live post is looked at again, to see whether it is still there: often while it is young, within the budget.

Says which post is next; asks nobody itself. Seconds are real, of `boot_seconds`, also under a simulated clock.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from schemas.events.placement import PlacementRecord
from services.adapter.contract.content import RateLimit
from services.adapter.wire.send_guard import boot_seconds

HOUR, DAY = 3600.0, 86_400.0
CADENCE: tuple[tuple[float, float], ...] = ((HOUR, 60.0), (DAY, 600.0), (7 * DAY, HOUR), (30 * DAY, 6 * HOUR))
"""(age up to, seconds between two looks); an older post is not looked at any more."""
SHARE = 0.1  # of an account's calls, at most so much goes into looking whether its posts are still there


@dataclass(slots=True)
class LiveCheckSchedule:
    """The live posts of one worker. every_s: instead of the cadence, for impatient set-ups."""

    rates: Sequence[RateLimit]
    now: Callable[[], datetime]
    every_s: float | None = None
    _agenda: list[tuple[float, str]] = field(default_factory=list)
    _at: dict[str, float] = field(default_factory=dict)
    _free_at: dict[str, float] = field(default_factory=dict)

    def expect(self, record: PlacementRecord, *, soon: bool = False) -> None:
        """A live post as it is now; `soon`: look at once, something is said to have happened to it."""
        wait_s = 0.0 if soon else self._wait_s(record)
        if record.state != "LIVE" or record.post is None or wait_s is None:
            self._at.pop(record.placement_id, None)
            return
        at = self._at[record.placement_id] = boot_seconds() + wait_s
        heapq.heappush(self._agenda, (at, record.placement_id))

    def knows(self, placement_id: str) -> bool:
        return placement_id in self._at

    def due(self, most: int) -> list[str]:
        """Placements to look at now, earliest first."""
        found: list[str] = []
        while self._agenda and self._agenda[0][0] <= boot_seconds() and len(found) < most:
            at, placement = heapq.heappop(self._agenda)
            if self._at.get(placement) == at:
                del self._at[placement]
                found.append(placement)
        return found

    def waits(self, seconds: float) -> bool:
        """Whether no post is to be looked at within so many seconds."""
        return not self._agenda or self._agenda[0][0] > boot_seconds() + seconds

    def may_ask(self, record: PlacementRecord) -> bool:
        """Whether the account's share allows a look now; the post is expected again later where it does not."""
        now, free_at = boot_seconds(), self._free_at.get(record.account, 0.0)
        if now < free_at:
            at = self._at[record.placement_id] = free_at
            heapq.heappush(self._agenda, (at, record.placement_id))
            return False
        self._free_at[record.account] = now + self._pace_s()
        return True

    def forget(self, placements: Sequence[str]) -> None:
        for placement in placements:
            self._at.pop(placement, None)

    def _wait_s(self, record: PlacementRecord) -> float | None:
        if self.every_s is not None:
            return self.every_s
        if record.post is None:
            return None
        age = (self.now() - record.post.published_at).total_seconds()
        return next((every for up_to, every in CADENCE if age <= up_to), None)

    def _pace_s(self) -> float:
        """Seconds between two looks at posts of one account."""
        if self.every_s is not None:
            return 0.0
        return max((rate.per_s / rate.calls / SHARE for rate in self.rates if rate.endpoint == "*"), default=1.0)
