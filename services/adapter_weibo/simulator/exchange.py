"""The steps common to all calls: finds the token's account, counts the hour's calls, turns errors into answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from services.adapter_weibo.simulator.account_options import hits_this_hour, hour_began, option_value
from services.adapter_weibo.simulator.refusals import WeiboRefusedError, error_reply
from services.adapter_weibo.simulator.tokens import end_token, new_token, token_ends
from services.simulator.contract import Call, SimAccount, SimPost, SimReply, World

Answer = Callable[[World, Call, SimAccount], Any]


def live_post(world: World, status_id: str | None) -> SimPost:
    if not status_id:
        raise WeiboRefusedError(20109)
    found = next((post for post in world.posts if post.native_id == status_id and post.state == "live"), None)
    if found is None:
        raise WeiboRefusedError(20101)
    return found


def commercial_account(account: SimAccount) -> SimAccount:
    """Only accounts of the paid interface may call it; the code for others is 10014."""
    if account.way != "commercial":
        raise WeiboRefusedError(10014)
    return account


def _account_of(world: World, call: Call) -> SimAccount:
    """The token's account; as a parameter, or in the header [memory]."""
    header = call.headers.get("authorization", "")
    token = call.param("access_token") or (header.removeprefix("OAuth2 ") if header.startswith("OAuth2 ") else "")
    if not token:
        raise WeiboRefusedError(10006)
    account = _bearer(world, token)
    if world.take_fault("token_stolen", endpoint_name(call)):  # somebody else got a new one and ours died [assumption]
        end_token(account, 21332, new_token(account))
        raise WeiboRefusedError(21332)
    if world.now() >= token_ends(world, account):
        raise WeiboRefusedError(21327)
    return account


def _bearer(world: World, token: str) -> SimAccount:
    for account in world.accounts.values():
        if account.access_token == token:
            return account
        if token in account.state.get("ended", {}):
            raise WeiboRefusedError(account.state["ended"][token])
    raise WeiboRefusedError(21332)


def _count_hit(world: World, account: SimAccount) -> None:
    """1000 calls an hour [client, figures of 2012]; only where the account's option `hits_per_hour` says so."""
    limit = option_value(account, "hits_per_hour")
    hits = hits_this_hour(world, account)
    if limit is not None and hits >= limit:
        raise WeiboRefusedError(10023)
    account.state["hits"] = (hour_began(world), hits + 1)


def authorised(answer: Answer, counted: bool = True) -> Callable[[World, Call], SimReply]:
    """counted: whether it is one of the hour's calls."""

    def handler(world: World, call: Call) -> SimReply:
        try:
            account = _account_of(world, call)
            if counted:
                _count_hit(world, account)
            return SimReply(answer(world, call, account))
        except WeiboRefusedError as refused:
            return error_reply(refused.code, call)

    return handler


def endpoint_name(call: Call) -> str:
    """`statuses/share` of `/2/statuses/share.json`, `oauth2/revokeoauth2` of `/oauth2/revokeoauth2`."""
    return call.path.removeprefix("/2").removesuffix(".json").strip("/")
