"""`make bench`: measures, writes results.json and the figures of docs/performance.md; fails if a total is wrong."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from benchmarks.broker.cluster import Cluster
from benchmarks.contenders.contract import ROOT
from benchmarks.results.machine import machine
from benchmarks.results.report import publish
from benchmarks.results.results import FILE, Results
from benchmarks.suite import FULL, QUICK, Suite, console, contenders, narrowed
from services.runtime.logging import configure_logging

PARTS = ("aggregate", "growth", "workers", "sparse", "latency", "recovery", "fan_out", "at_rest")
_GB_NEEDED = 15
_IDLE_LOAD = 0.7


def main() -> int:
    options = _options()
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background job would ignore the first
        signal.signal(number, signal.default_int_handler)
    configure_logging("bench", "0", "error")
    folder = ROOT / ".tongbo" / "bench" / f"{os.getpid()}"
    folder.mkdir(parents=True)
    if shutil.disk_usage(folder).free < _GB_NEEDED * 1024**3:
        console.print(f"[yellow]磁盘剩余不足 {_GB_NEEDED} GB，可能写满 / less than {_GB_NEEDED} GB free[/yellow]")
    plan = narrowed(
        QUICK if options.quick else FULL, events=options.events, posts=options.posts, runs=options.runs,
        only=options.only,
    )  # fmt: skip
    results = Results(options.output, machine(), plan.runs, options.quick)
    if (load := os.getloadavg()[0]) > _IDLE_LOAD:
        console.print(
            f"[yellow]机器正忙（负载 {load:.1f}），数字会偏低 / this machine is busy, figures will be low[/yellow]"
        )
    began = time.monotonic()
    try:
        with Cluster(folder / "kafka", with_teams=plan.has_teams) as cluster:
            suite = Suite(plan, results, cluster, folder)
            suite.run()
    except KeyboardInterrupt:
        console.print("[yellow]已中断，已完成的结果已保存 / interrupted, what was measured is kept[/yellow]")
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if not options.quick and options.output == FILE:
        publish(results.data)
    console.print(f"{options.output}  ({(time.monotonic() - began) / 60:.1f} min)")
    if not suite.exact:
        console.print("[red]有参测者的合计不正确，不作数 / a contender's totals are wrong: it does not count[/red]")
    return 0 if suite.exact else 1


def _options() -> argparse.Namespace:
    names = [one.name for one in contenders()]
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="约两分钟的小规模测试 / a small one, about two minutes")
    known = [*PARTS, *names]
    only = f"只测这些，其余结果保留 / only these, the rest is kept: {', '.join(known)}"
    parser.add_argument("--only", nargs="+", default=[], choices=known, metavar="NAME", help=only)
    parser.add_argument("--runs", type=int, help="每个参测者跑几次 / runs of each contender")
    parser.add_argument("--events", type=int, help="事件数 / number of events")
    parser.add_argument("--posts", type=int, help="帖子数 / number of posts")
    parser.add_argument("--output", type=Path, default=FILE, help="结果文件 / where the results go")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
