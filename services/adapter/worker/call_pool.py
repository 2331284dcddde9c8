"""Platform calls on their way: a bounded pool of threads, and the results as they come back to the worker's loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from schemas.events.placement import PlacementRecord
from services.adapter.contract.errors import PlatformError
from services.adapter.contract.publication import Step
from services.adapter.worker.ledger import LedgerEntry
from services.runtime.logging import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Finished:
    """What a call brought back. purpose: `step`, `look` or `follow`. outcome: the contract's value, or the error."""

    entry: LedgerEntry
    record: PlacementRecord
    purpose: str
    step: Step | None
    outcome: Any


class CallPool:
    """Runs calls and collects their results. Only `start` and `finished` are the loop's; the rest is the threads'."""

    def __init__(self, most: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers=most, thread_name_prefix="platform-call")
        self._results: SimpleQueue[Finished] = SimpleQueue()
        self._most = most
        self._under_way = 0

    @property
    def under_way(self) -> int:
        return self._under_way

    @property
    def room(self) -> int:
        """How many more calls may start now; there is no queue in which a call could grow old."""
        return self._most - self._under_way

    def start(self, entry: LedgerEntry, purpose: str, step: Step | None, call: Callable[[], Any]) -> None:
        record = entry.record
        self._under_way += 1
        self._pool.submit(self._run, entry, record, purpose, step, call)

    def finished(self) -> Iterator[Finished]:
        """Everything that has come back since the last time, without waiting."""
        while True:
            try:
                result = self._results.get_nowait()
            except Empty:
                return
            self._under_way -= 1
            yield result

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(
        self, entry: LedgerEntry, record: PlacementRecord, purpose: str, step: Step | None, call: Callable[[], Any]
    ) -> None:
        try:
            outcome = call()
        except PlatformError as error:
            outcome = error
        except Exception as error:
            log.exception("platform_call_bug", placement_id=record.placement_id, step=record.step)
            outcome = _bug(error)
        self._results.put(Finished(entry, record, purpose, step, outcome))


def _bug(error: Exception) -> PlatformError:
    """A bug here. Whether the platform got the request is unknown, so a post is looked for, never repeated."""
    message = f"程序错误 {type(error).__name__}，已记录在日志 / a bug, see the log"
    return PlatformError(message, error_class="bug", sent="yes", outcome="unknown")
