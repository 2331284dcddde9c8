"""A command that stays: how it learns that it should end, and where its own log lines go."""

from __future__ import annotations

import signal
import threading

from services.cli.local.layout import Layout
from services.runtime.logging import configure_logging

STOPPED_EARLY = 130  # what a shell expects of a command that was interrupted


def stop_on_signals() -> threading.Event:
    """Set by Ctrl-C, SIGTERM and the end of the terminal; from now on none of them ends the process by itself."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    return stop


def keep_own_log(layout: Layout) -> None:
    """Log lines of this process go to a file: on the screen they would tear what it shows."""
    layout.log.mkdir(parents=True, exist_ok=True)
    configure_logging("tongbo", "0", stream=(layout.log / "tongbo.log").open("w", encoding="utf-8", buffering=1))
