"""What somebody should look at now. An alert has one key from its first warning to its end."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from schemas.events.envelope import Fact, Identifier, Instant, Platform

AlertKind = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{2,63}$", description="constant snake_case name of the rule")]
Severity = Literal["info", "warning", "critical"]


class Alert(Fact, frozen=True, kw_only=True, tag="Alert"):
    """One change of one alert: raised, repeated with newer figures, or resolved.

    alert_key: the same trouble has the same key (`<kind>:<what it is about>`). since: when the trouble began.
    title and way_out speak Chinese, the `_en` fields English. value and threshold: what was measured and its limit,
    None where the rule is no number. evidence: event ids or placement ids a person can open.
    """

    alert_key: Annotated[str, Meta(min_length=1, max_length=300)]
    kind: AlertKind
    severity: Severity
    status: Literal["open", "resolved"]
    since: Instant
    campaign_id: Identifier | None = None
    platform: Platform | None = None
    account: Identifier | None = None
    placement_id: Identifier | None = None
    metric: str = ""
    value: float | None = None
    threshold: float | None = None
    title: str
    title_en: str
    way_out: str = ""
    way_out_en: str = ""
    evidence: tuple[str, ...] = ()
