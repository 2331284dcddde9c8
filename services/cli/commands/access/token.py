"""`tongbo token`: makes, lists and revokes the access tokens of the publisher on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from services.cli.terminal.addresses import home_of
from services.cli.terminal.console import cell, console, errors, write
from services.cli.terminal.exits import stopped
from services.cli.terminal.times import local
from services.publisher.access.roles import ROLES
from services.publisher.access.token_cli import ONCE
from services.publisher.access.token_store import TokensError, TokensFile

HELP = """访问令牌：角色 publish（发布）、approve（审批）、operate（取消等操作）、read（查看），加上品牌。

Access tokens of the publisher. publish, approve and operate include read; a token sees only its brands, * is all.
Works on the publisher's own files, so it needs no token itself; a running publisher heeds it with its next request.

\b
例 / examples:
  tongbo token new --name 小王 --role publish --brand qinghe
  tongbo token new --name 值班 --role operate --role read --brand "*"
  tongbo token list
  tongbo token revoke 小王
"""
Folder = Annotated[
    Path | None,
    typer.Option("--state-dir", help="发布服务的 TONGBO_STATE_DIR / the publisher's state folder", show_default=False),
]


def register(app: typer.Typer) -> None:
    commands = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)
    commands.command("new", help="建立一个令牌；只显示这一次 / make one, shown only once")(new)
    commands.command("list", help="列出令牌（不含令牌本身）/ list them, not the tokens themselves")(listing)
    commands.command("revoke", help="吊销 / revoke")(revoke)
    app.add_typer(commands, name="token")


def new(
    name: Annotated[str, typer.Option(help="给谁或给什么用 / whom or what it is for")],
    role: Annotated[list[str], typer.Option(help=f"{'、'.join(ROLES)}，可写多次 / may be repeated")],
    brand: Annotated[list[str], typer.Option(help="品牌编号或 *，可写多次 / brand id or *, may be repeated")],
    state_dir: Folder = None,
) -> None:
    with _refused():
        token = _file(state_dir).new(name, tuple(role), tuple(brand), datetime.now(UTC))
    write(token)  # alone on standard output, for scripts
    errors().print(ONCE, style="yellow", markup=False)


def listing(
    state_dir: Folder = None,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON / print JSON")] = False,
) -> None:
    with _refused():
        found = _file(state_dir).all()
    if as_json:
        shown = ({name: getattr(one, name) for name in one.__struct_fields__ if name != "sha256"} for one in found)
        write(msgspec.json.encode(list(shown)).decode())
        return
    table = Table(title="访问令牌 / access tokens", title_justify="left")
    for heading in ("名字 / name", "角色 / roles", "品牌 / brands", "建立 / made", "状态 / state"):
        table.add_column(heading, overflow="fold")
    for one in found:
        state = "有效 / valid" if one.revoked_at is None else f"已吊销 / revoked {local(one.revoked_at)}"
        texts = (one.name, " ".join(one.roles), " ".join(one.brands), local(one.created_at), state)
        table.add_row(*map(cell, texts))
    console().print(table)


def revoke(
    name: Annotated[str, typer.Argument(help="令牌的名字 / name of the token")], state_dir: Folder = None
) -> None:
    with _refused():
        _file(state_dir).revoke(name, datetime.now(UTC))
    console().print(f"已吊销 / revoked：{name}", style="green", markup=False)


def _file(state_dir: Path | None) -> TokensFile:
    return TokensFile(state_dir or Path(os.environ.get("TONGBO_STATE_DIR") or home_of() / "state"))


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except TokensError as error:
        raise stopped(str(error), "", code=2) from None
