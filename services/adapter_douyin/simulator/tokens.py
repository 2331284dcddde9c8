"""The simulated token endpoints (C1): user, app and refresh tokens, tickets and share ids."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from typing import Any

from services.adapter_douyin.simulator.bodies import epoch_ms, oauth_answer
from services.adapter_douyin.simulator.consent import SCOPES
from services.adapter_douyin.simulator.exchange import (
    ACCESS_LIVES,
    CLIENT_LIVES,
    REFRESH_LIVES,
    access_tokens,
    new_client_token,
)
from services.simulator.contract import Call, SimAccount, SimReply, World

MOST_RENEWALS = 5  # C1 [memory]
CLIENT_TOKENS_IN_5_MINUTES = 500  # C1 [doc]


def refresh_token_endpoint(world: World, call: Call) -> SimReply:
    """Form body only (D 28). The refresh token and its life stay the same; older access tokens stay valid."""
    found = _by_refresh_token(world, call)
    if isinstance(found, int):
        return oauth_answer({}, found)
    account, until = found
    token = f"act.{world.rng.getrandbits(128):032x}"
    account.state["tokens"][token] = (world.now() + ACCESS_LIVES).isoformat()
    return oauth_answer({
        "access_token": token,
        "expires_in": int(ACCESS_LIVES.total_seconds()),
        "refresh_token": call.form["refresh_token"],
        "refresh_expires_in": int((until - world.now()).total_seconds()),
        "open_id": account.open_id,
        "scope": SCOPES,
        "log_id": f"{epoch_ms(world)}ED3E",
    })  # fmt: skip


def access_token_endpoint(world: World, call: Call) -> SimReply:
    """JSON or form body (D 28). A code works once; it comes from the authorisation page or the act `authorize`."""
    body = call.json if isinstance(call.json, dict) else dict(call.form)
    code, until = body.get("code", ""), None
    account = next((one for one in world.accounts.values() if code and code in one.state.get("codes", {})), None)
    if account is None:
        return oauth_answer({}, 10007)
    if body.get("client_key") != account.app_id:
        return oauth_answer({}, 10003)
    if body.get("client_secret") != account.app_secret:
        return oauth_answer({}, 10013)
    until = datetime.fromisoformat(account.state["codes"].pop(code))
    if world.now() >= until:
        return oauth_answer({}, 10007)
    access_tokens(world, account)
    access, refresh = f"act.{world.rng.getrandbits(128):032x}", f"rft.{world.rng.getrandbits(128):032x}"
    account.state["tokens"][access] = (world.now() + ACCESS_LIVES).isoformat()
    account.state["refresh"][refresh] = (world.now() + REFRESH_LIVES).isoformat()
    account.state["renewals"] = 0
    return oauth_answer({
        "access_token": access,
        "expires_in": int(ACCESS_LIVES.total_seconds()),
        "refresh_token": refresh,
        "refresh_expires_in": int(REFRESH_LIVES.total_seconds()),
        "open_id": account.open_id,
        "scope": ",".join(account.state.get("granted", SCOPES.split(","))),
    })  # fmt: skip


def renew_refresh_token_endpoint(world: World, call: Call) -> SimReply:
    found = _by_refresh_token(world, call)
    if isinstance(found, int):
        return oauth_answer({}, found)
    account, _ = found
    renewals = account.state.get("renewals", 0)
    if renewals >= MOST_RENEWALS:
        return oauth_answer({}, 10020)
    account.state["renewals"] = renewals + 1
    token = f"rft.{world.rng.getrandbits(128):032x}"
    account.state["refresh"][token] = (world.now() + REFRESH_LIVES).isoformat()
    return oauth_answer({"refresh_token": token, "expires_in": int(REFRESH_LIVES.total_seconds())})


def _by_refresh_token(world: World, call: Call) -> tuple[SimAccount, datetime] | int:
    token = call.form.get("refresh_token", "")
    for account in world.accounts.values():
        access_tokens(world, account)
        until = account.state["refresh"].get(token)
        if not token or until is None:
            continue
        if call.form.get("client_key") != account.app_id:
            return 10003
        moment = datetime.fromisoformat(until)
        return (account, moment) if world.now() < moment else 10010
    return 10010


def client_token_endpoint(world: World, call: Call) -> SimReply:
    """JSON or form body (D 28)."""
    body = call.json if isinstance(call.json, dict) else dict(call.form)
    apps = {account.app_id: account.app_secret for account in world.accounts.values()}
    if body.get("client_key") not in apps:
        return oauth_answer({}, 10003)
    if body.get("client_secret") != apps[body["client_key"]]:
        return oauth_answer({}, 10013)
    called: list[datetime] = world.state.setdefault("client_token_calls", [])
    called[:] = [*(at for at in called if world.now() - at < timedelta(minutes=5)), world.now()]
    if len(called) > CLIENT_TOKENS_IN_5_MINUTES:
        return oauth_answer({}, 10020)
    token = new_client_token(world)
    return oauth_answer({"access_token": token, "expires_in": int(CLIENT_LIVES.total_seconds())})


def userinfo(world: World, call: Call) -> SimReply:
    for account in world.accounts.values():
        until = access_tokens(world, account).get(call.form.get("access_token", ""))
        if until is None or world.now() >= datetime.fromisoformat(until):
            continue
        if call.form.get("open_id") != account.open_id:
            return oauth_answer({}, 28001015)
        return oauth_answer(
            {"open_id": account.open_id, "union_id": "", "nickname": account.display_name, "avatar": ""}
        )
    return oauth_answer({}, 10008)


def ticket_endpoint(world: World, call: Call) -> dict[str, Any]:
    ticket = f"@{base64.b64encode(world.rng.randbytes(60)).decode()}"
    world.state.setdefault("tickets", {})[ticket] = world.now() + CLIENT_LIVES
    return {"ticket": ticket, "expires_in": int(CLIENT_LIVES.total_seconds())}


def share_id_endpoint(world: World, call: Call) -> dict[str, Any]:
    share_id = str(world.rng.randrange(10**15, 10**16))
    world.state.setdefault("share_ids", []).append(share_id)
    return {"share_id": share_id}
