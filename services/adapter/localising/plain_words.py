"""The words of a Markdown text as a reader of plain text sees them: lines, numbers and cells stay apart. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from markdown_it.token import Token

from services.adapter.localising.markdown import Document, read
from services.adapter.localising.report import Report

CELLS_APART = "\u3000"
"""Between the cells of a table row."""


def plain_words(document: Document, *, code: bool = True) -> str:
    """code: whether blocks of program code belong to the words. Footnotes become `[1]` and lines at the end."""
    notes: dict[str, int] = {}
    tokens = list(numbered(document.tokens, notes))
    lines = words_of(tokens, code=code)
    for label, number in _all_notes(document, notes):
        note = words_of(list(numbered(document.footnotes[label], notes)), code=code)
        lines += f"\n[{number}] {note}"
    return lines.strip("\n")


def captioned(markdown: str, report: Report, where: str) -> str:
    """The words for a post of plain text, without program code; the report names what such a post cannot hold."""
    document = read(markdown)
    report.heed(document, where)
    tokens = list(document.all_tokens())
    children = [child for token in tokens for child in token.children or []]
    if any(token.type in ("fence", "code_block") for token in tokens):
        report.warnings.append(
            f"{where} 里的代码块没有发布：这是纯文字的帖子 / code blocks of {where} are left out: plain text"
        )
    if any(child.type == "link_open" and child.info != "auto" for child in children):
        report.warnings.append(
            f"{where} 里的链接只留下文字，没有地址 / links of {where} keep their words, not their addresses"
        )
    if any(child.type == "image" for child in children):
        report.warnings.append(
            f"{where} 里插图的位置和说明没有发布 / places and words of pictures in {where} are left out"
        )
    return plain_words(document, code=False)


def _all_notes(document: Document, notes: dict[str, int]) -> Iterator[tuple[str, int]]:
    """Footnotes in the order of their marks; those that nobody refers to at the end. A note may refer to others."""
    at = 0
    while True:
        labels = list(notes)
        if at == len(labels):
            missing = next((label for label in document.footnotes if label not in notes), None)
            if missing is None:
                return
            notes[missing] = len(notes) + 1
            labels.append(missing)
        yield labels[at], notes[labels[at]]
        at += 1


def numbered(tokens: Iterable[Token], notes: dict[str, int]) -> Iterator[Token]:
    """The tokens with `[1]` where a footnote is referred to."""
    for token in tokens:
        if token.children:
            token.children = [_mark(child, notes) for child in token.children]
        yield token


def _mark(child: Token, notes: dict[str, int]) -> Token:
    if child.type != "footnote_ref":
        return child
    number = notes.setdefault(child.meta["label"], len(notes) + 1)
    return Token("text", "", 0, content=f"[{number}]")


@dataclass(slots=True)
class _Lines:
    lines: list[str] = field(default_factory=list)
    cells: list[str] | None = None
    numbers: list[int | None] = field(default_factory=list)
    mark: str = ""

    def block(self, token: Token) -> None:
        match token.type:
            case "ordered_list_open":
                self.numbers.append(int(token.attrGet("start") or 1))
            case "bullet_list_open":
                self.numbers.append(None)
            case "ordered_list_close" | "bullet_list_close":
                self.numbers.pop()
            case "list_item_open" if self.numbers and (number := self.numbers[-1]) is not None:
                self.mark, self.numbers[-1] = f"{number}. ", number + 1
            case "list_item_close":
                self.mark = ""
            case "tr_open":
                self.cells = []
            case "tr_close":
                cells, self.cells = self.cells, None
                self.add(CELLS_APART.join(cells or []))
            case _:
                pass

    def add(self, words: str) -> None:
        if self.cells is not None:
            if one_line := " ".join(words.split("\n")):
                self.cells.append(one_line)
        elif words:
            self.lines.append(self.mark + words)
            self.mark = ""


def words_of(tokens: Iterable[Token], *, code: bool = True) -> str:
    """The words of a tree without footnotes."""
    found = _Lines()
    for token in tokens:
        if token.type == "inline":
            found.add(inline_words(token.children or []))
        elif token.type in ("fence", "code_block"):
            if code:
                found.add(token.content.strip("\n").rstrip())
        else:
            found.block(token)
    return "\n".join(found.lines)


def inline_words(children: Iterable[Token]) -> str:
    words: list[str] = []
    for child in children:
        if child.type in ("text", "code_inline"):
            words.append(child.content)
        elif child.type == "softbreak":
            words.append(" ")
        elif child.type == "hardbreak":
            words.append("\n")
    return "\n".join(filter(None, (line.strip() for line in "".join(words).split("\n"))))
