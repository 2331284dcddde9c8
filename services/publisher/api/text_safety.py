"""Which characters no text of a request may hold: what steers terminals, shows other words, or costs time.

Looks at decoded JSON or YAML, before it is taken for a type, so that no new field is forgotten. Time is linear.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import islice

from services.publisher.api.problems import Problem, problem

MOST_ITEMS = 256  # of one list or object that are looked at one by one; no list of a valid request has as many
MOST_MARKS = 30  # combining marks in a row, as in Unicode's Stream-Safe Text Format; sorting more of them is quadratic
# C0 without tab and line ends, DEL, C1; then what sets the direction of writing and so shows words in another order.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_DIRECTION = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
_LONGEST_NAME, _LONGEST_PATH = 100, 300
# Runs in which no character is common Latin, kana, Han or Hangul: only there may marks stand close together.
_UNCOMMON = re.compile(rf"[^\x00-\u02ff\u2e80-\ua4cf\uac00-\ud7af]{{{MOST_MARKS + 1},}}")


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
    if found := _CONTROL.search(text):
        where = _where(found)
        yield problem(
            path,
            "control_character",
            f"含有不可见的控制字符（{where[0]}）",
            f"contains control characters ({where[1]})",
            "请删除它们 / remove them",
        )
    if found := _DIRECTION.search(text):
        where = _where(found)
        yield problem(
            path,
            "direction_character",
            f"含有改变文字方向的不可见字符（{where[0]}）",
            f"contains invisible characters that change the direction of writing ({where[1]})",
            "请删除它们 / remove them",
        )
    if found := _LONE_SURROGATE.search(text):
        where = _where(found)
        yield problem(
            path,
            "lone_surrogate",
            f"含有不完整的字符（{where[0]}）",
            f"contains half a character ({where[1]})",
            "请重新输入这个字符 / type that character again",
        )
    if (at := _stacked_marks(text)) is not None:
        yield problem(
            path,
            "combining_marks",
            f"第 {at + 1} 个字符起有超过 {MOST_MARKS} 个连续的组合符号",
            f"more than {MOST_MARKS} combining marks in a row, from character {at + 1} on",
            "请删除多余的符号 / remove some of them",
        )


def _where(found: re.Match[str]) -> tuple[str, str]:
    sign, at = f"U+{ord(found.group()):04X}", found.start() + 1
    return f"第 {at} 个字符，{sign}", f"character {at}, {sign}"


def _stacked_marks(text: str) -> int | None:
    """Where the first run of too many combining marks begins."""
    for run in _UNCOMMON.finditer(text):
        count = 0
        for at, one in enumerate(run.group()):
            count = count + 1 if unicodedata.combining(one) else 0
            if count > MOST_MARKS:
                return run.start() + at - count + 1
    return None
