"""Pauses an account that its platform begins to distrust: several risk answers within a while, and a brake is set.

Decides and words it; the brake is an ordinary one on the operator-command topic, released by a person. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from schemas.events.alert import Alert
from schemas.events.commands import BrakeScope, BrakeSet
from schemas.events.placement import PlacementRecord

ACTOR = "rule:account_risk"
KIND = "account_risk_paused"


@dataclass(frozen=True, slots=True)
class Trip:
    """An account pauses: the brake to set and what to tell people."""

    brake: BrakeSet
    alert: Alert


@dataclass(slots=True)
class RiskBreaker:
    """most: so many risk answers about one account within `within_s` pause it."""

    most: int = 3
    within_s: float = 3600.0
    _seen: dict[str, dict[str, datetime]] = field(default_factory=lambda: defaultdict(dict))

    def note_answer(self, record: PlacementRecord) -> Trip | None:
        """A record as it is now; the pause where this one makes it necessary. The same answers trip it once.

        Told again after a restart, the same answers give the same brake, which stays released if it was.
        """
        if record.failure is None or record.failure.error_class != "account_risk" or record.failure.sent != "yes":
            return None
        answers = self._seen[record.account]
        answers.setdefault(record.placement_id, record.occurred_at)
        oldest = record.occurred_at - timedelta(seconds=self.within_s)
        recent = sorted((at, placement) for placement, at in answers.items() if at >= oldest)
        if len(recent) < self.most:
            return None
        self._seen[record.account] = {}
        return _trip(record, [placement for _, placement in recent], recent[0][0])


def _trip(record: PlacementRecord, placements: list[str], since: datetime) -> Trip:
    assert record.failure is not None
    scope = BrakeScope(level="account", platform=record.platform, account=record.account)
    who, count = f"{record.platform}/{record.account}", len(placements)
    command_id = f"risk:{record.platform}:{placements[-1]}"
    at, seen, brand, trace = record.occurred_at, record.observed_at, record.brand_id, record.trace_id
    reason = f"平台连续 {count} 次风险提示：{record.failure.message}"
    brake = BrakeSet(
        event_id=command_id, occurred_at=at, observed_at=seen, brand_id=brand, trace_id=trace,
        command_id=command_id, actor=ACTOR, reason=reason[:2000], scope=scope,
    )  # fmt: skip
    alert = Alert(
        event_id=f"alert:{command_id}",
        occurred_at=at,
        observed_at=seen,
        brand_id=brand,
        trace_id=trace,
        alert_key=f"{KIND}:{who}",
        kind=KIND,
        severity="critical",
        status="open",
        since=since,
        platform=record.platform,
        account=record.account,
        value=float(count),
        title=f"{who} 收到 {count} 次风险提示，已自动暂停发布",
        title_en=f"{who} got {count} risk answers and was paused",
        way_out=f"在平台上核实账号状态后，解除刹车 {command_id}",
        way_out_en=f"check the account on its platform, then release the brake {command_id}",
        evidence=tuple(placements),
    )
    return Trip(brake, alert)
