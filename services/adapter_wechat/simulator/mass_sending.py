"""Mass sending at the simulated WeChat: quota, idempotency keys, an administrator's approval (B3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.adapter_wechat.simulator.bodies import WechatRefusedError, done, json_body
from services.adapter_wechat.simulator.callbacks import call_back_mass
from services.adapter_wechat.simulator.drafts import drafts_of
from services.adapter_wechat.simulator.posting import begin_job, check_may_publish, next_id, posts_of
from services.simulator.contract import Call, SimAccount, SimPost, SimReply, World
from services.simulator.http.refusal import AdminError as WrongActError

MASS_KEY_BYTES = 32  # B3 [client]
MASS_KEY_LIVES = timedelta(hours=24)  # B3 [client]
MASS_KEY_APART = timedelta(minutes=1)  # B3 [client]
MASS_PERIODS = {"subscription": (1, timedelta(days=1)), "service": (4, timedelta(days=30))}  # B3 [memory]
FIRST_MASS_ID = 3147483653


@dataclass(slots=True)
class MassKey:
    """A clientmsgid that was used. approval: the draft that waits for the administrator; None: it was sent."""

    first_at: datetime
    last_at: datetime
    ids: dict[str, str]
    approval: str | None = None


def _keys(account: SimAccount) -> dict[str, MassKey]:
    held: dict[str, MassKey] = account.state.setdefault("mass_keys", {})
    return held


def send_to_all(world: World, account: SimAccount, call: Call) -> SimReply:
    """[assumption]: the key is looked at before the draft, and the draft leaves the box with the call."""
    check_may_publish(account)
    body = json_body(call)
    key = str(body.get("clientmsgid", ""))
    if len(key.encode()) > MASS_KEY_BYTES:
        raise WechatRefusedError(45067)
    if key:
        _refuse_used_key(world, account, key)
    if body.get("msgtype") != "mpnews" or not isinstance(body.get("filter"), dict):
        raise WechatRefusedError(40008)
    media_id = str((body.get("mpnews") or {}).get("media_id", ""))
    draft = drafts_of(world).get(media_id)
    if draft is None or draft.account != account.account:
        raise WechatRefusedError(40007)
    _check_mass_quota(world, account)
    number = next_id(world, "last_mass_id", FIRST_MASS_ID)
    used = MassKey(world.now(), world.now(), {"msg_id": str(number), "msg_data_id": str(2 * number)})
    _keys(account)[key or f"none:{number}"] = used
    if account.options.get("mass_approval") == "required":
        used.approval = media_id
        raise WechatRefusedError(89505)
    _send(world, account, used, media_id)
    numbers = {name: int(value) for name, value in used.ids.items()}
    return SimReply({"errcode": 0, "errmsg": "send job submission success", **numbers})


def _refuse_used_key(world: World, account: SimAccount, key: str) -> None:
    used = _keys(account).get(key)
    if used is None or world.now() - used.first_at >= MASS_KEY_LIVES:
        return
    if used.approval is not None:
        raise WechatRefusedError(89504)
    too_fast, used.last_at = world.now() - used.last_at < MASS_KEY_APART, world.now()
    if too_fast:
        raise WechatRefusedError(45066)
    names = ("msg_id",) if account.options.get("mass_repeated") == "msg_id" else ("msg_id", "msg_data_id")
    raise WechatRefusedError(45065, {name: int(used.ids[name]) for name in names})


def _check_mass_quota(world: World, account: SimAccount) -> None:
    """`mass_quota`: sends in a period; without it what the kind of account has [memory]. Failed ones do not count
    [assumption]."""
    kind = "subscription" if account.options.get("level", "").startswith("subscription") else "service"
    most, period = MASS_PERIODS[kind]
    most = int(account.options.get("mass_quota", most))
    sent = [post for post in posts_of(world, account) if "msg_id" in post.ids and post.state != "rejected"]
    if sum(1 for post in sent if world.now() - post.created_at < period) >= most:
        raise WechatRefusedError(45028)


def _send(world: World, account: SimAccount, used: MassKey, media_id: str) -> None:
    used.approval = None
    article = drafts_of(world).pop(media_id).articles[0]
    native_id = f"{used.ids['msg_data_id']}_1"  # as the statistics call it
    begin_job(world, account, article, native_id, dict(used.ids), "message/mass/sendall")


def open_approvals(account: SimAccount) -> list[tuple[str, MassKey]]:
    return [(key, used) for key, used in _keys(account).items() if used.approval is not None]


def drop_approval(world: World, account: SimAccount, key: str, status: str) -> None:
    """Refused or not answered: nothing was sent, the key may be used again [assumption]."""
    used = _keys(account).pop(key)
    call_back_mass(world, account, used.ids["msg_id"], status, None)


def confirm_mass(world: World, account: SimAccount, _details: Mapping[str, str]) -> Mapping[str, Any]:
    """The administrator confirms every mass send that waits."""
    waiting = open_approvals(account)
    for _, used in waiting:
        if used.approval in drafts_of(world):
            _send(world, account, used, used.approval)
    return {"confirmed": len(_answered(waiting))}


def refuse_mass(world: World, account: SimAccount, _details: Mapping[str, str]) -> Mapping[str, Any]:
    """The administrator refuses every mass send that waits: err(40001) [client, quoting the page]."""
    waiting = open_approvals(account)
    for key, _ in _answered(waiting):
        drop_approval(world, account, key, "err(40001)")
    return {"refused": len(waiting)}


def _answered(waiting: list[tuple[str, MassKey]]) -> list[tuple[str, MassKey]]:
    if not waiting:
        raise WrongActError("act", "没有等待确认的群发 / no mass send is waiting")
    return waiting


def _mass_post(world: World, account: SimAccount, call: Call) -> SimPost:
    wanted = str(json_body(call).get("msg_id", ""))
    post = next((p for p in posts_of(world, account) if p.ids.get("msg_id") == wanted), None)
    if post is None:
        raise WechatRefusedError(40007)  # [assumption]: no page names the code for an unknown msg_id
    return post


MASS_STATUS = {"publishing": "SENDING", "in_review": "SENDING", "live": "SEND_SUCCESS", "rejected": "SEND_FAIL"}


def mass_status(world: World, account: SimAccount, call: Call) -> SimReply:
    post = _mass_post(world, account, call)
    return SimReply({"msg_id": json_body(call)["msg_id"], "msg_status": MASS_STATUS.get(post.state, "DELETE")})


def delete_mass(world: World, account: SimAccount, call: Call) -> SimReply:
    """Only what has been sent can be deleted [client]; a repetition is taken [assumption]."""
    post = _mass_post(world, account, call)
    if post.state not in ("live", "removed"):
        raise WechatRefusedError(40007)  # [assumption]
    post.state, post.data["deleted_by_user"] = "removed", True
    return done()
