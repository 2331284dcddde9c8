"""`python -m services.publisher`: the publisher as a process of its own."""

from __future__ import annotations

from collections import UserDict

from services.adapter.contract.accounts import AccountsError, load_accounts
from services.adapter.contract.registry import adapter
from services.publisher.access.token_cli import ONCE
from services.publisher.access.token_store import TokensError, TokensFile
from services.publisher.app import application, assemble
from services.publisher.settings import PublisherSettings
from services.runtime.clock import Clock
from services.runtime.http.server import HttpServer
from services.runtime.logging import get_logger
from services.runtime.main import ServiceContext, run_service
from services.runtime.settings import SettingProblem, SettingsError

log = get_logger(__name__)


class _Withheld(UserDict[str, str]):
    """Stands in for the environment: accounts are checked here, but their secrets stay with the adapters."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        return ""


def main(context: ServiceContext[PublisherSettings]) -> int:
    settings = context.settings
    if settings.accounts_file is None:
        remedy = "请填写账号文件路径 / give the path of the accounts file"
        raise SettingsError([SettingProblem("TONGBO_ACCOUNTS", "缺少必填项 / required but missing", remedy)])
    try:
        accounts = load_accounts(settings.accounts_file, _Withheld())
    except AccountsError as error:
        raise SettingsError(
            [SettingProblem("TONGBO_ACCOUNTS", str(error), "请修正账号文件 / correct the file")]
        ) from error
    parts = assemble(settings, accounts, adapter, context.clock, context.stop, context.health)
    try:
        server = HttpServer(
            "api", application(parts, settings), settings.publisher_host, settings.publisher_port, context.stop,
            lifespan=True, trusted_proxies=settings.trusted_proxies,
        )  # fmt: skip
    except OSError as error:
        wrong = f"地址不可用 / address not available: {error.strerror}"
        remedy = "换一个端口，或填 0 使用任意空闲端口 / use another port, or 0"
        raise SettingsError([SettingProblem("TONGBO_PUBLISHER_PORT", wrong, remedy)]) from error
    _first_token(parts.tokens, context.clock)
    parts.canaries.start()
    parts.follower.start()
    server.start()
    log.info("publisher_listening", url=server.url)
    try:
        context.stop.wait()
    finally:
        server.close()
        context.stop.set()
        parts.follower.join(5.0)
        parts.canaries.close(5.0)
        parts.writer.close()
    if server.failed:
        raise RuntimeError("the API server ended by itself")
    return 0


def _first_token(tokens: TokensFile, clock: Clock) -> None:
    """Where no token was ever made, nobody could ever ask for anything: make one and print it."""
    try:
        token = tokens.first("first", clock.now())
    except TokensError as error:
        remedy = "请修正令牌文件 / correct the tokens file"
        raise SettingsError([SettingProblem("TONGBO_STATE_DIR", str(error), remedy)]) from error
    if token is not None:
        print(
            f"首个访问令牌（所有角色、所有品牌）/ first access token (all roles, all brands)：{token}\n{ONCE}",
            flush=True,
        )


if __name__ == "__main__":
    raise SystemExit(run_service("publisher", PublisherSettings, main))
