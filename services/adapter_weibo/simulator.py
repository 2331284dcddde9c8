"""Weibo's half of the simulator: both API families on one host, as the platform's documents and clients describe it.

Marks: [doc], [client], [memory] as in the sources; [assumption] where no source says anything and a choice was needed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, overload
from urllib.parse import urlencode, urlsplit

import orjson

from schemas.events.feedback import Metric
from services.adapter.localising.text import URL, gbk_length
from services.simulator.contract import (
    Act,
    Call,
    Endpoint,
    OutgoingCallback,
    SimAccount,
    SimComment,
    SimPost,
    SimReply,
    UploadedFile,
    World,
)
from services.simulator.http import refusal

PLATFORM = "weibo"
BEIJING = timezone(timedelta(hours=8))
STATUS_MAX = 140
LONG_STATUS_MAX = 2000  # wb4java field comment, from the doc [client]
SHORT_LINK = 11  # a link counts as the short link that it becomes [memory]
PICTURE_BELOW = 5 * 1024 * 1024  # [doc]
PICTURES_MAX = 9  # [memory]
IDS_MAX = 100  # [doc]
COMMENTS_DEFAULT, COMMENTS_MAX = 50, 200  # [doc], [memory]
COMMENT_MAX = 140  # [doc]
ORDINALS = 2**14  # comments of one post within the ids of one second
TIMELINE_ROWS, TIMELINE_PAGE = 5, 100  # [client], [memory]
HITS = 1_000_000  # calls an hour where the account's options set no limit: enough for any test
SLOW_SUCCESS_SHOWS_AFTER = timedelta(seconds=60)  # "wait 1–2 minutes" [client]
REPEAT_WITHIN = timedelta(hours=1)  # "again within a short time" [client]; the hour is an [assumption]
TOKEN_LIFE = timedelta(days=30)  # audited app [memory]
CODE_LIVES = timedelta(minutes=10)  # [assumption]
ID_EPOCH = 515483463  # ids are seconds since then, shifted by 22 bits [memory]; order and size are what matters
TOPIC = re.compile(r"#[^#\n]+#")
LIMIT_STATUS, REFUSED_STATUS = 403, 400  # limits and permissions [memory]; missing safe domain [client]
FORBIDDEN = {10005, 10014, 10022, 10023, 10024, 20016, 21315, 21319, 21327, 21332}
WORDS = {
    10006: "source parameter (appkey) is missing",
    10008: "param error, see doc for more info",
    10014: "Insufficient app permissions!",
    10016: "miss required parameter, see doc for more info",
    10017: "param error, text not find domain!",
    10020: "Request Api not found!",
    10021: "HTTP METHOD is not supported for this request!",
    10023: "User requests out of rate limit!",
    10024: "User requests for this api out of rate limit!",
    20003: "User does not exist!",
    20005: "Unsupported image type, only support JPG, GIF, PNG!",
    20006: "Image size too large!",
    20007: "Does multipart has image!",
    20008: "Content is null!",
    20012: "Text too long, please input text less than 140 characters!",
    20019: "repeat content!",
    20021: "content is illegal!",
    20031: "need verification code!",
    20032: "Update success, while server slow now, please wait 1-2 minutes!",
    20049: "Text too long!",
    20101: "target weibo does not exist!",
    20102: "not your own weibo!",
    20109: "weibo id is null!",
    20201: "target weibo comment does not exist!",
    20204: "comment id is null!",
    21319: "Token revoked!",
    21324: "invalid_client",
    21325: "invalid_grant",
    21327: "expired_token",
    21328: "unsupported_grant_type",
    21322: "redirect_uri_mismatch",
    21329: "unsupported_response_type",
    21330: "access_denied",
    21332: "invalid_access_token",
}
COMMENTING = ("comments/create", "comments/reply")
POSTING = ("statuses/share", "statuses/update/biz", "statuses/upload/biz", "statuses/upload_url_text/biz")
Answer = Callable[[World, Call, SimAccount], Any]


class WeiboRefusedError(Exception):
    """A request the platform answers with an error code."""

    def __init__(self, code: int) -> None:
        super().__init__(WORDS[code])
        self.code = code


class WeiboSimulator:
    """The contract's SimulatedPlatform."""

    platform = PLATFORM
    exposed: tuple[Metric, ...] = ("likes", "comments", "shares")
    taken_faults = ("slow_success", "short_page", "token_stolen", "webhook_lost", "webhook_thrice")
    callbacks = ("authorisation_cancelled", "address_check")

    def endpoints(self) -> Sequence[Endpoint]:
        return ENDPOINTS

    def not_found(self, call: Call) -> SimReply:
        return _refusal(10021 if any(call.path == e.path for e in ENDPOINTS) else 10020, call)

    def fault_reply(self, kind: str, endpoint: str, call: Call) -> SimReply | None:
        writing = endpoint in (*POSTING, *COMMENTING)
        code = {
            "rate_limit": 10024 if writing else 10023,
            "token_expired": 21327,
            "repeat_content": 20019 if writing else None,
            "review_refused": 20021 if writing else None,
            "captcha": 20031 if writing else None,
        }.get(kind)
        return None if code is None else _refusal(code, call)

    def comment_id(self, world: World, post: SimPost, ordinal: int, at: datetime) -> str:
        """Ids rise with time; within a second with the ordinal. Posts share a second by their number."""
        return str(_id_at(at) | (post.data["number"] % 256) << 14 | ordinal % ORDINALS)

    def tick(self, world: World) -> None:
        """Posts of a slow server come to show."""
        hidden: list[SimPost] = world.state.get("hidden", [])
        for post in hidden[:]:
            if world.now() >= post.data["shows_at"]:
                hidden.remove(post)
                if post.state == "publishing":
                    world.go_live(post, world.now())

    @property
    def acts(self) -> Mapping[str, Act]:
        return {
            "cancel_authorisation": _cancel_authorisation,
            "check_address": _check_address,
            "next_consent": _next_consent,
        }


