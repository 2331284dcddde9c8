"""`tongbo rebuild`: are the aggregates exact (`--compare`), and making them anew from the feedback."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from services.bi.recount import Difference
from services.cli.local.holds import HeldError
from services.cli.local.layout import Layout
from services.cli.rebuild.comparison import Comparison, compare
from services.cli.rebuild.renewal import RenewalError, outlook, renew
from services.cli.rebuild.snapshot import NeverStillError, snapshot
from services.cli.rebuild.workers_stopped import at_rest, workers_here
from services.cli.terminal.addresses import home_of, kafka_settings
from services.cli.terminal.console import console, errors
from services.cli.terminal.exits import stopped
from services.engagement_aggregator.settings import AggregatorSettings
from services.runtime.kafka.errors import KafkaProblem
from services.runtime.settings import SettingsError, read_settings

HELP = """核对或重建互动汇总。

Compare the aggregates with the feedback they come from, or make them anew.

--compare changes nothing and needs no stop: it folds the whole feedback topic again beside the running aggregator,
counts it once more in SQL, and lists every number in which a published row differs. Exit code 0: none; 1: some;
3: not everything could be compared.

Without it the aggregator's state is thrown away and all feedback is folded anew (a rehearsal unless --yes). Rows stay
readable meanwhile; their numbers climb once more from the start. Workers that `tongbo up` started on this machine are
stopped for it and started again; all others have to be stopped first.

\b
例 / examples:
  tongbo rebuild --compare               核对，应为 0 处不同 / expected: 0 differences
  tongbo rebuild                         演练：会删什么、重算多少 / rehearse
  tongbo rebuild --yes                   真的重建；别处的汇总进程先停掉 / for real; stop workers elsewhere first
"""
_SHOWN = 50
_CONFIRMATIONS = 2


def register(app: typer.Typer) -> None:
    app.command(help=HELP)(rebuild)


def rebuild(
    compare_only: Annotated[bool, typer.Option("--compare", help="只核对 / only compare")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="真的重建；否则只演练 / do it; otherwise only rehearse")] = False,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="反馈已有部分过期，也要重建 / though feedback has expired")
    ] = False,
    timeout: Annotated[
        float | None, typer.Option(help="最多等多少秒，默认核对 60、重建 86400 / wait at most so many seconds")
    ] = None,
    kafka: Annotated[str | None, typer.Option(help="Kafka 地址 / Kafka brokers")] = None,
) -> None:
    settings = aggregator_settings(kafka)
    try:
        if compare_only:
            raise typer.Exit(_report(_compared(settings, timeout or 60.0)))
        _renewed(settings, yes=yes, accept_loss=accept_loss, timeout_s=timeout or 86_400.0)
    except (KafkaProblem, NeverStillError, RenewalError, HeldError) as error:
        raise stopped(str(error), "", code=3) from None


def aggregator_settings(kafka: str | None) -> AggregatorSettings:
    """The aggregator's settings as its own process would read them here."""
    found = kafka_settings(kafka)
    try:
        return read_settings(AggregatorSettings, {**os.environ, "KAFKA_BOOTSTRAP": found.bootstrap})
    except SettingsError as error:
        raise stopped(str(error), "", code=2) from None


def _renewed(settings: AggregatorSettings, *, yes: bool, accept_loss: bool, timeout_s: float) -> None:
    found = outlook(settings)
    console().print(
        f"将删除 / deletes: {', '.join(found.deleted)}\n将重新折叠 {found.records} 条反馈 / folds all feedback anew",
        markup=False,
    )
    if found.lost and not accept_loss:
        raise stopped(
            f"{found.lost} 条反馈已过保留期：重建会丢掉它们的数字。仍要重建请加 --accept-loss",
            f"{found.lost} feedback records have expired, their numbers would be lost: --accept-loss to do it anyway",
            code=2,
        )
    layout = Layout(home=home_of().resolve())
    here = workers_here(layout, settings.kafka.bootstrap)
    if (elsewhere := found.workers - here) > 0:
        raise stopped(
            f"有 {elsewhere} 个汇总进程在运行，请先全部停止（刚停的要等会话过期，约 10 秒）",
            f"{elsewhere} aggregator workers are running: stop them all first (a killed one counts for 10 s)",
            code=2,
        )
    if here:
        console().print(
            f"本机 tongbo up 的 {here} 个汇总进程先停下，重建后自动启动；其他进程照常运行"
            f" / stops the {here} aggregator workers of `tongbo up` here first, starts them again afterwards",
            markup=False, soft_wrap=True,
        )  # fmt: skip
    if not yes:
        console().print("演练，没有改动；加 --yes 执行 / a rehearsal, nothing was changed; add --yes", style="yellow")
        return
    with _bar() as told, at_rest(settings, layout, here, told):
        deleted = renew(settings, told, timeout_s=timeout_s)
    console().print(
        f"重建完成，删除了 {deleted} 行没有依据的汇总 / rebuilt, {deleted} unfounded rows deleted", style="green"
    )
    then = "汇总进程已重新启动 / the workers run again" if here else "现在可以启动汇总进程 / start the workers again"
    console().print(then, style="green")


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int], None]]:
    """Tells people what is being done and how far it is."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors(), transient=True) as progress:
        task = progress.add_task("连接 Kafka / connecting", total=1)
        yield lambda what, done, total: progress.update(task, description=what, completed=done, total=total or 1)


def _compared(settings: AggregatorSettings, timeout_s: float) -> Comparison:
    """A difference counts only if a second picture shows it too: the first may have caught a commit half way."""
    with _bar() as told:
        for _ in range(_CONFIRMATIONS):
            picture = snapshot(
                settings, timeout_s=timeout_s, waiting=lambda done, total: told("等待汇总服务 / waiting", done, total)
            )
            result = compare(settings, picture, told)
            if not result.differences:
                break
    return result


def _report(result: Comparison) -> int:
    _listed("重新折叠 / refold", result.refold)
    _listed("SQL 重数 / recount in SQL", result.sql)
    colour = "red" if result.differences else "green"
    console().print(
        f"{result.events} 条反馈，{result.rows} 行汇总：{result.differences} 处不同"
        f" / {result.events} feedback records, {result.rows} rows: {result.differences} differences",
        style=colour,
    )
    for cause, count in sorted(result.refused.items()):
        console().print(f"  {count} 条反馈被拒收，不计入 / refused, not counted: {cause}", style="dim")
    if result.lost:
        console().print(
            f"{result.lost} 条反馈已过保留期，无法核对 / feedback records have expired, the rows hold them still",
            style="bold yellow",
        )
    if not result.brands_compared:
        console().print("数据一直在变，品牌行没有核对 / too much moved to compare brand rows", style="bold yellow")
    if result.differences:
        return 1
    return 0 if result.brands_compared and not result.lost else 3


def _listed(title: str, found: list[Difference]) -> None:
    if not found:
        return
    console().print(f"{title}：", style="bold red")
    for each in found[:_SHOWN]:
        console().print(f"  {each}", markup=False, soft_wrap=True)
    if len(found) > _SHOWN:
        console().print(f"  … 另有 {len(found) - _SHOWN} 处 / more")
