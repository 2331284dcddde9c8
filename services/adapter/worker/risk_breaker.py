"""Pauses an account that its platform begins to distrust: several risk answers within a while, and a brake is set.

Decides and words it; the brake is an ordinary one on the operator-command topic, released by a person. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from schemas.events.alert import Alert
from schemas.events.commands import BrakeScope, BrakeSet
from schemas.events.placement import Failure, PlacementRecord

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
    _answers: dict[str, dict[str, tuple[datetime, str]]] = field(default_factory=dict)

    def note_answer(self, record: PlacementRecord, failure: Failure) -> Trip | None:
        """A platform's answer to one call, and the record that follows from it; the pause where it makes one necessary.

        Only answers count, each once by its revision: what people do with the record afterwards is no answer.
        """
        if failure.error_class != "account_risk" or failure.sent != "yes":
            return None
        oldest = record.occurred_at - timedelta(seconds=self.within_s)
        answers = {name: at for name, at in self._answers.get(record.account, {}).items() if at[0] >= oldest}
        answers[f"{record.placement_id}:{record.revision}"] = (record.occurred_at, record.placement_id)
        if len(answers) < self.most:
            self._answers[record.account] = answers
            return None
        self._answers.pop(record.account, None)
        recent = sorted(answers.values())
        return _trip(
            record, failure, list(dict.fromkeys(placement for _, placement in recent)), len(recent), recent[0][0]
        )


def _trip(record: PlacementRecord, failure: Failure, placements: list[str], count: int, since: datetime) -> Trip:
    scope = BrakeScope(level="account", platform=record.platform, account=record.account)
    who = f"{record.platform}/{record.account}"
    command_id = f"risk:{record.platform}:{record.placement_id}:{record.revision}"
    at, seen, brand, trace = record.occurred_at, record.observed_at, record.brand_id, record.trace_id
    reason = f"平台连续 {count} 次风险提示：{failure.message}"
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
