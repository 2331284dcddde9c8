"""`tongbo dlq`: records that a service refused: look at them, mend them, send them again, or lay them aside."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track
from rich.table import Table

from services.cli.reports.dead_letters import DeadLetterRedriver, Letter, checked, letters, open_letters, readable
from services.cli.terminal.addresses import kafka_settings
from services.cli.terminal.console import cell, console, errors, write
from services.cli.terminal.exits import stopped
from services.cli.terminal.times import local
from services.runtime.dead_letters import OriginalOmitted
from services.runtime.kafka.errors import KafkaProblem

HELP = """死信：服务处理不了的记录。按原因列出、查看、修正、重投（默认只演练）、作废。

Dead letters: list by cause, look, edit, send again (a rehearsal unless --yes), discard. A resent record goes to its own
topic; something that has been posted is never posted again by it.

\b
例 / examples:
  tongbo dlq                                     按原因汇总 / by cause
  tongbo dlq show ID > record.json               看原始记录 / the original record
  tongbo dlq resend --cause undecodable          演练 / rehearse
  tongbo dlq resend ID --edit record.json --yes  修正后重投 / mended, for real
  tongbo dlq discard ID --reason "测试数据" --yes
"""
KafkaOption = Annotated[str | None, typer.Option(help="Kafka 地址 / Kafka brokers")]
ServiceOption = Annotated[str | None, typer.Option(help="只看这个服务 / only this service")]
CauseOption = Annotated[str | None, typer.Option(help="只处理这个原因 / only this cause")]
YesOption = Annotated[bool, typer.Option("--yes", help="真的执行；否则只演练 / do it; otherwise only rehearse")]
IdArgument = Annotated[str | None, typer.Argument(metavar="ID", help="死信编号 / id of a dead letter")]


def register(app: typer.Typer) -> None:
    commands = typer.Typer(help=HELP, invoke_without_command=True, rich_markup_mode=None)
    commands.callback()(listing)
    commands.command("show", help="输出一条死信的原始记录 / print the original record")(show)
    commands.command("resend", help="重投；没有 --yes 只演练 / send again, a rehearsal without --yes")(resend)
    commands.command("discard", help="作废，附理由 / lay aside with a reason")(discard)
    app.add_typer(commands, name="dlq")


def listing(
    context: typer.Context,
    service: ServiceOption = None,
    every: Annotated[bool, typer.Option("--all", help="包括已处理的 / also what is done")] = False,
    kafka: KafkaOption = None,
) -> None:
    """Dead letters by service and cause, with first and last time and a sample."""
    if context.invoked_subcommand is not None:
        return
    groups: dict[tuple[str, str], list[Letter]] = defaultdict(list)
    for one in open_letters(_letters(kafka, service), again=every):
        groups[one.event.service, one.event.cause].append(one)
    if not groups:
        console().print("没有待处理的死信 / no open dead letters", style="green")
        return
    table = Table(title="死信 / dead letters", title_justify="left")
    for heading in ("服务 / service", "原因 / cause", "条数", "最早 / first", "最近 / last", "例 / sample"):
        table.add_column(heading, overflow="fold")
    for (name, cause), found in sorted(groups.items()):
        times = [one.event.first_seen_at for one in found]
        sample = f"{found[-1].event.event_id}\n{found[-1].event.message[:120]}"
        texts = (name, cause, str(len(found)), local(min(times)), local(max(times)), sample)
        table.add_row(*map(cell, texts))
    console().print(table)


def show(letter_id: Annotated[str, typer.Argument(metavar="ID")], kafka: KafkaOption = None) -> None:
    one = _chosen(kafka, None, None, letter_id, again=True)[0]
    told = errors()
    told.print(f"{one.event.service}  {one.event.topic}-{one.event.partition} @ {one.event.offset}", markup=False)
    told.print(f"{one.event.cause}：{one.event.message}", style="red", markup=False)
    try:
        write(readable(one))
    except OriginalOmitted as error:
        raise stopped(str(error), "") from None


def resend(
    letter_id: IdArgument = None,
    service: ServiceOption = None,
    cause: CauseOption = None,
    edit: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="用这个文件的内容代替 / send this file instead")
    ] = None,
    reason: Annotated[str, typer.Option(help="理由，会记录 / why; is kept")] = "重投 / resent",
    again: Annotated[bool, typer.Option("--again", help="也包括处理过的 / also what was done before")] = False,
    yes: YesOption = False,
    kafka: KafkaOption = None,
) -> None:
    if edit is not None and letter_id is None:
        raise stopped("--edit 需要指定一条死信的编号", "--edit needs the ID of one dead letter", code=2)
    edited = edit.read_bytes() if edit else None
    chosen = _chosen(kafka, service, cause, letter_id, again=again)
    fit = [one for one in chosen if _fits(one, edited)]
    if yes and fit:
        desk = DeadLetterRedriver(kafka_settings(kafka))
        try:
            for one in track(fit, "重投 / resending", console=errors(), transient=True):
                desk.resend(one, edited, reason)
        except KafkaProblem as error:
            raise stopped(str(error), "what was sent so far is noted; repeat the command for the rest") from None
        finally:
            desk.close()
    verb = "已重投 / resent" if yes else "可以重投（演练，加 --yes 执行）/ would be resent, add --yes"
    console().print(f"{len(fit)} 条{verb}；{len(chosen) - len(fit)} 条仍不合格 / still unfit")
    raise typer.Exit(0 if len(fit) == len(chosen) else 1)


def discard(
    letter_id: IdArgument = None,
    reason: Annotated[str, typer.Option(help="理由，必填 / why; needed")] = "",
    service: ServiceOption = None,
    cause: CauseOption = None,
    yes: YesOption = False,
    kafka: KafkaOption = None,
) -> None:
    if not reason.strip():
        raise stopped("作废必须说明理由：--reason", "discarding needs --reason", code=2)
    chosen = _chosen(kafka, service, cause, letter_id, again=False)
    if yes:
        desk = DeadLetterRedriver(kafka_settings(kafka))
        try:
            for one in chosen:
                desk.discard(one, reason)
        finally:
            desk.close()
    console().print(f"{len(chosen)} 条{'已作废 / discarded' if yes else '将作废（加 --yes 执行）/ would be discarded'}")


def _fits(one: Letter, edited: bytes | None) -> bool:
    try:
        problem = checked(one, edited)
    except OriginalOmitted as error:
        problem = str(error)
    console().print(f"  {'✗' if problem else '✓'} {one.event.event_id}  {problem or ''}", markup=False)
    return problem is None


def _letters(kafka: str | None, service: str | None) -> list[Letter]:
    try:
        return letters(kafka_settings(kafka), service)
    except KafkaProblem as error:
        raise stopped(str(error), "") from None


def _chosen(
    kafka: str | None, service: str | None, cause: str | None, letter_id: str | None, *, again: bool
) -> list[Letter]:
    """What a command is about; ends the command where nothing is named or nothing is found."""
    if letter_id is None and cause is None and service is None:
        raise stopped("请指定编号、--cause 或 --service", "name an ID, --cause or --service", code=2)
    found = open_letters(_letters(kafka, service), cause=cause, letter_id=letter_id, again=again)
    if not found:
        raise stopped("没有这样的待处理死信；tongbo dlq --all 列出全部", "no such open dead letter", code=1)
    return found
