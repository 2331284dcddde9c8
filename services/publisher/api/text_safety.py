"""Which characters no text of a request may hold: what steers terminals, shows other words, or costs time.

Looks at decoded JSON or YAML, before it is taken for a type, so that no new field is forgotten. Time is linear.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from services.adapter.localising.stream_safe import MOST_MARKS, first_stacked_mark
from services.publisher.api.problems import Problem, problem

MOST_ITEMS = 256  # of one list or object that are looked at one by one; no list of a valid request has as many
# (what, code, what is wrong in Chinese and English, way out). C0 without tab and line ends, DEL, C1; then what sets the
# direction of writing and so shows words in another order; then half a character.
_FORBIDDEN = (
    (
        re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"), "control_character",
        "含有不可见的控制字符", "contains control characters",
        "请删除它们 / remove them",
    ),
    (
        re.compile(r"[\u202a-\u202e\u2066-\u2069]"), "direction_character",
        "含有改变文字方向的不可见字符", "contains invisible characters that change the direction of writing",
        "请删除它们 / remove them",
    ),
    (
        re.compile(r"[\ud800-\udfff]"), "lone_surrogate",
        "含有不完整的字符", "contains half a character",
        "请重新输入这个字符 / type that character again",
    ),
)  # fmt: skip
_LONGEST_NAME, _LONGEST_PATH = 100, 300


def unsafe_texts(value: object, path: str = "") -> Iterator[Problem]:
    """A problem for each text in `value` (dictionaries, lists, strings) that must not be accepted, by its path."""
    match value:
        case str():
            yield from _unsafe(value, path)
        case dict():
            for name, one in islice(value.items(), MOST_ITEMS):
                yield from unsafe_texts(one, path_to(path, str(name)))
        case list() | tuple():
            for number, one in enumerate(value[:MOST_ITEMS]):
                yield from unsafe_texts(one, f"{path}[{number}]")


def path_to(path: str, name: str) -> str:
    """The path of a field; both are cut where they are longer than any valid one, because a client may invent them."""
    shown = name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…"
    if not path:
        return shown
    return f"{path}.{shown}" if len(path) <= _LONGEST_PATH else path


def _unsafe(text: str, path: str) -> Iterator[Problem]:
    if text.isascii() and text.isprintable():
        return
    for pattern, code, zh, en, way_out in _FORBIDDEN:
        if found := pattern.search(text):
            sign, place = f"U+{ord(found.group()):04X}", found.start() + 1
            yield problem(
                path, code, f"{zh}（第 {place} 个字符，{sign}）", f"{en} (character {place}, {sign})", way_out
            )
    if (at := first_stacked_mark(text)) is not None:
        yield problem(
            path,
            "combining_marks",
            f"第 {at + 1} 个字符起有超过 {MOST_MARKS} 个连续的组合符号",
            f"more than {MOST_MARKS} combining marks in a row, from character {at + 1} on",
            "请删除多余的符号 / remove some of them",
        )
