"""Authorisation of the app by a Douyin user (C1): the address of the page, the scopes, the exchange of the code."""

from __future__ import annotations

from urllib.parse import urlencode

from services.adapter.contract.account import Grant
from services.adapter.contract.accounts import Account
from services.adapter_douyin.client import DouyinClient
from services.adapter_douyin.settings import DEFAULT_BASE_URL

READING_SCOPES = ("user_info", "video.list.bind", "video.data.bind", "item.comment")


class DouyinOAuth:
    """The contract's Connecting. Douyin knows the redirect address from the app, so the exchange does not send it."""

    def address(self, account: Account, redirect_uri: str, state: str) -> str:
        parameters = {
            "client_key": account.app_id,
            "response_type": "code",
            "scope": ",".join(self.needed(account)),
            "redirect_uri": redirect_uri,
            "state": state,
        }
        return f"{(account.base_url or DEFAULT_BASE_URL).rstrip('/')}/platform/oauth/connect/?{urlencode(parameters)}"

    def needed(self, account: Account) -> tuple[str, ...]:
        """An `h5` account needs no scope for publishing: the person publishes in the app."""
        return READING_SCOPES if account.way == "h5" else ("video.create.bind", *READING_SCOPES)

    def exchange(self, client: DouyinClient, code: str, redirect_uri: str) -> Grant:
        return client.exchange_code(code)
