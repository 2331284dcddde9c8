"""A Markdown article as HTML that stands alone: styles inlined, pictures as `media:` placeholders, links as footnotes.

For platforms that show articles but strip style sheets and outside links. Pure; knows no platform.
"""

from __future__ import annotations

import html
import re
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from urllib.parse import urlsplit

import css_inline
from markdown_it import MarkdownIt
from markdown_it.token import Token

from services.adapter.localising.article_shape import shaped
from services.adapter.localising.markdown import Document, read
from services.adapter.localising.plain_words import words_of

PLACEHOLDER = "media:"

_RENDERER = MarkdownIt("commonmark", {"xhtmlOut": False})
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
# A text cannot hold `<`, so what begins like this is a tag that was rendered here; the address is its first attribute.
_PLACED = re.compile(r'(?<=<img src=")media:([^"]*)')
_ADDRESSED = ("mailto:", "tel:")


@dataclass(frozen=True, slots=True)
class Article:
    """html: with `<img src="media:<id>"` for each picture of the content. text: the words of that very tree.

    pictures: ids in the order of their first appearance. unknown_pictures: ids nobody declared. foreign_pictures:
    addresses of pictures elsewhere, left out. footnotes: notes at the end.
    unlinked: addresses that lead nowhere outside the author's machine and were left out.
    hidden_words: what stands in the HTML without being seen at once.
    """

    html: str
    text: str
    pictures: tuple[str, ...]
    unknown_pictures: tuple[str, ...]
    foreign_pictures: tuple[str, ...]
    footnotes: int
    unlinked: tuple[str, ...]
    hidden_words: str


@dataclass(frozen=True, slots=True)
class ArticleRules:
    """hosts: where links and pictures may stay as they are. css: empty for plain HTML. speak: how words are written.

    tail: lines that stand behind everything.
    """

    css: str
    link_hosts: Collection[str] = ()
    picture_hosts: Collection[str] = ()
    footnotes_title: str = "参考链接"
    speak: Callable[[str], str] = str
    tail: tuple[str, ...] = ()


def render_article(markdown: str, media_ids: Collection[str], rules: ArticleRules) -> Article:
    """The same Markdown and rules give the same HTML. Of raw HTML harmless marks are kept, nothing is executed."""
    document = read(markdown)
    writer = _Writer(media_ids, rules)
    tokens = [*writer.rewritten(document.tokens), *writer.notes(document)]
    for line in rules.tail:
        tokens += _block("paragraph", "p", line)
    text = words_of(tokens)
    rendered = _RENDERER.renderer.render(shaped(tokens), _RENDERER.options, {}).strip()
    plain = Article(
        html=_sendable(rendered),
        text=text,
        pictures=tuple(writer.pictures),
        unknown_pictures=tuple(writer.unknown),
        foreign_pictures=tuple(writer.foreign),
        footnotes=len(writer.numbers),
        unlinked=tuple(writer.unlinked),
        hidden_words="\n".join(writer.hidden),
    )
    return styled(plain, rules.css)


def styled(plain: Article, css: str, inherited: str = "") -> Article:
    """An article that was rendered without css, with the styles inside of its tags.

    inherited: the style of a section around everything, for what each paragraph need not repeat.
    """
    if not plain.html or not (css or inherited):
        return plain
    found = f'<section style="{inherited}">{plain.html}</section>' if inherited else plain.html
    if css:
        found = css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=False).inline_fragment(found, css)
    return replace(plain, html=_sendable(found))


def _sendable(article_html: str) -> str:
    """A backslash before "u" is refused by interfaces that look at the raw request."""
    return article_html.replace("\\", "&#92;")


def as_markdown(plain: str) -> str:
    """Plain text as Markdown that shows exactly these words, a paragraph per line."""
    lines = (_PUNCTUATION.sub(r"\\\1", line.strip()) for line in plain.splitlines() if line.strip())
    return "\n\n".join(f"&#xFEFF;{line[1:]}" if line[0] == "\ufeff" else line for line in lines)


def place_pictures(article_html: str, addresses: Callable[[str], str]) -> str:
    """The HTML with each placeholder replaced by the address of that picture."""
    return _PLACED.sub(lambda match: html.escape(addresses(html.unescape(match.group(1)))), article_html)


def placeholders(article_html: str) -> tuple[str, ...]:
    """The ids of all placeholders, one for each appearance."""
    return tuple(html.unescape(media_id) for media_id in _PLACED.findall(article_html))


