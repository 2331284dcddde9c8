"""Ends the watchdog's own process when its loop hangs, so that it is started anew and works again."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from services.runtime.logging import get_logger

_LOOK_S = 1.0

log = get_logger(__name__)


def _end() -> None:
    os._exit(1)  # the thread that hangs would hold up any other way of ending


class Pulse:
    """Beats with every round of the loop; at rest while the loop waits for Kafka or reads the log anew."""

    def __init__(self, stuck_after_s: float, end: Callable[[], None] = _end) -> None:
        self._stuck_after_s, self._end = stuck_after_s, end
        self._last: float | None = None

    def beat(self) -> None:
        self._last = time.monotonic()

    def rest(self) -> None:
        self._last = None

    def stuck(self, now: float) -> bool:
        last = self._last
        return last is not None and now - last > self._stuck_after_s

    def watch(self, stop: threading.Event) -> None:
        threading.Thread(target=self._watch, args=(stop,), name="pulse", daemon=True).start()

    def _watch(self, stop: threading.Event) -> None:
        while not stop.wait(_LOOK_S):
            if self.stuck(time.monotonic()):
                log.error("watchdog_stuck", stuck_after_s=self._stuck_after_s)
                self._end()
                return
