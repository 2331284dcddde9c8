"""Pure text rules that more than one platform needs: plain words from Markdown, sentences, counting, cutting, script.

Owns how text is measured and recognised; must not know a platform. `fingerprint` is what every `find` matches by.
"""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token
from opencc import OpenCC

Script = Literal["simplified", "traditional"]

ELLIPSIS = "…"
URL = re.compile(r"https?://[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
MENTION = re.compile(r"@[\w\-]+")

_ZWJ = "\u200d"
_INVISIBLE = re.compile(r"[\s\u200b-\u200f\u2060\ufeff\ufe00-\ufe0f]+")
_SENTENCE = re.compile(r".+?(?:[。！？!?；;…]+[”’」』）)】]*|\.(?=\s)|$)", re.DOTALL)
_TOPIC_MARKS = re.compile(r"[#＃]")
_END_MARKS = "。！？!?；;….，,、：: "


def strip_markdown(markdown: str) -> str:
    """The words of a Markdown text, a line per paragraph, heading or list item; pictures and markup left out."""
    lines = [_inline_words(token) for token in _markdown().parse(markdown) if token.type in _WORDS]
    return "\n".join(line for line in lines if line)


_WORDS = {"inline", "fence", "code_block"}


@cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark").enable("table")


def _inline_words(token: Token) -> str:
    if token.type != "inline":
        return token.content.strip()
    words = []
    for child in token.children or []:
        if child.type in ("text", "code_inline"):
            words.append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            words.append("\n")
    return _join_broken_lines("".join(words))


def _join_broken_lines(text: str) -> str:
    """A line broken inside Chinese text is no space; between Latin words it is one."""
    pieces = [piece.strip() for piece in text.split("\n")]
    joined = pieces[0]
    for piece in pieces[1:]:
        latin = bool(joined) and bool(piece) and joined[-1].isascii() and piece[0].isascii()
        joined += (" " if latin else "") + piece
    return joined.strip()


def sentences(text: str) -> tuple[str, ...]:
    """The sentences of a plain text with their end marks; a line break ends one too. A URL is never cut."""
    kept: list[str] = []
    masked = URL.sub(lambda match: _masked(match, kept), text)
    found = [_unmasked(piece, kept).strip() for line in masked.splitlines() for piece in _SENTENCE.findall(line)]
    return tuple(piece for piece in found if piece)


def _masked(match: re.Match[str], kept: list[str]) -> str:
    kept.append(match.group())
    return f"\ue000{len(kept) - 1}\ue001"


def _unmasked(text: str, kept: list[str]) -> str:
    return re.sub("\ue000(\\d+)\ue001", lambda match: kept[int(match.group(1))], text)


def without_end_mark(sentence: str) -> str:
    """A sentence without what ends it, for joining or comparing."""
    return sentence.rstrip(_END_MARKS)


def gbk_length(text: str) -> int:
    """Bytes in GBK: 1 for ASCII, 2 for Chinese, 4 for what GBK lacks (emoji), as GB 18030 writes it."""
    return len(text.encode("gb18030", errors="replace"))


def graphemes(text: str) -> tuple[str, ...]:
    """What a reader sees as single characters: emoji sequences (ZWJ, skin tone, flags) and marks stay whole."""
    clusters: list[str] = []
    for character in text:
        if clusters and _continues(clusters[-1], character):
            clusters[-1] += character
        else:
            clusters.append(character)
    return tuple(clusters)


def _continues(cluster: str, character: str) -> bool:
    if cluster[-1] == _ZWJ or character == _ZWJ:
        return True
    if _is_regional(character):
        return len(cluster) == 1 and _is_regional(cluster)
    is_modifier = "\U0001f3fb" <= character <= "\U0001f3ff" or "\U000e0020" <= character <= "\U000e007f"
    return is_modifier or unicodedata.category(character) in ("Mn", "Me", "Mc")


def _is_regional(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def truncate(text: str, limit: int, count: Callable[[str], int] = len) -> str:
    """`text` as it is where `count(text) <= limit`, else cut between visible characters, ending in `…`.

    Never cuts inside an emoji sequence or a URL; returns "" where not even the ellipsis fits.
    """
    if count(text) <= limit:
        return text
    units = _uncuttable(text)
    low, high = 0, len(units)
    while low < high:
        middle = (low + high + 1) // 2
        fits = count("".join(units[:middle]) + ELLIPSIS) <= limit
        low, high = (middle, high) if fits else (low, middle - 1)
    if low == 0:
        return ""
    return "".join(units[:low]).rstrip(" \n，,、；;：:") + ELLIPSIS


def _uncuttable(text: str) -> list[str]:
    units: list[str] = []
    at = 0
    for match in URL.finditer(text):
        units += graphemes(text[at : match.start()])
        units.append(match.group())
        at = match.end()
    return units + list(graphemes(text[at:]))


def normalise(text: str) -> str:
    """Canonical Unicode, without whitespace and invisible characters: how two texts are compared."""
    return _INVISIBLE.sub("", unicodedata.normalize("NFC", text))


def fingerprint(text: str) -> str:
    """By which a post is recognised on the account's own timeline, whatever the platform did to links and spaces.

    URLs (platforms shorten them), whitespace, invisible characters, `#` decoration and HTML escapes do not count.
    """
    plain = _TOPIC_MARKS.sub("", URL.sub("", html.unescape(text)))
    return hashlib.sha256(normalise(plain).encode(errors="replace")).hexdigest()[:32]


def key_message_survives(text: str, key_message: str) -> bool:
    """Whether the message stands in the text, word for word; whitespace does not count. An empty one always does."""
    return normalise(without_end_mark(key_message)) in normalise(text)


def to_script(text: str, script: Script) -> str:
    """`text` in simplified or traditional characters; URLs and @names (which name accounts) stay as they are.

    A text that is already in the wanted script is returned unchanged, so that 著名 does not become 着名.
    """
    if _looks_traditional(text) == (script == "traditional"):
        return text
    kept: list[str] = []
    masked = MENTION.sub(lambda match: _masked(match, kept), URL.sub(lambda match: _masked(match, kept), text))
    return _unmasked(_converter("t2s" if script == "simplified" else "s2t").convert(masked), kept)


@cache
def _converter(direction: str) -> OpenCC:
    return OpenCC(direction)


def _looks_traditional(text: str) -> bool:
    """Whether a character stands in it that only traditional writing has."""
    rare = [character for character in text if character > "\u007f" and not _in_gb2312(character)]
    return any(_converter("t2s").convert(character) != character for character in rare)


def _in_gb2312(character: str) -> bool:
    try:
        character.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True
