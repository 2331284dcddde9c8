"""Valid contents broken at random never make the rules of a platform fail; here they would fail as in the adapter."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from services.adapter.contract.accounts import load_accounts
from services.adapter.contract.registry import adapter
from services.cli.campaign.file import load
from services.publisher.api.decoding import decoded
from services.publisher.api.problems import RequestRefusedError
from services.publisher.api.requests import ContentRequest
from services.publisher.content.acceptance import Stamp, judged
from services.publisher.content.known import Known
from services.publisher.media.uploads import StoredMedia, UploadStore
from tests.publisher.desks.mutations import broken, reworded
from tests.publisher.process import ROOT

DEMO = load(ROOT / "deploy/demo/campaign.yaml")
STAMP = Stamp(datetime(2026, 11, 11, 2, tzinfo=UTC), "t", None, "0" * 64)
WORDS = frozenset({"title", "key_message", "summary", "body", "author", "topics", "link", "text"})
bases = st.sampled_from([one.request for one in DEMO.contents])


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    """The sample campaign's accounts and media."""
    folder, stored = UploadStore(tmp_path_factory.mktemp("media")), dict[str, StoredMedia]()
    for media in DEMO.media:
        upload = folder.receive()
        upload.write(media.path.read_bytes())
        stored[media.sha256] = upload.finish()
    return Known("qinghe", (), load_accounts(ROOT / "deploy/demo/accounts.yaml", {}), adapter, stored.get)


def verdict(body: Any, known: Known) -> str:
    """`accepted`, or the kind of refusal; anything else is a defect."""
    try:
        raw = msgspec.json.encode(body)
    except (UnicodeEncodeError, OverflowError):
        return "not sendable"  # no client could
    try:
        judged(decoded(raw, ContentRequest), known, STAMP)
    except RequestRefusedError as refused:
        complete = all(one.message and one.message_en and one.way_out for one in refused.problems)
        return refused.code if refused.problems and complete else "without reason"
    return "accepted"


@pytest.mark.parametrize(("how", "examples"), [("broken", 300), ("reworded", 400)])
def test_no_content_makes_the_rules_of_a_platform_fail(known: Known, how: str, examples: int) -> None:
    contents = bases.flatmap(broken if how == "broken" else lambda whole: reworded(whole, WORDS))
    tally = dict[str, int]()

    @settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(contents)
    def judge(body: Any) -> None:
        with capture_logs() as logs:
            found = verdict(body, known)
        assert logs == [], "an adapter failed over a text"
        tally[found] = tally.get(found, 0) + 1

    judge()
    assert tally.keys() <= {"accepted", "malformed_json", "invalid_request", "content_does_not_fit", "not sendable"}
    assert tally["accepted"] > examples / 15, "so few that the rules were hardly asked"
    assert tally["content_does_not_fit"] > examples / 30
