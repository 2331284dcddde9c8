"""Brakes hold what they say and nothing else; a scope that says two things is refused."""

from __future__ import annotations

import pytest

from schemas.events.commands import BrakeLevel, BrakeScope

PLACEMENTS = [
    {"campaign_id": campaign, "platform": platform, "account": account}
    for campaign in ("spring", "autumn")
    for platform in ("weibo", "wechat")
    for account in ("tea", "life")
]


@pytest.mark.parametrize(
    ("scope", "held"),
    [
        (BrakeScope(level="brand"), PLACEMENTS),
        (BrakeScope(level="campaign", campaign_id="spring"), [p for p in PLACEMENTS if p["campaign_id"] == "spring"]),
        (BrakeScope(level="platform", platform="weibo"), [p for p in PLACEMENTS if p["platform"] == "weibo"]),
        (
            BrakeScope(level="account", platform="weibo", account="tea"),
            [p for p in PLACEMENTS if (p["platform"], p["account"]) == ("weibo", "tea")],
        ),
    ],
    ids=lambda value: value.level if isinstance(value, BrakeScope) else "",
)
def test_a_brake_holds_its_scope_and_nothing_beside_it(scope: BrakeScope, held: list[dict[str, str]]) -> None:
    assert [placement for placement in PLACEMENTS if scope.covers(**placement)] == held


@pytest.mark.parametrize(
    ("level", "fields", "named"),
    [
        ("campaign", {}, "campaign_id"),
        ("platform", {}, "platform"),
        ("account", {"platform": "weibo"}, "account"),
        ("account", {"account": "tea"}, "platform"),
        ("brand", {"account": "tea"}, "account"),
        ("campaign", {"campaign_id": "spring", "platform": "weibo"}, "platform"),
    ],
)
def test_a_scope_that_says_too_little_or_too_much_is_refused(
    level: BrakeLevel, fields: dict[str, str], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        BrakeScope(level=level, **fields)
