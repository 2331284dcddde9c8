"""The check of user and app tokens before a handler of the simulated Douyin runs (C1)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from services.adapter_douyin.simulator.bodies import OLD_FAMILY, DouyinRefusedError, answer, as_strings, epoch_ms
from services.simulator.contract import Call, SimAccount, SimReply, World

ACCESS_LIVES = timedelta(days=15)  # C1 [doc]
REFRESH_LIVES = timedelta(days=30)  # C1 [doc]
CLIENT_LIVES = timedelta(hours=2)  # C1 [doc]


def _caller(world: World, call: Call) -> SimAccount:
    """The account that the access token belongs to. The open_id of the call must match it (C1)."""
    token = call.headers.get("access-token") or call.query.get("access_token", "")
    for account in world.accounts.values():
        until = access_tokens(world, account).get(token)
        if until is None:
            continue
        if world.now() >= datetime.fromisoformat(until):
            raise DouyinRefusedError(28001008)
        if call.query.get("open_id") != account.open_id:
            raise DouyinRefusedError(28001015)
        return account
    raise DouyinRefusedError(28001003)


def access_tokens(world: World, account: SimAccount) -> dict[str, str]:
    """token → end of its life. The token of the account file starts to live at the first call."""
    if "tokens" not in account.state:
        account.state["tokens"] = {account.access_token: (world.now() + ACCESS_LIVES).isoformat()}
        account.state["refresh"] = {account.refresh_token: (world.now() + REFRESH_LIVES).isoformat()}
    tokens: dict[str, str] = account.state["tokens"]
    return {token: until for token, until in tokens.items() if token}


def _app_caller(world: World, call: Call) -> None:
    until = world.state.get("client_tokens", {}).get(call.headers.get("access-token", ""))
    if until is None:
        raise DouyinRefusedError(28001003)
    if world.now() >= datetime.fromisoformat(until):
        raise DouyinRefusedError(28001008)


Handler = Callable[[World, Call], SimReply]


def guarded(name: str, handle: Callable[[World, SimAccount, Call], dict[str, Any]]) -> Handler:
    """Wrap a user endpoint: check the token, then run the handler. Refusals use the active family of codes.

    token_stolen: the user authorised the app elsewhere, which ended the token here; a refresh helps [assumption].
    """

    def handler(world: World, call: Call) -> SimReply:
        try:
            if world.take_fault("token_stolen", name):
                _caller(world, call).state["tokens"].pop(call.headers.get("access-token", ""), None)
            reply = answer(epoch_ms(world), handle(world, _caller(world, call), call))
        except DouyinRefusedError as refused:
            old = world.take_fault("old_codes", name)
            reply = answer(epoch_ms(world), {}, OLD_FAMILY.get(refused.code, refused.code) if old else refused.code)
        return SimReply(as_strings(reply.body)) if world.take_fault("string_numbers", name) else reply

    return handler


def app_guarded(name: str, handle: Callable[[World, Call], dict[str, Any]]) -> Handler:
    """Wrap an app endpoint. token_stolen: another client fetched two client tokens, which ended the caller's."""

    def handler(world: World, call: Call) -> SimReply:
        try:
            if world.take_fault("token_stolen", name):
                new_client_token(world), new_client_token(world)
            _app_caller(world, call)
            return answer(epoch_ms(world), handle(world, call))
        except DouyinRefusedError as refused:
            return answer(epoch_ms(world), {}, refused.code)

    return handler


def new_client_token(world: World) -> str:
    """Only the newest two tokens are valid, the older of them for 5 more minutes."""
    tokens: dict[str, str] = world.state.setdefault("client_tokens", {})
    grace = (world.now() + timedelta(minutes=5)).isoformat()
    newest = list(tokens.items())[-1:]
    tokens.clear()
    tokens.update({token: min(until, grace) for token, until in newest})
    token = f"clt.{world.rng.getrandbits(128):032x}"
    tokens[token] = (world.now() + CLIENT_LIVES).isoformat()
    return token
