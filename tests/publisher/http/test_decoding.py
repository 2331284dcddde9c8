"""Requests are decoded strictly, and every mistake is named at once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.publisher.api.decoding import converted, decoded
from services.publisher.api.problems import RequestRefusedError
from services.publisher.api.requests import CancelRequest, CheckRequest, ContentRequest
from tests.publisher.conftest import content


def wrong(**changes: Any) -> dict[str, str]:
    """Field → code of what is wrong with an otherwise good content."""
    _, problems = converted(content("c") | changes, ContentRequest)
    return {problem.field: problem.code for problem in problems}


def test_a_good_request_is_decoded() -> None:
    made = decoded(msgspec.json.encode(content("c")), ContentRequest)
    assert made.targets[0].slot == "main"


def test_all_mistakes_are_named_at_once_by_path() -> None:
    body = content("c", version="3", nope=1, targets=[{"platform": "X", "account": "tea", "schedule": {"zone": 1}}])
    del body["title"], body["declarations"]
    _, problems = converted(body, ContentRequest)
    assert {problem.field: problem.code for problem in problems} == {
        "version": "wrong_value",
        "nope": "unknown_field",
        "title": "missing_field",
        "declarations": "missing_field",
        "targets[0].platform": "wrong_value",
        "targets[0].schedule.zone": "wrong_value",
    }
    assert all(problem.message and problem.message_en and problem.way_out for problem in problems)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"version": "1"}, "version"),
        ({"version": 0}, "version"),
        ({"version": 1.5}, "version"),
        ({"version": True}, "version"),
        ({"kind": "story"}, "kind"),
        ({"title": ""}, "title"),
        ({"title": None}, "title"),
        ({"key_message": "字" * 41}, "key_message"),
        ({"content_id": "带空格 的"}, "content_id"),
        ({"content_id": "a" * 129}, "content_id"),
        ({"targets": []}, "targets"),
        ({"targets": {}}, "targets"),
        ({"targets": [1]}, "targets[0]"),
        ({"media": [{"media_id": "m", "role": "cover", "sha256": "ABC"}]}, "media[0].sha256"),
        ({"topics": ["好", 3]}, "topics[1]"),
        ({"topics": "冷泡茶"}, "topics"),
    ],
)
def test_a_wrong_value_is_refused_where_it_stands(changes: dict[str, Any], field: str) -> None:
    assert wrong(**changes) == {field: "wrong_value"}


def test_a_naive_instant_is_refused() -> None:
    target = {"platform": "toy", "account": "tea", "schedule": {"due_at": "2026-11-11T20:00:00"}}
    assert wrong(targets=[target]) == {"targets[0].schedule.due_at": "wrong_value"}


def test_declarations_are_never_assumed() -> None:
    assert wrong(declarations={"origin": "original"}) == {
        "declarations.ai_generated": "missing_field",
        "declarations.advertisement": "missing_field",
    }


@pytest.mark.parametrize("raw", [b"", b"  ", b"{", b"[" * 100_000, b'"\xff"', b'{"a": NaN}', b'{"a": 1e999}', b"\x00"])
def test_what_is_no_json_is_a_400_and_never_a_crash(raw: bytes) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        decoded(raw, ContentRequest)
    assert caught.value.status == 400


@pytest.mark.parametrize("raw", [b"[]", b"null", b"1", b'"text"'])
def test_json_that_is_no_object_is_refused(raw: bytes) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        decoded(raw, CancelRequest)
    assert caught.value.status == 422


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(content("c"))), JSON)
def test_any_value_in_any_field_is_decoded_or_named(field: str, value: Any) -> None:
    made, problems = converted(content("c") | {field: value}, CheckRequest)
    assert (made is None) == bool(problems)
    assert all(problem.field == field or problem.field.startswith((f"{field}.", f"{field}[")) for problem in problems)
