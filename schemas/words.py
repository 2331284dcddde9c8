"""The words for states and classes of errors, from `words.yaml`: one place for all that people read."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import msgspec

_FILE: Final = Path(__file__).with_name("words.yaml")


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing said in both languages."""

    zh: str
    en: str

    def both(self) -> str:
        """Chinese first, as messages show it."""
        return f"{self.zh} / {self.en}"


class StateWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """name: for tables and lists. says: for sentences."""

    name: Words
    says: Words


class ErrorClassWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """way_out: while the system goes on by itself. when_failed: once the placement has failed because of it."""

    name: Words
    says: Words
    way_out: Words
    when_failed: Words


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    states: dict[str, StateWords]
    error_classes: dict[str, ErrorClassWords]


@cache
def _file() -> _File:
    return msgspec.yaml.decode(_FILE.read_bytes(), type=_File)


def state_words(state: str) -> StateWords:
    """Of a state of the ledger or `ACCEPTED_BY_PUBLISHER`; of one that a newer version brought, the state itself."""
    unknown = Words(state, state)
    return _file().states.get(state) or StateWords(unknown, unknown)


def error_class_words(error_class: str) -> ErrorClassWords:
    """Of a class of errors; of one that a newer version brought, the class itself."""
    unknown = Words(error_class, error_class)
    return _file().error_classes.get(error_class) or ErrorClassWords(unknown, unknown, unknown, unknown)


def all_words() -> tuple[dict[str, StateWords], dict[str, ErrorClassWords]]:
    """Every state and every class, in the order in which documents list them."""
    return dict(_file().states), dict(_file().error_classes)
