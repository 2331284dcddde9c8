"""What stands in a Markdown file before its text and is not for readers: the byte order mark and the front matter."""

from __future__ import annotations

import codecs
import re

_YAML_LINE = re.compile(r"""["']?\w[\w.\- ]{0,80}["']?\s*:(\s|$)""")
_TOML_LINE = re.compile(r"""["']?\w[\w.\-]{0,80}["']?\s*=""")
_FENCES = {"---": _YAML_LINE, "+++": _TOML_LINE}
_ENDS = {"---": ("---", "..."), "+++": ("+++",)}
_MOST_LINES = 500


class EncodingError(ValueError):
    """A text file is not UTF-8; the message names the way out."""


def decoded_text(raw: bytes) -> str:
    """The text of a file without its byte order mark. Raises EncodingError that names the encoding it seems to have."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise EncodingError(f"不是 UTF-8（{_guess(raw)}）：请另存为 UTF-8 / not UTF-8: save it as UTF-8") from None


def _guess(raw: bytes) -> str:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "像是 UTF-16"
    for encoding, name in (("gb18030", "GBK"), ("big5", "Big5")):
        try:
            raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        return f"像是 {name}"
    return "编码不明"


def without_front_matter(markdown: str) -> tuple[str, bool]:
    """The text, empty lines in place of the front matter so that line numbers stay; and whether there was one.

    Two rulers with sentences between them are no front matter: each of its lines names a value or continues one.
    """
    text = markdown.removeprefix("\ufeff")
    lines = text.split("\n", _MOST_LINES)
    fence = lines[0].rstrip()
    if fence not in _FENCES:
        return text, False
    named = 0
    for at, line in enumerate(lines[1:_MOST_LINES], 1):
        bare = line.rstrip()
        if bare in _ENDS[fence]:
            if not named:
                break
            return "\n" * (at + 1) + "\n".join(lines[at + 1 :]), True
        if _FENCES[fence].match(bare):
            named += 1
        elif bare and not (named and bare[0] in " \t-]}#\"'") and not bare.startswith("#"):
            break
    return text, False
