"""Whether the requests of the present call may leave: until when, and a last question asked right before each.

Past the moment another worker may already look for the post; the question is what operators have said meanwhile. Set by
the worker around a call, obeyed where requests leave, the moment down to each piece of their bodies.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_until: ContextVar[float | None] = ContextVar("send_before", default=None)
_question: ContextVar[Callable[[], None] | None] = ContextVar("check_before_send", default=None)


def boot_seconds() -> float:
    """Seconds that go on while the process is frozen and, where the system can tell, while the machine sleeps."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


@contextmanager
def send_before(moment: float) -> Iterator[None]:
    """Within the block nothing of this thread leaves after `moment`, in seconds of `boot_seconds`."""
    token = _until.set(moment)
    try:
        yield
    finally:
        _until.reset(token)


def past_send_deadline() -> bool:
    """Whether the present call may send nothing any more."""
    until = _until.get()
    return until is not None and boot_seconds() > until


@contextmanager
def check_before_send(question: Callable[[], None]) -> Iterator[None]:
    """Within the block `question` is asked before each request of this thread; it raises where none may leave."""
    token = _question.set(question)
    try:
        yield
    finally:
        _question.reset(token)


def check_send_allowed() -> None:
    """Raises PlatformError(sent="no") where the present call may not go on; asked after all waiting is done."""
    question = _question.get()
    if question is not None:
        question()
