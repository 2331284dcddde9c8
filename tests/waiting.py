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
    wait at once. It is asked ever less often, at first after a thousandth and later after a tenth of a second. After an
    answer that cost processor time, such as reading a long topic, the pause is as long as that: what the test waits for
    needs the processor as well. A condition that waits by itself, such as a poll, is asked again at once.
    """
    deadline = time.monotonic() + timeout_s
    pause_s = SHORTEST_PAUSE_S
    while True:
        began, cost_s = time.monotonic(), -time.thread_time()
        answer = condition()
        ended, cost_s = time.monotonic(), cost_s + time.thread_time()
        if answer:
            return answer
        if ended >= deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what} (last: {_short(answer)})")
        time.sleep(max(cost_s, pause_s - (ended - began)))
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def _short(answer: object) -> str:
    text = repr(answer)
    return text if len(text) <= 300 else f"{text[:300]}…"
