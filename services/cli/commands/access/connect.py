"""`tongbo connect`: a user gives the app access to an account, and its tokens go where the adapters find them."""

from __future__ import annotations

import os
import secrets
import webbrowser
from datetime import UTC
from pathlib import Path
from typing import Annotated

import typer

from services.adapter.accounts.credentials import FOLDER, FileCredentials
from services.adapter.contract.account import Connecting, Grant
from services.adapter.contract.accounts import Account, AccountsError, load_accounts
from services.adapter.contract.adapter import Adapter
from services.adapter.contract.errors import PlatformError
from services.adapter.contract.registry import adapter, platforms
from services.cli.oauth_redirect import ConsentRefusedError, RedirectError, awaited, code_in
from services.cli.terminal.addresses import home_of
from services.cli.terminal.console import console, write
from services.cli.terminal.exits import stopped

HELP = """为一个账号授权（OAuth）：打开授权页，用户同意后取得令牌，交给适配器使用。

Give the app access to an account. Opens the platform's page, waits on this machine for the redirect, keeps the tokens
in the credential store of TONGBO_STATE_DIR (readable by its owner only) and says which permissions are missing. Where
the registered redirect address is elsewhere, give it with --redirect-uri and paste the address you end up at.

\b
例 / examples:
  tongbo connect PLATFORM --account my-brand --accounts accounts.yaml
  tongbo connect PLATFORM --account my-brand --redirect-uri https://brand.example/oauth --paste
"""
CALL_TIMEOUT_S = 20.0
WAIT_S = 300.0


def register(app: typer.Typer) -> None:
    app.command(help=HELP)(connect)


def connect(
    platform: Annotated[str, typer.Argument(help=f"{'、'.join(platforms())}", show_default=False)],
    account: Annotated[str, typer.Option(help="账号文件里的账号名 / the account's name in the accounts file")],
    accounts: Annotated[Path, typer.Option(envvar="TONGBO_ACCOUNTS", help="账号文件 / accounts file")] = Path(
        "deploy/demo/accounts.yaml"
    ),
    state_dir: Annotated[
        Path | None, typer.Option(envvar="TONGBO_STATE_DIR", help="状态目录 / state folder", show_default=False)
    ] = None,
    simulator: Annotated[
        str | None, typer.Option(envvar="TONGBO_SIMULATOR_URL", help="平台模拟器地址 / simulator", show_default=False)
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="等待跳转的本机端口 / port for the redirect")] = 8790,
    redirect_uri: Annotated[
        str | None, typer.Option(help="登记的回调地址，默认本机 / registered address, default here", show_default=False)
    ] = None,
    paste: Annotated[bool, typer.Option("--paste", help="粘贴跳转后的地址 / paste the address you end up at")] = False,
    browser: Annotated[bool, typer.Option(help="打开浏览器 / open a browser")] = True,
    wait_s: Annotated[float, typer.Option(min=1, help="最长等待秒数 / longest wait in seconds")] = WAIT_S,
) -> None:
    found, declared = _adapter(platform), _declared(platform, account, accounts, simulator)
    if found.connecting is None:
        console().print(
            f"{found.name.zh}不需要授权：令牌由适配器用 app_secret 自行获取"
            f" / {found.name.en} needs none, its adapter fetches tokens with the app's secret", markup=False,
        )  # fmt: skip
        return
    if paste and redirect_uri is None:
        raise stopped("--paste 需要 --redirect-uri", "--paste needs --redirect-uri", code=2)
    state = secrets.token_urlsafe(24)
    try:
        if paste:
            assert redirect_uri is not None
            _show(found.connecting.address(declared, redirect_uri, state), browser=browser)
            said = typer.prompt("授权后浏览器所在的完整地址 / the whole address you end up at")
            code, used = code_in(said, state), redirect_uri
        else:
            address = found.connecting.address
            code, used = awaited(
                port, redirect_uri, state, wait_s,
                lambda uri: _show(address(declared, uri, state), browser=browser),
            )  # fmt: skip
        grant = _exchanged(found, found.connecting, declared, code, used)
    except ConsentRefusedError as refused:
        raise stopped(f"用户没有同意授权：{refused}", f"the user did not agree: {refused}") from None
    except RedirectError as problem:
        raise stopped(str(problem), "") from None
    except PlatformError as error:
        why = f"{found.name.zh}没有给出令牌：{error.message}（{error.code or error.error_class}）"
        raise stopped(f"{why}；请重新运行本命令", "the platform gave no tokens, run this command again") from None
    _keep(found.connecting, declared, grant, (state_dir or home_of() / "state") / FOLDER)


def _show(address: str, *, browser: bool) -> None:
    console().print("请在浏览器中打开并同意 / open this and agree:", markup=False)
    write(address, flush=True)  # alone on its line, for scripts
    if browser:
        webbrowser.open(address)


def _exchanged(found: Adapter, connecting: Connecting, account: Account, code: str, redirect_uri: str) -> Grant:
    client = found.client(account, CALL_TIMEOUT_S)
    try:
        return connecting.exchange(client, code, redirect_uri)
    finally:
        client.close()


def _keep(connecting: Connecting, account: Account, grant: Grant, folder: Path) -> None:
    """Refuses another user's grant: posts would appear on a stranger's page."""
    if account.open_id and grant.user != account.open_id:
        raise stopped(
            f"授权的是另一个用户（{grant.user}），账号文件里是 {account.open_id}；没有保存。请用正确的用户登录后重试",
            f"another user agreed ({grant.user}) than the accounts file names ({account.open_id}); nothing was kept",
        )
    credentials = FileCredentials(folder)
    credentials.renew(account, grant.tokens)
    until = grant.tokens.refresh_expires_at or grant.tokens.access_expires_at
    ends = f"，有效至 {until.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if until else ""
    console().print(
        f"已授权 {account.platform}/{account.account}{ends}；适配器会自动使用 / authorised, adapters use it at once",
        style="green", markup=False,
    )  # fmt: skip
    if not account.open_id:
        console().print(f'请把 open_id: "{grant.user}" 写进账号文件 / put this into the accounts file', markup=False)
    missing = [one for one in connecting.needed(account) if grant.scopes is not None and one not in grant.scopes]
    if missing:
        raise stopped(
            f"缺少权限：{'、'.join(missing)}；相应功能会失败，请重新授权并勾选",
            f"missing permissions: {', '.join(missing)}; what needs them will fail, authorise again with them",
        )


def _adapter(platform: str) -> Adapter:
    if platform not in platforms():
        raise stopped(f"没有平台 {platform}，可选：{'、'.join(platforms())}", "no such platform", code=2)
    return adapter(platform)


def _declared(platform: str, account: str, file: Path, simulator: str | None) -> Account:
    try:
        found = load_accounts(file, os.environ, simulator)
    except AccountsError as error:
        raise stopped(str(error), "", code=2) from None
    declared = found.get(platform, account)
    if declared is None:
        names = "、".join(one.account for one in found.of(platform)) or "（无 / none）"
        why = f"账号文件 {file} 里没有 {platform}/{account}，现有：{names}"
        raise stopped(why, "no such account in the file", code=2)
    return declared
