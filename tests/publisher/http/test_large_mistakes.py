"""However much is wrong with a request, finding it takes little time and the answer stays short."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.publisher.api.command_requests import CommandRequest
from services.publisher.api.decoding import MOST_TOLD, decoded
from services.publisher.api.problems import RequestRefusedError
from services.publisher.api.requests import CampaignRequest, CancelRequest, CheckRequest, ContentRequest

KINDS = (CampaignRequest, ContentRequest, CheckRequest, CancelRequest, CommandRequest)
FULL = 200_000  # a tenth of what a body may have
LONGEST_ANSWER = 200_000
MOST_CPU_S = 2.0  # a tenth of what some of these took; a hundredth of a second is usual

ITEMS = ('1', '{}', '""', '"\\u0000"', '"\\u202e"', '{"q":1}', '[]', '[1]', '{"platform":{"a":1}}', 'null',
         '{"platform":"toy","account":"tea"}', '{"media_id":"a","role":"x"}')  # fmt: skip
FIELDS = ("targets", "media", "variants", "topics", "title", "scope", "brand_id", "nobody_knows_it")


def refusal(body: str, kind: type[Any]) -> tuple[int, int, float]:
    """Problems, bytes of the answer, seconds of processor time."""
    began = time.thread_time()
    with pytest.raises(RequestRefusedError) as refused:
        decoded(body.encode("utf-8", "surrogatepass"), kind)
    answer = msgspec.json.encode(refused.value.document("/contents"))
    return len(refused.value.problems), len(answer), time.thread_time() - began


def judge(body: str, kind: type[Any]) -> None:
    problems, answer, cpu_s = refusal(body, kind)
    assert 1 <= problems <= MOST_TOLD
    assert answer <= LONGEST_ANSWER
    assert cpu_s < MOST_CPU_S, body[:200]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("item", ITEMS)
def test_the_same_mistake_until_the_body_is_full_is_told_a_hundred_times_at_most(kind: type[Any], item: str) -> None:
    many = ",".join([item] * (FULL // (len(item) + 1)))
    for field in FIELDS:
        judge(f'{{"{field}":[{many}]}}', kind)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_names_nobody_knows_do_not_make_the_answer_long(kind: type[Any]) -> None:
    judge("{" + ",".join(f'"a{n}":1' for n in range(17_000)) + "}", kind)
    judge("{" + ",".join(f'"{n}{"a" * 9_000}":1' for n in range(200)) + "}", kind)
    judge(f'{{"{"k" * 2_000}":' * 900 + '"\\u0001"' + "}" * 900, kind)
    judge('{"title":{' + ",".join(f'"{n}":1' for n in range(15_000)) + "}}", kind)


VALUES = st.recursive(
    st.sampled_from(["", "\x00", "\u202e", "a" * 300, 1, None, True, 1.5]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60)
@given(VALUES, st.sampled_from(FIELDS), st.integers(1, 2_000), st.sampled_from(KINDS))
def test_any_value_repeated_is_refused_in_bounded_time(value: Any, field: str, times: int, kind: type[Any]) -> None:
    judge(json.dumps({field: [value] * times, "nobody_knows_this": value}), kind)
