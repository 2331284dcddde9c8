"""Named points where a test may have the process die as if by kill -9, or freeze once until somebody wakes it.

Does nothing unless TONGBO_KILL_AT or TONGBO_FREEZE_AT names the point.
"""

from __future__ import annotations

import os
import signal

_KILL_AT = os.environ.get("TONGBO_KILL_AT", "")
_freeze_at = {os.environ.get("TONGBO_FREEZE_AT", "")} - {""}


def reached(point: str) -> None:
    """Die here, without any clean-up, or freeze here, where the environment names `point`."""
    if point == _KILL_AT:
        os.kill(os.getpid(), signal.SIGKILL)
    if point in _freeze_at:
        _freeze_at.clear()
        os.kill(os.getpid(), signal.SIGSTOP)
