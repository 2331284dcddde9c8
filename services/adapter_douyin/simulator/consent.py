"""The simulated authorisation page (C1): a user grants the app access, refuses it or withdraws it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from services.adapter_douyin.simulator.bodies import oauth_answer
from services.adapter_douyin.simulator.webhooks import notify
from services.simulator.contract import Call, SimAccount, SimReply, World
from services.simulator.http.refusal import AdminError as WrongAct

CODE_LIVES = timedelta(hours=1)  # [assumption]
SCOPES = "user_info,video.create.bind,video.list.bind,video.data.bind,item.comment"


def authorisation_page(world: World, call: Call) -> SimReply:
    """The user agrees at once, or answers as the act `next_consent` set (C1). The form of a refusal is [assumption]."""
    account = next((one for one in world.accounts.values() if one.app_id == call.query.get("client_key")), None)
    back = call.query.get("redirect_uri", "")
    if account is None or not back.startswith(("http://", "https://")):
        return oauth_answer({}, 10006 if account else 10003)
    scopes = [scope for scope in call.query.get("scope", "").split(",") if scope]
    if call.query.get("response_type") != "code" or not scopes or not set(scopes) <= set(SCOPES.split(",")):
        return oauth_answer({}, 10002)
    parameters = {"state": call.query["state"]} if "state" in call.query else {}
    consent = account.state.pop("next_consent", {})
    if consent.get("answer") == "deny":
        parameters |= {"error_code": "-2", "description": "用户取消授权"}
    else:
        account.state["granted"] = [scope for scope in scopes if scope != consent.get("withhold")]
        parameters |= {"code": str(authorize(world, account, {})["code"])}
    return SimReply(b"", 302, "text/html", f"{back}{'&' if '?' in back else '?'}{urlencode(parameters)}")


def next_consent(world: World, account: SimAccount, details: Mapping[str, str]) -> Mapping[str, Any]:
    """How the user answers the next time. with: answer = `deny`, or withhold = a scope that is not granted."""
    if not details or not set(details) <= {"answer", "withhold"}:
        raise WrongAct("with", "请给 answer=deny 或 withhold=<scope> / give one of these")
    account.state["next_consent"] = dict(details)
    return {"next_consent": dict(details)}


def authorize(world: World, account: SimAccount, details: Mapping[str, str]) -> Mapping[str, Any]:
    """The user agrees in the browser → `code`, as the redirect carries it."""
    code = f"{world.rng.getrandbits(128):032x}"
    account.state.setdefault("codes", {})[code] = (world.now() + CODE_LIVES).isoformat()
    notify(world, account, "authorize", {"scopes": SCOPES.split(",")})
    return {"code": code}


def unauthorize(world: World, account: SimAccount, details: Mapping[str, str]) -> Mapping[str, Any]:
    """The user withdraws the permission in the app. This ends all tokens at once (C1 [doc])."""
    account.state["tokens"], account.state["refresh"] = {}, {}
    notify(world, account, "unauthorize", {"scopes": SCOPES.split(",")})
    return {}
