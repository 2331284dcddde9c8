"""Looks after an Official Account's token and the daily quotas of the interfaces it depends on."""

from __future__ import annotations

from datetime import datetime, timedelta

from services.adapter.contract.account import AccountHealth, Quota
from services.adapter.contract.errors import PlatformError
from services.adapter_wechat.client import WechatClient
from services.adapter_wechat.errors import QUOTA_NOT_TOLD
from services.adapter_wechat.feedback import BEIJING

WATCHED = (
    "/cgi-bin/media/uploadimg",
    "/cgi-bin/material/add_material",
    "/cgi-bin/draft/add",
    "/cgi-bin/freepublish/submit",
    "/cgi-bin/message/mass/sendall",
    "/cgi-bin/comment/list",
    "/cgi-bin/comment/reply/add",
    "/datacube/getarticletotaldetail",
)
"""Interfaces whose daily quota the work of an account depends on."""


class WechatCare:
    """The contract's AccountCare. No expiry is told: appid and secret are the authorisation and have no end, and the
    two-hour token is renewed with them by itself."""

    def check(self, client: WechatClient, now: datetime) -> AccountHealth:
        quotas: list[Quota] = []
        try:
            client.ensure_token()
            for path in WATCHED:
                quotas += _quota(client, path, now)
        except PlatformError as error:
            if error.error_class != "quota":  # asking has a quota too; without it the account works all the same
                return AccountHealth(quotas=tuple(quotas), problem=error.message, error=error)
        return AccountHealth(quotas=tuple(quotas))


def _quota(client: WechatClient, path: str, now: datetime) -> list[Quota]:
    """Nothing for an interface that this kind of account does not have."""
    try:
        today = client.quota(path)
    except PlatformError as error:
        if error.code in QUOTA_NOT_TOLD:
            return []
        raise
    midnight = now.astimezone(BEIJING).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    endpoint = path.removeprefix("/").removeprefix("cgi-bin/")
    return [Quota(endpoint, today.daily_limit, today.remain, midnight.astimezone(now.tzinfo))]
