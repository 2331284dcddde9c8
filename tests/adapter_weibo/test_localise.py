from __future__ import annotations

import os
import subprocess
import sys

import msgspec
import pytest

from schemas.events.content import Declarations, Variant
from services.adapter.localising.text import key_message_survives, sentences
from services.adapter_weibo.limits import PICTURE_BELOW, STATUS_MAX, status_length
from tests.adapter_weibo.samples import COMMERCIAL, OPEN, content, localised, picture, refusals

FAMILY = "👨‍👩‍👧"


def status(outcome: object) -> str:
    draft = getattr(outcome, "draft", None)
    assert draft is not None, getattr(outcome, "refusals", None)
    assert draft.fields["status"] == draft.text
    assert draft.length_used == status_length(draft.text) <= draft.length_limit == STATUS_MAX
    return str(draft.text)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", 0),
        ("青禾春茶", 4),
        ("tea", 3),
        ("茶tea", 4),
        ("😀", 2),
        (FAMILY, 10),
        ("https://a.b/c", 11),
        ("http://a", 11),
        ("https://a.b/" + "c" * 2000 + " https://a.b/d", 1 + 2 * 11),
        ("茶 https://qinghe.example/spring/2026", 2 + 11),
    ],
)
def test_length_is_the_strictest_counting_and_any_link_counts_as_a_short_one(text: str, length: int) -> None:
    assert status_length(text) == length


def test_commercial_status_carries_title_message_sentences_topics_and_link() -> None:
    assert status(localised(content(), COMMERCIAL)) == (
        "【青禾春茶开园】一口喝到今年的春天。头采明前茶三月二十日开采。限量两千罐，当日炒制。"
        " #青禾春茶# #明前茶# https://www.qinghe.example/spring"
    )


def test_open_status_has_no_topic_marks_even_where_the_master_wrote_some() -> None:
    outcome = localised(content(title="#青禾# 春茶", key_message="喝到 #春天# 的味道", summary=""), OPEN)
    assert "#" not in status(outcome)
    assert "喝到 春天 的味道" in status(outcome)
    assert outcome.draft is not None
    assert {d.what for d in outcome.draft.dropped} == {"topic:青禾春茶", "topic:明前茶"}
    assert "topic_marks_removed" in outcome.draft.rules_applied


@pytest.mark.parametrize("broken", ["http://[", "https://[::1", "http://[茶]/x"])
def test_a_broken_address_in_the_text_is_only_text(broken: str) -> None:
    assert broken in status(localised(content(title=f"春茶 {broken} 上市"), OPEN))


def test_a_lone_hash_cannot_pair_with_a_topic() -> None:
    text = status(localised(content(summary="用 C# 写的排名 #1 的茶。"), COMMERCIAL))
    assert text.count("#") == 4


def said_of(text: str) -> tuple[str, ...]:
    """The sentences after the key message, without topics and link."""
    words = text.partition("一口喝到今年的春天。")[2].removesuffix(" https://www.qinghe.example/spring")
    return sentences(words.replace(" #青禾春茶#", "").replace(" #明前茶#", ""))


@pytest.mark.parametrize(
    "summary",
    [
        "茶" * 30 + "。",
        "".join(f"{n}号{'茶' * 28}。" for n in range(9)),
        (FAMILY * 12 + "！") * 5,
        "好茶 @青禾生活馆 一起喝 https://a.example/x 吧。" * 8,
    ],
)
@pytest.mark.parametrize("account", [OPEN, COMMERCIAL], ids=["open", "commercial"])
def test_long_words_are_shortened_by_whole_sentences_and_always_fit(summary: str, account: object) -> None:
    text = status(localised(content(summary=summary), account))  # type: ignore[arg-type]
    assert key_message_survives(text, "一口喝到今年的春天")
    assert text.endswith("https://www.qinghe.example/spring")
    assert all(sentence in summary for sentence in said_of(text))


def test_what_does_not_fit_is_named_with_its_reason() -> None:
    summary = "".join(f"{n}号{'茶' * 28}。" for n in range(1, 10))
    outcome = localised(content(summary=summary, body="# 全文\n\n很长。"), COMMERCIAL)
    assert outcome.draft is not None
    dropped = {d.what: d.why for d in outcome.draft.dropped}
    assert "共 9 句" in dropped["summary"]
    assert "链接" in dropped["body"]


def test_without_a_summary_the_body_speaks_without_its_markup() -> None:
    text = status(localised(content(summary="", body="# 开园\n\n**头采**开始。\n\n![图](media:pic-1)"), COMMERCIAL))
    assert "开园。头采开始。" in text
    assert "*" not in text
    assert "media:" not in text


def test_a_message_that_the_title_or_a_sentence_holds_is_not_said_twice() -> None:
    assert status(localised(content(title="春天来了：一口喝到今年的春天"), OPEN)).count("一口喝到今年的春天") == 1
    assert status(localised(content(summary="今年，一口喝到今年的春天！真的。"), OPEN)).count("一口喝到今年的春天") == 1


