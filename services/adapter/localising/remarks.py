"""What a Markdown text asks for and readers will not get: signs of other dialects, left-out parts, by line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markdown_it.token import Token

from schemas.words import Words


@dataclass(frozen=True, slots=True)
class TextRemark:
    """code: a key of the texts below. line: in the Markdown, 0 where unknown. serious: the text cannot be posted so."""

    code: str
    line: int
    what: str = ""
    serious: bool = False

    @property
    def where(self) -> Words:
        return Words(f"第 {self.line} 行", f"line {self.line}") if self.line else Words("正文", "the body")

    @property
    def words(self) -> Words:
        chinese, english = _TEXTS[self.code]
        return Words(
            f"{self.where.zh}：{chinese.format(what=self.what)}", f"{self.where.en}: {english.format(what=self.what)}"
        )


_AS_LETTERS = "不支持{0}“{{what}}”，读者会看到这些符号", "{0} {{what!r}} is not supported: readers see these signs"


def _letters(chinese: str, english: str) -> tuple[str, str]:
    return _AS_LETTERS[0].format(chinese), _AS_LETTERS[1].format(english)


_TEXTS = {
    "front_matter": (
        "开头的元数据（front matter）不会发布",
        "the front matter is metadata and is not published",
    ),
    "comment_open": (
        "注释 <!-- 没有结束，请补上 --> 或删去",
        "the comment <!-- has no end, add --> or remove it",
    ),
    "left_out": ("{what} 不能发布，已去掉", "{what} cannot be published and is left out"),
    "picture_as_text": (
        "“{what}”不是可用的图片写法，请写成 ![说明](media:编号)",
        "{what!r} is no picture: write ![words](media:id)",
    ),
    "formula": _letters("公式", "the formula"),
    "task": _letters("任务框", "the task box"),
    "callout": _letters("提示块", "the callout"),
    "wiki_link": _letters("双链", "the wiki link"),
    "highlight": _letters("高亮", "the highlight"),
    "footnote_missing": ("脚注“{what}”没有定义，读者会看到这些符号", "the footnote {what!r} is defined nowhere"),
    "stars": ("“**”没有成对，读者会看到星号", "the stars ** have no partner: readers see them"),
}
_SIGNS = (
    ("picture_as_text", re.compile(r"!\[\[[^\[\]\n]{1,200}\]\]|!\[[^\[\]\n]{0,200}\]\([^()\n]{1,300}\)")),
    ("wiki_link", re.compile(r"(?<!!)\[\[[^\[\]\n]{1,200}\]\]")),
    ("formula", re.compile(r"\$\$|\$(?=[^\s$])[^$\n]{1,200}(?<=[^\s$])\$(?!\d)")),
    ("highlight", re.compile(r"==(?=[^\s=])[^=\n]{1,200}(?<=[^\s=])==")),
    ("footnote_missing", re.compile(r"\[\^[^\s\[\]]{1,100}\]")),
    ("stars", re.compile(r"\*\*(?!\*)")),
)
_TASK = re.compile(r"\[[ xX]\](?=\s)")
_CALLOUT = re.compile(r"\[![A-Za-z]{1,20}\]")
_MOST = 20  # remarks of one paragraph


def remarks_on(children: Sequence[Token], line: int, inside: Sequence[str]) -> Iterator[TextRemark]:
    """inside: the types of the blocks around the inline tokens `children`, outermost first."""
    if any(child.type == "open_comment" for child in children):
        yield TextRemark("comment_open", line, serious=True)
    text = "".join(map(_as_written, children))
    if "list_item_open" in inside and (match := _TASK.match(text)):
        yield TextRemark("task", line, match.group())
    if "blockquote_open" in inside and (match := _CALLOUT.match(text)):
        yield TextRemark("callout", line, match.group())
    for code, pattern in _SIGNS:
        for number, match in enumerate(pattern.finditer(text)):
            if number == _MOST:
                break
            at = line + text.count("\n", 0, match.start())
            yield TextRemark(code, at, match.group()[:60], serious=code == "picture_as_text")


def _as_written(child: Token) -> str:
    """Plain letters; escaped ones, code and everything recognised stand as a sign that no dialect uses."""
    if child.type in ("softbreak", "hardbreak"):
        return "\n"
    return child.content if child.type == "text" else "\x00"
