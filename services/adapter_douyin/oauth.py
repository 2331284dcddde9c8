"""How a user gives the app access to a Douyin account (C1): the address, the scopes, the code they come back with."""

from __future__ import annotations

from urllib.parse import urlencode

from services.adapter.contract.account import Grant
from services.adapter.contract.accounts import Account
from services.adapter_douyin.client import DouyinClient
from services.adapter_douyin.settings import DEFAULT_BASE_URL

LISTENING = ("user_info", "video.list.bind", "video.data.bind", "item.comment")


class DouyinConnecting:
    """The contract's Connecting. The redirect address is registered with the app; the exchange does not repeat it."""

    def address(self, account: Account, redirect_uri: str, state: str) -> str:
        asked = {
            "client_key": account.app_id,
            "response_type": "code",
            "scope": ",".join(self.needed(account)),
            "redirect_uri": redirect_uri,
            "state": state,
        }
        return f"{(account.base_url or DEFAULT_BASE_URL).rstrip('/')}/platform/oauth/connect/?{urlencode(asked)}"

    def needed(self, account: Account) -> tuple[str, ...]:
        """A person who publishes in the app needs no permission of ours for that."""
        return LISTENING if account.way == "h5" else ("video.create.bind", *LISTENING)

    def exchange(self, client: DouyinClient, code: str, redirect_uri: str) -> Grant:
        return client.exchange_code(code)
