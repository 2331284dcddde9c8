"""How tests wait: until a condition holds, with a deadline. No other file of the tests polls by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
WAIT_S = 60.0  # only a failing test waits that long
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.001, 0.1


def wait_for(condition: Callable[[], T | None], what: str, timeout_s: float = WAIT_S) -> T:
    """The first truthy answer of `condition`.

    Raises AssertionError with `what` and the last answer after `timeout_s` seconds. What `condition` raises ends the
    wait at once. The pauses grow from a thousandth to a tenth of a second, and to the time that the condition itself
    takes, so that reading a long topic again and again leaves half of the processor to what it waits for.
    """
    deadline = time.monotonic() + timeout_s
    pause_s = SHORTEST_PAUSE_S
    while True:
        began = time.monotonic()
        answer = condition()
        ended = time.monotonic()
        if answer:
            return answer
        if ended >= deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what} (last: {_short(answer)})")
        time.sleep(max(pause_s, ended - began))
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def _short(answer: object) -> str:
    text = repr(answer)
    return text if len(text) <= 300 else f"{text[:300]}…"
