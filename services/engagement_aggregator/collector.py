"""Python's collector of cycles, kept away from the rows: they hold none, and looking through them cost a sixth of all.

It looks only after a flush, and the longer a look took the later comes the next.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Final

_AT_LEAST_S: Final = 10.0
_SHARE: Final = 100  # a hundredth of the time at most


class Collector:
    """One per process; told of each flush. clock: monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._next = clock, 0.0

    def begin(self) -> None:
        """From here on only `flushed` looks; what has been loaded stays out of it."""
        gc.collect()
        gc.freeze()
        gc.disable()
        self._next = self._clock() + _AT_LEAST_S

    def flushed(self) -> None:
        """Look, if it is time again."""
        began = self._clock()
        if began >= self._next:
            gc.collect()
            ended = self._clock()
            self._next = ended + max(_AT_LEAST_S, _SHARE * (ended - began))