def test_a_title_too_long_goes_and_the_message_stays() -> None:
    outcome = localised(content(title="很长的标题" * 30), COMMERCIAL)
    assert status(outcome).startswith("一口喝到今年的春天。")
    assert outcome.draft is not None
    assert "title" in {d.what for d in outcome.draft.dropped}


def test_more_than_three_topics_are_dropped_and_repeated_or_empty_ones_ignored() -> None:
    outcome = localised(content(summary="", topics=("茶", "#茶#", " ", "春 天", "新品", "节气")), COMMERCIAL)
    assert "#茶# #春天# #新品# https" in status(outcome)
    assert outcome.draft is not None
    assert [d.what for d in outcome.draft.dropped] == ["topic:节气"]


def test_a_mention_is_ended_by_a_space() -> None:
    text = status(localised(content(summary="", key_message="来找 @青禾生活馆", body="一起喝茶。"), COMMERCIAL))
    assert "@青禾生活馆 一起喝茶。" in text


def test_a_traditional_account_gets_traditional_words_but_links_and_names_as_they_are() -> None:
    account = msgspec.structs.replace(COMMERCIAL, script="traditional")
    outcome = localised(content(summary="问 @青禾生活馆 买头采茶叶。"), account)
    assert "一口喝到今年的春天。問 @青禾生活馆 買頭採茶葉。" in status(outcome)
    assert outcome.draft is not None
    assert "script_traditional" in outcome.draft.rules_applied


def test_law_labels_are_added_once() -> None:
    marked = Declarations(advertisement=True, ai_generated=True)
    assert "（广告）（内容由AI生成）" in status(localised(content(declarations=marked), COMMERCIAL))
    human = Variant(platform="weibo", text="【广告】一口喝到今年的春天，图由AI制作")
    text = status(localised(content(declarations=marked, variants=(human,)), COMMERCIAL))
    assert text == "【广告】一口喝到今年的春天，图由AI制作"


# --- words of a person ---


def test_a_human_text_is_sent_as_written() -> None:
    words = "一口喝到今年的春天！\n转发抽三位～ #青禾春茶# https://www.qinghe.example/go"
    outcome = localised(content(variants=(Variant(platform="weibo", text=words),)), COMMERCIAL)
    assert status(outcome) == words
    assert outcome.draft is not None
    assert outcome.draft.rules_applied == ("human_text",)
    assert outcome.draft.warnings == ()


def test_a_human_text_gets_the_missing_message_and_link_and_says_so() -> None:
    outcome = localised(content(variants=(Variant(platform="weibo", text="今天开园！"),)), OPEN)
    assert status(outcome) == "一口喝到今年的春天。今天开园！ https://www.qinghe.example/spring"
    assert outcome.draft is not None
    assert outcome.draft.rules_applied == ("human_text", "key_message_inserted", "link_appended")
    assert len(outcome.draft.warnings) == 1


def test_a_human_text_is_never_cut_but_refused_with_the_numbers() -> None:
    refused = refusals(content(variants=(Variant(platform="weibo", text="茶" * 141),)), COMMERCIAL)["text_too_long"]
    assert refused.field == "variants.text"
    assert "151" in refused.message
    assert "11" in refused.way_out


def test_a_human_title_and_topics_replace_the_masters() -> None:
    variant = Variant(platform="weibo", account="qinghe-tea", title="开茶园啦", topics=("明前",))
    text = status(localised(content(variants=(variant,)), COMMERCIAL))
    assert text.startswith("【开茶园啦】")
    assert "#明前#" in text
    assert "#青禾春茶#" not in text


# --- refusals ---


def test_all_problems_are_told_at_once() -> None:
    found = refusals(
        content(
            kind="pictures",
            key_message="稳赚不赔" + "茶" * 150,
            link="https://elsewhere.example/x",
            media=(picture(1, content_type="image/webp", size_bytes=PICTURE_BELOW),),
        ),
        OPEN,
    )
    assert set(found) == {
        "key_message_too_long",
        "banned_word",
        "link_not_in_safe_domain",
        "picture_type",
        "picture_size",
    }
    assert found["picture_type"].field == "media.pic-1.content_type"


