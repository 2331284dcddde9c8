"""A plan that cannot fit what an account may post is refused when it is made, not when it is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from services.adapter.contract.accounts import Accounts
from services.publisher.api.problems import RequestRefusedError
from services.publisher.api.requests import ContentRequest
from services.publisher.content.acceptance import Stamp, judged
from services.publisher.content.known import Known
from services.publisher.content.plan import ContentPlan, planned_post
from services.publisher.log.accepted import AcceptedLog
from tests.publisher.conftest import ACCOUNTS, content
from tests.publisher.toy_adapter import registry

NOW = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)
DAILY = Accounts(
    tuple(replace(one, options={"budget.post": "1/86400"}) if one.platform == "toy" else one for one in ACCOUNTS)
)


def _target(hours: float, **changes: Any) -> dict[str, Any]:
    due = (NOW + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S")
    wall = {"wall_clock": due, "zone": "UTC"}
    return {"platform": "toy", "account": "tea", "schedule": wall, "late_within_s": 600} | changes


def _judge(
    *targets: dict[str, Any], known_plans: tuple[ContentPlan, ...] = (), accounts: Accounts = DAILY
) -> ContentPlan:
    request = msgspec.convert(content("c", content_id="n", targets=list(targets)), ContentRequest)
    others = [planned_post(plan.master, one) for plan in known_plans for one in plan.master.targets]
    known = Known("qinghe", (), accounts, registry, lambda sha256: None, lambda platform, account: others)
    return judged(request, known, Stamp(now=NOW, trace_id="t", idempotency_key=None, request_sha256="0" * 64))


def test_a_second_post_on_the_day_of_another_content_is_refused() -> None:
    first = _judge(_target(1))
    with pytest.raises(RequestRefusedError) as refused:
        _judge(_target(6), known_plans=(first,))
    assert [(one.field, one.code) for one in refused.value.problems] == [("targets[0].schedule", "over_quota")]
    assert "n→toy/tea" in refused.value.problems[0].way_out


def test_the_next_day_is_fine_and_so_is_an_account_without_such_a_limit() -> None:
    first = _judge(_target(1))
    assert _judge(_target(25.5), known_plans=(first,)).master.targets
    assert _judge(_target(6), known_plans=(first,), accounts=ACCOUNTS).master.targets


def test_two_slots_of_one_content_count_as_two_posts() -> None:
    with pytest.raises(RequestRefusedError) as refused:
        _judge(_target(1), _target(2, slot="evening"))
    assert [one.field for one in refused.value.problems] == ["targets[1].schedule"]


def test_a_register_without_contents_plans_nothing() -> None:
    assert AcceptedLog().planned_posts("toy", "tea", "n") == ()
