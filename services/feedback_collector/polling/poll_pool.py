"""Polls on their way: a bounded number of threads, and the results as they come back to the stage's loop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from services.runtime.logging import get_logger

Result = TypeVar("Result")

log = get_logger(__name__)


class PollPool(Generic[Result]):
    """`start`, `room` and `results` are the loop's; the rest is the threads'."""

    def __init__(self, most: int) -> None:
        self._back: SimpleQueue[tuple[Result, ...]] = SimpleQueue()
        self._called_off = threading.Event()
        self._room = most

    @property
    def room(self) -> int:
        """How many more may start now; there is no queue in which a poll could grow old."""
        return self._room

    def called_off(self) -> bool:
        return self._called_off.is_set()

    def call_off(self) -> None:
        """Polls end as soon as they can, with what they have."""
        self._called_off.set()

    def resume(self) -> None:
        self._called_off.clear()

    def start(self, work: Callable[[], Iterator[Result]]) -> None:
        """Polls only read, so a process may end without waiting for them: hence daemon threads."""
        self._room -= 1
        threading.Thread(target=self._run, args=(work,), name="poll", daemon=True).start()

    def results(self) -> Iterator[Result]:
        """What has come back since the last time, without waiting."""
        while True:
            try:
                came = self._back.get_nowait()
            except Empty:
                return
            self._room += not came
            yield from came

    def _run(self, work: Callable[[], Iterator[Result]]) -> None:
        """Each result goes back alone, and an empty hand at the end."""
        try:
            for result in work():
                self._back.put((result,))
        except Exception:
            log.exception("poll_bug")
        finally:
            self._back.put(())
