"""The rule about nearly the same words, without a log: what counts as alike, and what a confirmation does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from schemas.events.content import MasterContent, Schedule
from services.publisher.api.problems import RequestRefusedError
from services.publisher.api.requests import ContentRequest
from services.publisher.content.acceptance import Stamp, judged
from services.publisher.content.known import Known
from services.publisher.content.similarity import Likeness
from tests.publisher.conftest import ACCOUNTS, content
from tests.publisher.toy_adapter import registry

NOW = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)
WORDS = "冷水三分钟，一杯好茶。青山绿水之间，茶人清晨采下第一批嫩芽，当天制成，冷泡即饮。"


def judge(likeness: Likeness, **changes: Any) -> MasterContent:
    body = content("c", content_id="new", targets=[{"platform": "toy", "account": "tea"}], confirm_similar=False)
    request = msgspec.convert(body | {"summary": WORDS} | changes, ContentRequest)
    known = Known(
        "qinghe", (), ACCOUNTS, registry, lambda sha256: None,
        alike=lambda one, target: likeness.nearest(one, target, {"old": 1}),
    )  # fmt: skip
    return judged(request, known, Stamp(now=NOW, trace_id="t", idempotency_key=None, request_sha256="0" * 64)).master


@pytest.fixture
def said() -> Likeness:
    """One content, `old`, has been accepted."""
    likeness = Likeness()
    old = replace(judge(Likeness()), content_id="old")
    likeness.add(old, old.targets[0])
    return likeness


@pytest.mark.parametrize(
    "summary", [WORDS, WORDS.replace("，", "、") + "🍵", WORDS + " https://qinghe.example/x?utm=2"]
)
def test_other_punctuation_emoji_and_links_do_not_make_other_words(said: Likeness, summary: str) -> None:
    with pytest.raises(RequestRefusedError) as refused:
        judge(said, summary=summary)
    (problem,) = refused.value.problems
    assert (problem.field, problem.code) == ("targets[0]", "similar_content")
    assert "old" in problem.message
    assert judge(said, summary=summary, confirm_similar=True).content_id == "new"


def test_other_words_and_another_day_are_no_repetition(said: Likeness) -> None:
    assert judge(said, summary="春天的新茶已经到店，欢迎周末来店里尝一尝，前一百位送茶巾一条。", title="春茶到店")
    later = replace(
        judge(Likeness()).targets[0],
        schedule=Schedule(due_at=NOW + timedelta(hours=25), wall_clock="2026-11-02T17:00"),
    )
    assert said.nearest(judge(Likeness()), later, {"old": 1}) is None


def test_only_the_version_that_counts_is_compared(said: Likeness) -> None:
    new = judge(Likeness())
    assert said.nearest(new, new.targets[0], {"old": 1}) is not None
    assert said.nearest(new, new.targets[0], {"old": 2}) is None
    assert said.nearest(new, new.targets[0], {}) is None, "cancelled"
