"""`tongbo publish`: a campaign from files to the publisher; repeating it is harmless."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Table

from schemas.events.content import Schedule
from services.cli.campaign.file import CampaignFileError, FileProblem, ReadyCampaign, load, paths_of
from services.cli.publisher.client import PublisherClient, RefusedByPublisherError
from services.cli.publisher.session import PublisherOption, connected
from services.cli.terminal.addresses import TokenOption
from services.cli.terminal.console import cell, console, errors, write
from services.cli.terminal.exits import stopped
from services.cli.terminal.times import shown_zone
from services.publisher.api.answers import ContentAccepted, VariantReport

HELP = """发布一个活动：YAML + Markdown + 媒体文件，先整体检查，再上传、定义活动、逐条发布。

Publish a campaign from files. Everything is checked first; nothing goes out unless everything fits. Repeating the same
command is harmless: what was accepted is not accepted again.

\b
例 / examples:
  tongbo publish deploy/demo/campaign.yaml --dry-run    只看各平台版本，不发布 / only show the variants
  tongbo publish deploy/demo/campaign.yaml              发布 / publish
  tongbo publish campaign.yaml --suffix 0314            作为新活动再发一次 / once more, as a new campaign
  tongbo publish campaign.yaml --confirm-similar        一天内重发几乎相同的文字 / nearly the same words in a day
