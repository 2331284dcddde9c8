"""The alert that an account's authorisation was withdrawn: raised once, with what would fail, and resolved once."""

from __future__ import annotations

from datetime import datetime

from schemas.events.alert import Alert
from services.adapter.contract.accounts import Account

KIND = "authorisation_withdrawn"
MARK = "withdrawn"  # under which the account's shared file remembers that it was said


def raised(account: Account, now: datetime, placements: list[str]) -> Alert:
    who, count = f"{account.platform}/{account.account}", len(placements)
    return Alert(
        event_id=f"alert:{KIND}:{who}:{now.isoformat()}", occurred_at=now, observed_at=now, brand_id=account.brand_id,
        trace_id=who, alert_key=f"{KIND}:{who}", kind=KIND, severity="critical", status="open", since=now,
        platform=account.platform, account=account.account, value=float(count),
        title=f"{who} 的授权已被取消，计划中的 {count} 条发布会失败",
        title_en=f"the authorisation of {who} was withdrawn; {count} scheduled placements will fail",
        way_out="请账号管理员重新授权：tongbo connect", way_out_en="authorise the account anew: tongbo connect",
        evidence=tuple(placements[:100]),
    )  # fmt: skip


def over(account: Account, now: datetime) -> Alert:
    who = f"{account.platform}/{account.account}"
    return Alert(
        event_id=f"alert:{KIND}:{who}:resolved:{now.isoformat()}", occurred_at=now, observed_at=now,
        brand_id=account.brand_id, trace_id=who, alert_key=f"{KIND}:{who}", kind=KIND, severity="info",
        status="resolved", since=now, platform=account.platform, account=account.account,
        title=f"{who} 已重新授权", title_en=f"{who} is authorised again",
    )  # fmt: skip
