"""Named points where a test may have the process die as if by kill -9, freeze once until somebody wakes it, or have the
one thread that comes there stand still.

Does nothing unless TONGBO_KILL_AT, TONGBO_FREEZE_AT or TONGBO_BLOCK_AT names the point. The last is `<point>=<file>`:
the thread stands still for as long as the file exists.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

_KILL_AT = os.environ.get("TONGBO_KILL_AT", "")
_freeze_at = {os.environ.get("TONGBO_FREEZE_AT", "")} - {""}
_block_at, _, _block_while = os.environ.get("TONGBO_BLOCK_AT", "").partition("=")


def reached(point: str) -> None:
    """Die here, without any clean-up, or freeze here, where the environment names `point`."""
    if point == _KILL_AT:
        os.kill(os.getpid(), signal.SIGKILL)
    if point in _freeze_at:
        _freeze_at.clear()
        # The process freezes, this thread first: a signal for the process goes to the main thread, and this one runs on
        # until that has its turn.
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
    if point == _block_at:
        while Path(_block_while).exists():
            time.sleep(0.05)
