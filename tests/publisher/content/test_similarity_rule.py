"""The rule about nearly the same words, without a log: what counts as alike, and what a confirmation does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
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
from services.publisher.log.planned_posts import PlannedPosts
from tests.publisher.conftest import ACCOUNTS, content
from tests.publisher.toy_adapter import registry

NOW = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)
WORDS = "冷水三分钟，一杯好茶。青山绿水之间，茶人清晨采下第一批嫩芽，当天制成，冷泡即饮。"


def judge(likeness: Likeness, **changes: Any) -> MasterContent:
    body = content("c", content_id="new", targets=[{"platform": "toy", "account": "tea"}], confirm_similar=False)
    request = msgspec.convert(body | {"summary": WORDS} | changes, ContentRequest)
    known = Known(
        "qinghe", (), ACCOUNTS, registry, lambda sha256: None,
        alike=likeness.nearest,
    )  # fmt: skip
    return judged(request, known, Stamp(now=NOW, trace_id="t", idempotency_key=None, request_sha256="0" * 64)).master


@pytest.fixture
def said() -> Likeness:
    """One content, `old`, has been accepted."""
    likeness = Likeness()
    old = replace(judge(Likeness()), content_id="old")
    likeness.put(old)
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
    assert said.nearest(judge(Likeness()), later) is None


def test_only_the_version_that_counts_is_compared(said: Likeness) -> None:
    new = judge(Likeness())
    assert said.nearest(new, new.targets[0]) is not None
    other = replace(
        new, content_id="old", version=2, title="春茶到店", summary="欢迎周末来店里尝一尝", key_message="送茶巾"
    )
    said.put(other)
    assert said.nearest(new, new.targets[0]) is None
    said.put(replace(new, content_id="old", version=3))
    assert said.nearest(new, new.targets[0]) is not None
    said.drop("old")
    assert said.nearest(new, new.targets[0]) is None, "cancelled"


def test_a_content_is_never_its_own_repetition(said: Likeness) -> None:
    old = replace(judge(Likeness()), content_id="old")
    assert said.nearest(old, old.targets[0]) is None


@pytest.mark.parametrize("changed", [0, 5, 15, 40])
def test_the_share_of_long_texts_is_that_of_all_their_runs_within_a_few_hundredths(changed: int) -> None:
    random = Random(7)
    letters = [chr(0x4E00 + random.randrange(3000)) for _ in range(6000)]
    new = replace(judge(Likeness()), body="".join(letters))
    for at in random.sample(range(6000), 60 * changed // 10):
        letters[at] = "改"
    old = replace(new, content_id="old", body="".join(letters))

    def runs(body: str) -> set[str]:
        return {body[at : at + 4] for at in range(len(body) - 3)}

    true = len(runs(new.body) & runs(old.body)) / len(runs(new.body) | runs(old.body))
    likeness = Likeness()
    likeness.put(old)
    found = likeness.nearest(new, new.targets[0])
    assert (found is not None) == (true >= 0.8)
    if found is not None:
        assert abs(found.share - true) < 0.07


def test_what_was_due_long_ago_is_forgotten_and_what_is_near_is_kept() -> None:
    likeness, posts, new = Likeness(), PlannedPosts(), judge(Likeness())
    for day in range(2_000):
        at = NOW + timedelta(days=day)
        content_ = replace(new, content_id=f"c{day}", occurred_at=at, event_id=f"c{day}", summary=f"{day}" * 9)
        likeness.put(content_)
        posts.put(content_)
    assert len(likeness._of_content) <= 600
    assert len(likeness._by_hash) <= 600 * 12
    assert len(posts.on("toy", "tea", "none")) <= 200
    assert len(posts._accounts_of) <= 200
    last = replace(new, content_id="x", occurred_at=NOW + timedelta(days=1999), summary="1999" * 9)
    assert likeness.nearest(last, last.targets[0]) is not None
    assert posts.on("toy", "tea", "none")[-1].due_at == NOW + timedelta(days=1999)
