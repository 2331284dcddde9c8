"""Trouble that a rule sees now, and the book of alerts that tells of it once when it begins and once when it ends."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from schemas.events.alert import Alert, Severity

SYSTEM_BRAND = "system"  # of what concerns the installation and no single brand
MOST_EVIDENCE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is wrong now. about: makes the alert's key with the kind. The rest is as in `Alert`."""

    kind: str
    about: str
    severity: Severity
    since: datetime
    title: str
    title_en: str
    way_out: str
    way_out_en: str
    brand_id: str = SYSTEM_BRAND
    trace_id: str | None = None
    campaign_id: str | None = None
    platform: str | None = None
    account: str | None = None
    placement_id: str | None = None
    metric: str = ""
    value: float | None = None
    threshold: float | None = None
    evidence: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.about}"


class AlertBook:
    """The alerts of some kinds that are open. `changes` compares them with what is wrong; `wrote` takes them over."""

    def __init__(self, kinds: Collection[str]) -> None:
        self._kinds = frozenset(kinds)
        self._open: dict[str, Alert] = {}

    def wrote(self, alert: Alert) -> None:
        """This alert is on the topic, in the order of the topic; those of other kinds are somebody else's."""
        if alert.kind not in self._kinds:
            return
        if alert.status == "open":
            self._open[alert.alert_key] = alert
        else:
            self._open.pop(alert.alert_key, None)

    def open(self) -> tuple[Alert, ...]:
        return tuple(self._open.values())

    def changes(self, kinds: Collection[str], found: Iterable[Trouble], now: datetime) -> list[Alert]:
        """Alerts to write so that the topic tells what is wrong now, as far as these kinds go."""
        current = {one.key: one for one in found}
        changed = [
            alert for key, trouble in current.items() if (alert := _told(trouble, self._open.get(key), now)) is not None
        ]
        over = [one for key, one in self._open.items() if one.kind in kinds and key not in current]
        return changed + [_resolved(one, now) for one in over]


def _told(trouble: Trouble, known: Alert | None, now: datetime) -> Alert | None:
    """The alert to write; None where it is known already and not worse or better than it was."""
    if known is not None and (known.severity, known.title) == (trouble.severity, trouble.title):
        return None
    since = trouble.since if known is None else known.since
    return Alert(
        event_id=_event_id(trouble.key, since, f"open:{trouble.severity}:{now.isoformat()}"),
        occurred_at=now,
        observed_at=now,
        brand_id=trouble.brand_id,
        trace_id=trouble.trace_id or trouble.key,
        alert_key=trouble.key,
        kind=trouble.kind,
        severity=trouble.severity,
        status="open",
        since=since,
        campaign_id=trouble.campaign_id,
        platform=trouble.platform,
        account=trouble.account,
        placement_id=trouble.placement_id,
        metric=trouble.metric,
        value=trouble.value,
        threshold=trouble.threshold,
        title=trouble.title,
        title_en=trouble.title_en,
        way_out=trouble.way_out,
        way_out_en=trouble.way_out_en,
        evidence=trouble.evidence[:MOST_EVIDENCE],
    )


def _resolved(alert: Alert, now: datetime) -> Alert:
    return Alert(
        event_id=_event_id(alert.alert_key, alert.since, "resolved"),
        occurred_at=now,
        observed_at=now,
        brand_id=alert.brand_id,
        trace_id=alert.trace_id,
        alert_key=alert.alert_key,
        kind=alert.kind,
        severity=alert.severity,
        status="resolved",
        since=alert.since,
        campaign_id=alert.campaign_id,
        platform=alert.platform,
        account=alert.account,
        placement_id=alert.placement_id,
        metric=alert.metric,
        title=f"已解除：{alert.title}",
        title_en=f"over: {alert.title_en}",
        evidence=alert.evidence,
    )


def _event_id(key: str, since: datetime, what: str) -> str:
    return f"alert:{key}:{since.isoformat()}:{what}"