# --- posting ---------------------------------------------------------------------------------------------------------


def _share(world: World, call: Call, account: SimAccount) -> Any:
    """`statuses/share`: WB-WIKI 2/statuses/share [doc]."""
    text = _text(call)
    prose = URL.sub(" ", text)
    domain = account.options.get("safe_domain", "")
    if not any(_under(url, domain) for url in URL.findall(text)) or TOPIC.search(prose):
        raise WeiboRefusedError(10017)  # missing domain [client]; the same code for a topic [assumption]
    return _posted(world, call, account, text, _pictures(call, needed=False))


def _update(world: World, call: Call, account: SimAccount) -> Any:
    return _posted(world, call, _commercial(account), _text(call), ())


def _upload(world: World, call: Call, account: SimAccount) -> Any:
    return _posted(world, call, _commercial(account), _text(call), _pictures(call, needed=True))


def _upload_pic(world: World, call: Call, account: SimAccount) -> Any:
    """[client: wb4java]"""
    _commercial(account)
    (sha256,) = _pictures(call, needed=True)
    uploads = account.state.setdefault("pictures", {})
    pic_id = f"{int(account.open_id or 0):08x}ly1{len(uploads):04x}{sha256[:17]}"
    uploads[pic_id] = sha256
    return {"pic_id": pic_id, **_picture_urls(pic_id)}


def _upload_url_text(world: World, call: Call, account: SimAccount) -> Any:
    """An unknown pic_id is a wrong parameter [assumption]; empty text is refused [client]."""
    uploads = _commercial(account).state.get("pictures", {})
    pic_ids = [pic_id for pic_id in (call.param("pic_id") or "").split(",") if pic_id]
    text = _text(call)
    if not pic_ids or len(pic_ids) > PICTURES_MAX or any(pic_id not in uploads for pic_id in pic_ids):
        raise WeiboRefusedError(10008)
    return _posted(world, call, account, text, tuple(uploads[pic_id] for pic_id in pic_ids))


def _posted(world: World, call: Call, account: SimAccount, text: str, pictures: tuple[str, ...]) -> Any:
    """The post comes to exist; a slow server says so without saying which it is (20032) [client]."""
    _refuse_repetition(world, account, text)
    _refuse_pace(world, account)
    number = len(world.posts) + 1
    slow = world.take_fault("slow_success", _endpoint_name(call))
    now = world.now()
    post = SimPost(
        platform=PLATFORM,
        native_id=str(_id_at(now) | number % (1 << 22)),
        account=account.account,
        kind="pictures" if len(pictures) > 1 else "status",
        title="",
        text=text,
        created_at=now,
        state="publishing" if slow else "live",
        live_at=None if slow else now,
        media=pictures,
        placement_hint=_hint(call),
        data={"number": number, "annotations": call.param("annotations"), "shows_at": now + SLOW_SUCCESS_SHOWS_AFTER},
    )
    post.ids["mid"] = post.native_id
    world.add_post(post)
    said = _said(world, account)
    said.pop(text, None)
    said[text] = now
    if slow:
        world.state.setdefault("hidden", []).append(post)
        raise WeiboRefusedError(20032)
    return _status_body(world, post)