"""


def register(app: typer.Typer) -> None:
    app.command(help=HELP)(publish)


@dataclass(frozen=True, slots=True)
class Published:
    """What `publish` did (or, with dry_run, would do)."""

    campaign_id: str
    answers: tuple[ContentAccepted, ...]


class CampaignRefusedError(Exception):
    """Raised when the publisher will not take the campaign as it is; nothing was published by this attempt."""

    def __init__(self, problems: list[FileProblem]) -> None:
        super().__init__(f"{len(problems)} problem(s)")
        self.problems = problems


def publish(
    file: Annotated[Path, typer.Argument(help="活动文件 / campaign file (YAML)")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只检查，不发布 / check only")] = False,
    publisher: PublisherOption = None,
    token: TokenOption = None,
    suffix: Annotated[str, typer.Option(help="给活动和内容编号加后缀 / appended to all ids")] = "",
    confirm_similar: Annotated[
        bool,
        typer.Option("--confirm-similar", help="确要在一天内重发几乎相同的文字 / similar posts are meant"),
    ] = False,
    allow_outside: Annotated[
        bool,
        typer.Option(
            "--allow-outside", help="也读取活动文件夹之外的文件 / read files outside the campaign file's folder, too"
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON / print JSON")] = False,
) -> None:
    try:
        campaign = load(file, suffix=suffix, allow_outside=allow_outside)
    except CampaignFileError as error:
        raise _told(
            error.problems, "活动文件有误，没有发送任何内容 / the files are not right, nothing was sent", 2
        ) from None
    for content in campaign.contents if confirm_similar else ():
        content.request["confirm_similar"] = True
    out = errors()
    try:
        with connected(publisher, token, out=out, refusal=lambda error: f"{error.document.title}\n{error}") as client:
            done = _with_progress(client, campaign, out, dry_run=dry_run, quiet=as_json)
    except CampaignRefusedError as error:
        raise _told(error.problems, "不能这样发布 / it cannot be published like this", 1) from None
    if as_json:
        write(msgspec.json.encode({"campaign_id": done.campaign_id, "contents": done.answers}).decode())
        return
    for answer in done.answers:
        _show(answer)
    total = sum(len(answer.placements) for answer in done.answers)
    verb = "可以发布 / would be accepted" if dry_run else "已接收 / accepted"
    out = console()
    out.print(f"\n活动 {done.campaign_id}：{len(done.answers)} 条内容、{total} 个发布位{verb}", style="bold green")
    if not dry_run:
        out.print(f"查看进展 / follow it: tongbo status {done.campaign_id}")


def send(
    client: PublisherClient,
    campaign: ReadyCampaign,
    *,
    dry_run: bool = False,
    sent: Callable[[int], None] = lambda _: None,
) -> Published:
    """Upload the media, check every content, then define the campaign and publish, in that order.

    Raises CampaignRefusedError before anything is published, RefusedByPublisherError, UnreachableError.
    """
    for media in campaign.media:
        client.upload(media.path, media.sha256, sent)
    checked, problems = [], list[FileProblem]()
    for content in campaign.contents:
        try:
            checked.append(client.check(content.request, campaign.campaign))
        except RefusedByPublisherError as error:
            if not error.document.problems:
                raise
            problems += [campaign.located(content.number, one) for one in error.document.problems]
    if problems:
        raise CampaignRefusedError(problems)
    if dry_run:
        return Published(campaign.campaign["campaign_id"], tuple(checked))
    defined = client.define(campaign.campaign, campaign.campaign_key)
    answers = tuple(client.publish(content.request, content.key) for content in campaign.contents)
    return Published(defined.campaign_id, answers)


def _with_progress(
    client: PublisherClient, campaign: ReadyCampaign, told: Console, *, dry_run: bool, quiet: bool
) -> Published:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=told, disable=quiet, transient=True) as progress:
        total = sum(media.size for media in campaign.media)
        task = progress.add_task(f"上传 {len(campaign.media)} 个媒体文件 / uploading", total=total)
        return send(client, campaign, dry_run=dry_run, sent=lambda count: progress.advance(task, count))


def _told(problems: list[FileProblem], headline: str, code: int) -> typer.Exit:
    for line in paths_of(problems):
        errors().print(line, markup=False, soft_wrap=True)  # a path that is broken in two cannot be opened
    return stopped(f"{headline}（{len(problems)}）", "", code=code)


def _show(answer: ContentAccepted) -> None:
    variants = {(one.platform, one.account, one.slot): one for one in answer.variants}
    table = Table(title=cell(f"{answer.content_id} · 第 {answer.version} 版"), title_justify="left", show_lines=True)
    for heading in ("发布位 / placement", "时间 / due", "平台版本 / variant", "长度", "改动与提醒 / notes"):
        table.add_column(heading, overflow="fold")
    for placement in answer.placements:
        variant = variants.get((placement.platform, placement.account, placement.slot))
        due = _due(placement.schedule) if placement.schedule else "立即 / at once"
        where = f"{placement.platform} {placement.account}\n[dim]{placement.placement_id}[/dim]"
        if variant is None:
            table.add_row(where, due, "", "", "")
            continue
        table.add_row(where, due, _preview(variant), f"{variant.length_used}/{variant.length_limit}", _notes(variant))
    console().print(table)
    for warning in answer.warnings:
        console().print(f"  提醒：{warning}", style="yellow", markup=False)


def _preview(variant: VariantReport) -> str:
    person = " · 人工撰写" if variant.written_by == "person" else ""
    text = variant.text if len(variant.text) <= 120 else variant.text[:119] + "…"
    parts = [f"[dim]{escape(variant.form)}{person}[/dim]", escape(variant.title), escape(text)]
    return "\n".join(part for part in parts if part)


def _notes(variant: VariantReport) -> str:
    lines = [f"− {escape(one.what)}：{escape(one.why)}" for one in variant.dropped]
    return "\n".join(lines + [f"[yellow]! {escape(one)}[/yellow]" for one in variant.warnings])


def _due(schedule: Schedule) -> str:
    """As its author wrote it, with its zone; where the operator's clock shows another time, that one too."""
    written = f"{schedule.wall_clock.replace('T', ' ')}\n{schedule.zone}"
    here = shown_zone()
    seen = schedule.due_at.astimezone(here)
    if seen.replace(tzinfo=None).isoformat(timespec="seconds") == schedule.wall_clock:
        return written
    return f"{written}\n({seen:%m-%d %H:%M} {here.key})"
