"""`tongbo up`: the whole pipeline on this machine, without the sample campaign."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.cli.local.foreground import STOPPED_EARLY, keep_own_log, stop_on_signals
from services.cli.local.layout import Layout
from services.cli.local.local_token import local_token
from services.cli.local.pipeline import NotReadyError, Pipeline, Plan, StoppedError
from services.cli.local.session import AlreadyRunningError, owner_of, ownership
from services.cli.terminal.console import console, write
from services.publisher.access.token_store import TokensError

HELP = """启动整条流水线：Kafka、主题、平台模拟器、发布器、适配器、采集器、汇总器、看门狗、对外通知。

Start the whole pipeline. KAFKA_BOOTSTRAP=host:port uses an existing cluster; --no-simulator talks to the real platforms
with the accounts of --accounts. Addresses: .tongbo/run/addresses.json, logs: .tongbo/log/, stop: `tongbo down`.

例 / example:  tongbo up && tongbo publish deploy/demo/campaign.yaml && tongbo status
"""


def register(app: typer.Typer) -> None:
    app.command(help=HELP)(up)


def up(
    accounts: Annotated[Path, typer.Option(help="账号文件 / accounts file")] = Path("deploy/demo/accounts.yaml"),
    speed: Annotated[float, typer.Option(min=0, help="模拟时钟倍速 / speed of the simulated clock")] = 1.0,
    audience: Annotated[Path | None, typer.Option(exists=True, help="录制的传播数据 / recorded cascades")] = None,
    workers: Annotated[int, typer.Option(min=1, help="每个适配器的进程数 / processes per adapter")] = 1,
    partitions: Annotated[int, typer.Option(min=1, help="实体主题分区数 / partitions of entity topics")] = 4,
    simulator: Annotated[bool, typer.Option(help="启动平台模拟器 / start the simulator")] = True,
    home: Annotated[Path, typer.Option(envvar="TONGBO_HOME", help="数据目录 / data folder")] = Path(".tongbo"),
    foreground: Annotated[bool, typer.Option("--foreground", help="留在前台 / stay in the foreground")] = False,
) -> None:
    layout = Layout(home=home.resolve())
    if not accounts.is_file():
        console().print(f"找不到账号文件 {accounts}，请用 --accounts 指定 / accounts file not found")
        raise typer.Exit(2)
    if not foreground:
        raise typer.Exit(_detach(layout, sys.argv[1:]))
    plan = Plan(
        accounts=accounts.resolve(), speed=speed, audience=audience.resolve() if audience else None,
        adapter_workers=workers, partitions=partitions, simulator=simulator,
    )  # fmt: skip
    raise typer.Exit(_stay(layout, plan))


def _stay(layout: Layout, plan: Plan) -> int:
    """Run until SIGTERM, Ctrl-C or the end of the terminal."""
    stop = stop_on_signals()
    try:
        with ownership(layout, say):
            keep_own_log(layout)
            pipeline = Pipeline(layout, plan, say, stop)
            try:
                pipeline.start()
                say(f"全部就绪 / all ready   发布 / publisher：{pipeline.addresses['publisher']}")
                layout.ready.touch()
                while not stop.wait(0.3):
                    pipeline.supervisor.watch()
            finally:
                layout.ready.unlink(missing_ok=True)
                say("正在停止 / stopping …")
                pipeline.stop()
                say("已全部停止 / all stopped")
    except StoppedError:
        return STOPPED_EARLY
    except (AlreadyRunningError, NotReadyError) as problem:
        say(str(problem))
        return 1
    return 0


def say(line: str) -> None:
    """Plain lines: standard output is a file where the pipeline runs in the background."""
    write(line, flush=True)


def _detach(layout: Layout, arguments: list[str]) -> int:
    """Start the supervisor in the background, show its progress until all is ready, leave it running."""
    out = console()
    if owner := owner_of(layout):
        out.print(f"流水线已在运行（进程 {owner}），停止：tongbo down / already running; stop it with `tongbo down`")
        return 1
    layout.log.mkdir(parents=True, exist_ok=True)
    layout.ready.unlink(missing_ok=True)
    try:  # here, where somebody sees it: what the one in the background says goes to a file
        local_token(layout.home, lambda line: out.print(line, markup=False, soft_wrap=True))
    except TokensError as problem:
        out.print(str(problem), style="red", markup=False)
        return 1
    log = layout.log / "supervisor.log"
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    stop = stop_on_signals()
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.cli.main", *arguments, "--foreground"],
            stdin=subprocess.DEVNULL, stdout=written, stderr=written, start_new_session=True, env=dict(os.environ),
        )  # fmt: skip
    shown = 0
    with out.status("正在启动 / starting …"):
        while process.poll() is None and not layout.ready.exists():
            shown = _show_from(log, shown, out)
            if stop.wait(0.2):
                process.terminate()  # the one in the background ends what it has started, then itself
                process.wait()
    _show_from(log, shown, out)
    if stop.is_set():
        return STOPPED_EARLY
    if process.poll() is not None:
        out.print(f"启动失败，日志：{layout.log} / could not start, see the logs there", style="red")
        return 1
    out.print("已在后台运行；停止：tongbo down / running in the background; stop with `tongbo down`", style="green")
    return 0


def _show_from(log: Path, position: int, out: Console) -> int:
    with log.open("rb") as lines:
        lines.seek(position)
        text = lines.read()
    if text:
        out.print(text.decode(errors="replace").rstrip("\n"), markup=False, soft_wrap=True)
    return position + len(text)