def _refuse_repetition(world: World, account: SimAccount, text: str) -> None:
    """Two consecutive posts must differ [doc: 2/statuses/update]; so must posts shortly after one another [client]."""
    said = _said(world, account)
    if text in said and (world.now() - said[text] < REPEAT_WITHIN or next(reversed(said)) == text):
        raise WeiboRefusedError(20019)


def _said(world: World, account: SimAccount) -> dict[str, datetime]:
    """Each text that the account has posted with the last time, the newest text last."""
    texts: dict[str, dict[str, datetime]] = world.state.setdefault("said", {})
    return texts.setdefault(account.account, {})


def _refuse_pace(world: World, account: SimAccount) -> None:
    """30 posts an hour [client, figures of 2012]; only where the account's option `posts_per_hour` says so."""
    limit = _option(account, "posts_per_hour")
    if limit is not None and _posts_this_hour(world, account) >= limit:
        raise WeiboRefusedError(10024)


def _posts_this_hour(world: World, account: SimAccount) -> int:
    return sum(1 for post in world.posts if post.account == account.account and post.created_at >= _hour(world))


def _destroy(world: World, call: Call, account: SimAccount) -> Any:
    post = _post(world, call.param("id"))
    if post.account != account.account:
        raise WeiboRefusedError(20102)
    body = _status_body(world, post)
    post.state = "removed"
    return body


# --- commenting ------------------------------------------------------------------------------------------------------


def _create_comment(world: World, call: Call, account: SimAccount) -> Any:
    """2/comments/create [client]"""
    post = _post(world, call.param("id"))
    return _commented(world, account, post, _comment_text(call), None)


def _reply_comment(world: World, call: Call, account: SimAccount) -> Any:
    """WB-WIKI 2/comments/reply [doc]; the words put before an answer are [memory]."""
    post, text = _post(world, call.param("id")), _comment_text(call)
    wanted = call.param("cid")
    if not wanted:
        raise WeiboRefusedError(20204)
    answered = next((one for one in world.comments(post) if one.native_id == wanted), None)
    if answered is None:
        raise WeiboRefusedError(20201)
    if call.param("without_mention") != "1":
        text = f"回复@{_comment_author(world, answered)['screen_name']}:{text}"
    return _commented(world, account, post, text, wanted)


def _comment_text(call: Call) -> str:
    text = (call.param("comment") or "").strip()
    if not text:
        raise WeiboRefusedError(20008)
    if _length(text) > COMMENT_MAX:
        raise WeiboRefusedError(20012)
    return text


def _commented(world: World, account: SimAccount, post: SimPost, text: str, answered: str | None) -> Any:
    """The same words to the same comment shortly after one another are refused [client]: for an hour [assumption]."""
    now = world.now()
    for other, made in _made_comments(world, account):
        if other is post and (made.text, made.parent) == (text, answered) and now - made.at < REPEAT_WITHIN:
            raise WeiboRefusedError(20019)
    _refuse_comment_pace(world, account)
    made_by_us = post.data.setdefault("comments_by_api", [])
    # Ids from the top of the second's range: those of the audience count up from its bottom.
    native_id = WeiboSimulator().comment_id(world, post, ORDINALS - 1 - len(made_by_us), now)
    comment = SimComment(native_id, account.open_id, text, now, answered)
    world.add_comment(post, comment)
    made_by_us.append(comment)
    return _comment_body(world, post, comment)


def _made_comments(world: World, account: SimAccount) -> list[tuple[SimPost, SimComment]]:
    """What this account wrote under whatever post, oldest first."""
    made = [
        (post, comment)
        for post in world.posts
        for comment in post.data.get("comments_by_api", ())
        if comment.author == account.open_id
    ]
    return sorted(made, key=lambda one: one[1].at)


