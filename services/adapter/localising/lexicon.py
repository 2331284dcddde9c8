"""What Chinese advertising law and platform review object to, as a versioned word list beside this file. Pure.

Absolutes are reported (a person may have the proof the law wants), banned words are refused. URLs do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct

from schemas.events.content import ConfirmedWord
from services.adapter.contract.content import Refusal
from services.adapter.localising.text import URL, normalise, to_script


class LexiconEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """word: what people are shown. pattern: what is looked for. harmless: phrases in which it means no harm."""

    word: str
    pattern: str
    harmless: tuple[str, ...] = ()


class Lexicon(Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    absolutes: tuple[LexiconEntry, ...]
    banned: tuple[LexiconEntry, ...]


@dataclass(frozen=True, slots=True)
class LexiconReport:
    """warnings: for people, Chinese first, in the order of the fields. refusals: what has to go before it is sent."""

    warnings: tuple[str, ...]
    refusals: tuple[Refusal, ...]


@cache
def lexicon() -> Lexicon:
    return msgspec.yaml.decode(Path(__file__).with_suffix(".yaml").read_bytes(), type=Lexicon)


def lexicon_version() -> str:
    """Part of a draft's rules version: another list may give another draft."""
    return lexicon().version


def check(fields: Mapping[str, str], confirmed: Iterable[ConfirmedWord] = ()) -> LexiconReport:
    """Check texts by the field of the master content they come from (`title` → its text).

    confirmed: banned phrases that a person answers for; they are reported with the reason instead of refused.
    """
    reasons = {_readable(one.word): one.reason for one in confirmed}
    warnings: list[str] = []
    refusals: list[Refusal] = []
    for field, text in fields.items():
        readable = _readable(text)
        warnings += [_warning(field, found) for found in _found(lexicon().absolutes, readable)]
        for found in _every(lexicon().banned, readable):
            if found in reasons:
                warnings.append(_confirmed(field, found, reasons[found]))
            else:
                refusals.append(_refusal(field, found))
    return LexiconReport(tuple(warnings), tuple(refusals))


def _readable(text: str) -> str:
    return normalise(to_script(URL.sub(" ", text), "simplified"))


def _found(entries: tuple[LexiconEntry, ...], text: str) -> list[str]:
    """The words that stand in the text, each once, in the list's order."""
    found: list[str] = []
    for entry in entries:
        remaining = text
        for phrase in entry.harmless:
            remaining = remaining.replace(phrase, " ")
        match = _compiled(entry.pattern).search(remaining)
        if match and match.group() not in found:
            found.append(match.group())
    return found


def _every(entries: tuple[LexiconEntry, ...], text: str) -> list[str]:
    """All phrases that stand in the text, each once: one that is confirmed must not hide another."""
    found: dict[str, None] = {}
    for entry in entries:
        remaining = text
        for phrase in entry.harmless:
            remaining = remaining.replace(phrase, " ")
        found |= dict.fromkeys(match.group() for match in _compiled(entry.pattern).finditer(remaining))
    return list(found)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _warning(field: str, word: str) -> str:
    return (
        f"{field} 含绝对化用语“{word}”，广告法第九条可能不允许，请改写或备好依据"
        f" / {field} contains the absolute “{word}”, which advertising law may forbid"
    )


def _confirmed(field: str, word: str, reason: str) -> str:
    return f"{field} 含禁用词“{word}”，已由人确认：{reason} / {field} contains the banned phrase “{word}”, confirmed"


def _refusal(field: str, word: str) -> Refusal:
    return Refusal(
        code="banned_word",
        field=field,
        message=f"{field} 含禁用词“{word}”",
        message_en=f"{field} contains the banned phrase “{word}”",
        way_out=f"删去或改写“{word}”；确属警示、报道等，请在 declarations.confirmed_words 写明 word 与 reason"
        " / remove or reword it; in a warning or a report, give word and reason in declarations.confirmed_words",
    )
