"""What one account may do on its platform, as its adapter last found it. Never says more than was checked."""

from __future__ import annotations

from schemas.events.content import ContentKind
from schemas.events.envelope import Count, Fact, Identifier, Instant, Platform
from schemas.events.feedback import Metric


class AccountCapability(Fact, frozen=True, kw_only=True, tag="AccountCapability"):
    """Key on the topic: `<platform>/<account>`; a newer record replaces the older one.

    way: the platform's way of posting this account uses. kinds: content kind → post form; a kind not named is refused.
    metrics: canonical metric → the platform's own name; a metric not named does not exist there. text_limits: field →
    most characters in the platform's own counting. rules_version: of the adapter's limits. problem: Chinese, why the
    account cannot be used now; empty = it can.
    """

    platform: Platform
    account: Identifier
    display_name: str = ""
    way: str
    kinds: dict[ContentKind, str]
    metrics: dict[Metric, str]
    text_limits: dict[str, Count]
    can_edit: bool
    can_delete: bool
    can_read_comments: bool
    can_reply: bool = False
    rules_version: str = ""
    problem: str = ""
    checked_at: Instant
