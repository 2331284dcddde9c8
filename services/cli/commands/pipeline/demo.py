"""`tongbo demo`: everything at once, with the sample campaign."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from services.cli.campaign.file import CampaignFileError, paths_of
from services.cli.commands.operate.publish import CampaignRefusedError
from services.cli.demo.demonstration import Demonstration
from services.cli.demo.display import Display, demo_console
from services.cli.demo.topic_watch import Watching
from services.cli.local.foreground import STOPPED_EARLY, keep_own_log, stop_on_signals
from services.cli.local.layout import Layout
from services.cli.local.pipeline import NotReadyError, Pipeline, Plan, StoppedError
from services.cli.local.session import AlreadyRunningError, ownership
from services.cli.publisher.client import RefusedByPublisherError, UnreachableError
from services.cli.terminal.exits import stopped

HELP = """在本机跑完整演示：真实的 Kafka、平台模拟器、全部服务，以及示例活动。

The whole pipeline on this machine with the sample campaign of deploy/demo/: a live table until Ctrl-C. With --once it
ends by itself when the campaign has settled, compares every number with the simulator's own truth and exits with 1
where anything differs.

\b
例 / examples:
  make demo
  make demo ARGS="--once --json out.json"
  make demo ARGS="--once --speed 600 --audience cascades.jsonl.gz"
"""
CAMPAIGN = Path("deploy/demo/campaign.yaml")
ACCOUNTS = Path("deploy/demo/accounts.yaml")
PARTITIONS = 4
# The platforms' own patience after a lost answer (up to three minutes) is longer than the whole demo. The simulated
# platforms show a post at once, and 15 s with two looks still outlast a call that is late by its full time-out.
LOOKING_SOON = {"TONGBO_LOOK_AFTER_S": "15", "TONGBO_LOOK_EVERY_S": "15"}


def register(app: typer.Typer) -> None:
    app.command(help=HELP)(demo)


def demo(
    once: Annotated[bool, typer.Option("--once", help="结束后核对并退出 / end by itself and compare")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="把结果写成 JSON / write the result as JSON")] = None,
    audience: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="录制的传播数据 / recorded cascades")
    ] = None,
    speed: Annotated[float, typer.Option(min=0.1, help="模拟时钟倍速 / speed of the simulated clock")] = 60.0,
    seed: Annotated[int, typer.Option(help="受众模型的随机种子 / seed of the audience")] = 20261111,
    campaign: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="活动文件 / campaign file")] = CAMPAIGN,
    home: Annotated[Path, typer.Option(envvar="TONGBO_HOME", help="数据目录 / data folder")] = Path(".tongbo"),
) -> None:
    if json_file is not None and (wrong := _unwritable(json_file)):
        raise stopped(f"--json {json_file}：{wrong}", "", code=2)
    stop = stop_on_signals()
    layout = Layout(home=home.resolve())
    plan = Plan(
        accounts=ACCOUNTS.resolve(), partitions=PARTITIONS, speed=speed, seed=seed,
        audience=audience.resolve() if audience else None, env=LOOKING_SOON,
    )  # fmt: skip
    console = demo_console()
    try:
        with ownership(layout, lambda line: console.print(f"  {line}", markup=False)):
            code = _run(layout, plan, campaign, stop, console, once=once, json_file=json_file)
    except AlreadyRunningError as problem:
        raise stopped(str(problem), "") from None
    raise typer.Exit(code)


def _unwritable(file: Path) -> str | None:
    """Why the result could not be written, told before anything runs; an older result must not be taken for the new."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.touch()
        file.unlink()
    except OSError as problem:
        return f"无法写入，请换一个路径 / cannot be written, give another path（{problem.strerror}）"
    return None


def _run(
    layout: Layout, plan: Plan, campaign: Path, stop: threading.Event, console: Console, *,
    once: bool, json_file: Path | None,
) -> int:  # fmt: skip
    if not os.environ.get("KAFKA_BOOTSTRAP"):
        layout.clear_data()  # each demo tells its story from the beginning
    keep_own_log(layout)
    pipeline = Pipeline(layout, plan, lambda line: console.print(f"  {line}", markup=False, soft_wrap=True), stop)
    watching: Watching | None = None
    try:
        console.print("同播演示 / tongbo demo", style="bold")
        with console.status("正在启动 / starting …"):
            pipeline.start()
            watching = Watching(pipeline.kafka)
        return _tell(Demonstration(pipeline, watching, stop), campaign, console, once=once, json_file=json_file)
    except NotReadyError as problem:
        console.print(str(problem), style="bold red", markup=False, soft_wrap=True)
        return 1
    except StoppedError:
        return STOPPED_EARLY if once or watching is None else 0
    finally:
        stop.set()
        with console.status("正在停止 / stopping …"):
            if watching is not None:
                watching.close()
            pipeline.stop()
        console.print("已全部停止 / all stopped", style="dim")


def _tell(told: Demonstration, campaign: Path, console: Console, *, once: bool, json_file: Path | None) -> int:
    display = Display(console)
    told.show = lambda headline: display.show(told, headline)
    suffix = f"{datetime.now(UTC):%m%d%H%M%S}" if os.environ.get("KAFKA_BOOTSTRAP") else ""
    try:
        with display.live(leave=not once):
            told.publish(campaign, suffix)
            settlement = told.run(once=once)
    except CampaignFileError as error:
        console.print(*paths_of(error.problems), sep="\n", markup=False)
        return 2
    except CampaignRefusedError as error:
        console.print(*paths_of(error.problems), sep="\n", markup=False)
        return 1
    except (RefusedByPublisherError, UnreachableError) as error:
        console.print(str(error), style="bold red", markup=False)
        return 1
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(settlement), indent=2) + b"\n")
    display.verdict(told, settlement)
    return 0 if settlement.ok else 1
