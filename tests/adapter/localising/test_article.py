from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.adapter.localising.article import (
    ArticleRules,
    as_markdown,
    place_pictures,
    placeholders,
    render_article,
)

PLAIN = ArticleRules("")


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("一行\n接着", "<p>一行接着</p>"),
        ("one\ntwo", "<p>one\ntwo</p>"),
        ("一\n\n二", "<p>一</p><p>二</p>"),
        ("| 茶 | 价 |\n|---|---|\n| 春 | 1 |", None),
        ("```\na > b\n\nc\n```", "<pre><code>a &gt; b<br><br>c</code></pre>"),
        ("<https://x.example>", "<p>https://x.example</p>"),
        ("[](https://x.example)", "<p></p>"),
        ("[茶](javascript:alert(1))", "<p>[茶](javascript:alert(1))</p>"),
    ],
)
def test_markdown(markdown: str, html: str | None) -> None:
    rendered = render_article(markdown, (), PLAIN).html
    assert rendered == html if html is not None else rendered.startswith("<table>")


def test_a_placeholder_is_replaced_wherever_it_stands_and_nowhere_else() -> None:
    article = render_article('![甲](media:a) ![乙](media:b)\n\n`src="media:a"` ![丙](media:a)', {"a", "b"}, PLAIN)
    assert article.pictures == ("a", "b")
    assert placeholders(article.html) == ("a", "b", "a")
    placed = place_pictures(article.html, lambda media_id: f'http://p.example/{media_id}?x=1&y="2"')
    assert placed.count("http://p.example/a?x=1&amp;y=&quot;2&quot;") == 2
    assert "src=&quot;media:a&quot;" in placed


def test_links_are_numbered_in_order_and_a_picture_inside_one_stays() -> None:
    article = render_article(
        "[甲](https://a.example) [![图](media:a)](https://b.example) [丙](https://c.example)", {"a"}, PLAIN
    )
    assert article.footnotes == 2
    assert "甲<sup>[1]</sup>" in article.html
    assert "丙<sup>[2]</sup>" in article.html
    assert 'src="media:a"' in article.html
    assert article.html.endswith("<p>[1] 甲：https://a.example</p><p>[2] 丙：https://c.example</p>")


@given(st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp", "Zs")), min_size=1))
def test_plain_words_show_as_they_are_whatever_markdown_would_make_of_them(plain: str) -> None:
    assert render_article(as_markdown(plain), (), PLAIN).text == plain
