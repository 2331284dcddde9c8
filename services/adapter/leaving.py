"""Until when the requests of the present call may leave. Past that, another worker may already look for its post.

Set by the worker around a call that makes a post, obeyed where requests leave, down to each piece of their bodies.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_until: ContextVar[float | None] = ContextVar("leaving_until", default=None)


def elapsed() -> float:
    """Seconds that go on while the process is frozen and, where the system can tell, while the machine sleeps."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


@contextmanager
def leaving_until(moment: float) -> Iterator[None]:
    """Within the block nothing of this thread leaves after `moment`, in seconds of `elapsed`."""
    token = _until.set(moment)
    try:
        yield
    finally:
        _until.reset(token)


def too_late() -> bool:
    """Whether the present call may send nothing any more."""
    until = _until.get()
    return until is not None and elapsed() > until
