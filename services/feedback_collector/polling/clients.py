"""The platform clients, one for each account, built when first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from services.adapter.contract.accounts import Account, Accounts
from services.adapter.contract.adapter import Adapter
from services.adapter.contract.errors import PlatformError
from services.adapter.contract.shared import Shared


class Clients:
    """Called by many threads with (platform, account)."""

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        accounts: Accounts,
        timeout_s: float,
        shared: Callable[[Adapter, Account], Shared | None] = lambda adapter, account: None,
    ) -> None:
        self._adapters, self._accounts, self._timeout_s, self._shared = adapters, accounts, timeout_s, shared
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def __call__(self, platform: str, account: str) -> Any:
        """Raises PlatformError for an account that is not declared."""
        declared = self._accounts.get(platform, account)
        if declared is None:
            raise PlatformError(
                f"账号 {platform}/{account} 未在账号文件中声明 / account not declared in the accounts file",
                error_class="auth",
                sent="no",
                scope="account",
            )
        with self._lock:
            if (platform, account) not in self._clients:
                found = self._adapters[platform]
                shared = self._shared(found, declared)
                self._clients[platform, account] = found.client(declared, self._timeout_s, shared)
            return self._clients[platform, account]
