"""Nearly the same words twice on one account within a day: never by accident, and possible on purpose."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.publisher.conftest import Running, content

pytestmark = pytest.mark.kafka


@pytest.fixture
def words() -> dict[str, str]:
    """Words that no other test says."""
    own = uuid.uuid4().hex
    return {"title": "冷泡茶上新", "key_message": "三分钟一杯", "summary": f"{own}，三分钟一杯好茶，{own[::-1]}。"}


def campaign(publisher: Running) -> str:
    body = {"campaign_id": f"c-{uuid.uuid4().hex[:8]}", "brand_id": "qinghe", "name": "上新", "objective": "launch"}
    assert publisher.http.post("/campaigns", json=body).status_code == 202
    return str(body["campaign_id"])


def post(publisher: Running, campaign_id: str, words: dict[str, str], **more: Any) -> httpx.Response:
    body = content(campaign_id, **words, confirm_similar=False, targets=[target()]) | more
    return publisher.http.post("/contents", json=body)


def target(account: str = "tea", platform: str = "toy", in_days: float = 0) -> dict[str, Any]:
    found: dict[str, Any] = {"platform": platform, "account": account}
    if in_days:
        found["schedule"] = {"due_at": (datetime.now(UTC) + timedelta(days=in_days)).isoformat()}
    return found


def codes(answer: httpx.Response) -> list[str]:
    return [one["code"] for one in answer.json().get("problems", [])]


def test_two_campaigns_with_nearly_the_same_text_ask_for_a_confirmation(
    publisher: Running, words: dict[str, str]
) -> None:
    first = post(publisher, campaign(publisher), words)
    assert first.status_code == 202
    reworded = words | {"title": words["title"] + "！🍵", "summary": words["summary"].replace("，", "、").upper()}
    other = campaign(publisher)
    again = content(other, **reworded, confirm_similar=False, targets=[target()])
    refused = publisher.http.post("/contents", json=again)
    assert (refused.status_code, codes(refused)) == (422, ["similar_content"])
    assert first.json()["content_id"] in refused.json()["problems"][0]["message"]
    assert codes(publisher.http.post("/contents/check", json=again)) == ["similar_content"]
    confirmed = publisher.http.post("/contents", json=again | {"confirm_similar": True})
    assert confirmed.status_code == 202
    repeated = publisher.http.post("/contents", json=again)
    assert repeated.content == confirmed.content, "the same content: whoever repeats it need not confirm once more"


def test_what_is_not_said_twice_is_not_asked_about(publisher: Running, words: dict[str, str]) -> None:
    first = post(publisher, campaign(publisher), words).json()
    other = campaign(publisher)
    elsewhere = post(publisher, other, words, targets=[target(platform="other")])
    later = post(publisher, other, words, targets=[target(in_days=2)])
    different = post(publisher, other, words | {"summary": "春天的新茶已经到店，欢迎来尝。" * 4, "title": "春茶到店"})
    newer = post(publisher, first["campaign_id"], words, content_id=first["content_id"], version=2)
    assert [one.status_code for one in (elsewhere, later, different, newer)] == [202, 202, 202, 202]


def test_what_was_cancelled_is_not_said(publisher: Running, words: dict[str, str]) -> None:
    first = post(publisher, campaign(publisher), words).json()
    reason = {"reason": "写错了", "actor": "小王"}
    assert publisher.http.post(f"/contents/{first['content_id']}/cancel", json=reason).status_code == 202
    assert post(publisher, campaign(publisher), words).status_code == 202
