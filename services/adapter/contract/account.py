"""What a platform may offer for an account: a check of its authorisation and quotas, and OAuth.

Each is optional: the field of `Adapter` is None where the platform has no such thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from services.adapter.contract.accounts import Account
from services.adapter.contract.errors import PlatformError
from services.adapter.contract.shared import Tokens


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit the platform itself tells. endpoint as in `RateLimit`; resets_at None = it does not say."""

    endpoint: str
    limit: int
    remaining: int
    resets_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AccountHealth:
    """What an account's platform says about its authorisation. token_expires_at None = not known or never.

    problem: Chinese, why the account cannot be used now; empty = it can. error: the failure behind a problem.
    """

    token_expires_at: datetime | None = None
    refresh_expires_at: datetime | None = None
    quotas: tuple[Quota, ...] = ()
    problem: str = ""
    error: PlatformError | None = None


class AccountCare(Protocol):
    """Read-only look after one account."""

    def check(self, client: Any, now: datetime) -> AccountHealth:
        """Never raises for an account that is in trouble: that is what `problem` is for."""
        ...


@dataclass(frozen=True, slots=True)
class Grant:
    """What a user granted. user: whose account it is, by the platform's id. scopes None: the platform does not say."""

    tokens: Tokens
    user: str
    scopes: tuple[str, ...] | None = None


class Connecting(Protocol):
    """OAuth: a user gives the app access to an account."""

    def address(self, account: Account, redirect_uri: str, state: str) -> str:
        """Where the user agrees; they are sent to `redirect_uri` with `code` and `state` afterwards. Pure."""
        ...

    def needed(self, account: Account) -> tuple[str, ...]:
        """Scopes without which something of what the account is for would fail."""
        ...

    def exchange(self, client: Any, code: str, redirect_uri: str) -> Grant:
        """One attempt; a code is good once. Raises PlatformError."""
        ...
