"""Requests made from the OpenAPI document by one brand's token, full of another brand's ids: nothing of it is seen.

What is looked for are words that the other brand wrote and that no request holds.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.cases import CASES, many_cases
from tests.publisher.conftest import Running, content
from tests.waiting import wait_for

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(7_200)]
OUR_TOKEN = ("publish", "operate", "approve", "read")
MOST_HEADER = 1_000


@dataclass(frozen=True)
class Victim:
    """What the other brand has. ids: may be asked for; words: must never be answered."""

    ids: tuple[str, ...]
    words: tuple[str, ...]
    client: httpx.Client


@pytest.fixture
def victim(publisher: Running) -> Victim:
    client = publisher.holding(*OUR_TOKEN, brands=("qinghe",))
    mark = uuid.uuid4().hex[:8]
    words = tuple(f"{part}{mark}" for part in ("nm", "ti", "bo", "re"))
    campaign = {"campaign_id": f"v-{mark}", "brand_id": "qinghe", "name": words[0], "objective": "launch"}
    assert client.post("/campaigns", json=campaign).status_code == 202
    told = content(
        campaign["campaign_id"], title=words[1], key_message=words[1], body=words[2], link="https://q.example/",
        targets=[{"platform": "toy", "account": "tea"}],
    )  # fmt: skip
    accepted = client.post("/contents", json=told)
    assert accepted.status_code == 202, accepted.text
    brake = {"kind": "brake_set", "brand_id": "qinghe", "scope": {"level": "brand"}, "reason": words[3], "actor": "li"}
    given_id = client.post("/commands", json=brake | {"command_id": f"b-{mark}"}).json()["command_id"]
    wait_for(lambda: given_id in client.get("/brakes").text, "the brake is on")
    placements = client.get("/placements", params={"campaign": campaign["campaign_id"]}).json()["placements"]
    ids = (campaign["campaign_id"], told["content_id"], placements[0]["placement_id"], given_id, "qinghe", "tea")
    return Victim(ids, words, client)


def state_of(victim: Victim) -> tuple[Any, ...]:
    """What the other brand sees of its own, without what time changes."""
    campaign, content_id, placement = victim.ids[:3]
    got = [victim.client.get(path).json() for path in (f"/campaigns/{campaign}", f"/contents/{content_id}")]
    brakes = victim.client.get("/brakes").json()["brakes"]
    return (
        got[0]["name"],
        len(got[1]["versions"]),
        got[1]["cancelled"],
        victim.client.get(f"/placements/{placement}").json()["status"]["state"],
        [one["brake_id"] for one in brakes],
    )


ID_FIELDS = ("campaign_id", "content_id", "placement_id", "brake_id", "brand_id", "command_id", "account", "campaign")


def aimed(draw: Any, value: Any, ids: tuple[str, ...]) -> Any:
    """A copy whose ids are now and then those of the other brand."""
    if isinstance(value, dict):
        return {
            name: draw(st.sampled_from(ids)) if name in ID_FIELDS and draw(st.booleans()) else aimed(draw, one, ids)
            for name, one in value.items()
        }
    return [aimed(draw, one, ids) for one in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Attack:
    """One operation of the API, called by `attacker` with ids of somebody else. statuses: what was answered."""

    operation: Any
    attacker: httpx.Client
    ids: tuple[str, ...]
    statuses: set[int]

    def send(self, draw: Any) -> httpx.Response:
        case = draw(self.operation.as_strategy())
        path = self.operation.path
        for name, value in dict(case.path_parameters or {}).items():
            given_id = aimed(draw, {"campaign_id": str(value)}, self.ids)["campaign_id"]
            path = path.replace(f"{{{name}}}", quote(given_id.encode("utf-8", "replace"), safe="") or "-")
        headers = {
            name: str(one)
            for name, one in dict(case.headers or {}).items()
            if name.lower() != "authorization" and _fits_a_header(str(one))
        }
        query = aimed(draw, dict(case.query or {}), self.ids)
        body = case.body if isinstance(case.body, dict | list) else None
        sent = {} if body is None else {"json": aimed(draw, body, self.ids)}
        answer = self.attacker.request(self.operation.method, path, headers=headers, params=query, **sent)
        self.statuses.add(answer.status_code)
        return answer


def test_a_token_of_one_brand_never_meets_what_another_brand_wrote(publisher: Running, victim: Victim) -> None:
    attacker = publisher.holding(*OUR_TOKEN, brands=("acme",))
    own = {"campaign_id": f"a-{uuid.uuid4().hex[:8]}", "brand_id": "acme", "name": "n", "objective": "launch"}
    assert attacker.post("/campaigns", json=own).status_code == 202
    before = state_of(victim)
    schema = schemathesis.openapi.from_dict(attacker.get("/schema").json())
    operations: list[Any] = [found.ok() for found in schema.get_all_operations()]  # type: ignore[union-attr]
    assert len(operations) >= 13
    ids, statuses = (*victim.ids, own["campaign_id"], "acme"), set[int]()

    for operation in operations:
        _fuzz(Attack(operation, attacker, ids, statuses), victim, max(CASES // len(operations), 5))
    assert state_of(victim) == before
    assert 401 not in statuses
    assert 403 in statuses


def _fuzz(attack: Attack, victim: Victim, cases: int) -> None:
    @many_cases(cases)
    @given(st.data())
    def call(data: st.DataObject) -> None:
        answer = attack.send(data.draw)
        assert answer.status_code < 500 or answer.status_code == 503, (attack.operation.label, answer.text)
        assert [word for word in victim.words if word in answer.text] == [], attack.operation.label

    call()


def _fits_a_header(value: str) -> bool:
    return value.isascii() and value.isprintable() and value == value.strip() and len(value) < MOST_HEADER


def test_without_a_token_no_address_answers_anything_but_that_one_is_needed(publisher: Running, victim: Victim) -> None:
    document = publisher.http.get("/schema").json()
    with httpx.Client(base_url=publisher.url, timeout=30, trust_env=False) as stranger:
        for path, methods in document["paths"].items():
            for method in methods:
                for one in victim.ids:
                    at = path.replace("{campaign_id}", one).replace("{content_id}", one).replace("{placement_id}", one)
                    answer = stranger.request(method, at, json={})
                    assert answer.status_code == 401, (method, at)
                    assert [word for word in victim.words if word in answer.text] == []
