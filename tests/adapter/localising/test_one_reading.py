"""One reading of Markdown: what the preview says is what the HTML shows, and hidden words stay hidden."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.adapter.localising.article import ArticleRules, placeholders, render_article
from services.adapter.localising.front_matter import without_front_matter
from services.adapter.localising.markdown import read
from services.adapter.localising.plain_words import plain_words

PLAIN = ArticleRules("")
PIECES = [
    "茶",
    "a",
    " ",
    "\n\n",
    "  \n",
    "**",
    "：",
    "<!-- 密 -->",
    "<b>",
    "</b>",
    "<VIP>",
    "[茶](#a)",
    "`x`",
    "> ",
    "~~",
]


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_the_preview_has_the_words_of_the_html_and_no_comment(markdown: str) -> None:
    article = render_article(markdown, (), PLAIN)
    shown = html.unescape(re.sub(r"<[^>]*>", "", article.html))
    assert "".join(shown.split()) == "".join(article.text.split())
    assert "密" not in shown + plain_words(read(markdown))


@pytest.mark.parametrize("edge", ["：", "”", "%", "。", "🍵", "）", "`c`", "[c](https://a.example)"])
@pytest.mark.parametrize("mark", ["**", "~~"])
def test_emphasis_ends_beside_chinese_letters(mark: str, edge: str) -> None:
    assert mark not in plain_words(read(f"这是{mark}重点{edge}{mark}的词"))


def test_letters_that_look_like_a_placeholder_are_none() -> None:
    article = render_article('字 src="media:a" ![图](media:a)', {"a"}, ArticleRules("p{margin:0}"))
    assert placeholders(article.html) == ("a",)


def test_front_matter_goes_and_an_open_comment_is_refused() -> None:
    assert without_front_matter("---\ntitle: 茶\n---\n文") == ("\n\n\n文", True)
    assert without_front_matter("---\n一句。\n---\n文")[1] is False
    assert [one.code for one in read("文\n\n<!-- 密\n\n密").remarks if one.serious] == ["comment_open"]
