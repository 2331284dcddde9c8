"""A tree of Markdown tokens in the shape that article platforms show well: lists side by side, code with fixed lines.

WeChat's draft interface drops line ends and repeated blanks inside `<pre>`, and shows a list or a paragraph inside
a list item with a wrong or second mark.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from markdown_it.token import Token

_BLANKS = re.compile(r"^ +| {2,}")
_BREAK = Token("html_inline", "", 0, content="<br>")
_LISTS = ("bullet_list", "ordered_list")


@dataclass(slots=True)
class _Item:
    """A list item being written. inside: the type of the element that is open for it now, empty for none."""

    inside: str = "li"
    has_words: bool = False
    depth: int = 0


@dataclass(slots=True)
class _Shaper:
    items: list[_Item] = field(default_factory=list)

    def shaped(self, tokens: Iterable[Token]) -> Iterator[Token]:
        for token in tokens:
            token.block = False  # the renderer puts line ends around blocks
            kind, _, edge = token.type.rpartition("_")
            item = self.items[-1] if self.items else None
            if token.type == "list_item_open":
                self.items.append(_Item())
                yield token
            elif token.type == "list_item_close":
                yield from _ended(self.items.pop())
            elif item is None:
                yield _code(token)
            elif kind in _LISTS and edge == "open" and not item.depth:
                yield from _ended(item)
                yield token
                self.items.append(_Item("list"))
            elif kind in _LISTS and edge == "close" and item.inside == "list":
                self.items.pop()
                yield token
            else:
                yield from _within(item, token)


def shaped(tokens: Iterable[Token]) -> list[Token]:
    return list(_Shaper().shaped(tokens))


def _ended(item: _Item) -> Iterator[Token]:
    if item.inside:
        yield Token("item_part_close", item.inside, -1)
    item.inside, item.has_words = "", False


def _within(item: _Item, token: Token) -> Iterator[Token]:
    if not item.depth and token.type in ("paragraph_open", "paragraph_close"):
        return
    if not item.inside:
        item.inside = "section"
        yield Token("item_part_open", "section", 1)
    if token.type == "inline" and not item.depth:
        if item.has_words:
            yield _BREAK
        item.has_words = True
    item.depth += token.nesting
    yield _code(token)


def _code(token: Token) -> Token:
    if token.type == "inline":
        token.children = [_BREAK if child.type == "hardbreak" else child for child in token.children or []]
    if token.type not in ("fence", "code_block"):
        return token
    lines = html.escape(token.content.rstrip("\n").expandtabs(4), quote=False).split("\n")
    fixed = "<br>".join(_BLANKS.sub(lambda match: "&nbsp;" * len(match.group()), line) for line in lines)
    return Token("html_inline", "", 0, content=f"<pre><code>{fixed}</code></pre>")
