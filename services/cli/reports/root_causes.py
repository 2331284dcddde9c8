"""Which placements have failed and nobody has dealt with, gathered by root cause, with what to do next. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from schemas.events.failure import FailureHandled
from schemas.events.placement import PlacementRecord
from schemas.words import Words, error_class_words

FAILED_STATES = frozenset({"REJECTED", "MISSED", "NEEDS_HUMAN", "REMOVED"})
_OTHER_CAUSES = {
    "missed": Words(
        "错过了时间：改时间发新版本，或确认不再发", "too late: a new version at another time, or let it be"
    ),
    "removed": Words("上线后被移除：到平台后台查看原因", "removed after it was live: ask the platform why"),
}


@dataclass(frozen=True, slots=True)
class Cause:
    """One root cause and the placements that failed by it, longest ago first."""

    platform: str
    error_class: str
    code: str
    placements: tuple[PlacementRecord, ...]

    @property
    def name(self) -> str:
        """How it is named at the command line."""
        return ":".join((self.platform, self.error_class, *([self.code] if self.code else [])))

    @property
    def since(self) -> datetime:
        return self.placements[0].since

    @property
    def message(self) -> str:
        newest = self.placements[-1]
        return newest.failure.message if newest.failure else newest.waiting_on

    @property
    def next_step(self) -> tuple[str, str]:
        words = _OTHER_CAUSES.get(self.error_class) or error_class_words(self.error_class).when_failed
        return words.zh, words.en


def open_causes(
    records: Iterable[PlacementRecord], handled: Mapping[str, FailureHandled], *, brand: str | None = None
) -> tuple[Cause, ...]:
    """Every cause with failures that nobody has dealt with; the one with most placements first."""
    groups: dict[tuple[str, str, str], list[PlacementRecord]] = defaultdict(list)
    for record in records:
        if record.state in FAILED_STATES and brand in (None, record.brand_id) and not _done(record, handled):
            groups[_root(record)].append(record)
    causes = [Cause(*root, tuple(sorted(found, key=lambda one: one.since))) for root, found in groups.items()]
    return tuple(sorted(causes, key=lambda one: (-len(one.placements), one.name)))


def _done(record: PlacementRecord, handled: Mapping[str, FailureHandled]) -> bool:
    note = handled.get(record.placement_id)
    return note is not None and note.revision >= record.revision


def _root(record: PlacementRecord) -> tuple[str, str, str]:
    if record.state in ("MISSED", "REMOVED"):
        return record.platform, record.state.lower(), ""
    failure = record.failure
    if failure is None:
        return record.platform, "needs_human", ""
    return record.platform, failure.error_class, failure.code or ""
