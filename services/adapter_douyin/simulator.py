"""Douyin's half of the simulator: tokens, uploads, posts under review, comments, figures and webhooks, in its words.

Section marks (C1 …) are those of the platform fact sheet in README.md; what no source says is marked [assumption].
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson

from schemas.events.feedback import Metric
from services.simulator.contract import (
    Act,
    Call,
    Endpoint,
    OutgoingCallback,
    SimAccount,
    SimComment,
    SimPost,
    SimReply,
    World,
)
from services.simulator.http.refusal import AdminError as WrongAct

MIB = 1024 * 1024
ACCESS_LIVES = timedelta(days=15)  # C1 [doc]
REFRESH_LIVES = timedelta(days=30)  # C1 [doc]
CLIENT_LIVES = timedelta(hours=2)  # C1 [doc]
UPLOAD_LIVES = timedelta(hours=2)  # C2 [client: dyjava]
REVIEW_S = 20.0  # [assumption]: in reality minutes to hours
MOST_RENEWALS = 5  # C1 [memory]
ONE_REQUEST_MAX = 128 * MIB  # C2 [doc]
VIDEO_MAX = 4096 * MIB  # C2 [doc]
PART_MIN = 5 * MIB  # C2 [doc]; the last part may be smaller [memory]
IMAGE_MAX = 20 * MIB  # C2 [client]
IMAGES_MAX = 30  # C2 [client]
TEXT_MAX = 1000  # C2 [memory]
LIST_MAX = 20  # C4 [memory]
COMMENTS_MAX = 50  # C4 [doc]
REPLY_MAX = 100  # [memory]
CODE_LIVES = timedelta(hours=1)  # [assumption]
CLIENT_TOKENS_IN_5_MINUTES = 500  # C1 [doc]
H5_TOPICS_MAX = 10  # C3 [client]
# What an app is subscribed to unless it says otherwise: create_video is the default [doc], the others [assumption].
EVENTS = ("create_video", "authorize", "unauthorize", "item_comment_reply")
# Newer events bring `content` as a JSON string (C5 [doc]); of ours the comment event is taken for one [assumption].
CONTENT_AS_STRING = ("item_comment_reply",)
SCOPES = "user_info,video.create.bind,video.list.bind,video.data.bind,item.comment"
SENSITIVE = "敏感词示例"  # [assumption]: the real list is not public; this word stands for it

WORDS = {
    10003: "client_key错误",
    10007: "授权码过期",
    10008: "access_token无效",
    10010: "refresh_token过期",
    10013: "client_key或client_secret错误",
    10020: "refresh_token续期次数已达上限",
    28001003: "access_token无效",
    28001005: "系统繁忙，此时请开发者稍候再试",
    28001007: "参数不合法",
    28001008: "access_token过期,请刷新或重新授权",
    28001015: "access_token和open_id不匹配",
    28001018: "应用未获得该能力",
    28001056: "该能力API已下线,不再支持调用",
    28003017: "quota已用完",
    28003018: "请求过于频繁",
    2100004: "系统繁忙，此时请开发者稍候再试",
    2100005: "Parameter error",
    2111001: "包含敏感词",
    2111005: "无效的评论",
    2111007: "评论不属于该视频",
    2113001: "素材未通过检查",
    2114007: "发布数量达到当日上限",
    2190002: "access_token无效",
    2190005: "视频文件太大了",
    2190007: "无效的video_id",
    2190008: "access_token过期,请刷新或重新授权",
}
FAULTS = {"rate_limit": 28003018, "token_expired": 28001008, "api_offline": 28001056}
OLD_FAMILY = {28001003: 2190002, 28001007: 2100005, 28001008: 2190008, 28001015: 2190015, 28003017: 2190001}

VIDEO = "/api/douyin/v1/video"


class DouyinRefusedError(Exception):
    """Raised inside a handler to answer with a code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


# --- answers ---------------------------------------------------------------------------------------------------------


def _answer(now_ms: int, data: Mapping[str, Any], code: int = 0) -> SimReply:
    """Both places say the code; the trace id is `log_id` in old-style errors, else `logid` (C6 samples)."""
    words = WORDS.get(code, "系统错误") if code else ""
    old = 2000000 < code < 3000000
    extra = {
        "error_code": code,
        "description": words,
        "sub_error_code": 0,
        "sub_description": words if code and not old else "",
        "log_id" if old else "logid": f"{now_ms}0101980821035705926A",
        "now": now_ms,
    }
    return SimReply({"data": {"error_code": code, "description": words, **data}, "extra": extra})


def _oauth_answer(data: Mapping[str, Any], code: int = 0) -> SimReply:
    words = WORDS.get(code, "参数错误") if code else ""
    said = {"captcha": "", "desc_url": "", "description": words, "error_code": code, **data}
    return SimReply({"data": said, "message": "error" if code else "success"})


