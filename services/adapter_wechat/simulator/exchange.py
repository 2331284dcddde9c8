"""Who calls the simulated WeChat: a token in the query, counted against the account's day (B7)."""

from __future__ import annotations

from collections.abc import Callable

from services.adapter_wechat.simulator.bodies import WechatRefusedError, answering, endpoint_name
from services.adapter_wechat.simulator.facts import BEIJING
from services.adapter_wechat.simulator.tokens import token_holder
from services.simulator.contract import Call, SimAccount, SimReply, World

DAILY_LIMIT = 100_000  # [assumption]: it differs by account and interface; option `daily_limit`


def authorised(handle: Callable[[World, SimAccount, Call], SimReply]) -> Callable[[World, Call], SimReply]:
    """A handler that wants a token in the query (section B)."""
    return answering(lambda world, call: handle(world, _caller(world, call), call))


def _caller(world: World, call: Call) -> SimAccount:
    """Whose token it is. Every accepted call is counted for the day's quota."""
    given = call.query.get("access_token", "")
    if not given:
        raise WechatRefusedError(41001)
    account = token_holder(world, given, endpoint_name(call.path))
    _count(world, account, call.path)
    return account


def _count(world: World, account: SimAccount, path: str) -> None:
    """Calls of an interface on a Beijing day; beyond the limit 45009."""
    today = world.now().astimezone(BEIJING).date()
    day, used = account.state.get(f"used:{path}", (today, 0))
    used = used if day == today else 0
    if used >= daily_limit(account):
        raise WechatRefusedError(45009)
    account.state[f"used:{path}"] = (today, used + 1)


def daily_limit(account: SimAccount) -> int:
    return int(account.options.get("daily_limit", DAILY_LIMIT))
