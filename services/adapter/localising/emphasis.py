"""Emphasis beside Chinese: `**注意：**少放糖` is bold, though CommonMark wants a blank there. Pure.

CommonMark tells the two ends of an emphasis by blanks and punctuation, and Chinese has no blanks. Here a mark between
punctuation (inside) and a letter (outside) may also begin or end an emphasis.
"""

from __future__ import annotations

import unicodedata

from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Delimiter


def emphasis(state: StateInline, silent: bool) -> bool:
    """`*` and `_`, in place of the parser's own rule of that name."""
    marker = state.src[state.pos]
    if silent or marker not in "*_":
        return False
    length, can_open, can_close = _ends(state, marker)
    for _ in range(length):
        _push(state, marker, marker, length, can_open, can_close)
    state.pos += length
    return True


def strikethrough(state: StateInline, silent: bool) -> bool:
    """`~~`, in place of the parser's own rule of that name."""
    marker = state.src[state.pos]
    if silent or marker != "~":
        return False
    length, can_open, can_close = _ends(state, marker)
    if length < 2:
        return False
    if length % 2:
        state.push("text", "", 0).content = marker
    for _ in range(length // 2):
        _push(state, marker, marker * 2, 0, can_open, can_close)
    state.pos += length
    return True


def _push(state: StateInline, marker: str, text: str, length: int, can_open: bool, can_close: bool) -> None:
    state.push("text", "", 0).content = text
    state.delimiters.append(
        Delimiter(
            marker=ord(marker), length=length, token=len(state.tokens) - 1, end=-1, open=can_open, close=can_close
        )
    )


def _ends(state: StateInline, marker: str) -> tuple[int, bool, bool]:
    """Length of the run of marks, and whether it may begin and end an emphasis."""
    scanned = state.scanDelims(state.pos, marker != "_")
    after = state.pos + scanned.length
    left = state.src[state.pos - 1] if state.pos else " "
    right = state.src[after] if after < state.posMax else " "
    can_open, can_close = scanned.can_open, scanned.can_close
    # A single mark between Latin signs may be a factor, as in 2*(3+4)*5, or a part of a name.
    if (scanned.length > 1 and marker != "_") or _is_chinese(left) or _is_chinese(right):
        can_open = can_open or (_is_word(left) and _is_sign(right))
        can_close = can_close or (_is_word(right) and _is_sign(left) and not _opens(left))
    return scanned.length, can_open, can_close


def _is_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNM"


def _is_sign(character: str) -> bool:
    """Neither blank nor letter: punctuation, symbols, emoji with their joiners and variation marks."""
    return not character.isspace() and (
        unicodedata.category(character)[0] in "PSC" or "\ufe00" <= character <= "\ufe0f"
    )


def _opens(character: str) -> bool:
    return unicodedata.category(character) in ("Ps", "Pi")


def _is_chinese(character: str) -> bool:
    return "\u2e80" <= character <= "\uffef" or character >= "\U00020000" or "\u2010" <= character <= "\u2027"
