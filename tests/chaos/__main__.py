"""One chaos run with a progress bar, its verdict in words and as JSON; the exit code says whether it held."""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.chaos.plan import planned
from tests.chaos.run import Run, report
from tests.pipeline.stack import ROOT

LONG_FORM = 300
HELD, BROKEN = 0, 1
HOME = Path(".tongbo/chaos")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    again = f'make chaos ARGS="--seed {seed} --faults {options.faults}"'
    print(f"seed {seed}\n重放 / replay: {again}", flush=True)
    folder = (options.folder or HOME / f"{seed}-{time.strftime('%m%d%H%M%S')}").resolve()
    console = Console(stderr=True)
    text = TextColumn("{task.description}")
    columns = (TextColumn("混沌 / chaos"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), text)
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=options.faults)

        def say(line: str) -> None:
            if options.verbose:
                progress.console.print(line, markup=False, highlight=False)

        def shown(done: int, what: str) -> None:
            progress.update(task, completed=done, description=what)

        run = Run(planned(seed, options.faults), folder, say, shown, root=options.root)
        verdict = run.carry_out()
    told = report(run, verdict)
    written = json.dumps(told, ensure_ascii=False, indent=2)
    if options.json is not None:
        options.json.write_text(written + "\n", encoding="utf-8")
    print(written)
    if verdict.ok:
        print(f"通过：{sum(run.done.values())} 次故障 / held: nothing twice, nothing lost, no wrong number")
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
        return HELD
    print(f"没有通过，{len(verdict.reasons)} 处 / not held:", *verdict.reasons[:30], sep="\n  ")
    print(f"日志与数据 / logs and data: {folder}（faults.log: 故障时间表 / when what broke）\n重放 / replay: {again}")
    return BROKEN


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make chaos",
        description="在真实 Kafka 上杀进程、断连、限流，最后核对 / kills, breaks, throttles, then checks",
    )
    parser.add_argument("--seed", type=int, help="种子，默认随机 / seed, default: random")
    parser.add_argument("--faults", type=int, default=LONG_FORM, help=f"故障次数，默认 {LONG_FORM} / how many faults")
    parser.add_argument("--json", type=Path, help="结果写入此文件 / write the result here")
    parser.add_argument("--folder", type=Path, help="日志与数据的目录 / where logs and data go")
    parser.add_argument("--keep", action="store_true", help="通过后也保留 / keep logs and data of a good run, too")
    parser.add_argument("--verbose", action="store_true", help="逐条显示故障 / show each fault")
    parser.add_argument("--root", type=Path, default=ROOT, help="运行另一份代码 / run the services of another checkout")
    return parser


if __name__ == "__main__":
    sys.exit(main())
