"""Makes foreign text harmless for a terminal: control and direction characters become visible signs. Pure."""

from __future__ import annotations

import re

# C0 without tab and line feed, DEL, C1, direction marks and overrides, line separators, tags, lone surrogates.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\u206a-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_FIRST_PRINTED, _PICTURES, _LAST_SHORT = 0x20, 0x2400, 0xFFFF


def safe(text: str) -> str:
    r"""`text` with every control shown: ␛ for the C0 controls, \uXXXX for the others. Tab and line feed stay.

    JSON stays the same JSON: C0 controls are escaped there already, and \uXXXX is JSON's own way to write the others.
    """
    return _UNSAFE.sub(_sign, text)


def safe_line(text: str) -> str:
    """`safe` for what must stay on one line: a line feed becomes ⏎, a tab a blank."""
    return safe(text).replace("\n", "⏎").replace("\t", " ")


def _sign(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < _FIRST_PRINTED:
        return chr(_PICTURES + code)
    if code <= _LAST_SHORT:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
