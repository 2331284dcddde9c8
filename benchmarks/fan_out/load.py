"""What the fan-out benchmark publishes, on which account, before which audience."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from schemas.events.content import MasterContent, Schedule, Target

CAMPAIGNS = 16
# An audience that stays away: the simulator's own work shall not be what is measured.
SILENCE = (
    '{"post_id":"quiet","posted_at":"2026-11-11T10:00:00+08:00","interactions":[],'
    '"final":{"reposts":0,"comments":0,"likes":0}}'
)
ACCOUNTS = """\
accounts:
  - platform: weibo
    account: bench
    brand_id: bench
    display_name: 压测
    way: commercial
    app_id: "3100000001"
    app_secret: bench-secret
    open_id: "1900000001"
    access_token: 2.00bench
    options: {safe_domain: bench.example, "budget.*": 100000000/3600, budget.update: 100000000/3600}
"""
_REQUESTED = (
    "campaign_id", "content_id", "version", "kind", "title", "key_message", "summary", "body", "targets",
)  # fmt: skip


def request(number: int) -> dict[str, Any]:
    """What a client posts; due at once."""
    made = msgspec.to_builtins(master(number, None))
    declared = {"origin": "original", "ai_generated": False, "advertisement": False}
    return {name: made[name] for name in _REQUESTED} | {"declarations": declared}


def master(number: int, due: datetime | None) -> MasterContent:
    now = datetime.now(UTC)
    schedule = Schedule(due_at=due, wall_clock=f"{due:%Y-%m-%dT%H:%M}") if due else None
    return MasterContent(
        event_id=f"c{number}:1", occurred_at=now, observed_at=now, brand_id="bench",
        campaign_id=f"campaign-{number % CAMPAIGNS}",
        trace_id=f"c{number}", content_id=f"c{number}", version=1, kind="notice", title=f"冷泡茶 fan{number}out",
        key_message="冷水三分钟，一杯好茶", summary=f"fan{number}out 冷水三分钟，一杯好茶",
        body=f"冷水三分钟，一杯好茶。这是第 {number} 篇。",
        targets=(Target(platform="weibo", account="bench", schedule=schedule),),
    )  # fmt: skip
