"""Texts that Unicode can bring into a canonical form in linear time."""

from __future__ import annotations

import re
import unicodedata

MOST_MARKS = 30  # combining marks in a row, as in Unicode's Stream-Safe Text Format; sorting more is quadratic
_UNCOMMON = re.compile(rf"[^\x00-\u02ff\u2e80-\ua4cf\uac00-\ud7af]{{{MOST_MARKS + 1},}}")  # where marks may be stacked


def stream_safe(text: str) -> str:
    """The text with at most 30 combining marks in a row, so that putting it into a canonical form takes linear time.

    Strangers' texts come here too; more marks than that are no word of any language (Unicode, Stream-Safe Text Format).
    """
    return _UNCOMMON.sub(_without_stacked_marks, text)


def first_stacked_mark(text: str) -> int | None:
    """Where the first run of more marks than that begins; None where there is none."""
    for run in _UNCOMMON.finditer(text):
        count = 0
        for at, one in enumerate(run.group()):
            count = count + 1 if unicodedata.combining(one) else 0
            if count > MOST_MARKS:
                return run.start() + at - count + 1
    return None


def _without_stacked_marks(run: re.Match[str]) -> str:
    kept: list[str] = []
    count = 0
    for one in run.group():
        count = count + 1 if unicodedata.combining(one) else 0
        if count <= MOST_MARKS:
            kept.append(one)
    return "".join(kept)
