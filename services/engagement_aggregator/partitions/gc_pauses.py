"""Python's collector of cycles, kept away from the rows: they hold none, and looking through them cost a sixth of all.

It looks only after a flush, and the longer a look took the later comes the next. Most looks are at what is new; one at
everything holds up all rows for 40 ms and comes every ten minutes.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Final

_AT_LEAST_S: Final = 10.0
_SHARE: Final = 100  # a hundredth of the time at most
_WHOLE_EVERY_S: Final = 600.0
_YOUNG, _ALL = 1, 2  # generations, as the collector counts them


class GcPauses:
    """One per process; notified of each flush. clock: monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._next, self._whole = clock, 0.0, 0.0

    def begin(self) -> None:
        """From here on only `flushed` looks; what has been loaded stays out of it."""
        gc.collect()
        gc.freeze()
        gc.disable()
        now = self._clock()
        self._next, self._whole = now + _AT_LEAST_S, now + _WHOLE_EVERY_S

    def flushed(self) -> None:
        """Look, if it is time again."""
        began = self._clock()
        if began >= self._next:
            is_whole = began >= self._whole
            gc.collect(_ALL if is_whole else _YOUNG)
            ended = self._clock()
            if is_whole:
                self._whole = ended + _WHOLE_EVERY_S
            self._next = ended + max(_AT_LEAST_S, _SHARE * (ended - began))
