from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.adapter.localising.markdown import read
from services.adapter.localising.plain_words import plain_words
from services.adapter.localising.text import (
    fingerprint,
    gbk_length,
    graphemes,
    join_sentences,
    key_message_survives,
    sentences,
    to_script,
    truncate,
)

FAMILY = "👨‍👩‍👧"


def test_markdown_leaves_words_only() -> None:
    markdown = "# 标题\n\n第一段**粗**\n换行 [链接](http://a.b) ![图](media:a)\n\n- 甲\n- 乙\n\n<b>html</b>"
    assert plain_words(read(markdown)) == "标题\n第一段粗换行 链接\n甲\n乙\nhtml"


def test_markdown_line_break_between_latin_words_is_a_space() -> None:
    assert plain_words(read("green\ntea 青\n茶")) == "green tea 青茶"


def test_sentences_keep_their_end_marks_and_never_cut_a_url() -> None:
    text = "你好。“好吗？”看 https://a.b/?x=1;y=2 吧！\nv1.2 完"
    assert sentences(text) == ("你好。", "“好吗？”", "看 https://a.b/?x=1;y=2 吧！", "v1.2 完")


@pytest.mark.parametrize(
    "text",
    [
        "她说“好茶！”我说（真的。）然后走了。",
        "Our tea is fresh. It is picked by hand. Come and try! See you.",
        "她说“好茶！”Our tea is fresh. “Really?” she asked. 『走吧！』她说。",
        'He said "Go!" She left. "Why?" We came.',
        '她说"好茶!"我说"好"。走!',
        "看〈好茶！〉《茶经。》再来【好！】。",
        "Ça va? Été à Paris! Only 9! 8 left.",
        "좋아요! 네. 좋아요.",
        "No. 5 is here. 茶!好!",
    ],
)
def test_sentences_put_together_again_are_the_text(text: str) -> None:
    assert join_sentences(sentences(text)) == text


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (("青禾春茶", "三月开采"), "青禾春茶。三月开采"),
        (("他说“好茶”", "走了"), "他说“好茶”。走了"),
        (("Our tea", "It is fresh."), "Our tea It is fresh."),
        (("Le thé du café", "Il est bon"), "Le thé du café Il est bon"),
        (("谢谢 @青禾", "三月见"), "谢谢 @青禾 三月见"),
        ((), ""),
    ],
)
def test_a_sentence_without_an_end_mark_gets_a_mark_or_a_blank(pieces: tuple[str, ...], text: str) -> None:
    assert join_sentences(pieces) == text


@pytest.mark.parametrize(
    "text", ["\ue0009\ue001", "看 https://a.b/c \ue0000\ue001 \ue0001\ue001", "\ue000\ue001 @青禾"]
)
def test_no_character_of_a_text_is_taken_for_a_mark_of_our_own(text: str) -> None:
    assert sentences(text) == (text,)
    assert to_script(text, "traditional") == to_script(text, "simplified") == text


@given(st.text(st.sampled_from("茶。“”!. aB\"'\ue000\ue0019@")))
def test_any_text_has_sentences_and_a_script(text: str) -> None:
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())
    assert to_script(text, "simplified") == text


@pytest.mark.parametrize(("text", "length"), [("ab", 2), ("青茶", 4), ("😀", 4), ("", 0), ("a青", 3)])
def test_gbk_counts_bytes(text: str, length: int) -> None:
    assert gbk_length(text) == length


@pytest.mark.parametrize("cluster", [FAMILY, "👍🏽", "🇨🇳", "e\u0301", "1\ufe0f\u20e3"])
def test_an_emoji_sequence_is_one_character_and_never_cut(cluster: str) -> None:
    assert graphemes(cluster) == (cluster,)
    for limit in range(1, len(cluster) + 1):
        cut = truncate("茶" + cluster + "很长的尾巴" * 5, limit + 1)
        assert cut in ("茶…", "茶" + cluster + "…")


def test_a_url_is_never_cut() -> None:
    assert truncate("看 https://a.b/long/path 吧", 12) == "看…"


@given(st.text(), st.integers(min_value=0, max_value=30))
def test_a_cut_text_always_fits(text: str, limit: int) -> None:
    assert len(truncate(text, limit)) <= limit


@pytest.mark.parametrize(
    "platform_text",
    [
        "青禾 新茶 上市 http://t.cn/A6abcDEF",
        "#青禾#新茶上市\u200bhttps://qinghe.example/p/1",
        "青禾新茶\n上市",
    ],
)
def test_a_post_is_recognised_whatever_the_platform_did_to_links_and_spaces(platform_text: str) -> None:
    assert fingerprint(platform_text) == fingerprint("青禾新茶上市 https://qinghe.example/p/1?utm_source=weibo")


def test_other_words_are_another_post() -> None:
    assert fingerprint("青禾新茶上市") != fingerprint("青禾新茶上市啦")


def test_html_escapes_do_not_hide_a_post() -> None:
    assert fingerprint("茶 &amp; 器 &lt;3") == fingerprint("茶 & 器 <3")


def test_key_message_is_compared_without_whitespace_and_end_mark() -> None:
    assert key_message_survives("【新】一口 喝到\n春天！", "一口喝到春天。")
    assert not key_message_survives("喝到春天", "一口喝到春天")
    assert key_message_survives("", "")


def test_a_key_message_is_known_in_either_script() -> None:
    assert key_message_survives("【新】我們後天發售！", "后天发售")
    assert key_message_survives("我们后天发售", "後天發售。")


@pytest.mark.parametrize(
    ("text", "script", "expected"),
    [
        ("以后的头发", "traditional", "以後的頭髮"),
        ("以後的頭髮", "simplified", "以后的头发"),
        ("著名的乾隆", "simplified", "著名的乾隆"),
        ("以後的頭髮", "traditional", "以後的頭髮"),
        ("问 @青禾生活馆 https://a.b/c", "traditional", "問 @青禾生活馆 https://a.b/c"),
        ("鼎泰豐联名茶", "traditional", "鼎泰豐聯名茶"),
        ("我们与鼎泰豐联名，后天发售。", "traditional", "我們與鼎泰豐聯名，後天發售。"),
        ("我們與张学友聯名，後天發售。", "traditional", "我們與張學友聯名，後天發售。"),
        ("我们与鼎泰豐联名，著名的乾隆。", "simplified", "我们与鼎泰丰联名，著名的乾隆。"),
        ("鼎泰丰與我們聯名，皇后里程。", "simplified", "鼎泰丰与我们联名，皇后里程。"),
        ("聯名茶後天開售，范先生到場，里程碑。", "traditional", "聯名茶後天開售，范先生到場，里程碑。"),
        ("范先生，后天", "traditional", "範先生，後天"),
    ],
)
def test_script_changes_words_but_no_account_names(text: str, script: str, expected: str) -> None:
    assert to_script(text, "traditional" if script == "traditional" else "simplified") == expected
