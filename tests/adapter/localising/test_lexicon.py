from __future__ import annotations

import pytest

from schemas.events.content import ConfirmedWord
from services.adapter.localising.lexicon import check, lexicon, lexicon_version


@pytest.mark.parametrize(
    "text",
    [
        "第一次喝",
        "第一步先温杯",
        "第一时间",
        "最大限度保留",
        "最好在早上喝",
        "国家级非物质文化遗产",
        "看 https://a.b/top1",
    ],
)
def test_harmless_uses_are_left_alone(text: str) -> None:
    assert check({"body": text}).warnings == ()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("全网第一", "全网第一"),
        ("销量第一名", "销量第一"),
        ("最 佳 选择", "最佳"),
        ("國家級品質", "国家级"),
        ("行业 NO.1", "NO.1"),
        ("第一次就是最佳", "最佳"),
    ],
)
def test_absolutes_are_reported_with_field_and_word(text: str, word: str) -> None:
    report = check({"title": text})
    assert report.refusals == ()
    assert any(f"“{word}”" in warning and warning.startswith("title") for warning in report.warnings)


def test_banned_words_are_refused_with_field_and_way_out() -> None:
    report = check({"title": "新茶", "summary": "稳赚不赔，药到病除"})
    assert [(r.code, r.field) for r in report.refusals] == [("banned_word", "summary")] * 2
    assert all(r.way_out for r in report.refusals)


def test_every_absolute_is_found_by_its_own_name() -> None:
    assert lexicon_version()
    for entry in lexicon().absolutes:
        example = "100%有效" if entry.word == "百分之百" else "永久有效" if entry.word == "永久" else entry.word
        assert check({"title": f"本品{example}。"}).warnings, entry.word


def answered(**reasons: str) -> list[ConfirmedWord]:
    return [ConfirmedWord(word=word, reason=reason) for word, reason in reasons.items()]


def test_a_banned_phrase_that_a_person_answers_for_is_told_with_the_reason_and_not_refused() -> None:
    confirmed = answered(网络赌博="反诈提醒")
    report = check({"summary": "警惕网络赌博，远离诈骗。"}, confirmed)
    assert report.refusals == ()
    assert [("网络赌博" in one, "反诈提醒" in one) for one in report.warnings] == [(True, True)]
    assert check({"summary": "警惕网络赌博"}).refusals[0].code == "banned_word"
    assert "confirmed_words" in check({"summary": "警惕网络赌博"}).refusals[0].way_out


def test_one_phrase_that_is_confirmed_hides_no_other_not_even_of_the_same_entry() -> None:
    report = check({"body": "打击网络赌博、裸聊与代开发票，稳赚不赔是骗局"}, answered(网络赌博="报道"))
    assert {one.message_en.split("“")[1].split("”")[0] for one in report.refusals} == {"裸聊", "代开发票", "稳赚不赔"}


@pytest.mark.parametrize("word", ["網絡賭博", "网络 赌博", "网络\u200b赌博"])
def test_a_confirmation_is_read_like_the_text_itself(word: str) -> None:
    assert check({"title": "警惕網絡賭博"}, [ConfirmedWord(word=word, reason="提醒")]).refusals == ()