@dataclass(slots=True)
class _Writer:
    """numbers: what a note is about (`link` and the address, or `note` and the label) → its number."""

    media_ids: Collection[str]
    rules: ArticleRules
    pictures: dict[str, None] = field(default_factory=dict)
    unknown: dict[str, None] = field(default_factory=dict)
    foreign: dict[str, None] = field(default_factory=dict)
    unlinked: dict[str, None] = field(default_factory=dict)
    numbers: dict[tuple[str, str], int] = field(default_factory=dict)
    link_words: dict[str, str] = field(default_factory=dict)
    hidden: list[str] = field(default_factory=list)

    def rewritten(self, tokens: Collection[Token]) -> Collection[Token]:
        for token in tokens:
            if token.type == "inline":
                token.children = list(self._rewrite(token.children or []))
        return tokens

    def notes(self, document: Document) -> Iterator[Token]:
        """Links and footnotes as a section of their own at the end; nothing where there are none."""
        if not self.numbers and not document.footnotes:
            return
        title = "注释" if document.footnotes else self.rules.footnotes_title
        yield from _block("heading", "h4", self.rules.speak(title))
        waiting = deque(self.numbers)
        seen = len(waiting)
        left = dict(document.footnotes)
        while waiting or left:
            if not waiting:  # nobody refers to it, and its words are not lost
                self.numbers.setdefault(("note", next(iter(left))), len(self.numbers) + 1)
            else:
                kind, name = waiting.popleft()
                number = self.numbers[kind, name]
                if kind == "link":
                    words = self.link_words[name]
                    yield from _block(
                        "paragraph", "p", f"[{number}] {words}：{name}" if words else f"[{number}] {name}"
                    )
                else:
                    yield from _numbered(number, list(self.rewritten(left.pop(name))))
            if len(self.numbers) > seen:  # a note may refer to others
                waiting.extend(islice(self.numbers, seen, None))
                seen = len(self.numbers)

    def _rewrite(self, tokens: list[Token]) -> Iterator[Token]:
        outside: tuple[int, str] | None = None  # where the text of an outside link begins, and its address
        for at, token in enumerate(tokens):
            match token.type:
                case "text":
                    token.content = self.rules.speak(token.content)
                    yield token
                case "footnote_ref":
                    yield from self._mark("note", token.meta["label"])
                case "image":
                    yield from self._picture(token)
                case "link_open" if not _stays(str(token.attrGet("href") or ""), self.rules.link_hosts):
                    outside = (at + 1, str(token.attrGet("href") or ""))
                case "link_close" if outside is not None:
                    yield from self._after_link(tokens[outside[0] : at], outside[1])
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
        elif not _host(source):
            return
        elif not _stays(source, self.rules.picture_hosts):
            self.foreign.setdefault(source)
            return
        token.children = [one for one in self._rewrite(token.children or []) if one.type in ("text", "code_inline")]
        self.hidden += [one.content for one in token.children]
        token.attrs = {"src": source, "alt": "", **{k: str(v) for k, v in token.attrs.items() if k == "title"}}
        if "title" in token.attrs:
            token.attrs["title"] = self.rules.speak(str(token.attrs["title"]))
            self.hidden.append(str(token.attrs["title"]))
        yield token

    def _after_link(self, words: list[Token], url: str) -> Iterator[Token]:
        """What stands behind the words of a link that goes: a note mark, or the address of a person."""
        text = "".join(word.content for word in words if word.type in ("text", "code_inline"))
        shown = any(word.type == "image" for word in words)
        if text == url or (text and url.partition(":")[2] == text):
            return
        if url.lower().startswith(_ADDRESSED) and text:
            yield Token("text", "", 0, content=f"（{url.partition(':')[2].partition('?')[0]}）")
        elif not _host(url) or not (text or shown):
            self.unlinked.setdefault(url)
        elif shown and not any(word.type in ("text", "code_inline") and word.content.strip() for word in words):
            yield Token("text", "", 0, content=f"（{url}）")  # a mark behind a picture would be read as a part of it
        else:
            self.link_words.setdefault(url, text)
            yield from self._mark("link", url)

    def _mark(self, kind: str, name: str) -> Iterator[Token]:
        number = self.numbers.setdefault((kind, name), len(self.numbers) + 1)
        yield Token("sup_open", "sup", 1)
        yield Token("text", "", 0, content=f"[{number}]")
        yield Token("sup_close", "sup", -1)


def _block(kind: str, tag: str, words: str) -> Iterator[Token]:
    yield Token(f"{kind}_open", tag, 1)
    yield Token("inline", "", 0, children=[Token("text", "", 0, content=words)])
    yield Token(f"{kind}_close", tag, -1)


def _numbered(number: int, note: list[Token]) -> Iterator[Token]:
    if len(note) > 1 and note[0].type == "paragraph_open" and note[1].children is not None:
        note[1].children.insert(0, Token("text", "", 0, content=f"[{number}] "))
    else:
        yield from _block("paragraph", "p", f"[{number}]")
    yield from note


def _host(address: str) -> str:
    """The host of a web address; empty for paths, anchors and what only looks like an address."""
    try:
        parts = urlsplit(address)
        return (parts.hostname or "") if parts.scheme in ("http", "https", "") else ""
    except ValueError:
        return ""


def is_local(address: str) -> bool:
    """Whether a picture's address is a path on the author's machine."""
    return not address.startswith(PLACEHOLDER) and not _host(address)


def _stays(address: str, hosts: Collection[str]) -> bool:
    return _host(address) in hosts
