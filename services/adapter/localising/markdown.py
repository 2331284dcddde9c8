"""The one reading of Markdown: every platform, every preview and the word check see the tree that is made here. Pure.

HTML comments, front matter and scripts are not for readers and leave no trace; other tags are ordinary tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from mdit_py_plugins.footnote.index import footnote_def

from services.adapter.localising.emphasis import emphasis, strikethrough
from services.adapter.localising.front_matter import without_front_matter
from services.adapter.localising.inline_html import without_raw_html
from services.adapter.localising.remarks import TextRemark, remarks_on

_HIDDEN_BLOCK = re.compile(r"<(!--|script(?=[\s>])|style(?=[\s>]))", re.IGNORECASE)
_END_OF = {
    "!--": re.compile("-->"),
    "script": re.compile(r"</script\s*>", re.I),
    "style": re.compile(r"</style\s*>", re.I),
}
_FOOTNOTE = re.compile(r"\[\^([^\s\[\]]{1,100})\]")
_ENDS_IN_ADDRESS = re.compile(r"https?://[^\s\u2e80-\uffef]{1,2000}$")
_ADDRESS = re.compile(r"https?://")


@dataclass(frozen=True, slots=True)
class Document:
    """tokens: the tree without footnotes. footnotes: the tokens of each by its label. remarks: what readers will
    not see as it was meant, with lines."""

    tokens: tuple[Token, ...]
    footnotes: dict[str, list[Token]]
    remarks: tuple[TextRemark, ...]

    def pictures(self) -> tuple[tuple[int, str], ...]:
        """Line and address of each picture, in order."""
        return tuple(
            (_line(token), str(child.attrGet("src") or ""))
            for token in self.all_tokens()
            for child in _flat(token.children or [])
            if child.type == "image"
        )

    def all_tokens(self) -> Iterator[Token]:
        yield from self.tokens
        for tokens in self.footnotes.values():
            yield from tokens


def read(markdown: str) -> Document:
    """Each call gives tokens of its own, which the caller may change. Takes time in proportion to the text."""
    source, front = without_front_matter(markdown)
    env: dict[str, Any] = {}
    remarks = [TextRemark("front_matter", 1)] if front else []
    body, footnotes = _divided(_parser().parse(source, env))
    remarks += [TextRemark("comment_open", line + 1, serious=True) for line in env.get("open_comments", ())]
    for tokens in (body, *footnotes.values()):
        _clean(tokens, remarks)
    return Document(tuple(_without_empty(body)), {k: _without_empty(v) for k, v in footnotes.items()}, tuple(remarks))


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).disable("text_join")
    parser.block.ruler.at("html_block", _hidden_block, {"alt": ["paragraph", "reference", "blockquote"]})
    parser.block.ruler.before("reference", "footnote_def", footnote_def, {"alt": ["paragraph", "reference"]})
    parser.inline.ruler.at("emphasis", emphasis)
    parser.inline.ruler.at("strikethrough", strikethrough)
    parser.inline.ruler.before("html_inline", "open_comment", _open_comment)
    parser.inline.ruler.before("link", "footnote_ref", _footnote_ref)
    return parser


def _hidden_block(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """A comment, script or style that begins a line: to its end, over empty lines too. What follows it is read on."""
    if state.is_code_block(start_line):
        return False
    begin = state.bMarks[start_line] + state.tShift[start_line]
    match = _HIDDEN_BLOCK.match(state.src, begin)
    if match is None:
        return False
    kind = match.group(1).lower()
    end = _END_OF[kind].search(state.src, match.end(), state.eMarks[end_line - 1])
    if end is None:
        if kind != "!--":
            return False
        if not silent:
            state.env.setdefault("open_comments", []).append(start_line)
            state.line = end_line
        return True
    last = start_line
    while state.eMarks[last] < end.end():
        last += 1
    rest = state.src[end.end() : state.eMarks[last]].strip()
    if rest and last == start_line:
        return False  # the words behind it belong to a paragraph, which reads the comment itself
    if silent:
        return True
    state.line = last + 1
    if kind != "!--":
        state.push("left_out", "", 0).info = f"<{kind}>"
    if rest:
        state.push("paragraph_open", "p", 1).map = [last, last + 1]
        inline = state.push("inline", "", 0)
        inline.content, inline.map, inline.children = rest, [last, last + 1], []
        state.push("paragraph_close", "p", -1)
    return True


def _open_comment(state: StateInline, silent: bool) -> bool:
    """A comment that ends nowhere hides the rest of its paragraph: what is inside was not meant for readers."""
    if not state.src.startswith("<!--", state.pos) or state.html_terminator_last("-->") >= state.pos + 4:
        return False
    if state.src.startswith(("<!-->", "<!--->"), state.pos):
        return False
    if not silent:
        state.push("open_comment", "", 0)
    state.pos = state.posMax
    return True


def _footnote_ref(state: StateInline, silent: bool) -> bool:
    match = _FOOTNOTE.match(state.src, state.pos)
    if match is None or f":{match.group(1)}" not in state.env.get("footnotes", {}).get("refs", {}):
        return False
    if not silent:
        state.push("footnote_ref", "", 0).meta = {"label": match.group(1)}
    state.pos = match.end()
    return True


def _divided(tokens: list[Token]) -> tuple[list[Token], dict[str, list[Token]]]:
    """The text, and its footnotes by label; of two with one label both are kept."""
    body: list[Token] = []
    footnotes: dict[str, list[Token]] = {}
    into = [body]
    for token in tokens:
        if token.type == "footnote_reference_open":
            into.append(footnotes.setdefault(token.meta["label"], []))
        elif token.type == "footnote_reference_close":
            into.pop()
        else:
            into[-1].append(token)
    return body, footnotes


def _clean(tokens: list[Token], remarks: list[TextRemark]) -> None:
    opened: list[str] = []
    for token in tokens:
        if token.nesting == 1:
            opened.append(token.type)
        elif token.nesting == -1 and opened:
            opened.pop()
        if token.type == "left_out":
            remarks.append(TextRemark("left_out", 0, token.info))
        if token.type != "inline":
            continue
        children = token.children or []
        remarks += remarks_on(children, _line(token), opened)
        left_out: list[str] = []
        children = without_raw_html(children, left_out)
        remarks += [TextRemark("left_out", _line(token), what) for what in left_out]
        token.children = _joined(children)


def _joined(children: list[Token]) -> list[Token]:
    """Neighbouring texts as one; a line broken inside Chinese text is no space; comments are gone."""
    kept: list[Token] = []
    for child in children:
        if child.type in ("comment", "open_comment"):
            continue
        if child.type == "image":
            child.children = _joined(child.children or [])
        if child.type == "text_special":
            child.type = "text"
        if child.type == "text" and kept and kept[-1].type == "text":
            kept[-1] = Token("text", "", 0, content=kept[-1].content + child.content)
        else:
            kept.append(child)
    return [child for at, child in enumerate(kept) if child.type != "softbreak" or _is_space(kept, at)]


def _is_space(children: list[Token], at: int) -> bool:
    """Whether a line break stands between Latin words, or beside an address, which must not run into words."""
    before = next((one.content for one in reversed(children[max(at - 8, 0) : at]) if one.content), "")
    after = next((one.content for one in children[at + 1 : at + 9] if one.content), "")
    if _ENDS_IN_ADDRESS.search(before[-2000:]) or _ADDRESS.match(after):
        return True
    return bool(before) and bool(after) and before[-1].isascii() and after[0].isascii()


def _without_empty(tokens: list[Token]) -> list[Token]:
    """Without paragraphs in which nothing is left but what readers do not see."""
    gone: set[int] = set()
    for at, token in enumerate(tokens):
        if token.type == "inline" and token.content.lstrip().startswith("<") and not token.children:
            gone |= {at - 1, at, at + 1} if tokens[at - 1].type == "paragraph_open" else set()
    return [token for at, token in enumerate(tokens) if at not in gone and token.type != "left_out"]


def _flat(children: list[Token]) -> Iterator[Token]:
    for child in children:
        yield child
        yield from _flat(child.children or [])


def _line(token: Token) -> int:
    return token.map[0] + 1 if token.map else 0
