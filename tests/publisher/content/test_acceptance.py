"""A content is accepted as a whole or refused with everything that is wrong with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from schemas.codec import decoder, encode
from services.publisher.api.problems import RequestRefusedError
from services.publisher.api.requests import ContentRequest
from services.publisher.content.acceptance import Stamp, judged
from services.publisher.content.known import Known
from services.publisher.content.plan import ContentPlan
from services.publisher.media.uploads import StoredMedia
from tests.publisher.conftest import ACCOUNTS, content
from tests.publisher.toy_adapter import registry

NOW = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)
SHA = "a" * 64
STORED = StoredMedia(
    uri=f"file:///media/{SHA}.png", sha256=SHA, content_type="image/png", size_bytes=9, width=4, height=3
)


def judge(versions: tuple[Any, ...] = (), brand: str | None = "qinghe", **changes: Any) -> ContentPlan:
    request = msgspec.convert(content("c", content_id="n", **changes), ContentRequest)
    known = Known(brand, versions, ACCOUNTS, registry, lambda sha256: STORED if sha256 == SHA else None)
    return judged(request, known, Stamp(now=NOW, trace_id="t", idempotency_key=None, request_sha256="0" * 64))


def problems(**changes: Any) -> list[tuple[str, str]]:
    with pytest.raises(RequestRefusedError) as caught:
        judge(**changes)
    for problem in caught.value.problems:
        assert problem.message
        assert problem.message_en
        assert problem.way_out
    return [(problem.field, problem.code) for problem in caught.value.problems]


def target(**changes: Any) -> dict[str, Any]:
    return {"platform": "toy", "account": "tea"} | changes


def test_the_master_content_is_readable_for_every_consumer() -> None:
    plan = judge(media=[{"media_id": "m", "role": "cover", "sha256": SHA}])
    assert decoder("master-content")(encode(plan.master)) == plan.master
    assert plan.master.media[0].uri == STORED.uri


def test_the_answer_shows_each_variant_as_the_adapter_made_it() -> None:
    answer = judge(variants=[{"platform": "other", "text": "人写的话 https://qinghe.example"}]).answer(
        "WOULD_BE_ACCEPTED"
    )
    assert [(one.platform, one.written_by) for one in answer.variants] == [("toy", "rules"), ("other", "person")]
    assert answer.variants[0].length_used == len(answer.variants[0].text)
    assert len({one.placement_id for one in answer.placements}) == 2


def test_a_new_version_keeps_the_identity_of_its_placements() -> None:
    first = judge()
    second = judge(versions=(first.master,), version=2, title="改过的标题")
    before, after = (
        {one.placement_id for one in plan.answer("WOULD_BE_ACCEPTED").placements} for plan in (first, second)
    )
    assert before == after


def test_a_version_that_drops_a_target_says_that_it_will_be_cancelled() -> None:
    plan = judge(versions=(judge().master,), version=2, targets=[target()])
    assert any("other/tea/main" in warning for warning in plan.warnings)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"brand": None}, ("campaign_id", "unknown_campaign")),
        ({"brand_id": "acme"}, ("brand_id", "brand_of_another_campaign")),
        ({"title": "  "}, ("title", "blank")),
        ({"topics": ["#冷泡茶#"]}, ("topics[0]", "topic_with_hash")),
        ({"link": "qinghe.example"}, ("link", "not_an_address")),
        ({"link": "javascript:alert(1)"}, ("link", "not_an_address")),
        ({"link": "https://[::1"}, ("link", "not_an_address")),
        ({"link": "https://a.example:99999/"}, ("link", "not_an_address")),
        (
            {"declarations": {"origin": "repost", "ai_generated": False, "advertisement": False}},
            ("declarations.source_url", "repost_without_source"),
        ),
        ({"targets": [target(platform="myspace")]}, ("targets[0].platform", "unknown_platform")),
        ({"targets": [target(account="nobody")]}, ("targets[0].account", "unknown_account")),
        ({"targets": [target(account="rival")]}, ("targets[0].account", "account_of_another_brand")),
        ({"targets": [target(), target()]}, ("targets[1]", "duplicate_target")),
        (
            {"targets": [target(schedule={"wall_clock": "2026-10-01T09:00"})]},
            ("targets[0].schedule", "due_in_the_past"),
        ),
        (
            {"targets": [target(schedule={"wall_clock": "2026-12-01T09:00", "zone": "Mars/Base"})]},
            ("targets[0].schedule.zone", "unknown_zone"),
        ),
        ({"targets": [target(schedule={})]}, ("targets[0].schedule", "schedule_without_one_meaning")),
        (
            {"media": [{"media_id": "m", "role": "cover", "sha256": "b" * 64}]},
            ("media[0].sha256", "media_not_uploaded"),
        ),
        (
            {"media": [{"media_id": "m", "role": "cover", "sha256": SHA, "size_bytes": 8}]},
            ("media[0].size_bytes", "media_differs"),
        ),
        (
            {"media": [{"media_id": "m", "role": "cover", "sha256": SHA, "uri": "file:///etc/passwd"}]},
            ("media[0].uri", "media_differs"),
        ),
        (
            {"media": [{"media_id": "m", "role": "cover", "sha256": SHA}] * 2},
            ("media[1].media_id", "duplicate_media_id"),
        ),
        ({"body": "![图](media:ghost)"}, ("body", "inline_media_missing")),
        ({"variants": [{"platform": "myspace", "text": "x"}]}, ("variants[0]", "variant_without_target")),
        ({"variants": [{"platform": "toy"}]}, ("variants[0]", "empty_variant")),
        ({"variants": [{"platform": "toy", "text": "x"}] * 2}, ("variants[1]", "duplicate_variant")),
    ],
)
def test_a_content_that_cannot_go_out_is_refused_by_name(changes: dict[str, Any], expected: tuple[str, str]) -> None:
    assert problems(**changes) == [expected]


@pytest.mark.parametrize(
    "uri", ["http://cdn.example/a.png", "https://127.0.0.1/a.png", "https://10.0.0.8/a.png", "https://localhost/a.png",
            "https://169.254.169.254/latest", "ftp://cdn.example/a.png", "https://[::1]/a.png"]
)  # fmt: skip
def test_media_is_fetched_from_public_https_addresses_only(uri: str) -> None:
    medium = {"media_id": "m", "role": "cover", "sha256": SHA, "uri": uri, "content_type": "image/png", "size_bytes": 9}
    ((field, code),) = problems(media=[medium])
    assert field == "media[0].uri"
    assert code in ("not_an_address", "private_address")


def test_media_at_an_address_has_to_bring_its_measurements() -> None:
    medium = {"media_id": "m", "role": "cover", "sha256": SHA, "uri": "https://cdn.example/a.png"}
    assert problems(media=[medium]) == [
        ("media[0].content_type", "missing_field"),
        ("media[0].size_bytes", "missing_field"),
    ]


def test_problems_of_all_targets_come_together_with_those_of_the_platforms() -> None:
    found = problems(title="长" * 70, targets=[target(), target(platform="other"), target(account="rival")])
    assert found == [
        ("targets[2].account", "account_of_another_brand"),
        ("title", "text_too_long"),
        ("title", "text_too_long"),
    ]


def test_rules_that_fail_over_a_text_refuse_that_text_only() -> None:
    assert problems(title="💥") == [("", "localise_failed")] * 2


def test_an_older_or_changed_version_is_refused() -> None:
    newest = judge(version=3).master
    assert problems(versions=(newest,), version=2) == [("version", "version_not_newer")]
    changed = problems(versions=(newest,), version=4, kind="article")
    assert changed == [("kind", "identity_changed")]


def test_slightly_late_goes_out_at_once_with_a_warning() -> None:
    due = (NOW - timedelta(minutes=5)).isoformat()
    plan = judge(targets=[target(schedule={"due_at": due})])
    assert plan.warnings
