"""`tongbo demo`: everything at once, with the sample campaign."""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from services.cli.campaign_file import CampaignFileError, paths_of
from services.cli.client import RefusedByPublisherError, UnreachableError
from services.cli.publish import CampaignRefusedError
from services.cli.running.demonstration import Demonstration
from services.cli.running.pipeline import Layout, NotReadyError, Pipeline, Plan
from services.cli.running.screen import screen
from services.cli.running.session import AlreadyRunningError, ownership
from services.cli.running.settlement import Settlement
from services.cli.running.watching import Watching
from services.cli.stop import stopped

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
WRONG_SHOWN = 20

console = Console(highlight=False)


def register(app: typer.Typer) -> None:
    app.command(help=HELP)(demo)


def demo(
    once: Annotated[bool, typer.Option("--once", help="结束后核对并退出 / end by itself and compare")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="把结果写成 JSON / write the result as JSON")] = None,
    audience: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="录制的传播数据 / recorded cascades")
    ] = None,
    speed: Annotated[float, typer.Option(min=0, help="模拟时钟倍速 / speed of the simulated clock")] = 60.0,
    seed: Annotated[int, typer.Option(help="受众模型的随机种子 / seed of the audience")] = 20261111,
    campaign: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="活动文件 / campaign file")] = CAMPAIGN,
    home: Annotated[Path, typer.Option(envvar="TONGBO_HOME", help="数据目录 / data folder")] = Path(".tongbo"),
) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    layout = Layout(home=home.resolve())
    plan = Plan(
        accounts=ACCOUNTS.resolve(), partitions=PARTITIONS, speed=speed, seed=seed,
        audience=audience.resolve() if audience else None,
    )  # fmt: skip
    try:
        with ownership(layout):
            code = _run(layout, plan, campaign, stop, once=once, json_file=json_file)
    except AlreadyRunningError as problem:
        raise stopped(str(problem), "") from None
    raise typer.Exit(code)


def _run(
    layout: Layout, plan: Plan, campaign: Path, stop: threading.Event, *, once: bool, json_file: Path | None
) -> int:
    if not os.environ.get("KAFKA_BOOTSTRAP"):
        layout.clear_data()  # each demo tells its story from the beginning
    pipeline = Pipeline(layout, plan, lambda line: console.print(f"  {line}", markup=False))
    watching: Watching | None = None
    try:
        console.print("同播演示：正在启动 / starting …", style="bold")
        pipeline.start()
        watching = Watching(pipeline.kafka)
        return _tell(pipeline, watching, campaign, stop, once=once, json_file=json_file)
    except NotReadyError as problem:
        console.print(str(problem), style="bold red", markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        stop.set()
        console.print("正在停止 / stopping …", style="dim")
        if watching is not None:
            watching.close()
        pipeline.stop()
        console.print("已全部停止 / all stopped", style="dim")


def _tell(
    pipeline: Pipeline, watching: Watching, campaign: Path, stop: threading.Event, *, once: bool, json_file: Path | None
) -> int:
    with Live(console=console, auto_refresh=False, transient=once) as live:
        shown_at = 0.0

        def show(headline: str) -> None:
            nonlocal shown_at
            if console.is_terminal:
                live.update(
                    screen(
                        headline,
                        told.records(),
                        dict(watching.rows),
                        told.comments(),
                        watching.latest_comments,
                        told.lags,
                    ),
                    refresh=True,
                )
            elif time.monotonic() - shown_at > 5:
                shown_at = time.monotonic()
                states = ", ".join(sorted(f"{r.platform}/{r.account}/{r.content_id}={r.state}" for r in told.records()))
                console.print(f"{headline}   评论 {sum(told.comments().values())}   {states}", markup=False)

        told = Demonstration(pipeline, watching, stop, show)
        suffix = f"{datetime.now(UTC):%m%d%H%M%S}" if os.environ.get("KAFKA_BOOTSTRAP") else ""
        try:
            told.publish(campaign, suffix)
        except CampaignFileError as error:
            console.print(*paths_of(error.problems), sep="\n", markup=False)
            return 2
        except CampaignRefusedError as error:
            console.print(*paths_of(error.problems), sep="\n", markup=False)
            return 1
        except (RefusedByPublisherError, UnreachableError) as error:
            console.print(str(error), style="bold red", markup=False)
            return 1
        settlement = told.run(once=once)
    if settlement is None:
        return 0
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(settlement), indent=2) + b"\n")
    console.print(
        screen(
            "结束 / settled", told.records(), dict(watching.rows), told.comments(), watching.latest_comments, told.lags
        )
    )
    console.print(_summary(settlement))
    return 0 if settlement.ok else 1


def _summary(settlement: Settlement) -> Table:
    """What was expected beside what was found."""
    table = Table(title="核对 / settlement", title_justify="left")
    for heading in ("", "应有 / expected", "实有 / found", "差异 / differences"):
        table.add_column(heading, justify="left" if heading == "" else "right")
    states = ", ".join(f"{state} {count}" for state, count in sorted(settlement.placements.by_state.items()))
    posts, feedback, rows = settlement.posts, settlement.feedback, settlement.aggregates
    table.add_row("发布位 / placements", str(settlement.placements.expected), states, "")
    table.add_row(
        "帖子 / posts", str(posts.expected), str(posts.on_platform), f"重复 {posts.doubled}，缺失 {posts.missing}"
    )
    table.add_row(
        "评论 / comments",
        str(feedback.true),
        str(feedback.collected),
        f"缺失 {feedback.missing}，重复 {feedback.repeated}",
    )
    table.add_row("汇总行 / aggregate rows", str(rows.rows), str(rows.rows), f"不符 {len(rows.wrong)}")
    for one in rows.wrong[:WRONG_SHOWN]:
        table.add_row(f"  {one.key}", str(one.expected), str(one.got), one.metric, style="red")
    verdict = "全部相符 / all equal" if settlement.ok else "有差异 / something differs"
    table.caption = f"{verdict}，{settlement.seconds:g} 秒 / seconds"
    table.caption_style = "bold green" if settlement.ok else "bold red"
    return table
