"""What the rest of the pipeline costs those who end it: the first call after a pause, and a brake in a steady stream.

`python -m benchmarks.fan_out.woken` runs it alone.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec

from benchmarks.fan_out.load import request
from benchmarks.fan_out.stack import FanOutStack

_PAUSE_S = 4.0  # longer than any wait of a service at rest
_SETTLED_S = 3.0
_RATE = 40.0
_BEFORE_S, _AFTER_S = 2.0, 3.0


def after_pauses(stack: FanOutStack, http: httpx.Client, first: int, count: int) -> dict[str, Any]:
    """Milliseconds from the publisher's 202 to the call at the platform, each content after a pause of all services."""
    accepted: dict[int, float] = {}
    for number in range(first, first + count):
        time.sleep(_PAUSE_S)
        _publish(http, number)
        accepted[number] = time.time()
    called = stack.wait_for_calls(set(accepted))
    delays = sorted(max(0.0, called[number] - accepted[number]) * 1000 for number in accepted)
    return {"contents": count, "p50_ms": round(statistics.median(delays), 1), "max_ms": round(delays[-1], 1)}


def brake(stack: FanOutStack, http: httpx.Client, first: int) -> dict[str, Any]:
    """How long after the 202 of a brake the last call left, in a steady stream of contents that are due at once."""
    command = {"kind": "brake_set", "brand_id": "bench", "scope": {"level": "brand"}, "reason": "压测", "actor": "压测"}
    began, number, braked = time.monotonic(), first, 0.0
    while (passed := time.monotonic() - began) < _BEFORE_S + _AFTER_S:
        if not braked and passed >= _BEFORE_S:
            http.post("/commands", json={**command, "command_id": f"bench-{first}"}).raise_for_status()
            braked = time.time()
        _publish(http, number)
        number += 1
        time.sleep(max(0.0, began + (number - first) / _RATE - time.monotonic()))
    time.sleep(_SETTLED_S)
    times = [at for one, at in stack.calls_so_far().items() if first <= one < number]
    return {
        "contents": number - first,
        "called": len(times),
        "called_after": sum(at > braked for at in times),
        "holds_after_ms": round(max(0.0, max(times) - braked) * 1000, 1),
    }


def _publish(http: httpx.Client, number: int) -> None:
    answer = http.post("/contents", json={**request(number), "confirm_similar": True})
    if answer.status_code != 202:
        raise RuntimeError(f"{answer.status_code}: {answer.text}")


def measure(folder: Path, count: int = 15) -> dict[str, Any]:
    """Both on one stack; the brake comes last, because it stays on."""
    with FanOutStack(folder, publisher=True) as stack, stack.client() as http:
        stack.slow(0)
        stack.define_campaigns(http)
        after_pauses(stack, http, 0, 3)  # warm
        return {"after_a_pause": after_pauses(stack, http, 1_000, count), "brake": brake(stack, http, 10_000)}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        print(msgspec.json.format(msgspec.json.encode(measure(Path(folder) / "woken")), indent=2).decode())


if __name__ == "__main__":
    main()
