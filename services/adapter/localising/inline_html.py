"""HTML tags inside Markdown: what is a tag and what are letters, which are rendered, which leave their words only.

Every tag becomes an ordinary token here, so that no later step sees raw HTML.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Literal

from markdown_it.token import Token

_RENDERED = {
    "sub": "sub",
    "sup": "sup", "u": "u", "ins": "u", "b": "strong", "strong": "strong", "i": "em", "em": "em", "s": "s",
    "del": "s", "strike": "s", "small": "small", "mark": "mark", "code": "code", "kbd": "code",
}  # fmt: skip
_LINES = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "br",
        "caption",
        "center",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
    ]
)
_HIDDEN = frozenset({"script", "style"})
_SHOWS_SOMETHING = frozenset(["audio", "canvas", "embed", "iframe", "input", "object", "svg", "video"])
_OTHERS = frozenset(
    [
        "a",
        "abbr",
        "acronym",
        "audio",
        "bdi",
        "bdo",
        "big",
        "canvas",
        "cite",
        "col",
        "colgroup",
        "dfn",
        "embed",
        "font",
        "iframe",
        "img",
        "input",
        "label",
        "nobr",
        "noscript",
        "object",
        "path",
        "picture",
        "q",
        "rp",
        "rt",
        "ruby",
        "samp",
        "source",
        "span",
        "svg",
        "template",
        "textarea",
        "time",
        "track",
        "tt",
        "var",
        "video",
        "wbr",
    ]
)
_KNOWN = frozenset(_RENDERED) | _LINES | _HIDDEN | _OTHERS
_AS_CAPITALS = frozenset(
    ["br", "center", "div", "font", "img", "li", "ol", "span", "strong", "sub", "sup", "table", "td", "th", "tr", "ul"]
)
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)")
_ATTRIBUTE = re.compile(r"""\s([a-zA-Z-]{1,20})\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+)""")


def without_raw_html(children: list[Token], left_out: list[str]) -> list[Token]:
    """Inline tokens in which each tag is a token of its own kind, or gone with its words kept.

    left_out: receives what a reader will miss (scripts, embedded players).
    """
    return _trimmed(_balanced(list(_tokens(children, left_out))))


def _tokens(children: list[Token], left_out: list[str]) -> Iterator[Token]:
    hidden: str | None = None
    closing = _closing_tags(children)
    for at, child in enumerate(children):
        if child.type != "html_inline":
            if hidden is None:
                yield child
            continue
        name, closes = _name_of(child.content)
        if hidden is not None:
            if closes and name == hidden:
                hidden = None
        elif child.content.startswith("<!--"):
            yield Token("comment", "", 0)
        elif name is None:
            yield Token("text", "", 0, content=child.content)
        elif name in _HIDDEN and not closes and closing.get(name, -1) > at:
            hidden = name
            left_out.append(f"<{name}>")
        else:
            if name in _SHOWS_SOMETHING and not closes:
                left_out.append(f"<{name}>")
            yield from _token_of(name, child.content, closes=closes)


def _closing_tags(children: list[Token]) -> dict[str, int]:
    """The last place at which a hidden element ends."""
    found: dict[str, int] = {}
    for at, child in enumerate(children):
        if child.type == "html_inline":
            name, closes = _name_of(child.content)
            if name in _HIDDEN and closes:
                found[str(name)] = at
    return found


def _name_of(tag: str) -> tuple[str | None, bool]:
    """The name of a tag that HTML knows, and whether it closes; None for `<VIP>` and `<String>`, which are words."""
    match = _TAG.match(tag)
    if match is None:
        return None, False
    name = match.group(2).lower()
    known = name in _KNOWN if match.group(2).islower() else name in _AS_CAPITALS
    return (name if known else None), bool(match.group(1))


def _token_of(name: str, tag: str, *, closes: bool) -> Iterator[Token]:
    nesting: Literal[-1, 1] = -1 if closes else 1
    if name in _LINES:
        yield Token("hardbreak", "br", 0, meta={"asked": name == "br"})
    elif name in _RENDERED and not tag.endswith("/>"):
        yield Token(f"html_{'close' if closes else 'open'}", _RENDERED[name], nesting)
    elif name == "a" and (closes or "href" in _attributes(tag)):
        attributes: dict[str, str | int | float] = {} if closes else {"href": _attributes(tag)["href"]}
        yield Token("link_close" if closes else "link_open", "a", nesting, attrs=attributes, info="html")
    elif name == "img" and not closes:
        given = _attributes(tag)
        alt = given.get("alt", "")
        yield Token(
            "image", "img", 0, attrs={"src": given.get("src", ""), "alt": ""}, content=alt,
            children=[Token("text", "", 0, content=alt)] if alt else [],
        )  # fmt: skip


def _attributes(tag: str) -> dict[str, str]:
    return {name.lower(): html.unescape(value.strip("\"'")) for name, value in _ATTRIBUTE.findall(tag)}


def _is_html(token: Token) -> bool:
    return token.type.startswith("html_") or token.info == "html"


def _balanced(tokens: list[Token]) -> list[Token]:
    """Without the tags that have no partner inside the same piece of Markdown."""
    opened: list[int] = []
    gone: set[int] = set()
    for at, token in enumerate(tokens):
        if token.nesting == 1:
            opened.append(at)
        elif token.nesting == -1 and _is_html(token):
            if opened and _is_html(tokens[opened[-1]]) and tokens[opened[-1]].tag == token.tag:
                opened.pop()
            else:
                gone.add(at)
        elif token.nesting == -1:
            while opened and _is_html(tokens[opened[-1]]):
                gone.add(opened.pop())
            if opened:
                opened.pop()
    gone.update(at for at in opened if _is_html(tokens[at]))
    return [token for at, token in enumerate(tokens) if at not in gone]


def _trimmed(tokens: list[Token]) -> list[Token]:
    """Lines that block tags asked for stand only between words, and once."""
    kept: list[Token] = []
    for token in tokens:
        made = token.type == "hardbreak" and bool(token.meta)
        if made and not token.meta["asked"] and not any(_is_visible(one) for one in kept[-3:]):
            continue
        if token.type == "softbreak" and kept and kept[-1].type == "hardbreak":
            continue
        if token.type == "hardbreak" and kept and kept[-1].type == "softbreak":
            kept.pop()
        if made and not token.meta["asked"] and kept and kept[-1].type == "hardbreak":
            continue
        kept.append(token)
    while kept and kept[-1].type in ("hardbreak", "softbreak") and (kept[-1].type == "softbreak" or kept[-1].meta):
        kept.pop()
    return kept


def _is_visible(token: Token) -> bool:
    return token.type in ("image", "code_inline", "footnote_ref") or (
        token.type == "text" and bool(token.content.strip())
    )
