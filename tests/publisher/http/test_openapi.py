"""The OpenAPI document is sound, and what the publisher really answers fits it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # ships no annotations

from tests.publisher.conftest import Running, content, picture

pytestmark = pytest.mark.kafka


@pytest.fixture
def document(publisher: Running) -> dict[str, Any]:
    answer = publisher.http.get("/schema")
    assert answer.headers["content-type"].startswith("application/")
    found: dict[str, Any] = answer.json()
    return found


def inside(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from inside(one)


def fits(document: dict[str, Any], name: str, value: Any) -> None:
    """Whether a value is what the document says of `name`."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    Draft202012Validator(schema).validate(value)


def test_the_document_is_sound(document: dict[str, Any]) -> None:
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert document["info"]["title"]
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    references = {one["$ref"] for one in inside(document) if isinstance(one.get("$ref"), str)}
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references <= known
    operations = [one for path in document["paths"].values() for one in path.values()]
    assert len({one["operationId"] for one in operations}) == len(operations) >= 10
    for one in operations:
        assert re.search(r"[一-鿿]", one["summary"]), "described in Chinese"
        assert "503" in one["responses"], "every operation says what it answers while it cannot"


def test_what_is_sent_and_answered_fits_the_document(
    publisher: Running, campaign: dict[str, Any], document: dict[str, Any]
) -> None:
    body = content(campaign["campaign_id"])
    fits(document, "CampaignRequest", campaign)
    fits(document, "ContentRequest", body)
    fits(document, "ContentAccepted", publisher.http.post("/contents", json=body).json())
    fits(document, "ContentStatus", publisher.http.get(f"/contents/{body['content_id']}").json())
    fits(document, "CampaignStatus", publisher.http.get(f"/campaigns/{campaign['campaign_id']}").json())
    fits(document, "StoredMedia", publisher.http.post("/media", content=picture()).json())
    fits(document, "ProblemDocument", publisher.http.post("/contents", json={}).json())
    listed = publisher.http.get("/placements", params={"campaign": campaign["campaign_id"]}).json()
    fits(document, "PlacementList", listed)
    one = publisher.http.get(f"/placements/{listed['placements'][0]['placement_id']}").json()
    fits(document, "PlacementDetail", one)


@pytest.mark.parametrize("broken", [{"version": "1"}, {"nope": 1}, {"targets": []}, {"key_message": "字" * 41}])
def test_the_document_refuses_what_the_publisher_refuses(
    publisher: Running, campaign: dict[str, Any], document: dict[str, Any], broken: dict[str, Any]
) -> None:
    body = content(campaign["campaign_id"]) | broken
    assert publisher.http.post("/contents", json=body).status_code == 422
    schema = {"$ref": "#/components/schemas/ContentRequest", "components": document["components"]}
    assert list(Draft202012Validator(schema).iter_errors(body))