def _refuse_comment_pace(world: World, account: SimAccount) -> None:
    """60 comments an hour [client, figures of 2012]; only where the option `comments_per_hour` says so."""
    limit = _option(account, "comments_per_hour")
    if limit is not None and _comments_this_hour(world, account) >= limit:
        raise WeiboRefusedError(10024)


def _comments_this_hour(world: World, account: SimAccount) -> int:
    return sum(1 for _, comment in _made_comments(world, account) if comment.at >= _hour(world))


# --- parameters of a post --------------------------------------------------------------------------------------------


def _text(call: Call) -> str:
    text = (call.param("status") or "").strip()
    if not text:
        raise WeiboRefusedError(20008)
    if call.param("is_longtext") == "1":
        if len(text) > LONG_STATUS_MAX:
            raise WeiboRefusedError(20049)
    elif _length(text) > STATUS_MAX:
        raise WeiboRefusedError(20012)
    return text


def _length(text: str) -> int:
    """140 by the stricter of both countings; links as short links."""
    links, prose = len(URL.findall(text)), URL.sub("", text)
    return max(len(prose), (gbk_length(prose) + 1) // 2) + links * SHORT_LINK


def _pictures(call: Call, *, needed: bool) -> tuple[str, ...]:
    picture = call.files.get("pic")
    if picture is None:
        if needed:
            raise WeiboRefusedError(20007)
        return ()
    if picture.size >= PICTURE_BELOW:
        raise WeiboRefusedError(20006)
    if not _is_picture(picture):
        raise WeiboRefusedError(20005)
    return (picture.sha256,)


def _is_picture(file: UploadedFile) -> bool:
    return file.head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a"))


def _under(url: str, domain: str) -> bool:
    try:
        host = (urlsplit(url).hostname or "").lower()
    except ValueError:  # what looks like an address in a text need not be one
        return False
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _hint(call: Call) -> str | None:
    try:
        rows = orjson.loads(call.param("annotations") or "[]")
    except orjson.JSONDecodeError:
        raise WeiboRefusedError(10008) from None
    return next((str(row["tongbo"]) for row in rows if isinstance(row, dict) and "tongbo" in row), None)


# --- reading ---------------------------------------------------------------------------------------------------------


def _user_timeline(world: World, call: Call, account: SimAccount) -> Any:
    """The authorizing user's own posts, the latest 5 for an ordinary app [client]; `timeline_rows` for other grants.

    Pages lie within that window [assumption]: by `page`, or below `max_id` inclusive as for comments [memory].
    """
    mine = [post for post in world.posts if post.account == account.account and post.state == "live"]
    window = mine[::-1][: _option(account, "timeline_rows", TIMELINE_ROWS)]
    max_id, count = _whole(call, "max_id", 0), max(1, min(_whole(call, "count", 20), TIMELINE_PAGE))
    wanted = [post for post in window if not max_id or int(post.native_id) <= max_id]
    start = (max(1, _whole(call, "page", 1)) - 1) * count
    statuses = [_status_body(world, post) for post in wanted[start : start + count]]
    return {"statuses": statuses, "previous_cursor": 0, "next_cursor": 0, "total_number": len(mine)}


def _show(world: World, call: Call, account: SimAccount) -> Any:
    return _status_body(world, _post(world, call.param("id")))


def _count(world: World, call: Call, account: SimAccount) -> Any:
    """A bare array; unknown and deleted ids are left out [memory]."""
    ids = [one for one in (call.param("ids") or "").split(",") if one]
    if not ids:
        raise WeiboRefusedError(10016)
    if len(ids) > IDS_MAX:
        raise WeiboRefusedError(10008)
    live = {post.native_id: post for post in world.posts if post.state == "live"}
    return [_count_body(world, live[one]) for one in ids if one in live]


def _comments(world: World, call: Call, account: SimAccount) -> Any:
    post = _post(world, call.param("id"))
    return _comment_page(world, call, [(post, comment) for comment in world.comments(post)])


def _own_comments(world: World, call: Call, account: SimAccount) -> Any:
    """Comments that I sent [client]; those of posts that are gone are gone too [assumption]."""
    return _comment_page(world, call, [made for made in _made_comments(world, account) if made[0].state == "live"])


def _comment_page(world: World, call: Call, everything: Sequence[tuple[SimPost, SimComment]]) -> Any:
    """Newest first; since_id exclusive, max_id inclusive [doc]; a page may be shorter than `count` [client]."""
    since_id, max_id = _whole(call, "since_id", 0), _whole(call, "max_id", 0)
    count = max(1, min(_whole(call, "count", COMMENTS_DEFAULT), COMMENTS_MAX))
    wanted = [one for one in everything if since_id < int(one[1].native_id) <= (max_id or int(one[1].native_id))]
    wanted.sort(key=lambda one: int(one[1].native_id), reverse=True)
    start = (max(1, _whole(call, "page", 1)) - 1) * count
    page = wanted[start : start + count]
    if len(page) > 1 and world.take_fault("short_page", _endpoint_name(call)):
        page = page[: (len(page) + 1) // 2]
    left = wanted[start + len(page) :]
    cursor = int(left[0][1].native_id) if left else 0
    return {
        "comments": [_comment_body(world, post, comment) for post, comment in page],
        "hasvisible": False,
        "previous_cursor": 0,
        "next_cursor": cursor,
        "total_number": len(everything),
        "since_id": int(page[0][1].native_id) if page else 0,
        "max_id": cursor,
    }


def _users_counts(world: World, call: Call, account: SimAccount) -> Any:
    uids = [uid for uid in (call.param("uids") or "").split(",") if uid]
    if not uids or len(uids) > IDS_MAX:
        raise WeiboRefusedError(10016 if not uids else 10008)
    known = {one.open_id: one for one in world.accounts.values()}
    return [
        {
            "id": int(uid),
            "followers_count": known[uid].followers,
            "friends_count": 12,
            "statuses_count": world.live_posts(known[uid].account),
            "private_friends_count": 0,
        }
        for uid in uids
        if uid in known
    ]


def _users_show(world: World, call: Call, account: SimAccount) -> Any:
    uid = call.param("uid") or account.open_id
    found = next((one for one in world.accounts.values() if one.open_id == uid), None)
    if found is None:
        raise WeiboRefusedError(20003)
    return _user_body(world, found)


def _rate_limit_status(world: World, call: Call, account: SimAccount) -> Any:
    """[client: wb4java]; asking costs nothing [assumption]. Interfaces without a limit of their own are left out."""
    now, hour = world.now(), _hour(world)
    resets_at = hour + timedelta(hours=1)
    most = _option(account, "hits_per_hour", HITS)
    left = max(0, most - _hits(world, account))
    paces = (
        ("posts_per_hour", POSTING, _posts_this_hour(world, account)),
        ("comments_per_hour", COMMENTING, _comments_this_hour(world, account)),
    )
    return {
        "ip_limit": HITS,
        "limit_time_unit": "HOURS",
        "remaining_ip_hits": HITS,
        "remaining_user_hits": left,
        "reset_time": resets_at.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S"),
        "reset_time_in_seconds": int((resets_at - now).total_seconds()),
        "user_limit": most,
        "api_rate_limits": [
            {
                "api": f"/{name.removesuffix('/biz')}",
                "limit": limit,
                "limit_time_unit": "HOURS",
                "remaining_hits": max(0, limit - made),
            }
            for option, names, made in paces
            for name in names
            if (limit := _option(account, option)) is not None
        ],
    }


# --- tokens ----------------------------------------------------------------------------------------------------------


def _authorize(world: World, call: Call) -> SimReply:
    """The user agrees at once, or does what the act `next_consent` said (A1); refusals as OAuth 2 has them [memory]."""
    account = next((a for a in world.accounts.values() if a.app_id == call.query.get("client_id")), None)
    back = call.query.get("redirect_uri", "")
    if account is None or not back.startswith(("http://", "https://")):
        return _oauth_refusal(21322 if account else 21324, call)
    if call.query.get("response_type") != "code":
        return _oauth_refusal(21329, call)
    said = {"state": call.query["state"]} if "state" in call.query else {}
    if account.state.pop("next_consent", "") == "deny":
        said |= {"error": "access_denied", "error_code": "21330", "error_description": WORDS[21330]}
    else:
        code = f"{world.rng.getrandbits(128):032x}"
        account.state.setdefault("codes", {})[code] = (world.now() + CODE_LIVES, back)
        said |= {"code": code}
    return SimReply(b"", 302, "text/html", f"{back}{'&' if '?' in back else '?'}{urlencode(said)}")


def _next_consent(world: World, account: SimAccount, details: Mapping[str, str]) -> Mapping[str, Any]:
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


def _access_token(world: World, call: Call) -> SimReply:
    """Only accounts that have a refresh_token can refresh."""
    account = next((a for a in world.accounts.values() if a.app_id == call.param("client_id")), None)
    if account is None or account.app_secret != call.param("client_secret"):
        return _oauth_refusal(21324, call)
    grant = call.param("grant_type")
    if grant not in ("authorization_code", "refresh_token"):
        return _oauth_refusal(21328, call)
    if grant == "authorization_code" and not _code_counts(world, account, call):
        return _oauth_refusal(21325, call)
    if grant == "refresh_token" and (call.param("refresh_token") or "") not in {account.refresh_token} - {""}:
        return _oauth_refusal(21325, call)
    if grant == "refresh_token" and account.state.get("withdrawn"):
        return _oauth_refusal(21325, call)
    account.state["withdrawn"] = False
    account.access_token = _new_token(account)
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


def _new_token(account: SimAccount) -> str:
    account.state["renewals"] = account.state.get("renewals", 0) + 1
    return f"2.00sim{account.account}.{account.state['renewals']}"


def _token_life(account: SimAccount) -> timedelta:
    return timedelta(seconds=_option(account, "token_life_s", int(TOKEN_LIFE.total_seconds())))


def _token_ends(world: World, account: SimAccount) -> datetime:
    """Tokens end only where `token_life_s` says when, counted from their first use; others are a day old for ever."""
    if "token_life_s" not in account.options:
        return world.now() + TOKEN_LIFE - timedelta(days=1)
    ends: datetime = account.state.setdefault("token_ends", world.now() + _token_life(account))
    return ends


def _end_token(account: SimAccount, code: int, successor: str = "") -> None:
    """From now on the token is answered with `code`."""
    account.state.setdefault("ended", {})[account.access_token] = code
    account.access_token = successor


def _get_token_info(world: World, call: Call, account: SimAccount) -> Any:
    """Numbers, as in the recorded answer [client: wbc4j]; note `expire_in`."""
    ends = _token_ends(world, account)
    return {
        "uid": int(account.open_id),
        "appkey": account.app_id,
        "scope": None,
        "create_at": int((ends - _token_life(account)).timestamp()),
        "expire_in": int((ends - world.now()).total_seconds()),
    }


def _revoke(world: World, call: Call, account: SimAccount) -> Any:
    """The app gives its own permission back [memory]."""
    account.state["withdrawn"] = True
    _end_token(account, 21332)
    return {"result": "true"}


# --- what people do on the platform itself ---------------------------------------------------------------------------


def _cancel_authorisation(world: World, account: SimAccount, details: Mapping[str, str]) -> Mapping[str, Any]:
    """The user withdraws the app's permission, of which the platform tells the app [client: wb4java].

    By GET, and with a `verification` that nobody can check [assumption].
    """
    _no_details(details)
    account.state["withdrawn"] = True
    _end_token(account, 21319)
    ended = str(int(world.now().timestamp()))
    query = {"source": account.app_id, "uid": account.open_id, "auth_end": ended}
    query["verification"] = hashlib.sha256(ended.encode()).hexdigest()[:32]
    world.call_back(account, OutgoingCallback("GET", query=query, name="authorisation_cancelled"))
    return {"authorisation": "cancelled"}


def _check_address(world: World, account: SimAccount, details: Mapping[str, str]) -> Mapping[str, Any]:
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


# --- bodies ----------------------------------------------------------------------------------------------------------


def _status_body(world: World, post: SimPost) -> dict[str, Any]:
    """A6 of the fact sheet; links come back as short links [doc: sample]."""
    counts = world.counts(post)
    text = URL.sub(lambda match: _short_link(match.group()), post.text)
    body: dict[str, Any] = {
        "visible": {"type": 0, "list_id": 0},
        "created_at": _stamp(post.created_at),
        "id": int(post.native_id),
        "idstr": post.native_id,
        "mid": post.native_id,
        "text": text,
        "textLength": gbk_length(text),
        "source": '<a href="http://app.weibo.com/t/feed/sim" rel="nofollow">同播</a>',
        "favorited": False,
        "truncated": False,
        "in_reply_to_status_id": "",
        "in_reply_to_user_id": "",
        "in_reply_to_screen_name": "",
        "pic_urls": [{"thumbnail_pic": _picture_urls(pic)["thumbnail_pic"]} for pic in post.media],
        "geo": None,
        "user": _user_body(world, world.accounts[post.account]),
        "reposts_count": counts["shares"],
        "comments_count": counts["comments"],
        "attitudes_count": counts["likes"],
        "isLongText": False,
    }
    if post.media:
        body |= _picture_urls(post.media[0])
    if post.data["annotations"]:
        body["annotations"] = orjson.loads(post.data["annotations"])  # given back to the app that set it [memory]
    return body


def _count_body(world: World, post: SimPost) -> dict[str, Any]:
    counts = world.counts(post)
    return {
        "id": int(post.native_id),
        "idstr": post.native_id,
        "comments": counts["comments"],
        "reposts": counts["shares"],
        "attitudes": counts["likes"],
        "number_display_strategy": {"apply_scenario_flag": 3, "display_text_min_number": 1000000},
    }


def _comment_body(world: World, post: SimPost, comment: SimComment) -> dict[str, Any]:
    body: dict[str, Any] = {
        "created_at": _stamp(comment.at),
        "id": int(comment.native_id),
        "idstr": comment.native_id,
        "mid": comment.native_id,
        "rootid": int(comment.parent or comment.native_id),
        "text": comment.text,
        "source": "",
        "user": _comment_author(world, comment),
        "status": {"id": int(post.native_id), "idstr": post.native_id},
        "floor_number": 1,
        "like_count": comment.likes,
    }
    if comment.parent:
        body["reply_comment"] = {"id": int(comment.parent), "idstr": comment.parent}
    return body


def _comment_author(world: World, comment: SimComment) -> dict[str, Any]:
    """One of the audience, or an account that wrote by the API."""
    account = next((one for one in world.accounts.values() if one.open_id == comment.author), None)
    number = int(account.open_id) if account else _author_id(comment.author)
    return {"id": number, "idstr": str(number), "screen_name": account.display_name if account else comment.author}


def _user_body(world: World, account: SimAccount) -> dict[str, Any]:
    return {
        "id": int(account.open_id),
        "idstr": account.open_id,
        "screen_name": account.display_name,
        "followers_count": account.followers,
        "friends_count": 12,
        "statuses_count": world.live_posts(account.account),
        "created_at": "Sat Dec 25 14:12:35 +0800 2010",
        "verified": True,
    }


def _picture_urls(name: str) -> dict[str, str]:
    sizes = {"thumbnail_pic": "thumbnail", "bmiddle_pic": "bmiddle", "original_pic": "large"}
    return {key: f"http://wx1.sinaimg.cn/{size}/{name}.jpg" for key, size in sizes.items()}


def _short_link(url: str) -> str:
    return f"http://t.cn/A6{hashlib.sha256(url.encode()).hexdigest()[:6]}"


def _author_id(author: str) -> int:
    return 1_000_000_000 + int(hashlib.sha256(author.encode()).hexdigest()[:8], 16) % 7_000_000_000


def _stamp(at: datetime) -> str:
    return at.astimezone(BEIJING).strftime("%a %b %d %H:%M:%S %z %Y")


def _id_at(at: datetime) -> int:
    return (int(at.timestamp()) - ID_EPOCH) << 22


# --- the exchange ----------------------------------------------------------------------------------------------------


def _post(world: World, status_id: str | None) -> SimPost:
    if not status_id:
        raise WeiboRefusedError(20109)
    found = next((post for post in world.posts if post.native_id == status_id and post.state == "live"), None)
    if found is None:
        raise WeiboRefusedError(20101)
    return found


def _commercial(account: SimAccount) -> SimAccount:
    """Only accounts of the paid interface may call it; the code for others is 10014."""
    if account.way != "commercial":
        raise WeiboRefusedError(10014)
    return account


def _whole(call: Call, name: str, default: int) -> int:
    value = call.param(name) or str(default)
    if not value.isascii() or not value.isdecimal():
        raise WeiboRefusedError(10008)
    return int(value)


def _account(world: World, call: Call) -> SimAccount:
    """The token's account; as a parameter, or in the header [memory]."""
    header = call.headers.get("authorization", "")
    token = call.param("access_token") or (header.removeprefix("OAuth2 ") if header.startswith("OAuth2 ") else "")
    if not token:
        raise WeiboRefusedError(10006)
    account = _bearer(world, token)
    if world.take_fault("token_stolen", _endpoint_name(call)):  # somebody else got a new one and ours died [assumption]
        _end_token(account, 21332, _new_token(account))
        raise WeiboRefusedError(21332)
    if world.now() >= _token_ends(world, account):
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
    limit = _option(account, "hits_per_hour")
    hits = _hits(world, account)
    if limit is not None and hits >= limit:
        raise WeiboRefusedError(10023)
    account.state["hits"] = (_hour(world), hits + 1)


def _hits(world: World, account: SimAccount) -> int:
    """Calls of this hour so far."""
    hour, hits = account.state.get("hits", (None, 0))
    return int(hits) if hour == _hour(world) else 0


def _hour(world: World) -> datetime:
    """Limits begin anew on the hour [memory]."""
    return world.now().replace(minute=0, second=0, microsecond=0)


@overload
def _option(account: SimAccount, name: str, otherwise: int) -> int: ...


@overload
def _option(account: SimAccount, name: str) -> int | None: ...


def _option(account: SimAccount, name: str, otherwise: int | None = None) -> int | None:
    said = account.options.get(name)
    return otherwise if said is None else int(said)


def _authorised(answer: Answer, counted: bool = True) -> Callable[[World, Call], SimReply]:
    """counted: whether it is one of the hour's calls."""

    def handler(world: World, call: Call) -> SimReply:
        try:
            account = _account(world, call)
            if counted:
                _count_hit(world, account)
            return SimReply(answer(world, call, account))
        except WeiboRefusedError as refused:
            return _refusal(refused.code, call)

    return handler


def _refusal(code: int, call: Call) -> SimReply:
    status = LIMIT_STATUS if code in FORBIDDEN else REFUSED_STATUS
    return SimReply({"error": WORDS[code], "error_code": code, "request": call.path}, status=status)


def _oauth_refusal(code: int, call: Call) -> SimReply:
    """OAuth errors say more [memory]."""
    body = {"error": WORDS[code], "error_code": code, "request": call.path}
    return SimReply({**body, "error_uri": call.path, "error_description": WORDS[code]}, status=REFUSED_STATUS)


def _endpoint_name(call: Call) -> str:
    return next(endpoint.name for endpoint in ENDPOINTS if endpoint.path == call.path)


def _endpoint(name: str, method: str, answer: Answer, mutating: bool, counted: bool = True) -> Endpoint:
    return Endpoint(name, method, f"/2/{name}.json", _authorised(answer, counted), mutating)


def _oauth(name: str, method: str, handler: Callable[[World, Call], SimReply]) -> Endpoint:
    return Endpoint(f"oauth2/{name}", method, f"/oauth2/{name}", handler, mutating=False)


ENDPOINTS: tuple[Endpoint, ...] = (
    _endpoint("statuses/share", "POST", _share, True),
    _endpoint("statuses/update/biz", "POST", _update, True),
    _endpoint("statuses/upload/biz", "POST", _upload, True),
    _endpoint("statuses/upload_pic/biz", "POST", _upload_pic, True),
    _endpoint("statuses/upload_url_text/biz", "POST", _upload_url_text, True),
    _endpoint("statuses/destroy", "POST", _destroy, True),
    _endpoint("statuses/user_timeline", "GET", _user_timeline, False),
    _endpoint("statuses/show", "GET", _show, False),
    _endpoint("statuses/count", "GET", _count, False),
    _endpoint("comments/show", "GET", _comments, False),
    _endpoint("comments/create", "POST", _create_comment, True),
    _endpoint("comments/reply", "POST", _reply_comment, True),
    _endpoint("comments/by_me", "GET", _own_comments, False),
    _endpoint("account/rate_limit_status", "GET", _rate_limit_status, False, counted=False),
    _endpoint("users/counts", "GET", _users_counts, False),
    _endpoint("users/show", "GET", _users_show, False),
    _oauth("authorize", "GET", _authorize),
    _oauth("access_token", "POST", _access_token),
    _oauth("get_token_info", "POST", _authorised(_get_token_info, counted=False)),
    _oauth("revokeoauth2", "GET", _authorised(_revoke, counted=False)),
    _oauth("revokeoauth2", "POST", _authorised(_revoke, counted=False)),
)
SIMULATOR = WeiboSimulator()
