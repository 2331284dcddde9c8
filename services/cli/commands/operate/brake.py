"""`tongbo brake`: stop what would be published, see what is stopped, let it go on again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from services.cli.publisher.give_command import give_command, instant, seconds
from services.cli.publisher.session import PublisherOption, connected
from services.cli.terminal.addresses import TokenOption
from services.cli.terminal.command_options import AsJson, How, command_options
from services.cli.terminal.console import cell, console, write
from services.cli.terminal.exits import stopped
from services.cli.terminal.times import local
from services.publisher.api.command_requests import BrakeStatus

HELP = """刹车：范围内的发布一秒之内停下，列为 PARKED，解除后继续。需要 operate 角色。

Brakes. From a second after it is given nothing within the scope is called: it is PARKED, neither failed nor sent, and
goes on when the brake is released or over. Needs a token with the role operate, for the brand.

\b
例 / examples:
  tongbo brake set --brand qinghe --reason 价格有误 --dry-run      先看会停下哪些 / what would be stopped
  tongbo brake set --brand qinghe --reason 价格有误                整个品牌 / the whole brand
  tongbo brake set --brand qinghe --platform PLATFORM --until 30m --reason 舆情
  tongbo brake set --brand qinghe --platform PLATFORM --account qinghe-tea --reason 核实账号
  tongbo brake set --brand qinghe --campaign spring --reason 撤换素材
  tongbo brake list
  tongbo brake release cmd-0f3a… --reason 已更正 --over 10m        在 10 分钟内分批放行 / spread over 10 minutes
"""


def register(app: typer.Typer) -> None:
    commands = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)
    commands.command("set", help="刹车 / stop what would be published")(command_options(set_))
    commands.command("release", help="解除，可分批 / let it go on, perhaps spread over some time")(
        command_options(release)
    )
    commands.command("list", help="正在生效的刹车 / brakes that are on")(listing)
    app.add_typer(commands, name="brake")


def set_(
    how: How,
    brand: Annotated[str, typer.Option(help="品牌编号 / brand id")],
    campaign: Annotated[str | None, typer.Option(help="只停这个活动 / this campaign only")] = None,
    platform: Annotated[str | None, typer.Option(help="只停这个平台 / this platform only")] = None,
    account: Annotated[
        str | None, typer.Option(help="只停这个账号，须同时写 --platform / this account only, with --platform")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="到时自动解除，如 30m 或 2026-11-11T10:00+08:00 / ends by itself then")
    ] = None,
) -> None:
    level = "account" if account else "platform" if platform else "campaign" if campaign else "brand"
    given = {"campaign_id": campaign, "platform": platform, "account": account}
    if (campaign and (platform or account)) or (account and not platform):
        raise stopped(
            "范围只能是：品牌；--campaign；--platform；或 --platform 加 --account",
            "the scope is the brand, --campaign, --platform, or --platform with --account",
            code=2,
        )
    scope = {"level": level} | {name: value for name, value in given.items() if value}
    give_command(how, "brake_set", brand_id=brand, scope=scope, until=instant(until, "--until"))


def release(
    how: How,
    brake: Annotated[str, typer.Argument(help="刹车的编号，见 tongbo brake list / id of the brake")],
    over: Annotated[
        str | None, typer.Option(help="在多长时间内分批放行，如 10m；给出新的发布时刻 / spread over so long")
    ] = None,
) -> None:
    """不写 --over：未过最晚时刻的立即发布，过了的记为 MISSED。Without --over what is too late by now is MISSED."""
    give_command(how, "brake_release", brake_id=brake, over_s=seconds(over, "--over"))


def listing(as_json: AsJson = False, publisher: PublisherOption = None, token: TokenOption = None) -> None:
    with connected(publisher, token) as client:
        found = client.brakes()
    if as_json:
        write(msgspec.json.encode(found).decode())
        return
    if not found.brakes:
        console().print("没有生效的刹车 / no brake is on")
        return
    console().print(_table(found.brakes))


def _table(brakes: Iterable[BrakeStatus]) -> Table:
    table = Table(title="生效的刹车 / brakes that are on", title_justify="left")
    for heading in ("编号 / id", "范围 / scope", "拦下 / parked", "原因 / reason", "自 / since", "到 / until"):
        table.add_column(heading, overflow="fold")
    for one in brakes:
        scope = " ".join(part for part in (one.brand_id, one.campaign_id, one.platform, one.account) if part)
        until = local(one.until) if one.until else "解除为止 / released"
        reason = f"{one.reason}（{one.actor}）"
        table.add_row(*map(cell, (one.brake_id, scope, str(one.parked), reason, local(one.since), until)))
    return table
