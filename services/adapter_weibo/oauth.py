"""OAuth for a Weibo account: the address where the user agrees, and the exchange of the code. Stores no token."""

from __future__ import annotations

from urllib.parse import urlencode

from services.adapter.contract.account import Grant
from services.adapter.contract.accounts import Account
from services.adapter_weibo.client import WeiboClient
from services.adapter_weibo.settings import OPEN_HOST


class WeiboConnecting:
    """The contract's Connecting. Weibo grants rights by an audit of the app, so no scopes are requested."""

    def address(self, account: Account, redirect_uri: str, state: str) -> str:
        asked = {"client_id": account.app_id, "redirect_uri": redirect_uri, "response_type": "code", "state": state}
        return f"{(account.base_url or OPEN_HOST).rstrip('/')}/oauth2/authorize?{urlencode(asked)}"

    def needed(self, account: Account) -> tuple[str, ...]:
        return ()

    def exchange(self, client: WeiboClient, code: str, redirect_uri: str) -> Grant:
        return client.exchange_code(code, redirect_uri)
