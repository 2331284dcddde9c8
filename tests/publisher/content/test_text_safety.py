"""No text of a request may steer a terminal, show other words than it has, or cost more than linear time."""

from __future__ import annotations

import unicodedata
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.adapter.localising.stream_safe import stream_safe
from services.adapter.localising.text import normalise
from services.publisher.api.command_requests import CommandRequest
from services.publisher.api.decoding import decoded
from services.publisher.api.problems import RequestRefusedError
from services.publisher.api.requests import CampaignRequest, ContentRequest
from services.publisher.api.text_safety import unsafe_texts
from services.publisher.content import acceptance
from services.publisher.content.check_media import inline_ids
from services.publisher.content.check_text import workload
from tests.publisher.conftest import content
from tests.publisher.content.test_acceptance import judge, target

UNSAFE = {
    "control_character": ["\x00", "\x1b]0;title\x07", "\x7f", "\x9b2J", "\x85"],
    "direction_character": ["\u202e", "\u2066"],
    "combining_marks": ["a" + "\u0301\u0316" * 16],
}
MARKED = [(code, sign) for code, signs in UNSAFE.items() for sign in signs]


def paths(value: Any, path: str = "") -> list[str]:
    """Where texts stand in a request."""
    if isinstance(value, dict):
        return [one for name, inner in value.items() for one in paths(inner, f"{path}.{name}" if path else name)]
    if isinstance(value, list):
        return [one for number, inner in enumerate(value) for one in paths(inner, f"{path}[{number}]")]
    return [path] if isinstance(value, str) else []


def with_text(value: Any, at: str, text: str, path: str = "") -> Any:
    """The same request with another text at one place."""
    if isinstance(value, dict):
        return {name: with_text(one, at, text, f"{path}.{name}" if path else name) for name, one in value.items()}
    if isinstance(value, list):
        return [with_text(one, at, text, f"{path}[{number}]") for number, one in enumerate(value)]
    return text if path == at else value


CONTENT = content("spring") | {
    "topics": ["冷泡茶"], "author": "小青", "summary": "夏天",
    "variants": [{"platform": "toy", "title": "题", "text": "文", "body": "正文", "digest": "摘要", "topics": ["茶"]}],
}  # fmt: skip
CAMPAIGN = {"campaign_id": "spring", "brand_id": "qinghe", "name": "春茶", "objective": "launch", "description": "新茶"}
COMMAND = {"kind": "brake", "reason": "停", "actor": "li", "scope": {"level": "brand"}, "brand_id": "qinghe"}


@pytest.mark.parametrize(("code", "sign"), MARKED)
@pytest.mark.parametrize(
    ("request_body", "kind"),
    [(CONTENT, ContentRequest), (CAMPAIGN, CampaignRequest), (COMMAND, CommandRequest)],
    ids=["content", "campaign", "command"],
)
def test_an_unsafe_text_is_refused_wherever_it_stands(
    request_body: dict[str, Any], kind: type[msgspec.Struct], code: str, sign: str
) -> None:
    for path in paths(request_body):
        raw = msgspec.json.encode(with_text(request_body, path, f"茶{sign}茶"))
        with pytest.raises(RequestRefusedError) as refused:
            decoded(raw, kind)
        assert (path, code) in {(one.field, one.code) for one in refused.value.problems}


@pytest.mark.parametrize(
    "text",
    ["第一行\n第二行\t列\r\n", "café, Škoda, Ångström", "👩‍👩‍👧‍👦 ❤️ 1️⃣", "ภาษาไทย เป็นภาษา", "हिन्दी में लिखें", "العربية",
     "한국어 각", "Ṩ̀̈́", "e" + "\u0301" * 30],
)  # fmt: skip
def test_the_texts_of_people_are_safe(text: str) -> None:
    assert list(unsafe_texts({"body": text})) == []


@given(st.text())
def test_what_is_called_safe_is_left_as_it_is(text: str) -> None:
    if not list(unsafe_texts(text)):
        assert stream_safe(text) == text
        assert normalise(text) == normalise(unicodedata.normalize("NFC", text))


@given(st.text(alphabet="ab\u0300\u0301\u0316\u0327茶", max_size=200))
def test_no_text_keeps_more_than_thirty_marks_in_a_row(text: str) -> None:
    row = longest = 0
    for one in stream_safe(text):
        row = row + 1 if unicodedata.combining(one) else 0
        longest = max(longest, row)
    assert longest <= 30


def test_a_body_of_nothing_but_picture_beginnings_names_no_picture() -> None:
    assert inline_ids("![" * 50_000) == ()
    assert inline_ids("![茶园](media:m1) ![](media:m2)") == ("m1", "m2")


def test_slots_of_one_account_are_rewritten_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    rewritten = acceptance._localised

    def counted(adapter: Any, master: Any, place: Any, account: Any) -> Any:
        asked.append((place.platform, place.account))
        return rewritten(adapter, master, place, account)

    monkeypatch.setattr(acceptance, "_localised", counted)
    plan = judge(targets=[target(slot="a"), target(slot="b"), target(slot="c")])
    assert asked == [("toy", "tea")]
    assert len(plan.answer("WOULD_BE_ACCEPTED").placements) == 3


def test_more_text_than_can_be_rewritten_in_time_is_refused_with_the_way_out() -> None:
    request = msgspec.convert(CONTENT | {"body": "茶" * 100_000}, ContentRequest)
    accounts = {("toy", f"account-{number}") for number in range(30)}
    (found,) = workload(request, accounts)
    assert (found.field, found.code) == ("targets", "too_much_work")
    assert list(workload(request, {("toy", "tea"), ("other", "tea")})) == []
