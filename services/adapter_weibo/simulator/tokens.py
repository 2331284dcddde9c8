"""Authorisation on the simulated Weibo: codes, tokens, and the acts of the user that grant or end them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from services.adapter_weibo.simulator.account_options import option_value
from services.adapter_weibo.simulator.refusals import WORDS, oauth_error_reply
from services.simulator.contract import Call, OutgoingCallback, SimAccount, SimReply, World
from services.simulator.http import refusal

TOKEN_LIFE = timedelta(days=30)  # audited app [memory]
CODE_LIVES = timedelta(minutes=10)  # [assumption]


def authorize(world: World, call: Call) -> SimReply:
    """The user agrees at once, or does what the act `next_consent` said (A1); refusals as OAuth 2 has them [memory]."""
    account = next((a for a in world.accounts.values() if a.app_id == call.query.get("client_id")), None)
    back = call.query.get("redirect_uri", "")
    if account is None or not back.startswith(("http://", "https://")):
        return oauth_error_reply(21322 if account else 21324, call)
    if call.query.get("response_type") != "code":
        return oauth_error_reply(21329, call)
    said = {"state": call.query["state"]} if "state" in call.query else {}
    if account.state.pop("next_consent", "") == "deny":
        said |= {"error": "access_denied", "error_code": "21330", "error_description": WORDS[21330]}
    else:
        code = f"{world.rng.getrandbits(128):032x}"
        account.state.setdefault("codes", {})[code] = (world.now() + CODE_LIVES, back)
        said |= {"code": code}
    return SimReply(b"", 302, "text/html", f"{back}{'&' if '?' in back else '?'}{urlencode(said)}")


def next_consent(world: World, account: SimAccount, details: Mapping[str, str]) -> Mapping[str, Any]:
    """with: answer = `deny`: the user will say no the next time they are asked."""
    if dict(details) != {"answer": "deny"}:
        raise refusal.AdminError("with", '只接受 {"answer": "deny"} / only this')
    account.state["next_consent"] = "deny"
    return {"next_consent": "deny"}


def _code_counts(world: World, account: SimAccount, call: Call) -> bool:
    """A code is good once, for a while, and for the address it was sent to; the open_id stands for one [assumption]."""
    code = call.param("code") or ""
    if code == account.open_id != "":
        return True
    until, address = account.state.setdefault("codes", {}).pop(code, (world.now(), ""))
    return bool(world.now() < until) and address == call.param("redirect_uri")


def access_token(world: World, call: Call) -> SimReply:
    """Only accounts that have a refresh_token can refresh."""
    account = next((a for a in world.accounts.values() if a.app_id == call.param("client_id")), None)
    if account is None or account.app_secret != call.param("client_secret"):
        return oauth_error_reply(21324, call)
    grant = call.param("grant_type")
    if grant not in ("authorization_code", "refresh_token"):
        return oauth_error_reply(21328, call)
    if grant == "authorization_code" and not _code_counts(world, account, call):
        return oauth_error_reply(21325, call)
    if grant == "refresh_token" and (call.param("refresh_token") or "") not in {account.refresh_token} - {""}:
        return oauth_error_reply(21325, call)
    if grant == "refresh_token" and account.state.get("withdrawn"):
        return oauth_error_reply(21325, call)
    account.state["withdrawn"] = False
    account.access_token = new_token(account)
    account.state["token_ends"] = world.now() + _token_life(account)
    seconds = int(_token_life(account).total_seconds())
    body = {
        "access_token": account.access_token,
        "remind_in": str(seconds),
        "expires_in": seconds,
        "uid": account.open_id,
        "isRealName": "true",
    }
    if account.refresh_token:
        body["refresh_token"] = account.refresh_token
    return SimReply(body)


def new_token(account: SimAccount) -> str:
    account.state["renewals"] = account.state.get("renewals", 0) + 1
    return f"2.00sim{account.account}.{account.state['renewals']}"


def _token_life(account: SimAccount) -> timedelta:
    return timedelta(seconds=option_value(account, "token_life_s", int(TOKEN_LIFE.total_seconds())))


def token_ends(world: World, account: SimAccount) -> datetime:
    """Tokens end only where `token_life_s` is set, counted from the first use; others are always one day old."""
    if "token_life_s" not in account.options:
        return world.now() + TOKEN_LIFE - timedelta(days=1)
    ends: datetime = account.state.setdefault("token_ends", world.now() + _token_life(account))
    return ends


def end_token(account: SimAccount, code: int, successor: str = "") -> None:
    """From now on the token is answered with `code`."""
    account.state.setdefault("ended", {})[account.access_token] = code
    account.access_token = successor


def get_token_info(world: World, call: Call, account: SimAccount) -> Any:
    """Numbers, as in the recorded answer [client: wbc4j]; note `expire_in`."""
    ends = token_ends(world, account)
    return {
        "uid": int(account.open_id),
        "appkey": account.app_id,
        "scope": None,
        "create_at": int((ends - _token_life(account)).timestamp()),
        "expire_in": int((ends - world.now()).total_seconds()),
    }


def revoke(world: World, call: Call, account: SimAccount) -> Any:
    """The app gives its own permission back [memory]."""
    account.state["withdrawn"] = True
    end_token(account, 21332)
    return {"result": "true"}


def cancel_authorisation(world: World, account: SimAccount, details: Mapping[str, str]) -> Mapping[str, Any]:
    """The user withdraws the app's permission, and the platform calls the app back [client: wb4java].

    By GET, and with a `verification` that nobody can check [assumption].
    """
    _no_details(details)
    account.state["withdrawn"] = True
    end_token(account, 21319)
    ended = str(int(world.now().timestamp()))
    query = {"source": account.app_id, "uid": account.open_id, "auth_end": ended}
    query["verification"] = hashlib.sha256(ended.encode()).hexdigest()[:32]
    world.call_back(account, OutgoingCallback("GET", query=query, name="authorisation_cancelled"))
    return {"authorisation": "cancelled"}


def check_address(world: World, account: SimAccount, details: Mapping[str, str]) -> Mapping[str, Any]:
    """The console checks the address that somebody entered for the fan service [memory]."""
    _no_details(details)
    timestamp, nonce = str(int(world.now().timestamp())), str(world.rng.getrandbits(31))
    echo = str(world.rng.getrandbits(60))
    signed = hashlib.sha1("".join(sorted((account.app_secret, timestamp, nonce))).encode())  # noqa: S324 - theirs
    query = {"signature": signed.hexdigest(), "timestamp": timestamp, "nonce": nonce, "echostr": echo}

    def echoed(status: int, answer: bytes) -> bool:
        return status == 200 and answer == echo.encode()

    world.call_back(account, OutgoingCallback("GET", query=query, name="address_check", accepts=echoed))
    return {"address": "asked"}


def _no_details(details: Mapping[str, str]) -> None:
    for name in details:
        raise refusal.AdminError(name, "这个操作没有参数 / this act takes nothing")