def _as_strings(value: Any) -> Any:
    """The same body as many doc samples show it: numbers as strings (D 22)."""
    if isinstance(value, dict):
        return {name: _as_strings(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_as_strings(one) for one in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _ms(world: World) -> int:
    return int(world.now().timestamp() * 1000)


# --- who is calling --------------------------------------------------------------------------------------------------


def _caller(world: World, call: Call) -> SimAccount:
    """The account of the access-token, checked against open_id (C1)."""
    token = call.headers.get("access-token") or call.query.get("access_token", "")
    for account in world.accounts.values():
        until = _tokens(world, account).get(token)
        if until is None:
            continue
        if world.now() >= datetime.fromisoformat(until):
            raise DouyinRefusedError(28001008)
        if call.query.get("open_id") != account.open_id:
            raise DouyinRefusedError(28001015)
        return account
    raise DouyinRefusedError(28001003)


def _tokens(world: World, account: SimAccount) -> dict[str, str]:
    """token → good until; the declared one counts from the first time anybody looks."""
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


def _guarded(name: str, handle: Callable[[World, SimAccount, Call], dict[str, Any]]) -> Handler:
    """A user endpoint: token first, then the handler; a refusal in the family of codes that is switched on.

    token_stolen: the user authorised the app elsewhere, which ended the token here; a refresh helps [assumption].
    """

    def handler(world: World, call: Call) -> SimReply:
        try:
            if world.take_fault("token_stolen", name):
                _caller(world, call).state["tokens"].pop(call.headers.get("access-token", ""), None)
            reply = _answer(_ms(world), handle(world, _caller(world, call), call))
        except DouyinRefusedError as refused:
            old = world.take_fault("old_codes", name)
            reply = _answer(_ms(world), {}, OLD_FAMILY.get(refused.code, refused.code) if old else refused.code)
        return SimReply(_as_strings(reply.body)) if world.take_fault("string_numbers", name) else reply

    return handler


def _app_guarded(name: str, handle: Callable[[World, Call], dict[str, Any]]) -> Handler:
    """An app endpoint. token_stolen: another client fetched two client tokens, so that ours is none of the newest."""

    def handler(world: World, call: Call) -> SimReply:
        try:
            if world.take_fault("token_stolen", name):
                _new_client_token(world), _new_client_token(world)
            _app_caller(world, call)
            return _answer(_ms(world), handle(world, call))
        except DouyinRefusedError as refused:
            return _answer(_ms(world), {}, refused.code)

    return handler


# --- tokens (C1) -----------------------------------------------------------------------------------------------------


def _refresh_token(world: World, call: Call) -> SimReply:
    """Form only (D 28). The refresh token stays the same and is not extended; the old access token stays good."""
    found = _by_refresh_token(world, call)
    if isinstance(found, int):
        return _oauth_answer({}, found)
    account, until = found
    token = f"act.{world.rng.getrandbits(128):032x}"
    account.state["tokens"][token] = (world.now() + ACCESS_LIVES).isoformat()
    return _oauth_answer({
        "access_token": token,
        "expires_in": int(ACCESS_LIVES.total_seconds()),
        "refresh_token": call.form["refresh_token"],
        "refresh_expires_in": int((until - world.now()).total_seconds()),
        "open_id": account.open_id,
        "scope": SCOPES,
        "log_id": f"{_ms(world)}ED3E",
    })  # fmt: skip


def _connect(world: World, call: Call) -> SimReply:
    """The user agrees at once, or does what the act `next_consent` said (C1); how a refusal looks is [assumption]."""
    account = next((one for one in world.accounts.values() if one.app_id == call.query.get("client_key")), None)
    back = call.query.get("redirect_uri", "")
    if account is None or not back.startswith(("http://", "https://")):
        return _oauth_answer({}, 10006 if account else 10003)
    asked = [scope for scope in call.query.get("scope", "").split(",") if scope]
    if call.query.get("response_type") != "code" or not asked or not set(asked) <= set(SCOPES.split(",")):
        return _oauth_answer({}, 10002)
    said = {"state": call.query["state"]} if "state" in call.query else {}
    consent = account.state.pop("next_consent", {})
    if consent.get("answer") == "deny":
        said |= {"error_code": "-2", "description": "用户取消授权"}
    else:
        account.state["granted"] = [scope for scope in asked if scope != consent.get("withhold")]
        said |= {"code": str(_authorize(world, account, {})["code"])}
    return SimReply(b"", 302, "text/html", f"{back}{'&' if '?' in back else '?'}{urlencode(said)}")


def _next_consent(world: World, account: SimAccount, details: Mapping[str, str]) -> Mapping[str, Any]:
    """with: answer = `deny`, or withhold = a scope that the user takes out, the next time they are asked."""
    if not details or not set(details) <= {"answer", "withhold"}:
        raise WrongAct("with", "请给 answer=deny 或 withhold=<scope> / give one of these")
    account.state["next_consent"] = dict(details)
    return {"next_consent": dict(details)}


def _access_token(world: World, call: Call) -> SimReply:
    """JSON or form (D 28). A code is good once; it comes with the redirect that the act `authorize` stands for."""
    said = call.json if isinstance(call.json, dict) else dict(call.form)
    code, until = said.get("code", ""), None
    account = next((one for one in world.accounts.values() if code and code in one.state.get("codes", {})), None)
    if account is None:
        return _oauth_answer({}, 10007)
    if said.get("client_key") != account.app_id:
        return _oauth_answer({}, 10003)
    if said.get("client_secret") != account.app_secret:
        return _oauth_answer({}, 10013)
    until = datetime.fromisoformat(account.state["codes"].pop(code))
    if world.now() >= until:
        return _oauth_answer({}, 10007)
    _tokens(world, account)
    access, refresh = f"act.{world.rng.getrandbits(128):032x}", f"rft.{world.rng.getrandbits(128):032x}"
    account.state["tokens"][access] = (world.now() + ACCESS_LIVES).isoformat()
    account.state["refresh"][refresh] = (world.now() + REFRESH_LIVES).isoformat()
    account.state["renewals"] = 0
    return _oauth_answer({
        "access_token": access,
        "expires_in": int(ACCESS_LIVES.total_seconds()),
        "refresh_token": refresh,
        "refresh_expires_in": int(REFRESH_LIVES.total_seconds()),
        "open_id": account.open_id,
        "scope": ",".join(account.state.get("granted", SCOPES.split(","))),
    })  # fmt: skip


def _renew_refresh_token(world: World, call: Call) -> SimReply:
    found = _by_refresh_token(world, call)
    if isinstance(found, int):
        return _oauth_answer({}, found)
    account, _ = found
    renewals = account.state.get("renewals", 0)
    if renewals >= MOST_RENEWALS:
        return _oauth_answer({}, 10020)
    account.state["renewals"] = renewals + 1
    token = f"rft.{world.rng.getrandbits(128):032x}"
    account.state["refresh"][token] = (world.now() + REFRESH_LIVES).isoformat()
    return _oauth_answer({"refresh_token": token, "expires_in": int(REFRESH_LIVES.total_seconds())})


def _by_refresh_token(world: World, call: Call) -> tuple[SimAccount, datetime] | int:
    token = call.form.get("refresh_token", "")
    for account in world.accounts.values():
        _tokens(world, account)
        until = account.state["refresh"].get(token)
        if not token or until is None:
            continue
        if call.form.get("client_key") != account.app_id:
            return 10003
        moment = datetime.fromisoformat(until)
        return (account, moment) if world.now() < moment else 10010
    return 10010


def _client_token(world: World, call: Call) -> SimReply:
    """JSON or form (D 28)."""
    said = call.json if isinstance(call.json, dict) else dict(call.form)
    apps = {account.app_id: account.app_secret for account in world.accounts.values()}
    if said.get("client_key") not in apps:
        return _oauth_answer({}, 10003)
    if said.get("client_secret") != apps[said["client_key"]]:
        return _oauth_answer({}, 10013)
    called: list[datetime] = world.state.setdefault("client_token_calls", [])
    called[:] = [*(at for at in called if world.now() - at < timedelta(minutes=5)), world.now()]
    if len(called) > CLIENT_TOKENS_IN_5_MINUTES:
        return _oauth_answer({}, 10020)
    token = _new_client_token(world)
    return _oauth_answer({"access_token": token, "expires_in": int(CLIENT_LIVES.total_seconds())})


def _new_client_token(world: World) -> str:
    """Only the newest two stay good, the older of them for 5 minutes more."""
    tokens: dict[str, str] = world.state.setdefault("client_tokens", {})
    grace = (world.now() + timedelta(minutes=5)).isoformat()
    newest = list(tokens.items())[-1:]
    tokens.clear()
    tokens.update({token: min(until, grace) for token, until in newest})
    token = f"clt.{world.rng.getrandbits(128):032x}"
    tokens[token] = (world.now() + CLIENT_LIVES).isoformat()
    return token


def _userinfo(world: World, call: Call) -> SimReply:
    for account in world.accounts.values():
        until = _tokens(world, account).get(call.form.get("access_token", ""))
        if until is None or world.now() >= datetime.fromisoformat(until):
            continue
        if call.form.get("open_id") != account.open_id:
            return _oauth_answer({}, 28001015)
        return _oauth_answer(
            {"open_id": account.open_id, "union_id": "", "nickname": account.display_name, "avatar": ""}
        )
    return _oauth_answer({}, 10008)


def _ticket(world: World, call: Call) -> dict[str, Any]:
    ticket = f"@{base64.b64encode(world.rng.randbytes(60)).decode()}"
    world.state.setdefault("tickets", {})[ticket] = world.now() + CLIENT_LIVES
    return {"ticket": ticket, "expires_in": int(CLIENT_LIVES.total_seconds())}


def _share_id(world: World, call: Call) -> dict[str, Any]:
    share_id = str(world.rng.randrange(10**15, 10**16))
    world.state.setdefault("share_ids", []).append(share_id)
    return {"share_id": share_id}


# --- what the user does in the app (C3, C1) --------------------------------------------------------------------------


def _publish_share(world: World, account: SimAccount, details: Mapping[str, str]) -> Mapping[str, Any]:
    """The user opens the link and confirms. with: `link`, optionally `title` = the words the user made of it.

    The media are taken as they stand in the link; that the app would not fetch them is not simulated [assumption].
    """
    link = urlsplit(details.get("link", ""))
    said = dict(parse_qsl(link.query))
    tickets: dict[str, datetime] = world.state.get("tickets", {})
    good = [ticket for ticket, until in tickets.items() if world.now() < until]
    if link.scheme != "snssdk1128" or said.get("share_type") != "h5" or said.get("client_key") != account.app_id:
        raise WrongAct("link", "不是这个应用的分享链接 / no share link of this app")
    if said.get("signature") not in {_share_signature(said, ticket) for ticket in good}:
        raise WrongAct("link", "签名不对或已过期 / the signature is wrong or its ticket has expired")
    if said.get("state") not in world.state.get("share_ids", []):
        raise WrongAct("link", "share_id 未知 / unknown share_id")
    topics = _json_list(said.get("hashtag_list", "[]"))
    media = _json_list(said["image_list_path"]) if "image_list_path" in said else [said.get("image_path", "")]
    media = [said["video_path"]] if "video_path" in said else media
    if len(topics) > H5_TOPICS_MAX or not all(one.startswith("https://") for one in media):
        raise WrongAct("link", "话题过多，或素材不在公网 https 地址上 / too many topics, or media without https")
    words = details.get("title", said.get("title", ""))
    text = " ".join([words, *(f"#{topic}" for topic in topics)])
    post = _new_post(world, account, "video" if "video_path" in said else "pictures", text, tuple(media), "passed")
    post.placement_hint = said["state"]
    _tell(world, account, "create_video", {"share_id": said["state"], "item_id": post.native_id})
    return {"item_id": post.native_id, "share_id": said["state"]}


def _share_signature(said: Mapping[str, str], ticket: str) -> str:
    """md5 over the raw values (C3 [doc])."""
    signed = f"nonce_str={said.get('nonce_str', '')}&ticket={ticket}&timestamp={said.get('timestamp', '')}"
    return hashlib.md5(signed.encode()).hexdigest()  # noqa: S324 — theirs


def _json_list(text: str) -> list[str]:
    try:
        said = orjson.loads(text)
    except orjson.JSONDecodeError:
        said = None
    if not isinstance(said, list) or not all(isinstance(one, str) for one in said):
        raise WrongAct("link", "列表参数不是 JSON 数组 / a list in it is no JSON array")
    return said


def _authorize(world: World, account: SimAccount, details: Mapping[str, str]) -> Mapping[str, Any]:
    """The user agrees in the browser; the redirect would carry the code."""
    code = f"{world.rng.getrandbits(128):032x}"
    account.state.setdefault("codes", {})[code] = (world.now() + CODE_LIVES).isoformat()
    _tell(world, account, "authorize", {"scopes": SCOPES.split(",")})
    return {"code": code}


def _unauthorize(world: World, account: SimAccount, details: Mapping[str, str]) -> Mapping[str, Any]:
    """The user withdraws the permission in the app, which ends the tokens at once (C1 [doc])."""
    account.state["tokens"], account.state["refresh"] = {}, {}
    _tell(world, account, "unauthorize", {"scopes": SCOPES.split(",")})
    return {}


def _verify_webhook(world: World, account: SimAccount, details: Mapping[str, str]) -> Mapping[str, Any]:
    """The developer saves the address in the console; only the right answer to the challenge is taken (C5 [doc])."""
    challenge = world.rng.randrange(10_000, 10**9)
    wanted = {"challenge": challenge}
    _send(world, account, "verify_webhook", wanted, lambda status, answer: status == 200 and _parsed(answer) == wanted)
    return wanted


def _parsed(answer: bytes) -> Any:
    try:
        return orjson.loads(answer)
    except orjson.JSONDecodeError:
        return None


ACTS: Mapping[str, Act] = {
    "publish_share": _publish_share,
    "authorize": _authorize,
    "unauthorize": _unauthorize,
    "verify_webhook": _verify_webhook,
    "check_address": _verify_webhook,
    "next_consent": _next_consent,
}


# --- webhooks (C5) ---------------------------------------------------------------------------------------------------


def _tell(world: World, account: SimAccount, event: str, content: Mapping[str, Any], actor: str | None = None) -> None:
    """An event, where the app is subscribed. actor: who did it; None = the account's own user."""
    if _subscriptions(world).get(event) == 1:
        _send(world, account, event, content, None, actor)


def _send(
    world: World,
    account: SimAccount,
    event: str,
    content: Mapping[str, Any],
    accepts: Callable[[int, bytes], bool] | None,
    actor: str | None = None,
) -> None:
    """from_user_id is who did it, to_user_id our user where somebody else did it to them [assumption]."""
    envelope: dict[str, Any] = {"event": event, "client_key": account.app_id}
    if event != "verify_webhook":
        envelope["from_user_id"] = actor or account.open_id
        envelope["to_user_id"] = account.open_id if actor else ""
        envelope["log_id"] = f"{_ms(world)}{world.rng.getrandbits(64):016X}"
    envelope["content"] = orjson.dumps(content).decode() if event in CONTENT_AS_STRING else content
    body = orjson.dumps(envelope)
    signature = hashlib.sha1(account.app_secret.encode() + body).hexdigest()  # noqa: S324 — theirs
    message_id = f"{world.rng.getrandbits(128):032x}"
    headers = {"Content-Type": "application/json", "X-Douyin-Signature": signature, "Msg-Id": message_id}
    plain = OutgoingCallback("POST", body, headers, name=event)
    world.call_back(account, replace(plain, accepts=accepts) if accepts else plain)


def _subscriptions(world: World) -> dict[str, int]:
    subscribed: dict[str, int] = world.state.setdefault("events", dict.fromkeys(EVENTS, 1))
    return subscribed


def _event_list(world: World, call: Call) -> dict[str, Any]:
    """The shape of the update's `list` is taken for the answer's [assumption]."""
    return {"list": [{"event": event, "status": status} for event, status in _subscriptions(world).items()]}


def _event_update(world: World, call: Call) -> dict[str, Any]:
    wanted = _body(call).get("list")
    if not isinstance(wanted, list) or not all(
        isinstance(one, dict) and one.get("event") in EVENTS and one.get("status") in (0, 1) for one in wanted
    ):
        raise DouyinRefusedError(28001007)
    _subscriptions(world).update({one["event"]: one["status"] for one in wanted})
    return {}


def _tell_comments(world: World, account: SimAccount) -> None:
    """Each comment once, when it is written; our own replies are no news to us [assumption]."""
    for post in world.posts:
        if post.account != account.account or post.state != "live":
            continue
        told: set[str] = post.data.setdefault("told", set())
        everything = world.comments(post)
        if len(everything) == len(told):
            continue
        replies = _reply_counts(everything)
        for comment in everything:
            if comment.native_id not in told:
                told.add(comment.native_id)
                if comment.author != account.open_id:
                    row = _comment(comment, replies, top=False)
                    names = (
                        "comment_id",
                        "comment_user_id",
                        "content",
                        "create_time",
                        "digg_count",
                        "reply_comment_total",
                    )
                    content = {name: row[name] for name in names} | {
                        "reply_to_comment_id": comment.parent or "",
                        "reply_to_item_id": post.native_id,
                        "at_user_id": "",
                    }
                    _tell(world, account, "item_comment_reply", content, comment.author)


# --- uploads (C2) ----------------------------------------------------------------------------------------------------


def _upload_video(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    file = call.files.get("video")
    if file is None or file.size == 0:
        raise DouyinRefusedError(28001007)
    if file.size > ONE_REQUEST_MAX:
        raise DouyinRefusedError(2190005)
    return {"video": _new_video(world, account, file.sha256)}


def _init_upload(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    upload_id = hashlib.sha256(world.rng.randbytes(16)).hexdigest()
    _uploads(world)[upload_id] = {"account": account.account, "begun": world.now(), "parts": {}}
    return {"upload_id": upload_id}


def _upload_part(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    """`part_number` from 1. What a dead upload_id is answered with no source says: bad parameter [assumption]."""
    upload, file = _running_upload(world, account, call), call.files.get("video")
    number = call.query.get("part_number", "")
    if file is None or file.size == 0 or not number.isdecimal() or int(number) < 1:
        raise DouyinRefusedError(28001007)
    upload["parts"][int(number)] = (file.size, file.sha256)
    return {}


def _complete_upload(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    upload = _running_upload(world, account, call)
    parts: dict[int, tuple[int, str]] = upload["parts"]
    sizes = [parts[number][0] for number in sorted(parts)]
    if sorted(parts) != list(range(1, len(parts) + 1)) or not parts or any(size < PART_MIN for size in sizes[:-1]):
        raise DouyinRefusedError(28001007)
    if sum(sizes) > VIDEO_MAX:
        raise DouyinRefusedError(2190005)
    del _uploads(world)[call.query["upload_id"]]
    return {"video": _new_video(world, account, "+".join(parts[number][1] for number in sorted(parts)))}


def _upload_image(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    file = call.files.get("image")
    if file is None or file.size == 0:
        raise DouyinRefusedError(28001007)
    if file.size > IMAGE_MAX:
        raise DouyinRefusedError(2190005)
    image_id = f"tos-cn-i-{world.rng.getrandbits(96):024x}"
    _handles(world)[image_id] = (account.account, "image", file.sha256)
    return {"image": {"image_id": image_id, "width": 1080, "height": 1440}}


def _uploads(world: World) -> dict[str, Any]:
    uploads: dict[str, Any] = world.state.setdefault("uploads", {})
    return uploads


def _handles(world: World) -> dict[str, tuple[str, str, str]]:
    """upload handle → (account, what, sha256), as long as it is unused."""
    handles: dict[str, tuple[str, str, str]] = world.state.setdefault("handles", {})
    return handles


def _running_upload(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    upload: dict[str, Any] | None = _uploads(world).get(call.query.get("upload_id", ""))
    if upload is None or upload["account"] != account.account or world.now() - upload["begun"] >= UPLOAD_LIVES:
        raise DouyinRefusedError(28001007)
    return upload


def _new_video(world: World, account: SimAccount, sha256: str) -> dict[str, Any]:
    video_id = f"v0200f{world.rng.getrandbits(104):026x}"
    _handles(world)[video_id] = (account.account, "video", sha256)
    return {"video_id": video_id, "width": 1080, "height": 1920}


# --- posts (C2) ------------------------------------------------------------------------------------------------------


def _create_video(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    said = _body(call)
    wanted = [(said.get("video_id"), "video")]
    if said.get("custom_cover_image_url"):
        wanted.append((said["custom_cover_image_url"], "image"))
    return _make(world, account, "video/create_video", said, wanted, "video")


def _create_image_text(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    said = _body(call)
    images = said.get("image_list")
    if not isinstance(images, list) or not 1 <= len(images) <= IMAGES_MAX:
        raise DouyinRefusedError(28001007)
    return _make(world, account, "video/create_image_text", said, [(image, "image") for image in images], "pictures")


def _make(
    world: World, account: SimAccount, endpoint: str, said: Mapping[str, Any], wanted: list[tuple[Any, str]], kind: str
) -> dict[str, Any]:
    """A post under review. Every upload serves one create, also one that is refused for its words [assumption]."""
    if world.take_fault("daily_limit", endpoint):
        raise DouyinRefusedError(2114007)
    text = said.get("text", "")
    if not isinstance(text, str) or len(text) > TEXT_MAX:
        raise DouyinRefusedError(28001007)
    handles = _handles(world)
    owned = [handles.get(handle) if isinstance(handle, str) else None for handle, _ in wanted]
    used: list[str] = []
    for found, (_, what) in zip(owned, wanted, strict=True):
        if found is None or found[:2] != (account.account, what):
            raise DouyinRefusedError(2190007)
        used.append(found[2])
    for handle, _ in wanted:
        handles.pop(handle, None)
    if SENSITIVE in text:
        raise DouyinRefusedError(2111001)
    verdict = "refused" if world.take_fault("review_refused", endpoint) else "passed"
    post = _new_post(world, account, kind, text, tuple(used), verdict)
    return {"item_id": post.native_id, "video_id": post.ids["video_id"]}


def _new_post(world: World, account: SimAccount, kind: str, text: str, media: tuple[str, ...], verdict: str) -> SimPost:
    post = SimPost(
        platform=world.platform,
        native_id=f"@{base64.b64encode(world.rng.randbytes(64)).decode()}",
        account=account.account,
        kind=kind,
        title=text.split("\n", maxsplit=1)[0][:30],
        text=text,
        created_at=world.now(),
        state="in_review",
        ids={"video_id": str(world.rng.randrange(7 * 10**18, 8 * 10**18))},
        media=media,
        data={"verdict": verdict},
    )
    world.add_post(post)
    return post


def _video_list(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    """Newest first, pinned posts before all others, as the app shows them [assumption]."""
    posts = [post for post in world.posts if post.account == account.account and post.state != "removed"]
    posts.sort(key=lambda post: (bool(post.data.get("is_top")), post.created_at), reverse=True)
    cursor, count = _paging(world, call, LIST_MAX, "video/video_list")
    rows = [_row(world, post) for post in posts[cursor : cursor + count]]
    return {"list": rows, "cursor": cursor + len(rows), "has_more": cursor + len(rows) < len(posts)}


def _video_data(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    """A post that is gone or somebody else's is missing in the answer [assumption]."""
    wanted = _body(call).get("item_ids")
    if not isinstance(wanted, list) or not wanted:
        raise DouyinRefusedError(28001007)
    mine = {post.native_id: post for post in world.posts if post.account == account.account}
    found = [mine[item] for item in wanted if item in mine and mine[item].state != "removed"]
    return {"list": [_row(world, post) for post in found]}


def _row(world: World, post: SimPost) -> dict[str, Any]:
    """`is_reviewed` says that the review is over, whatever it found; 2 not public, 4 under review, 5 public (C2)."""
    counts = world.counts(post)
    share = "note" if post.kind == "pictures" else "video"
    return {
        "item_id": post.native_id,
        "video_id": post.ids["video_id"],
        "title": post.text,
        "cover": "https://p3.example.com/cover.jpeg",
        "share_url": f"https://www.iesdouyin.com/share/{share}/{post.ids['video_id']}/",
        "is_top": bool(post.data.get("is_top")),
        "is_reviewed": post.state != "in_review",
        "video_status": post.data.get("video_status") or {"in_review": 4, "live": 5}.get(post.state, 2),
        "media_type": 2 if post.kind == "pictures" else 4,
        "create_time": int(post.created_at.timestamp()),
        "statistics": {
            "digg_count": counts["likes"],
            "comment_count": counts["comments"],
            "share_count": counts["shares"],
            "play_count": counts["views"],
            "forward_count": 0,
            "download_count": 0,
        },
    }


# --- comments and account figures (C4) -------------------------------------------------------------------------------


def _comment_list(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    """Pinned comments stand on top of the first page and make it longer than `count` [client: dyjava]."""
    post = _post_of(world, account, call)
    everything = world.comments(post)
    pinned: list[str] = post.data.get("pinned", [])
    roots = [comment for comment in everything if comment.parent is None and comment.native_id not in pinned]
    cursor, count = _paging(world, call, COMMENTS_MAX, "item/comment/list")
    page = _sorted(roots, call.query.get("sort_type"))[cursor : cursor + count]
    tops = [comment for comment in everything if comment.native_id in pinned] if cursor == 0 else []
    replies = _reply_counts(everything)
    return {
        "list": [_comment(comment, replies, top=comment in tops) for comment in (*tops, *page)],
        "cursor": cursor + len(page),
        "has_more": cursor + len(page) < len(roots),
    }


def _reply_list(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    """All replies below a comment, whoever of them they answer, oldest first [assumption]."""
    post = _post_of(world, account, call)
    everything = world.comments(post)
    root = _roots(everything)
    below = [
        one for one in everything if one.parent is not None and root[one.native_id] == call.query.get("comment_id")
    ]
    cursor, count = _paging(world, call, COMMENTS_MAX, "item/comment/reply/list")
    page = below[cursor : cursor + count]
    rows = [_comment(comment, {}, top=False) for comment in page]
    return {"list": rows, "cursor": cursor + len(page), "has_more": cursor + len(page) < len(below)}


def _reply(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    """Our own comment, below `comment_id` or, without one, below the post. What it refuses: codes of C6 [client]."""
    said = _body(call)
    post = _post_of(world, account, call, said.get("item_id"))
    content, parent = said.get("content"), said.get("comment_id") or None
    if not isinstance(content, str) or not content.strip() or len(content) > REPLY_MAX or post.state != "live":
        raise DouyinRefusedError(28001007)
    if SENSITIVE in content:
        raise DouyinRefusedError(2111001)
    if parent is not None and parent not in {comment.native_id for comment in world.comments(post)}:
        raise DouyinRefusedError(2111007)
    comment_id = f"@{base64.b64encode(world.rng.randbytes(64)).decode()}"
    world.add_comment(post, SimComment(comment_id, account.open_id, content, world.now(), parent))
    return {"comment_id": comment_id}


def _roots(everything: Sequence[SimComment]) -> dict[str, str]:
    """Comment → the top-level comment that it stands below."""
    roots: dict[str, str] = {}
    for comment in everything:
        roots[comment.native_id] = roots.get(comment.parent, comment.parent) if comment.parent else comment.native_id
    return roots


def _reply_counts(everything: Sequence[SimComment]) -> dict[str, int]:
    counts: dict[str, int] = {}
    roots = _roots(everything)
    for comment in everything:
        if comment.parent is not None:
            counts[roots[comment.native_id]] = counts.get(roots[comment.native_id], 0) + 1
    return counts


def _sorted(comments: list[SimComment], sort_type: str | None) -> list[SimComment]:
    """`time` newest first, `time_asc` oldest first, else as the platform recommends: by likes [assumption]."""
    if sort_type == "time_asc":
        return comments
    if sort_type == "time":
        return comments[::-1]
    return sorted(comments, key=lambda comment: comment.likes, reverse=True)


def _comment(comment: SimComment, replies: Mapping[str, int], *, top: bool) -> dict[str, Any]:
    answers = {"reply_comment_id": comment.parent} if comment.parent else {}
    return {
        **answers,
        "comment_id": comment.native_id,
        "comment_user_id": comment.author,
        "nick_name": comment.author,
        "avatar": "https://example.com/a.jpeg",
        "content": comment.text,
        "create_time": int(comment.at.timestamp()),
        "digg_count": comment.likes,
        "reply_comment_total": replies.get(comment.native_id, 0),
        "top": top,
    }


def _fans(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    """For enterprise developers only; days up to yesterday, as the figures come the next day (C4 [doc])."""
    if account.options.get("enterprise", "true") != "true":
        raise DouyinRefusedError(28001018)
    if call.query.get("date_type") not in ("7", "15", "30"):
        raise DouyinRefusedError(28001007)
    days = int(call.query["date_type"])
    dates = [(world.now() - timedelta(days=back)).date().isoformat() for back in range(days, 0, -1)]
    return {"result_list": [{"date": date, "new_fans": 0, "total_fans": account.followers} for date in dates]}


def _item_base(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    """Figures of posts of the last 30 days; in reality they come about 10:00 the next day."""
    if account.options.get("enterprise", "true") != "true":
        raise DouyinRefusedError(28001018)
    post = _post_of(world, account, call)
    if world.now() - post.created_at > timedelta(days=30):
        raise DouyinRefusedError(28001007)
    counts = world.counts(post)
    figures: dict[str, Metric] = {
        "total_play": "views",
        "total_like": "likes",
        "total_comment": "comments",
        "total_share": "shares",
    }
    return {"result": {**{name: counts[metric] for name, metric in figures.items()}, "avg_play_duration": 8.5}}


def _post_of(world: World, account: SimAccount, call: Call, item: str | None = None) -> SimPost:
    item = item or call.query.get("item_id")
    for post in world.posts:
        if post.native_id == item and post.account == account.account and post.state != "removed":
            return post
    raise DouyinRefusedError(28001007)


def _paging(world: World, call: Call, most: int, endpoint: str) -> tuple[int, int]:
    cursor, count = call.query.get("cursor", "0"), call.query.get("count", "")
    if not cursor.isdecimal() or not count.isdecimal() or not 1 <= int(count) <= most:
        raise DouyinRefusedError(28001007)
    short = world.take_fault("short_page", endpoint)
    return int(cursor), max(1, int(count) // 3) if short else int(count)


def _body(call: Call) -> dict[str, Any]:
    if not isinstance(call.json, dict):
        raise DouyinRefusedError(28001007)
    return call.json


# --- the platform ----------------------------------------------------------------------------------------------------

OAUTH = (
    "oauth/connect",
    "oauth/access_token",
    "oauth/refresh_token",
    "oauth/renew_refresh_token",
    "oauth/client_token",
    "oauth/userinfo",
)


def _user(name: str, method: str, path: str, handle: Callable[..., dict[str, Any]], *, mutating: bool) -> Endpoint:
    return Endpoint(name, method, path, _guarded(name, handle), mutating)


ENDPOINTS = (
    Endpoint("oauth/connect", "GET", "/platform/oauth/connect/", _connect, False),
    Endpoint("oauth/access_token", "POST", "/oauth/access_token/", _access_token, True),
    Endpoint("oauth/refresh_token", "POST", "/oauth/refresh_token/", _refresh_token, True),
    Endpoint("oauth/renew_refresh_token", "POST", "/oauth/renew_refresh_token/", _renew_refresh_token, True),
    Endpoint("oauth/client_token", "POST", "/oauth/client_token/", _client_token, True),
    Endpoint("oauth/userinfo", "POST", "/oauth/userinfo/", _userinfo, False),
    Endpoint("open/getticket", "GET", "/open/getticket/", _app_guarded("open/getticket", _ticket), False),
    Endpoint("share-id", "GET", "/share-id/", _app_guarded("share-id", _share_id), False),
    Endpoint("event/status/list", "GET", "/event/status/list/", _app_guarded("event/status/list", _event_list), False),
    Endpoint(
        "event/status/update", "POST", "/event/status/update/", _app_guarded("event/status/update", _event_update), True
    ),
    _user("video/upload_video", "POST", f"{VIDEO}/upload_video/", _upload_video, mutating=True),
    _user("video/init_video_part_upload", "POST", f"{VIDEO}/init_video_part_upload/", _init_upload, mutating=True),
    _user("video/upload_video_part", "POST", f"{VIDEO}/upload_video_part/", _upload_part, mutating=True),
    _user(
        "video/complete_video_part_upload", "POST", f"{VIDEO}/complete_video_part_upload/", _complete_upload,
        mutating=True,
    ),
    _user("video/upload_image", "POST", f"{VIDEO}/upload_image/", _upload_image, mutating=True),
    _user("video/create_video", "POST", f"{VIDEO}/create_video/", _create_video, mutating=True),
    _user("video/create_image_text", "POST", f"{VIDEO}/create_image_text/", _create_image_text, mutating=True),
    _user("video/video_list", "GET", f"{VIDEO}/video_list/", _video_list, mutating=False),
    _user("video/video_data", "POST", f"{VIDEO}/video_data/", _video_data, mutating=False),
    _user("item/comment/list", "GET", "/item/comment/list/", _comment_list, mutating=False),
    _user("item/comment/reply/list", "GET", "/item/comment/reply/list/", _reply_list, mutating=False),
    _user("item/comment/reply", "POST", "/item/comment/reply/", _reply, mutating=True),
    _user("data/external/item/base", "GET", "/data/external/item/base/", _item_base, mutating=False),
    _user("data/external/user/fans", "GET", "/data/external/user/fans/", _fans, mutating=False),
)  # fmt: skip


class DouyinSimulator:
    platform = "douyin"
    exposed: tuple[Metric, ...] = ("views", "likes", "comments", "shares")
    taken_faults = (
        "review_refused", "short_page", "daily_limit", "string_numbers", "old_codes", "token_stolen", "webhook_lost",
        "webhook_thrice",
    )  # fmt: skip
    callbacks = ("verify_webhook", *EVENTS)
    acts = ACTS

    def endpoints(self) -> Sequence[Endpoint]:
        return ENDPOINTS

    def not_found(self, call: Call) -> SimReply:
        """The withdrawn generations of publishing answer that they are offline (C0)."""
        offline = call.path.startswith(("/video/", "/image/"))
        return _answer(0, {}, 28001056 if offline else 28001007)

    def fault_reply(self, kind: str, endpoint: str, call: Call) -> SimReply | None:
        """Token endpoints know no expired access token and no quota of a capability."""
        code = FAULTS.get(kind)
        if code is None or endpoint in OAUTH:
            return None
        return _answer(0, {}, code)

    def comment_id(self, world: World, post: SimPost, ordinal: int, at: datetime) -> str:
        """Of the form seen in answers: `@` and base64 with `+ / =` (C4), so that nobody builds URLs by hand."""
        digest = hashlib.sha512(f"{post.native_id}:{ordinal}".encode()).digest()
        return f"@{base64.b64encode(digest).decode()}"

    def tick(self, world: World) -> None:
        """Reviews end, after REVIEW_S simulated seconds or `world.state["review_s"]`; comments are told."""
        lasts = timedelta(seconds=float(world.state.get("review_s", REVIEW_S)))
        for post in world.posts:
            if post.state == "in_review" and world.now() >= post.created_at + lasts:
                if post.data["verdict"] == "passed":
                    world.go_live(post, post.created_at + lasts)
                else:
                    post.state = "rejected"
        for account in world.accounts.values():
            if account.options.get("callback_url"):
                _tell_comments(world, account)


SIMULATOR = DouyinSimulator()
