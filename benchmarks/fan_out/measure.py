"""How fast a content fans out: from the publisher's acceptance to the call at the platform, and how many placements
one adapter process gets through against a platform that takes its time to answer.

Real broker, publisher, adapter and simulator, each a process of its own; times are those of the simulator's call log.
`python -m benchmarks.fan_out.measure --help` says how to run it alone.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec

from benchmarks.fan_out.load import request
from benchmarks.fan_out.stack import ENDPOINT, FanOutStack


def latency(stack: FanOutStack, http: httpx.Client, first: int, rate: float, seconds: float) -> dict[str, Any]:
    """Milliseconds from the publisher's 202 to the call at the platform, at so many contents a second."""
    numbers = range(first, first + int(rate * seconds))
    accepted: dict[int, float] = {}
    began = time.monotonic() + 0.5

    def send(number: int) -> None:
        time.sleep(max(0.0, began + (number - first) / rate - time.monotonic()))
        answer = http.post("/contents", json=request(number))
        accepted[number] = time.time()
        if answer.status_code != 202:
            raise RuntimeError(f"{answer.status_code}: {answer.text}")

    with ThreadPoolExecutor(32) as pool:
        for done in [pool.submit(send, number) for number in numbers]:
            done.result()
    called = stack.wait_for_calls(set(numbers))
    delays = sorted(max(0.0, called[number] - accepted[number]) * 1000 for number in numbers)
    return {
        "rate": rate,
        "contents": len(delays),
        "p50_ms": round(statistics.median(delays), 1),
        "p99_ms": round(delays[int(len(delays) * 0.99)], 1),
        "max_ms": round(delays[-1], 1),
    }


def throughput(stack: FanOutStack, placements: int, answer_s: float) -> dict[str, Any]:
    """Placements a second through one adapter process, all due at the same moment."""
    stack.slow(answer_s)
    due = datetime.now(UTC) + timedelta(seconds=5 + placements / 330)  # by then all are taken in
    stack.append(placements, due)
    stack.wait_taken_in(placements)
    time.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds()))
    began, cpu, transactions = time.monotonic(), stack.cpu_s(), stack.transactions()
    times = sorted(stack.wait_for_calls(set(range(placements))).values())
    took = time.monotonic() - began
    spent = {name: round((s - cpu[name]) * 1000 / placements, 3) for name, s in stack.cpu_s().items()}
    middle = times[len(times) // 20 : -len(times) // 20]  # neither the start nor the tail
    return {
        "placements": placements,
        "answer_ms": answer_s * 1000,
        "placements_per_s": round((len(middle) - 1) / (middle[-1] - middle[0]), 1),
        "seconds": round(took, 2),
        "adapter_cpu_ms_per_placement": spent["adapter_weibo"],
        "cpu_ms_per_placement": spent,
        "placements_per_transaction": round(placements / max(1, stack.transactions() - transactions), 1),
    }


def measure(folder: Path, *, quick: bool = False) -> dict[str, Any]:
    """Both figures, each on a stack of its own."""
    with FanOutStack(folder / "latency", publisher=True) as stack, stack.client() as http:
        stack.slow(0)
        stack.define_campaigns(http)
        latency(stack, http, 0, 50, 2)  # warm
        result = latency(stack, http, 100_000, 50, 3 if quick else 20)
    with FanOutStack(folder / "throughput", publisher=False) as stack:
        result["throughput"] = throughput(stack, 400 if quick else 5000, 0.05)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="小规模 / a small one")
    parser.add_argument("--only", choices=("latency", "throughput"), help="只测一项 / one of the two")
    parser.add_argument("--placements", type=int, default=5000)
    parser.add_argument("--folder", type=Path, help="日志与数据放在这里 / where logs and data go")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        if arguments.only == "throughput":
            with FanOutStack(folder / "throughput", publisher=False) as stack:
                result = throughput(stack, arguments.placements, 0.05)
        elif arguments.only == "latency":
            with FanOutStack(folder / "latency", publisher=True) as stack, stack.client() as http:
                stack.slow(0)
                stack.define_campaigns(http)
                latency(stack, http, 0, 50, 2)
                result = latency(stack, http, 100_000, 50, 10)
        else:
            result = measure(folder, quick=arguments.quick)
    print(msgspec.json.format(msgspec.json.encode({"endpoint": ENDPOINT, **result}), indent=2).decode())


if __name__ == "__main__":
    main()
