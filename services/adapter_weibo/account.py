"""The health of a Weibo account: its token's end and owner, and the calls left in this hour. Changes nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

from schemas.events.placement import ErrorClass
from services.adapter.contract.account import AccountHealth, Quota
from services.adapter.contract.errors import PlatformError
from services.adapter_weibo.client import WeiboClient
from services.adapter_weibo.limits import ENDPOINT_OF_API
from services.adapter_weibo.wire_types import HitLimits, Hits, TokenInfo

ACCOUNT_ERRORS: tuple[ErrorClass, ...] = ("auth", "account_risk", "quota")
"""Classes by which even the question about limits is refused because of the account."""


class WeiboCare:
    """The contract's AccountCare. Reports the token's end and the remaining calls.

    A platform that cannot be reached is a problem too, because the account's state is unknown then; `error` says so.
    """

    def check(self, client: WeiboClient, now: datetime) -> AccountHealth:
        try:
            token = client.token_info()
        except PlatformError as error:
            return AccountHealth(problem=error.message, error=error)
        ends = _after(now, token.expires_in_s)
        if trouble := _token_problem(client, token):
            return AccountHealth(token_expires_at=ends, problem=trouble.message, error=trouble)
        try:
            limits = client.hit_limits()
        except PlatformError as error:
            if error.error_class not in ACCOUNT_ERRORS:
                return AccountHealth(token_expires_at=ends)
            return AccountHealth(token_expires_at=ends, problem=error.message, error=error)
        quotas = _quotas(limits, now)
        if spent := _hour_is_spent(quotas, limits):
            return AccountHealth(token_expires_at=ends, quotas=quotas, problem=spent.message, error=spent)
        return AccountHealth(token_expires_at=ends, quotas=quotas)


def _token_problem(client: WeiboClient, token: TokenInfo) -> PlatformError | None:
    """A token that has ended, or that belongs to another user: its posts would appear on another account."""
    declared = client.account.open_id
    if token.expires_in_s is not None and token.expires_in_s <= 0:
        return _error("auth", "access_token 已过期，请重新授权 / the token has expired")
    if declared and token.uid and token.uid != declared:
        message = f"令牌属于另一个微博账号（uid {token.uid}，应为 {declared}），请用正确的账号重新授权"
        return _error("auth", f"{message} / the token is another user's")
    return None


def _quotas(limits: HitLimits, now: datetime) -> tuple[Quota, ...]:
    """One quota for each endpoint: where the platform reports several, the one with the fewest calls left."""
    resets_at = _after(now, limits.resets_in_s)
    tightest: dict[str, Hits] = {}
    for row in limits.rows:
        endpoint = _endpoint(row.api)
        if endpoint not in tightest or row.remaining < tightest[endpoint].remaining:
            tightest[endpoint] = row
    return tuple(Quota(endpoint, row.limit, row.remaining, resets_at) for endpoint, row in tightest.items())


def _endpoint(api: str) -> str:
    """The name in `limits.py`, otherwise the platform's own name without decoration; `*` = all calls together."""
    plain = api.strip("/").removesuffix(".json").removesuffix("/biz")
    return ENDPOINT_OF_API.get(plain, plain) or "*"


def _hour_is_spent(quotas: tuple[Quota, ...], limits: HitLimits) -> PlatformError | None:
    if any(quota.endpoint == "*" and quota.remaining == 0 for quota in quotas):
        message = "本小时的接口调用次数已用完，整点恢复 / no calls are left in this hour"
        return _error("quota", message, limits.resets_in_s)
    return None


def _error(error_class: ErrorClass, message: str, retry_after_s: float | None = None) -> PlatformError:
    return PlatformError(message, error_class=error_class, sent="yes", scope="account", retry_after_s=retry_after_s)


def _after(now: datetime, seconds: int | None) -> datetime | None:
    try:
        return None if seconds is None else now + timedelta(seconds=seconds)
    except OverflowError:
        return None
