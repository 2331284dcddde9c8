"""What callbacks say about publications, for the worker that holds them: whom each concerns, and what it adds.

A call is a reason to ask the platform now, never an answer by itself.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from threading import Lock

from schemas.events.placement import PlacementRecord, StepRecord
from schemas.internal.callback import PlatformCallback
from services.adapter.placement import transitions as to
from services.adapter.worker.ledger import LedgerEntry

MOST_KEPT = 10_000
TOLD = "told_by_callback"  # the step under which the platform's further names for a publication are kept
ASKED_ABOUT = frozenset({"ACCEPTED", "NEEDS_HUMAN"})


class CallbackHints:
    """Calls about publications of one platform. `put` is the follower's, the rest the worker's loop's."""

    def __init__(self, platform: str) -> None:
        self._platform = platform
        self._kept: deque[PlatformCallback] = deque(maxlen=MOST_KEPT)
        self._lock = Lock()

    def put(self, callback: PlatformCallback, _at: datetime | None = None) -> None:
        if callback.platform == self._platform and callback.publication is not None:
            with self._lock:
                self._kept.append(callback)

    def take(self) -> list[PlatformCallback]:
        with self._lock:
            news = list(self._kept)
            self._kept.clear()
            return news


def concerned(
    entries: Iterable[LedgerEntry], news: Sequence[PlatformCallback]
) -> Iterator[tuple[LedgerEntry, PlatformCallback]]:
    """Placements that wait for the platform or for a person and know a publication by a name that was told."""
    told: dict[str, dict[tuple[str, str], PlatformCallback]] = defaultdict(dict)
    for callback in news:
        told[callback.account].update(((name, value), callback) for name, value in _ids(callback).items() if value)
    for entry in entries:
        if entry.record.state not in ASKED_ABOUT or entry.record.account not in told:
            continue
        names = told[entry.record.account]
        found = next((names[name] for name in _names(entry.record) if name in names), None)
        if found is not None:
            yield entry, found


def to_look_for(record: PlacementRecord, callback: PlatformCallback, now: datetime, worker: str) -> PlacementRecord:
    """What waited for a person has come to something, the platform says: looked for by the names it told.

    It says that it was posted, so it is never called again, whatever the looks find.
    """
    told = StepRecord(name=TOLD, effect="none", finished_at=now, result=dict(_ids(callback)))
    steps = (*(step for step in record.steps if step.name != TOLD), told)
    return to.changed(
        record, now, "UNKNOWN", "平台回调说已有结果，正在核对", worker,
        step=record.step, waiting_on="在平台上查找这条帖子", next_attempt_at=now, looks=0, surely_posted=True,
        failure=record.failure, steps=steps,
    )  # fmt: skip


def _ids(callback: PlatformCallback) -> Mapping[str, str]:
    return callback.publication.ids if callback.publication else {}


def _names(record: PlacementRecord) -> Iterator[tuple[str, str]]:
    for step in record.steps:
        yield from step.result.items()
