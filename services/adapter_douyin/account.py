"""The check of a Douyin account: whether its authorisation still works, and when its tokens end."""

from __future__ import annotations

from datetime import datetime

from services.adapter.contract.account import AccountHealth
from services.adapter.contract.errors import PlatformError
from services.adapter_douyin.client import DouyinClient


class DouyinCare:
    """The contract's AccountCare."""

    def check(self, client: DouyinClient, now: datetime) -> AccountHealth:
        """Ask Douyin whom the token belongs to. Quotas are shown in its console only, so none are reported."""
        try:
            problem = _h5_problem(client) if client.account.way == "h5" else _server_problem(client)
        except PlatformError as error:
            return _health(client, f"抖音账号现在不能用：{error.message}", error)
        return _health(client, problem or _refresh_token_problem(client, now))


def _server_problem(client: DouyinClient) -> str:
    if not client.tokens.look().access_token:
        return "账号没有 access_token，请先完成抖音授权 / not authorised yet"
    open_id = client.userinfo().get("open_id")
    if open_id and open_id != client.account.open_id:
        return "access_token 属于另一个 open_id，请检查账号配置 / the token belongs to another user"
    return ""


def _h5_problem(client: DouyinClient) -> str:
    """The `create_video` event reports what came of a share link. Douyin ends unanswered subscriptions [doc]."""
    status = client.event_status()
    if status.get("create_video", 1) != 1:
        return "create_video 推送已关闭，无法得知用户是否已发布，请在开放平台重新订阅 / create_video is not subscribed"
    return ""


def _refresh_token_problem(client: DouyinClient, now: datetime) -> str:
    until = client.tokens.look().refresh_expires_at
    if until is not None and until <= now:
        return "refresh_token 已过期，用户须重新授权 / the refresh token has expired"
    return ""


def _health(client: DouyinClient, problem: str, error: PlatformError | None = None) -> AccountHealth:
    held = client.tokens.look()
    return AccountHealth(held.access_expires_at, held.refresh_expires_at, (), problem, error)
