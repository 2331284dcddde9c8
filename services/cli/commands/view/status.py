"""`tongbo status`: where campaigns, contents and placements stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from schemas.words import state_words
from services.cli.publisher.client import PublisherClient, RefusedByPublisherError
from services.cli.publisher.session import PublisherOption, connected
from services.cli.terminal.addresses import TokenOption
from services.cli.terminal.console import console, write
from services.cli.terminal.exits import stopped
from services.cli.terminal.times import local
from services.publisher.api.answers import (
    CampaignList,
    CampaignStatus,
    ContentStatus,
    PlacementDetail,
    PlacementStatus,
)

HELP = """各发布位的状态。不写编号列出所有活动；也可以写活动、内容或发布位的编号。

Where everything stands: all campaigns, or the campaign, content or placement named.

\b
例 / examples:
  tongbo status
  tongbo status qinghe-cold-brew-2026
  tongbo status pl-0f3a…
"""
COLOURS = {
    "LIVE": "green", "REJECTED": "red", "MISSED": "red", "CANCELLED": "dim", "REMOVED": "red", "NEEDS_HUMAN": "magenta",
    "UNKNOWN": "yellow", "PARKED": "yellow",
}  # fmt: skip

Found = CampaignList | CampaignStatus | ContentStatus | PlacementDetail


def register(app: typer.Typer) -> None:
    app.command(help=HELP)(status)


def status(
    name: Annotated[
        str | None, typer.Argument(help="活动、内容或发布位编号 / campaign, content or placement id")
    ] = None,
    publisher: PublisherOption = None,
    token: TokenOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON / print JSON")] = False,
) -> None:
    with connected(publisher, token) as client:
        found = look_up(client, name)
        placements = client.placements(found.campaign_id).placements if isinstance(found, CampaignStatus) else ()
    if found is None:
        raise stopped(f"没有叫“{name}”的活动、内容或发布位；tongbo status 列出全部", f"nothing is called {name!r}")
    if as_json:
        write(msgspec.json.encode(found).decode())
        return
    _show(found, placements)


def look_up(client: PublisherClient, name: str | None) -> Found | None:
    """What `name` names; None where nothing does."""
    if name is None:
        return client.campaigns()
    ways: tuple[Callable[[str], Found], ...] = (client.placement, client.campaign, client.content)
    for ask in ways:
        try:
            return ask(name)
        except RefusedByPublisherError as error:
            if not error.finds_nothing:
                raise
    return None


def _show(found: Found, placements: Iterable[PlacementStatus]) -> None:
    match found:
        case CampaignList():
            console().print(_campaigns(found))
        case CampaignStatus():
            console().print(f"{found.name}（{found.campaign_id}，品牌 {found.brand_id}）", style="bold", markup=False)
            console().print(placement_table(placements))
        case ContentStatus():
            newest = found.versions[-1]
            console().print(f"{newest.title}（{found.content_id} 第 {newest.version} 版）", style="bold", markup=False)
            for one in found.cancelled:
                words = f"已取消到第 {one.version} 版：{one.reason}（{one.actor}，{local(one.at)}）/ cancelled"
                console().print(words, style="yellow", markup=False)
            console().print(placement_table(found.placements))
        case PlacementDetail():
            console().print(placement_table([found.status]))
            console().print(f"来龙去脉 / its life: tongbo explain {found.status.placement_id}")


def _campaigns(found: CampaignList) -> Table:
    table = Table(title="活动 / campaigns", title_justify="left")
    for heading in ("编号 / id", "名称 / name", "内容 / contents", "发布位 / placements"):
        table.add_column(heading, overflow="fold")
    for one in found.campaigns:
        states = "  ".join(f"{state_words(state).says.zh} {count}" for state, count in one.states.items())
        table.add_row(escape(one.campaign_id), escape(one.name), str(len(one.contents)), states or "—")
    return table


def placement_table(placements: Iterable[PlacementStatus]) -> Table:
    """One line per placement."""
    table = Table()
    for heading in ("发布位 / placement", "内容 / content", "状态 / state", "计划 / due", "说明 / notes"):
        table.add_column(heading, overflow="fold")
    for one in placements:
        colour = COLOURS.get(one.state, "cyan")
        late = " [red]已超时 / overdue[/red]" if one.overdue else ""
        state = f"[{colour}]{one.state_zh} {one.state}[/{colour}]{late}"
        where = f"{one.platform} {one.account}\n[dim]{one.placement_id}[/dim]"
        notes = one.url or one.error or one.waiting_on
        table.add_row(where, escape(f"{one.title}\n{one.content_id}"), state, local(one.due_at), escape(notes))
    return table
