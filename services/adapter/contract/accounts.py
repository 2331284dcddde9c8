"""The accounts that we post to and listen on: declared in one YAML file, secrets masked everywhere they are shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from schemas.events.envelope import Identifier, Platform

_BUDGET = re.compile(r"[1-9]\d{0,8}/(?!0+(?:\.0*)?$)\d{1,9}(?:\.\d{1,6})?")


class Account(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One account on one platform.

    way: which of the platform's ways of posting the account may use, by the adapter's own word (`open`, `commercial`;
    `publish`, `mass`; `server`, `h5`). script: `simplified` or `traditional`. options: what else the adapter needs
    (`safe_domain`, `level` …). base_url: None = the adapter's default host. Secrets: app_secret, access_token,
    refresh_token, some options; `env:NAME` reads them from the environment.
    """

    platform: Platform
    account: Identifier
    brand_id: Identifier
    display_name: str = ""
    way: str
    script: Literal["simplified", "traditional"] = "simplified"
    base_url: str | None = None
    app_id: str = ""
    app_secret: str = ""
    open_id: str = ""
    access_token: str = ""
    refresh_token: str = ""
    options: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Account({self.platform}/{self.account})"


class AccountsFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    accounts: tuple[Account, ...]


class AccountsError(Exception):
    """Raised when the accounts file cannot be used; the text names the field and the way out."""


class Accounts:
    """All declared accounts, looked up by (platform, account)."""

    def __init__(self, accounts: tuple[Account, ...]) -> None:
        self._by_name = {(a.platform, a.account): a for a in accounts}
        if len(self._by_name) != len(accounts):
            raise AccountsError("账号重复：同一平台同一账号只能声明一次 / an account is declared twice")

    def get(self, platform: str, account: str) -> Account | None:
        return self._by_name.get((platform, account))

    def of(self, platform: str) -> tuple[Account, ...]:
        return tuple(a for (p, _), a in self._by_name.items() if p == platform)

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._by_name.values())


def load_accounts(path: Path, env: Mapping[str, str], simulator_url: str | None = None) -> Accounts:
    """Read the accounts file. simulator_url: where set, every account without a base_url talks to the simulator there.

    Raises AccountsError for a missing file, a wrong field, an unset `env:` secret.
    """
    try:
        declared = msgspec.yaml.decode(path.read_bytes(), type=AccountsFile)
    except FileNotFoundError:
        raise AccountsError(f"找不到账号文件 {path}：请用 TONGBO_ACCOUNTS 指定 / accounts file not found") from None
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise AccountsError(f"账号文件 {path} 有误 / invalid accounts file: {error}") from None
    return Accounts(tuple(_resolved(account, env, simulator_url) for account in declared.accounts))


def _resolved(account: Account, env: Mapping[str, str], simulator_url: str | None) -> Account:
    secrets = {
        field: _secret(account, field, getattr(account, field), env)
        for field in ("app_secret", "access_token", "refresh_token")
    }
    options = {name: _secret(account, f"options.{name}", value, env) for name, value in account.options.items()}
    _check_budgets(account, options)
    base_url = account.base_url or (f"{simulator_url.rstrip('/')}/{account.platform}" if simulator_url else None)
    return msgspec.structs.replace(account, base_url=base_url, options=options, **secrets)


def _check_budgets(account: Account, options: Mapping[str, str]) -> None:
    for name, value in options.items():
        if name.startswith("budget.") and not _BUDGET.fullmatch(value):
            raise AccountsError(
                f"{account.platform}/{account.account} 的 options.{name} 应为“次数/秒数”，例如 30/3600"
                f" / must be calls/seconds"
            )


def _secret(account: Account, field: str, value: str, env: Mapping[str, str]) -> str:
    if not value.startswith("env:"):
        return value
    name = value.removeprefix("env:")
    if name not in env:
        raise AccountsError(
            f"{account.platform}/{account.account} 的 {field} 指向环境变量 {name}，但它没有设置"
            f" / {field} points to the unset variable {name}"
        )
    return env[name]
