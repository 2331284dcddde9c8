"""Pure text rules that more than one platform needs: sentences, counting, cutting, script.

Owns how text is measured and recognised; must not know a platform. `fingerprint` is what every `find` matches by.
"""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from typing import Literal

from opencc import OpenCC

from services.adapter.localising.stream_safe import stream_safe

Script = Literal["simplified", "traditional"]

ELLIPSIS = "…"
URL = re.compile(r"https?://[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
MENTION = re.compile(r"@[\w\-]+")

_ZWJ = "\u200d"
_INVISIBLE = re.compile(r"[\s\u200b-\u200f\u2060\ufeff\ufe00-\ufe0f]+")
_SENTENCE = re.compile(r".+?(?:[。！？!?；;…]+[”’」』）)】》〉］\]]*|\.(?=\s)|$)", re.DOTALL)
_TOPIC_MARKS = re.compile(r"[#＃]")
_END_MARKS = "。！？!?；;….，,、：: "
_SENTENCE_MARKS = "。！？!?；;….．"
_NARROW_MARKS = "!?;….,: "  # marks after which a Latin sentence begins with a blank
_CLOSERS = "”’」』）)】》〉］]｝}〕\"'"
_OPENERS = "“‘「『（(【《〈［[｛{〔\"'"
_WITHOUT_BLANKS = ("CJK", "HIRAGANA", "KATAKANA", "BOPOMOFO", "FULLWIDTH", "HALFWIDTH", "IDEOGRAPHIC")
_ENDS_IN_MENTION = re.compile(MENTION.pattern + r"$")
_CLAUSE = re.compile(r"[^。！？!?；;…，,、：:\n]*[。！？!?；;…，,、：:\n]*")


def sentences(text: str) -> tuple[str, ...]:
    """The sentences of a plain text with their end marks; a line break ends one too. A URL is never cut."""
    return tuple(piece for line in text.splitlines() for piece in _sentences_of_line(line) if piece)


def _sentences_of_line(line: str) -> Iterator[str]:
    masked = URL.sub(lambda match: "x" * len(match.group()), line)  # of the same length: the positions stay
    start = 0
    while start < len(line):
        match = _SENTENCE.match(masked, start)
        end = match.end() if match else len(line)
        while end < len(line) and _closes(masked, start, end):
            end += 1
        yield line[start:end].strip()
        start = end


def _closes(text: str, start: int, end: int) -> bool:
    """Whether the straight quote at `end` closes one that was opened in the sentence text[start:end]."""
    opened = text[end] in "\"'" and text.count(text[end], start, end) % 2 == 1
    return opened and text[end - 1] in _CLOSERS + _SENTENCE_MARKS


def join_sentences(pieces: Iterable[str]) -> str:
    """Sentences side by side. One without an end mark gets one; between Latin sentences stands a blank."""
    text = ""
    for piece in pieces:
        text += (_between(text, piece) if text else "") + piece
    return text


def _between(text: str, piece: str) -> str:
    bare = text.rstrip(_CLOSERS)
    latin = _is_latin_letter(next(filter(str.isalpha, reversed(bare)), ""))
    if bare and without_end_mark(bare) != bare:
        latin = latin or _is_latin_letter(piece.lstrip(_OPENERS)[:1])
        return " " if latin and bare[-1] in _NARROW_MARKS else ""
    return " " if latin or text[-1].isascii() or _ENDS_IN_MENTION.search(text) else "。"


def _is_latin_letter(character: str) -> bool:
    """A letter of a script that puts blanks between words; False for Chinese, Japanese and the empty string."""
    return character.isalpha() and unicodedata.name(character, "").split(" ")[0] not in _WITHOUT_BLANKS


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
    return _INVISIBLE.sub("", unicodedata.normalize("NFC", stream_safe(text)))


def fingerprint(text: str) -> str:
    """By which a post is recognised on the account's own timeline, whatever the platform did to links and spaces.

    URLs (platforms shorten them), whitespace, invisible characters, `#` decoration and HTML escapes do not count.
    """
    plain = _TOPIC_MARKS.sub("", URL.sub("", html.unescape(text)))
    return hashlib.sha256(normalise(plain).encode(errors="replace")).hexdigest()[:32]


def key_message_survives(text: str, key_message: str) -> bool:
    """Whether the message stands in the text, word for word, in either script; whitespace does not count.

    An empty message always survives.
    """
    return _simplified(normalise(without_end_mark(key_message))) in _simplified(normalise(text))


def _simplified(text: str) -> str:
    """Character by character, so that a part of a text is a part of its simplified form."""
    return text if text.isascii() else "".join(map(_simplified_character, text))


@lru_cache(maxsize=16_384)
def _simplified_character(character: str) -> str:
    return character if character < "\u2e80" else _converter("t2s").convert(character)


def to_script(text: str, script: Script) -> str:
    """`text` in simplified or traditional characters; URLs and @names (which name accounts) stay as they are.

    Decided clause by clause, so that 著名 does not become 着名 and one foreign name does not decide for a whole text. A
    clause whose characters belong to both scripts follows the majority of the text.
    """
    pieces = [piece for between in _split(URL, text) for piece in _split(MENTION, between)]
    words = [piece for piece in pieces if not _is_kept(piece)]
    otherwise = _of_other_script("".join(words), script)
    return "".join(piece if _is_kept(piece) else _in_script(piece, script, otherwise) for piece in pieces)


def _is_kept(piece: str) -> bool:
    return URL.fullmatch(piece) is not None or MENTION.fullmatch(piece) is not None


def _in_script(words: str, script: Script, otherwise: bool) -> str:
    convert = _converter("t2s" if script == "simplified" else "s2t").convert
    clauses = _CLAUSE.findall(words)
    return "".join(convert(clause) if _needs_script(clause, script, otherwise) else clause for clause in clauses)


def _split(pattern: re.Pattern[str], text: str) -> list[str]:
    """The text in pieces: what matches, and what stands between; an address is not split further."""
    if URL.fullmatch(text):
        return [text]
    pieces, at = [], 0
    for match in pattern.finditer(text):
        pieces += [text[at : match.start()], match.group()]
        at = match.end()
    return [*pieces, text[at:]]


def _needs_script(clause: str, script: Script, otherwise: bool) -> bool:
    simplified, traditional = _written_in(clause)
    if not simplified and not traditional:
        return otherwise
    return bool(simplified if script == "traditional" else traditional)


def _of_other_script(text: str, script: Script) -> bool:
    """Whether most of its telling characters belong to the other script; one without any counts as simplified."""
    simplified, traditional = _written_in(text)
    return simplified >= traditional if script == "traditional" else traditional > simplified


def _written_in(text: str) -> tuple[int, int]:
    """How many characters only simplified, and only traditional writing has."""
    kinds = [_script_of(character) for character in text if character > "\u007f"]
    return kinds.count("simplified"), kinds.count("traditional")


@lru_cache(maxsize=16_384)
def _script_of(character: str) -> Script | None:
    """The script that alone has this character; None where both have it, or neither."""
    if not _is_in(character, "gb2312") and _converter("t2s").convert(character) != character:
        return "traditional"
    if not _is_in(character, "big5") and _converter("s2t").convert(character) != character:
        return "simplified"
    return None


@cache
def _converter(direction: str) -> OpenCC:
    return OpenCC(direction)


def _is_in(character: str, charset: str) -> bool:
    try:
        character.encode(charset)
    except UnicodeEncodeError:
        return False
    return True
