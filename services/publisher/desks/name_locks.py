"""One request at a time for each name, so that two of the same kind never decide at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class NameLocks:
    """One at a time for each name; all names of a caller are taken together, so nobody waits in a circle."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken: set[str] = set()

    @contextmanager
    def of(self, *wanted: str) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: self._taken.isdisjoint(wanted))
            self._taken.update(wanted)
        try:
            yield
        finally:
            with self._changed:
                self._taken.difference_update(wanted)
                self._changed.notify_all()
