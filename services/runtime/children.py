"""Child processes that end with the process that started them, also where that was killed with -9: Linux does it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def ending_with_us() -> Callable[[], None] | None:
    """For `preexec_fn`. The kernel means the thread that starts the child: let it be one that lasts."""
    if sys.platform != "linux":
        return None
    parent, libc = os.getpid(), ctypes.CDLL(None)  # loaded before the fork: afterwards only system calls are safe

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the child asked
            os._exit(1)

    return ask
