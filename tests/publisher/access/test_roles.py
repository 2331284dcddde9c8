"""Nobody without a token, nobody outside their role or brand, and a brand learns nothing about another."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from services.publisher.access.token_store import FILE_NAME
from services.publisher.http import problem_responses
from services.publisher.http.bearer import NEEDS
from services.runtime import metrics
from services.runtime.clock import SystemClock
from services.runtime.http.said_once import SaidOnce
from services.runtime.settings import KafkaSettings
from tests.publisher.conftest import Running, client, content, picture
from tests.publisher.http.test_api import on_the_log

pytestmark = pytest.mark.kafka
CANCEL = {"reason": "价格写错了", "actor": "小王"}


def count(status: str, reason: str) -> float:
    labels = {"status": status, "reason": reason}
    return metrics.registry().get_sample_value("tongbo_publisher_denied_total", labels) or 0.0


def operations(publisher: Running) -> list[tuple[str, str]]:
    paths = publisher.http.get("/schema").json()["paths"]
    return [(method.upper(), path) for path, methods in paths.items() for method in methods]


def other_brands_campaign(publisher: Running) -> str:
    body = {"campaign_id": f"a-{uuid.uuid4().hex[:8]}", "brand_id": "acme", "name": "n", "objective": "launch"}
    assert publisher.http.post("/campaigns", json=body).status_code == 202
    return body["campaign_id"]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (None, "no_token"),
        ("Bearer", "malformed"),
        ("Basic dG9rZW4=", "malformed"),
        ("Bearer a b", "malformed"),
        ("Bearer tb_guessed", "unknown_token"),
    ],
)
def test_every_operation_refuses_who_has_no_valid_token(
    publisher: Running, header: str | None, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(problem_responses, "_DENIALS", SaidOnce(every_s=3600))
    headers = {"Authorization": header} if header else {}
    before = count("401", reason)
    asked = operations(publisher)
    assert len(asked) >= 10
    with capture_logs() as logs, httpx.Client(base_url=publisher.url, headers=headers, trust_env=False) as nobody:
        for method, path in asked:
            answer = nobody.request(method, path.replace("{", "").replace("}", ""), content=b"{")
            assert answer.status_code == 401, (method, path)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["www-authenticate"].startswith("Bearer ")
            assert "tongbo token new" in answer.json()["problems"][0]["way_out"]
    assert count("401", reason) - before == len(asked)
    refusals = [line for line in logs if line["event"] == "request_not_authenticated"]
    assert {(line["reason"], line["granted_to"]) for line in refusals} == {(reason, None)}
    assert len(refusals) == 1, "one line for all of the same kind: nobody fills the disk with them"
    assert "guessed" not in str(logs)


def test_health_and_the_description_need_no_token(publisher: Running) -> None:
    with client(publisher.url, None) as nobody:
        assert nobody.get("/health/ready").status_code == 200
        document = nobody.get("/schema").json()
    assert document["security"] == [{"token": []}]
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


def test_no_route_forgets_to_say_which_role_it_needs(publisher: Running) -> None:
    from services.publisher.http.routes import routes  # noqa: PLC0415 - only here

    handlers = routes(1, lambda *_: None, None).routes
    marked = [
        handler.opt
        for route in handlers
        for handler in getattr(route, "route_handlers", [])
        if "OPTIONS" not in handler.http_methods
    ]
    assert len(marked) >= 10
    assert all(one.get(NEEDS) for one in marked)


@pytest.mark.parametrize(
    ("role", "reads", "publishes", "cancels"),
    [
        ("publish", True, True, True),
        ("operate", True, False, True),
        ("approve", True, False, False),
        ("read", True, False, False),
    ],
)
def test_a_role_may_what_it_includes_and_nothing_else(
    publisher: Running, campaign: dict[str, Any], role: str, reads: bool, publishes: bool, cancels: bool
) -> None:
    body = content(campaign["campaign_id"])
    assert publisher.http.post("/contents", json=body).status_code == 202
    more = content(campaign["campaign_id"])
    new = campaign | {"campaign_id": f"r-{uuid.uuid4().hex[:8]}"}
    before = count("403", "role_missing")
    with publisher.holding(role, brands=("qinghe",)) as holder, capture_logs() as logs:
        reading = [
            holder.get(path).status_code
            for path in (
                "/campaigns",
                f"/campaigns/{campaign['campaign_id']}",
                f"/contents/{body['content_id']}",
                f"/placements?campaign={campaign['campaign_id']}",
            )
        ]
        writing = [
            holder.post("/campaigns", json=new).status_code,
            holder.post("/contents/check", json=more).status_code,
            holder.post("/contents", json=more).status_code,
            holder.post("/media", content=picture()).status_code,
        ]
        cancelling = holder.post(f"/contents/{body['content_id']}/cancel", json=CANCEL)
    assert reading == [200] * 4 if reads else [403] * 4
    assert writing == ([202, 200, 202, 201] if publishes else [403] * 4)
    assert cancelling.status_code == (202 if cancels else 403)
    refused = (0 if publishes else 4) + (0 if cancels else 1)
    assert count("403", "role_missing") - before == refused
    told = [one for one in logs if one["event"] == "request_forbidden" and one["granted_to"]]
    assert len(told) == min(refused, 1), "one line for all of the same kind"
    if not cancels:
        assert "operate" in cancelling.json()["detail"]
        assert 'error="insufficient_scope"' in cancelling.headers["www-authenticate"]


def test_a_token_of_one_brand_sees_nothing_of_another_and_cannot_tell_it_from_nothing(
    publisher: Running, campaign: dict[str, Any]
) -> None:
    body = content(campaign["campaign_id"])
    accepted = publisher.http.post("/contents", json=body).json()
    theirs, own = campaign["campaign_id"], other_brands_campaign(publisher)
    with publisher.holding("publish", "operate", brands=("acme",)) as acme, capture_logs() as logs:
        assert [
            one["campaign_id"] for one in acme.get("/campaigns").json()["campaigns"] if one["brand_id"] != "acme"
        ] == []
        assert own in acme.get("/campaigns").text
        for foreign, address in (
            (theirs, "/campaigns/{}"),
            (theirs, "/placements?campaign={}"),
            (body["content_id"], "/contents/{}"),
            (accepted["placements"][0]["placement_id"], "/placements/{}"),
        ):
            same_to_it(acme.get(address.format(foreign)), acme.get(address.format("nobody")), foreign, "nobody")
        same_to_it(
            acme.post(f"/contents/{body['content_id']}/cancel", json=CANCEL),
            acme.post("/contents/nobody/cancel", json=CANCEL),
            body["content_id"],
            "nobody",
        )
        for path in ("/contents", "/contents/check"):
            same_to_it(acme.post(path, json=content(theirs)), acme.post(path, json=content("nobody")), theirs, "nobody")
    assert {one["reason"] for one in logs if one["event"] == "request_forbidden"} == {"outside_brand"}
    assert publisher.http.get("/contents/nobody").status_code == 404, "to a token for all brands nothing is hidden"


def same_to_it(foreign: httpx.Response, unknown: httpx.Response, foreign_id: str, unknown_id: str) -> None:
    assert foreign.status_code == unknown.status_code == 403
    assert foreign.text.replace(foreign_id, "ID") == unknown.text.replace(unknown_id, "ID")
    assert "qinghe" not in foreign.text


def test_a_brand_cannot_write_into_another_or_learn_from_trying(
    publisher: Running, campaign: dict[str, Any], kafka: KafkaSettings
) -> None:
    theirs, own = content(campaign["campaign_id"]), other_brands_campaign(publisher)
    assert publisher.http.post("/contents", json=theirs).status_code == 202
    mine = {"targets": [{"platform": "toy", "account": "rival"}]}
    with publisher.holding("publish", brands=("acme",)) as acme:
        defined = acme.post("/campaigns", json=campaign | {"campaign_id": "fresh", "brand_id": "qinghe"})
        assert defined.status_code == 403
        taken = acme.post("/contents", json=content(own, **mine) | {"content_id": theirs["content_id"], "version": 2})
        assert taken.status_code == 403, "the content is another brand's"
        assert campaign["campaign_id"] not in taken.text
        pretended = {
            "campaign": {"campaign_id": campaign["campaign_id"], "brand_id": "acme", "name": "n", "objective": "launch"}
        }
        assert (
            acme.post("/contents/check", json=content(campaign["campaign_id"], **mine) | pretended).status_code == 403
        )
        account = acme.post("/contents", json=content(own))
        assert account.status_code == 422
        assert {one["code"] for one in account.json()["problems"]} >= {"unknown_account"}
        assert "qinghe" not in account.text, "it is not told whose accounts there are"
        assert "tea" not in {word for one in account.json()["problems"] for word in one["way_out"].split()}
        assert acme.post("/contents", json=content(own, **mine)).status_code == 202
    assert len(on_the_log(kafka, campaign["campaign_id"])) == 2


def test_an_idempotency_key_is_the_brands_own(publisher: Running, campaign: dict[str, Any]) -> None:
    own, headers = other_brands_campaign(publisher), {"Idempotency-Key": f"1-{campaign['campaign_id']}"}
    first = publisher.http.post("/contents", json=content(campaign["campaign_id"]), headers=headers)
    mine = content(own, targets=[{"platform": "toy", "account": "rival"}])
    with publisher.holding("publish", brands=("acme",)) as acme:
        other = acme.post("/contents", json=mine, headers=headers)
        again = acme.post("/contents", json=mine, headers=headers)
    assert (first.status_code, other.status_code) == (202, 202), other.text
    assert again.content == other.content != first.content


def test_a_revoked_token_is_refused_with_the_next_request(publisher: Running) -> None:
    token = publisher.parts.tokens.new("leaver", ("read",), ("*",), SystemClock().now())
    with client(publisher.url, token) as leaver:
        assert leaver.get("/campaigns").status_code == 200
        publisher.parts.tokens.revoke("leaver", SystemClock().now())
        assert leaver.get("/campaigns").status_code == 401


def test_where_tokens_cannot_be_checked_nobody_is_let_in_and_it_heals_by_itself(publisher: Running) -> None:
    file = publisher.parts.tokens.path
    before = file.read_bytes()
    assert file.name == FILE_NAME
    file.write_bytes(b"{")
    refused = publisher.http.get("/campaigns")
    assert refused.status_code == 503
    assert refused.json()["type"].endswith("tokens_unreadable")
    assert str(file.parent) not in refused.text
    file.write_bytes(before)
    assert publisher.http.get("/campaigns").status_code == 200


def test_an_upload_without_a_token_never_touches_the_disk(publisher: Running) -> None:
    incoming = publisher.parts.media.folder / ".incoming"
    seen = list[int]()

    def bytes_while_looking() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 1_000_000
            seen.append(len(list(incoming.iterdir())))

    with client(publisher.url, None) as nobody:
        assert nobody.post("/media", content=bytes_while_looking()).status_code == 401
    assert set(seen) == {0}
