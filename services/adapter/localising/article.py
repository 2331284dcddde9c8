"""A Markdown article as HTML that stands alone: styles inlined, pictures as `media:` placeholders, links as footnotes.

For platforms that show articles but strip style sheets and outside links. Pure; knows no platform.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import css_inline
from markdown_it import MarkdownIt
from markdown_it.token import Token

from services.adapter.localising.text import strip_markdown

PLACEHOLDER = "media:"

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_BETWEEN_TAGS = re.compile(r">\n+<")
_PLACED = re.compile(r'src="media:([^"]*)"')


@dataclass(frozen=True, slots=True)
class Article:
    """html: with `src="media:<id>"` for each picture of ours. text: its plain words.

    pictures: ids in the order of their first appearance. unknown_pictures: ids nobody declared. foreign_pictures:
    addresses of pictures elsewhere, left out. footnotes: outside links that became notes at the end.
    """

    html: str
    text: str
    pictures: tuple[str, ...]
    unknown_pictures: tuple[str, ...]
    foreign_pictures: tuple[str, ...]
    footnotes: int


@dataclass(frozen=True, slots=True)
class ArticleRules:
    """hosts: where links and pictures may stay as they are. css: empty for plain HTML. speak: how words are written."""

    css: str
    link_hosts: Collection[str] = ()
    picture_hosts: Collection[str] = ()
    footnotes_title: str = "参考链接"
    speak: Callable[[str], str] = str


def render_article(markdown: str, media_ids: Collection[str], rules: ArticleRules) -> Article:
    """The same Markdown and rules give the same HTML. Raw HTML in the Markdown is shown as text, never executed."""
    writer = _Writer(media_ids, rules)
    tokens = _MARKDOWN.parse(markdown)
    for token in tokens:
        if token.children is not None:
            token.children = writer.rewritten(token.children)
    rendered = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}) + writer.notes()
    compact = _BETWEEN_TAGS.sub("><", rendered).strip()
    return Article(
        html=_styled(compact, rules.css),
        text=rules.speak(strip_markdown(markdown)),
        pictures=tuple(writer.pictures),
        unknown_pictures=tuple(writer.unknown),
        foreign_pictures=tuple(writer.foreign),
        footnotes=len(writer.links),
    )


def as_markdown(plain: str) -> str:
    """Plain text as Markdown that shows exactly these words, a paragraph per line."""
    return "\n\n".join(_PUNCTUATION.sub(r"\\\1", line.strip()) for line in plain.splitlines() if line.strip())


def place_pictures(article_html: str, addresses: Callable[[str], str]) -> str:
    """The HTML with each placeholder replaced by the address of that picture."""
    return _PLACED.sub(lambda match: f'src="{html.escape(addresses(match.group(1)))}"', article_html)


def placeholders(article_html: str) -> tuple[str, ...]:
    """The ids of all placeholders, one for each appearance."""
    return tuple(_PLACED.findall(article_html))


@dataclass(slots=True)
class _Writer:
    media_ids: Collection[str]
    rules: ArticleRules
    pictures: dict[str, None] = field(default_factory=dict)
    unknown: dict[str, None] = field(default_factory=dict)
    foreign: dict[str, None] = field(default_factory=dict)
    links: list[tuple[str, str]] = field(default_factory=list)

    def rewritten(self, tokens: list[Token]) -> list[Token]:
        return list(self._rewrite(tokens))

    def notes(self) -> str:
        """The footnotes as a section of their own; nothing where there are none."""
        if not self.links:
            return ""
        title = html.escape(self.rules.speak(self.rules.footnotes_title))
        lines = (
            f"<p>[{n}] {html.escape(words)}：{html.escape(url)}</p>" for n, (words, url) in enumerate(self.links, 1)
        )
        return f"<h4>{title}</h4>{''.join(lines)}"

    def _rewrite(self, tokens: list[Token]) -> Iterator[Token]:
        outside: tuple[int, str] | None = None  # where the text of an outside link begins, and its address
        for at, token in enumerate(tokens):
            match token.type:
                case "text":
                    token.content = self.rules.speak(token.content)
                    yield token
                case "softbreak":
                    yield _soft(token, tokens[at - 1 : at], tokens[at + 1 : at + 2])
                case "image":
                    yield from self._picture(token)
                case "link_open" if not _stays(str(token.attrGet("href") or ""), self.rules.link_hosts):
                    outside = (at + 1, str(token.attrGet("href")))
                case "link_close" if outside is not None:
                    yield from self._note(tokens[outside[0] : at], outside[1])
                    outside = None
                case _:
                    yield token

    def _picture(self, token: Token) -> Iterator[Token]:
        source = str(token.attrGet("src") or "")
        if source.startswith(PLACEHOLDER):
            media_id = source.removeprefix(PLACEHOLDER)
            known = media_id in self.media_ids
            (self.pictures if known else self.unknown).setdefault(media_id)
            if not known:
                return
        elif not _stays(source, self.rules.picture_hosts):
            self.foreign.setdefault(source)
            return
        token.children = self.rewritten(token.children or [])
        yield token

    def _note(self, words: list[Token], url: str) -> Iterator[Token]:
        """A mark behind the words of a link; none where the words are the address itself."""
        text = "".join(word.content for word in words if word.type in ("text", "code_inline"))
        if text == url or not text:
            return
        self.links.append((text, url))
        yield Token("sup_open", "sup", 1)
        yield Token("text", "", 0, content=f"[{len(self.links)}]")
        yield Token("sup_close", "sup", -1)


def _stays(address: str, hosts: Collection[str]) -> bool:
    return urlsplit(address).hostname in hosts


def _soft(token: Token, before: list[Token], after: list[Token]) -> Token:
    """A line broken inside Chinese text is no space."""
    latin = all(t.content and t.content[edge].isascii() for t, edge in zip((*before, *after), (-1, 0), strict=False))
    return token if latin else Token("text", "", 0)


def _styled(article_html: str, css: str) -> str:
    if not css or not article_html:
        return article_html
    inliner = css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=False)
    return inliner.inline_fragment(article_html, css)