@pytest.mark.parametrize(
    ("changes", "account", "code", "field"),
    [
        ({"link": None}, OPEN, "link_not_in_safe_domain", "link"),
        ({"link": "https://notqinghe.example/x"}, OPEN, "link_not_in_safe_domain", "link"),
        ({"link": "qinghe.example/x"}, COMMERCIAL, "link_invalid", "link"),
        ({"link": "https://qinghe.example/春"}, COMMERCIAL, "link_invalid", "link"),
        ({"kind": "pictures"}, COMMERCIAL, "picture_missing", "media"),
        ({"title": "", "key_message": "", "summary": " \u200b"}, COMMERCIAL, "empty_text", "key_message"),
        ({"summary": "药到病除。"}, COMMERCIAL, "banned_word", "summary"),
        ({"media": (picture(1, size_bytes=0),)}, COMMERCIAL, "picture_size", "media.pic-1.size_bytes"),
        ({"variants": (Variant(platform="weibo", text=" "),)}, COMMERCIAL, "empty_text", "variants.text"),
        ({"variants": (Variant(platform="weibo", text="喝 #茶# 吧"),)}, OPEN, "topic_not_allowed", "variants.text"),
        ({}, msgspec.structs.replace(OPEN, options={}), "safe_domain_missing", "targets.account"),
        ({}, msgspec.structs.replace(OPEN, way="mass"), "unknown_way", "targets.account"),
    ],
)
def test_what_weibo_would_refuse_is_refused_before(changes: dict, account: object, code: str, field: str) -> None:  # type: ignore[type-arg]
    assert refusals(content(**changes), account)[code].field == field  # type: ignore[arg-type]


def test_absolutes_are_reported_not_refused() -> None:
    outcome = localised(content(summary="第一次喝到全国第一的茶。"), COMMERCIAL)
    assert outcome.draft is not None
    assert len(outcome.draft.warnings) == 1
    assert "全国第一" in outcome.draft.warnings[0]


# --- pictures ---


def test_pictures_go_by_role_and_way_and_the_rest_is_named() -> None:
    media = (picture(0, "cover"), *(picture(n) for n in range(1, 12)))
    nine = localised(content(kind="pictures", media=media), COMMERCIAL).draft
    one = localised(content(kind="pictures", media=media), OPEN).draft
    article = localised(content(kind="article", media=media), COMMERCIAL).draft
    assert nine is not None
    assert one is not None
    assert article is not None
    assert [m.media_id for m in nine.media] == [f"pic-{n}" for n in range(1, 10)]
    assert [d.what for d in nine.dropped] == ["media:pic-10", "media:pic-11", "media:pic-0"]
    assert [m.media_id for m in one.media] == ["pic-1"]
    assert [m.media_id for m in article.media] == ["pic-0"]


def test_a_video_becomes_words_cover_and_link_and_says_so() -> None:
    clip = picture(1, "video", content_type="video/mp4", size_bytes=50_000_000, duration_s=30.0)
    draft = localised(content(kind="video", media=(clip, picture(2, "cover"))), OPEN).draft
    assert draft is not None
    assert [m.media_id for m in draft.media] == ["pic-2"]
    assert "没有视频接口" in {d.what: d.why for d in draft.dropped}["media:pic-1"]
    unseen = localised(content(kind="video", link=None, media=(clip,)), COMMERCIAL).draft
    assert unseen is not None
    assert any("看不到视频" in warning for warning in unseen.warnings)


# --- determinism ---


_PRINT_DRAFT = (
    "import sys, msgspec; from tests.adapter_weibo.samples import *; "
    "sys.stdout.buffer.write(msgspec.json.encode(localised(content(kind='pictures', "
    "media=tuple(picture(n) for n in range(3))), COMMERCIAL)))"
)


def test_same_master_gives_the_same_bytes_in_every_process() -> None:
    here = msgspec.json.encode(
        localised(content(kind="pictures", media=tuple(picture(n) for n in range(3))), COMMERCIAL)
    )
    for seed in ("0", "1"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        there = subprocess.run(
            [sys.executable, "-c", _PRINT_DRAFT], capture_output=True, check=True, timeout=60, env=environment
        )
        assert there.stdout == here


def test_one_traditional_name_does_not_stop_the_conversion() -> None:
    account = msgspec.structs.replace(COMMERCIAL, script="traditional")
    summary = "我们与鼎泰豐联名，后天发售。"
    text = status(
        localised(content(title="鼎泰豐联名茶", key_message="联名茶开售", summary=summary, topics=()), account)
    )
    assert "【鼎泰豐聯名茶】聯名茶開售。我們與鼎泰豐聯名，後天發售。" in text


def test_closing_quotes_get_no_second_mark_and_latin_sentences_keep_their_blank() -> None:
    summary = "她说“好茶！”我说（真的。）然后走了。Our tea is fresh. It is picked by hand. Come and try! See you."
    text = status(
        localised(content(title="一杯冷泡茶", key_message="一杯冷泡茶", summary=summary, topics=()), COMMERCIAL)
    )
    assert f"【一杯冷泡茶】{summary}" in text


def test_a_long_link_counts_as_a_short_one() -> None:
    link = "https://qinghe.example/p?" + "&".join(f"utm_{n}=abcdefgh{n}" for n in range(20))
    text = status(localised(content(key_message="一杯冷泡茶", link=link), OPEN))
    assert link in text
