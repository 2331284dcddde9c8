"""WeChat's half of the simulator: tokens, pictures, drafts, jobs, comments, statistics, quotas and callbacks.

Section marks (B1 …) are those of the platform fact sheet in README.md; what no source says is marked [assumption].
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from types import MappingProxyType
from typing import Any

from schemas.events.feedback import Metric
from services.adapter_wechat.callbacks import encrypted, signature
from services.simulator.contract import (
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
from services.simulator.http.refusal import AdminError as WrongActError

BEIJING = timezone(timedelta(hours=8))
TOKEN_LIVES = timedelta(seconds=7200)  # B1 [doc]
RENEWED_BEFORE_END = timedelta(minutes=5)  # B1 [doc]
FORCED_APART = timedelta(seconds=30)  # B1 [doc]
FORCED_A_DAY = 20  # B1 [doc]
JOB_SECONDS = (5.0, 15.0)  # [assumption]: in reality seconds to minutes
INLINE_MAX = 1024 * 1024  # B2 [doc]: under 1 MB
PICTURE_MAX = 10 * 1024 * 1024  # B2 [doc]
TITLE_MAX, AUTHOR_MAX, DIGEST_MAX = 32, 16, 128  # B3 [doc]
CONTENT_MAX, CONTENT_BYTES_MAX = 20_000, 1024 * 1024  # B3 [doc]: under both
SOURCE_URL_MAX = 1024  # B3 [doc]
ARTICLES_MAX, PICTURES_MAX = 8, 20  # B3 [doc]
COMMENTS_UNDER = 50  # B4 [doc]
STATISTICS_DAYS = 30  # B5 [doc]
STATISTICS_READY = time(8, 0)  # B5 [client]
MASS_KEY_BYTES = 32  # B3 [client]
MASS_KEY_LIVES = timedelta(hours=24)  # B3 [client]
MASS_KEY_APART = timedelta(minutes=1)  # B3 [client]
APPROVAL_LIVES = timedelta(minutes=30)  # B3 [client]
MASS_PERIODS = {"subscription": (1, timedelta(days=1)), "service": (4, timedelta(days=30))}  # B3 [memory]
REPLY_MAX = 600  # [client]
DAILY_LIMIT = 100_000  # [assumption]: it differs by account and interface; option `daily_limit`
FIRST_PUBLISH_ID = 2650177668
FIRST_MASS_ID = 3147483653
BIZ = "MzAwMTE2MzA1Mg=="
PICTURE_HOST = "mmbiz.qpic.cn"
KINDS = {"image/jpeg": (b"\xff\xd8\xff",), "image/png": (b"\x89PNG\r\n\x1a\n",)}
LIBRARY_KINDS = KINDS | {"image/gif": (b"GIF87a", b"GIF89a"), "image/bmp": (b"BM",)}

WORDS = {
    40001: "invalid credential, access_token is invalid or not latest",
    40002: "invalid grant_type",
    40004: "invalid media type",
    40005: "invalid file type",
    40007: "invalid media_id",
    40008: "invalid message type",
    40009: "invalid image size",
    40013: "invalid appid",
    40033: "invalid charset. please check your request, if include \\uxxxx will create fail!",
    40125: "invalid appsecret",
    41001: "access_token missing",
    41005: "media data missing",
    41039: "invalid content_source_url",
    42001: "access_token expired",
    43002: "require POST method",
    44001: "empty media data",
    44004: "empty content",
    45002: "content size out of limit",
    45003: "title size out of limit",
    45004: "description size out of limit",
    45008: "article size out of limit",
    45009: "reach max api daily quota limit",
    45011: "api minute-quota reach limit, must slower, retry next minute",
    45028: "has no masssend quota",
    45065: "clientmsgid exist",
    45066: "same clientmsgid retry too fast",
    45067: "clientmsgid size out of limit",
    45110: "author size out of limit",
    47001: "data format error",
    48001: "api unauthorized",
    53600: "invalid article id",
    61500: "date format error",
    61501: "date range error",
    61503: "data not ready",
    88000: "without comment privilege",
    76021: "cgi_path not found",
    88001: "msg_data is not exists",
    88005: "already reply",
    88007: "content is empty or over limit",
    88008: "comment is not exists",
    88010: "count range error",
    89504: "waiting for administrator confirm",
    89505: "need administrator confirm",
}
FAULTS = {"rate_limit": 45011, "token_expired": 42001}
TOKEN_ENDPOINTS = ("token", "stable_token")

IMAGE_TAG = re.compile(r"<img\b[^>]*?>", re.IGNORECASE)
IMAGE_SOURCE = re.compile(r"""\bsrc\s*=\s*["']([^"']*)["']""", re.IGNORECASE)
SCRIPT = re.compile(r"<script\b.*?</script\s*>", re.IGNORECASE | re.DOTALL)
TAG = re.compile(r"<[^>]+>")


class WechatRefusedError(Exception):
    """Raised inside a handler to answer with a code; `beside` stands in the body with it."""

    def __init__(self, code: int, beside: Mapping[str, Any] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.beside = dict(beside or {})


@dataclass(slots=True)
class Token:
    value: str
    issued_at: datetime
    void_at: datetime


@dataclass(slots=True)
class StoredDraft:
    account: str
    articles: list[dict[str, Any]]
    created_at: datetime


# --- answers ---------------------------------------------------------------------------------------------------------


def _refusal(code: int, trace: str, beside: Mapping[str, Any]) -> SimReply:
    """HTTP 200 with a code, its words and a trace id (section "error models", B8)."""
    return SimReply({"errcode": code, "errmsg": f"{WORDS[code]} rid: {trace}", **beside})


def _done(**fields: Any) -> SimReply:
    return SimReply({"errcode": 0, "errmsg": "ok", **fields})


def _trace(world: World) -> str:
    return f"{int(world.now().timestamp()):08x}-{world.rng.getrandbits(32):08x}-{world.rng.getrandbits(32):08x}"


def _open(handle: Callable[[World, Call], SimReply]) -> Callable[[World, Call], SimReply]:
    """A handler that may refuse."""

    def handler(world: World, call: Call) -> SimReply:
        try:
            return handle(world, call)
        except WechatRefusedError as refused:
            return _refusal(refused.code, _trace(world), refused.beside)

    return handler


def _authorised(handle: Callable[[World, SimAccount, Call], SimReply]) -> Callable[[World, Call], SimReply]:
    """A handler that wants a token in the query (section B)."""
    return _open(lambda world, call: handle(world, _caller(world, call), call))


def _caller(world: World, call: Call) -> SimAccount:
    """Whose token it is. Every accepted call is counted for the day's quota."""
    given = call.query.get("access_token", "")
    if not given:
        raise WechatRefusedError(41001)
    account = _holder(world, given, _name(call.path))
    _count(world, account, call.path)
    return account


def _holder(world: World, given: str, endpoint: str) -> SimAccount:
    for account in world.accounts.values():
        if (token := _tokens(account).get(given)) is None:
            continue
        if world.take_fault("token_stolen", endpoint):
            _steal(world, account)
        if world.now() < token.void_at:
            return account
        raise WechatRefusedError(42001 if world.now() >= token.issued_at + TOKEN_LIVES else 40001)
    raise WechatRefusedError(40001)


def _name(path: str) -> str:
    """How faults call an endpoint."""
    return path.removeprefix("/").removeprefix("cgi-bin/")


def _body(call: Call) -> dict[str, Any]:
    if not isinstance(call.json, dict):
        raise WechatRefusedError(47001)
    return call.json


def _number(value: object, code: int) -> int:
    """Numbers are taken as numbers and as text (divergence 11)."""
    try:
        return int(str(value))
    except ValueError:
        raise WechatRefusedError(code) from None


# --- B1: tokens ------------------------------------------------------------------------------------------------------


def _tokens(account: SimAccount) -> dict[str, Token]:
    """Every token the account ever had, by its value."""
    held: dict[str, Token] = account.state.setdefault("tokens", {})
    return held


def _owner(world: World, app_id: object, secret: object) -> SimAccount:
    for account in world.accounts.values():
        if account.app_id == app_id:
            if account.app_secret != secret:
                raise WechatRefusedError(40125)
            return account
    raise WechatRefusedError(40013)


def _issue(world: World, account: SimAccount, family: str) -> Token:
    """Tokens of the two endpoints do not affect each other."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
    value = "92_" + "".join(world.rng.choices(alphabet, k=130))
    token = Token(value, world.now(), world.now() + TOKEN_LIVES)
    _tokens(account)[value] = token
    account.state[family] = token
    return token


def _given(world: World, token: Token) -> SimReply:
    left = int((token.issued_at + TOKEN_LIVES - world.now()).total_seconds())
    return SimReply({"access_token": token.value, "expires_in": left})


def stable_token(world: World, call: Call) -> SimReply:
    body = _body(call)
    if body.get("grant_type") != "client_credential":
        raise WechatRefusedError(40002)
    account = _owner(world, body.get("appid"), body.get("secret"))
    held: Token | None = account.state.get("stable")
    if body.get("force_refresh") is True:
        _count_forced(world, account)
        if held is not None:
            held.void_at = world.now()
        return _given(world, _issue(world, account, "stable"))
    if held is None or world.now() >= held.issued_at + TOKEN_LIVES - RENEWED_BEFORE_END:
        held = _issue(world, account, "stable")
    return _given(world, held)


def _steal(world: World, account: SimAccount) -> None:
    """Another client of the account forced a renewal: every older stable token is void at once (B1)."""
    for token in _tokens(account).values():
        token.void_at = min(token.void_at, world.now())
    _issue(world, account, "stable")


def _count_forced(world: World, account: SimAccount) -> None:
    """20 a day and 30 s apart [doc]; the codes for more are [assumption]."""
    now = world.now()
    today: list[datetime] = [at for at in account.state.get("forced", []) if now - at < timedelta(days=1)]
    if len(today) >= FORCED_A_DAY:
        raise WechatRefusedError(45009)
    if today and now - today[-1] < FORCED_APART:
        raise WechatRefusedError(45011)
    account.state["forced"] = [*today, now]


def token(world: World, call: Call) -> SimReply:
    """Each call issues a new token; the previous one lives on for about five minutes [memory]."""
    if call.query.get("grant_type") != "client_credential":
        raise WechatRefusedError(40002)
    account = _owner(world, call.query.get("appid"), call.query.get("secret"))
    held: Token | None = account.state.get("plain")
    if held is not None:
        held.void_at = min(held.void_at, world.now() + RENEWED_BEFORE_END)
    return _given(world, _issue(world, account, "plain"))


# --- B2: pictures ----------------------------------------------------------------------------------------------------


def _picture(call: Call, kinds: Mapping[str, tuple[bytes, ...]], below: int) -> UploadedFile:
    file = call.files.get("media")
    if file is None:
        raise WechatRefusedError(41005)
    if file.size == 0:
        raise WechatRefusedError(44001)
    if not file.head.startswith(tuple(mark for marks in kinds.values() for mark in marks)):
        raise WechatRefusedError(40005)
    if file.size >= below:
        raise WechatRefusedError(40009)
    return file


def upload_inline(world: World, _account: SimAccount, call: Call) -> SimReply:
    file = _picture(call, KINDS, INLINE_MAX)
    return SimReply({"url": f"http://{PICTURE_HOST}/mmbiz_{_kind(file)}/{file.sha256[:43]}/0?from=appmsg"})


def add_material(world: World, account: SimAccount, call: Call) -> SimReply:
    if call.query.get("type") != "image":  # voice, video and thumb are not simulated
        raise WechatRefusedError(40004)
    file = _picture(call, LIBRARY_KINDS, PICTURE_MAX + 1)
    media_id = _new_id(world)
    _library(world)[media_id] = account.account
    url = f"http://{PICTURE_HOST}/mmbiz_{_kind(file)}/{file.sha256[:43]}/0?wx_fmt={_kind(file)}"
    return SimReply({"media_id": media_id, "url": url, "item": []})


def _kind(file: UploadedFile) -> str:
    known = (kind for kind, marks in LIBRARY_KINDS.items() if file.head.startswith(marks))
    return next(known).removeprefix("image/")


def _library(world: World) -> dict[str, str]:
    """Permanent pictures: media_id → account."""
    held: dict[str, str] = world.state.setdefault("library", {})
    return held


def _new_id(world: World) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
    return "".join(world.rng.choices(alphabet, k=43))


# --- B3: drafts ------------------------------------------------------------------------------------------------------


def _drafts(world: World) -> dict[str, StoredDraft]:
    held: dict[str, StoredDraft] = world.state.setdefault("drafts", {})
    return held


def add_draft(world: World, account: SimAccount, call: Call) -> SimReply:
    if b"\\u" in call.body:
        raise WechatRefusedError(40033)
    articles = _body(call).get("articles")
    if not isinstance(articles, list) or not 1 <= len(articles) <= ARTICLES_MAX:
        raise WechatRefusedError(45008)
    media_id = _new_id(world)
    taken = [_article(world, account, article) for article in articles]
    _drafts(world)[media_id] = StoredDraft(account.account, taken, world.now())
    return SimReply({"media_id": media_id, "item": []})


def _article(world: World, account: SimAccount, given: object) -> dict[str, Any]:
    """An article as the platform keeps it: scripts and pictures from elsewhere silently gone (B2, B3)."""
    article = dict(given) if isinstance(given, dict) else {}
    _check_texts(article)
    if article.get("need_open_comment") and account.options.get("comment_privilege") == "none":
        raise WechatRefusedError(88000)
    if article.get("article_type", "news") == "newspic":
        pictures = article.get("image_info", {}).get("image_list", [])
        if not 1 <= len(pictures) <= PICTURES_MAX:
            raise WechatRefusedError(45008)  # [assumption]: no page names the code
        wanted = [picture.get("image_media_id") for picture in pictures]
    else:
        wanted = [article.get("thumb_media_id")]
        content = SCRIPT.sub("", article["content"])
        article["content"] = IMAGE_TAG.sub(_if_ours, content)
    if any(_library(world).get(media_id) != account.account for media_id in wanted):
        raise WechatRefusedError(40007)
    return {**article, "thumb_media_id": wanted[0]}


def _check_texts(article: dict[str, Any]) -> None:
    title, content = str(article.get("title", "")), article.get("content", "")
    if not title or len(title) > TITLE_MAX:
        raise WechatRefusedError(45003)
    if len(str(article.get("author", ""))) > AUTHOR_MAX:
        raise WechatRefusedError(45110)
    if len(str(article.get("digest", ""))) > DIGEST_MAX:
        raise WechatRefusedError(45004)
    if len(str(article.get("content_source_url", "")).encode()) > SOURCE_URL_MAX:
        raise WechatRefusedError(41039)
    if not isinstance(content, str) or not content.strip():
        raise WechatRefusedError(44004)
    if len(content) >= CONTENT_MAX or len(content.encode()) >= CONTENT_BYTES_MAX:
        raise WechatRefusedError(45002)


def _if_ours(tag: re.Match[str]) -> str:
    source = IMAGE_SOURCE.search(tag.group())
    return tag.group() if source and f"//{PICTURE_HOST}/" in source.group(1) else ""


def _draft(world: World, account: SimAccount, call: Call) -> tuple[str, StoredDraft]:
    media_id = str(_body(call).get("media_id", ""))
    draft = _drafts(world).get(media_id)
    if draft is None or draft.account != account.account:
        raise WechatRefusedError(40007)
    return media_id, draft


def get_draft(world: World, account: SimAccount, call: Call) -> SimReply:
    _, draft = _draft(world, account, call)
    stamp = int(draft.created_at.timestamp())
    return SimReply({"news_item": draft.articles, "create_time": stamp, "update_time": stamp})


def delete_draft(world: World, account: SimAccount, call: Call) -> SimReply:
    media_id, _ = _draft(world, account, call)
    del _drafts(world)[media_id]
    return _done()


def batch_drafts(world: World, account: SimAccount, call: Call) -> SimReply:
    """Newest first [assumption]."""
    offset, count = _page(call)
    drafts = [(media_id, one) for media_id, one in _drafts(world).items() if one.account == account.account][::-1]
    items = []
    for media_id, draft in drafts[offset : offset + count]:
        stamp = int(draft.created_at.timestamp())
        news = [article | ({"content": ""} if _body(call).get("no_content") == 1 else {}) for article in draft.articles]
        content = {"news_item": news, "create_time": stamp, "update_time": stamp}
        items.append({"media_id": media_id, "content": content, "update_time": stamp})
    return SimReply({"total_count": len(drafts), "item_count": len(items), "item": items})


def _page(call: Call) -> tuple[int, int]:
    body = _body(call)
    offset, count = _number(body.get("offset"), 47001), _number(body.get("count"), 47001)
    if offset < 0 or not 1 <= count <= 20:
        raise WechatRefusedError(47001)  # [assumption]: no page names the code
    return offset, count


def count_drafts(world: World, account: SimAccount, call: Call) -> SimReply:
    return SimReply({"total_count": sum(1 for draft in _drafts(world).values() if draft.account == account.account)})


# --- B3: publishing --------------------------------------------------------------------------------------------------


def _may_publish(account: SimAccount) -> None:
    """Service accounts, and subscription accounts only if verified (B3)."""
    if account.options.get("level") in ("subscription", "personal"):
        raise WechatRefusedError(48001)


def submit(world: World, account: SimAccount, call: Call) -> SimReply:
    """[assumption]: the draft leaves the box with the submit; the sources say "once it is published"."""
    _may_publish(account)
    media_id, draft = _draft(world, account, call)
    del _drafts(world)[media_id]
    publish_id = _next_id(world, "last_publish_id", FIRST_PUBLISH_ID)
    ids = {"publish_id": str(publish_id), "msg_data_id": str(publish_id)}
    _begin_job(world, account, draft.articles[0], _new_id(world), ids, "freepublish/submit")
    answer: dict[str, Any] = {"publish_id": publish_id}
    if account.options.get("publish_id") == "text":  # divergence 11: the page says string, recordings show a number
        answer["publish_id"] = str(publish_id)
    if account.options.get("msg_data_id") == "in_submit":  # divergence 13: listed on the page, absent in recordings
        answer["msg_data_id"] = publish_id
    return _done(**answer)


def _next_id(world: World, counter: str, first: int) -> int:
    world.state[counter] = world.state.get(counter, first - 1) + 1
    return int(world.state[counter])


def _begin_job(
    world: World, account: SimAccount, article: dict[str, Any], native_id: str, ids: dict[str, str], endpoint: str
) -> None:
    """A job that ends by time: the article goes live or is refused."""
    address = (
        f"http://mp.weixin.qq.com/s?__biz={BIZ}&mid={ids['msg_data_id']}&idx=1&sn={world.rng.getrandbits(64):016x}"
    )
    post = SimPost(
        platform=world.platform,
        native_id=native_id,
        account=account.account,
        kind=str(article.get("article_type", "news")),
        title=article["title"],
        text=html.unescape(TAG.sub(" ", article["content"])),
        created_at=world.now(),
        state="publishing",
        ids=ids,
        media=_media_of(article),
        data={
            "article": article,
            "url": address,
            "ends_at": world.now() + timedelta(seconds=world.rng.uniform(*JOB_SECONDS)),
            "refused": world.take_fault("review_refused", endpoint),
        },
    )
    world.add_post(post)


def _media_of(article: Mapping[str, Any]) -> tuple[str, ...]:
    pictures = article.get("image_info", {}).get("image_list", [])
    return tuple(picture["image_media_id"] for picture in pictures) or (article["thumb_media_id"],)


def _posts(world: World, account: SimAccount) -> list[SimPost]:
    return [post for post in world.posts if post.account == account.account]


def publish_status(world: World, account: SimAccount, call: Call) -> SimReply:
    """0 done, 1 under way, 4 refused, 5 deleted by the account, 6 blocked; "under way" shows fail_idx [1] (B3)."""
    _may_publish(account)
    asked = _body(call).get("publish_id")
    post = next((p for p in _posts(world, account) if p.ids.get("publish_id") == str(asked)), None)
    if post is None:
        raise WechatRefusedError(40007)  # [assumption]: no page names the code for an unknown publish_id
    answer: dict[str, Any] = {"publish_id": asked}
    match post.state:
        case "live":
            detail = {"count": 1, "item": [{"idx": 1, "article_url": post.data["url"]}]}
            answer |= {"publish_status": 0, "article_id": post.native_id, "article_detail": detail, "fail_idx": []}
        case "rejected":
            answer |= {"publish_status": 4, "fail_idx": [1]}
        case "removed":
            answer |= {"publish_status": 5 if post.data.get("deleted_by_user") else 6, "fail_idx": []}
        case _:
            answer |= {"publish_status": 1, "fail_idx": [1]}
    return SimReply(answer)


def _published(world: World, account: SimAccount) -> list[SimPost]:
    """Newest first; removed ones are shown as deleted, mass-sent ones are not among them [assumption]."""
    published = [post for post in _posts(world, account) if post.live_at is not None and "publish_id" in post.ids]
    return sorted(published, key=lambda post: post.live_at or post.created_at, reverse=True)


def _news_item(post: SimPost, with_content: bool) -> dict[str, Any]:
    article = post.data["article"]
    return {
        "title": article["title"],
        "author": article.get("author", ""),
        "digest": article.get("digest", ""),
        "content": article["content"] if with_content else "",
        "content_source_url": article.get("content_source_url", ""),
        "thumb_media_id": article["thumb_media_id"],
        "thumb_url": f"http://{PICTURE_HOST}/mmbiz_jpg/{article['thumb_media_id']}/0",
        "need_open_comment": article.get("need_open_comment", 0),
        "only_fans_can_comment": article.get("only_fans_can_comment", 0),
        "url": post.data["url"],
        "is_deleted": post.state == "removed",
    }


def batch_published(world: World, account: SimAccount, call: Call) -> SimReply:
    _may_publish(account)
    offset, count = _page(call)
    posts = _published(world, account)
    items = []
    for post in posts[offset : offset + count]:
        stamp = int((post.live_at or post.created_at).timestamp())
        news = [_news_item(post, with_content=_body(call).get("no_content") != 1)]
        content = {"news_item": news, "create_time": int(post.created_at.timestamp()), "update_time": stamp}
        items.append({"article_id": post.native_id, "content": content, "update_time": stamp})
    return SimReply({"total_count": len(posts), "item_count": len(items), "item": items})


def _article_post(world: World, account: SimAccount, call: Call) -> SimPost:
    _may_publish(account)
    wanted = _body(call).get("article_id")
    post = next((p for p in _published(world, account) if p.native_id == wanted), None)
    if post is None:
        raise WechatRefusedError(53600)
    return post


def get_article(world: World, account: SimAccount, call: Call) -> SimReply:
    return SimReply({"news_item": [_news_item(_article_post(world, account, call), with_content=True)]})


def delete_article(world: World, account: SimAccount, call: Call) -> SimReply:
    post = _article_post(world, account, call)
    post.state, post.data["deleted_by_user"] = "removed", True
    return _done()


# --- B3: mass sending ------------------------------------------------------------------------------------------------


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
    _may_publish(account)
    body = _body(call)
    key = str(body.get("clientmsgid", ""))
    if len(key.encode()) > MASS_KEY_BYTES:
        raise WechatRefusedError(45067)
    if key:
        _refuse_used_key(world, account, key)
    if body.get("msgtype") != "mpnews" or not isinstance(body.get("filter"), dict):
        raise WechatRefusedError(40008)
    media_id = str((body.get("mpnews") or {}).get("media_id", ""))
    draft = _drafts(world).get(media_id)
    if draft is None or draft.account != account.account:
        raise WechatRefusedError(40007)
    _check_mass_quota(world, account)
    number = _next_id(world, "last_mass_id", FIRST_MASS_ID)
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
    sent = [post for post in _posts(world, account) if "msg_id" in post.ids and post.state != "rejected"]
    if sum(1 for post in sent if world.now() - post.created_at < period) >= most:
        raise WechatRefusedError(45028)


def _send(world: World, account: SimAccount, used: MassKey, media_id: str) -> None:
    used.approval = None
    article = _drafts(world).pop(media_id).articles[0]
    native_id = f"{used.ids['msg_data_id']}_1"  # as the statistics call it
    _begin_job(world, account, article, native_id, dict(used.ids), "message/mass/sendall")


def _approvals(account: SimAccount) -> list[tuple[str, MassKey]]:
    return [(key, used) for key, used in _keys(account).items() if used.approval is not None]


def _drop_approval(world: World, account: SimAccount, key: str, status: str) -> None:
    """Refused or not answered: nothing was sent, the key may be used again [assumption]."""
    used = _keys(account).pop(key)
    _call_back_mass(world, account, used.ids["msg_id"], status, None)


def confirm_mass(world: World, account: SimAccount, _details: Mapping[str, str]) -> Mapping[str, Any]:
    """The administrator confirms every mass send that waits."""
    waiting = _approvals(account)
    for _, used in waiting:
        if used.approval in _drafts(world):
            _send(world, account, used, used.approval)
    return {"confirmed": len(_answered(waiting))}


def refuse_mass(world: World, account: SimAccount, _details: Mapping[str, str]) -> Mapping[str, Any]:
    """The administrator refuses every mass send that waits: err(40001) [client, quoting the page]."""
    waiting = _approvals(account)
    for key, _ in _answered(waiting):
        _drop_approval(world, account, key, "err(40001)")
    return {"refused": len(waiting)}


def _answered(waiting: list[tuple[str, MassKey]]) -> list[tuple[str, MassKey]]:
    if not waiting:
        raise WrongActError("act", "没有等待确认的群发 / no mass send is waiting")
    return waiting


def _mass_post(world: World, account: SimAccount, call: Call) -> SimPost:
    wanted = str(_body(call).get("msg_id", ""))
    post = next((p for p in _posts(world, account) if p.ids.get("msg_id") == wanted), None)
    if post is None:
        raise WechatRefusedError(40007)  # [assumption]: no page names the code for an unknown msg_id
    return post


MASS_STATUS = {"publishing": "SENDING", "in_review": "SENDING", "live": "SEND_SUCCESS", "rejected": "SEND_FAIL"}


def mass_status(world: World, account: SimAccount, call: Call) -> SimReply:
    post = _mass_post(world, account, call)
    return SimReply({"msg_id": _body(call)["msg_id"], "msg_status": MASS_STATUS.get(post.state, "DELETE")})


def delete_mass(world: World, account: SimAccount, call: Call) -> SimReply:
    """Only what has been sent can be deleted [client]; a repetition is taken [assumption]."""
    post = _mass_post(world, account, call)
    if post.state not in ("live", "removed"):
        raise WechatRefusedError(40007)  # [assumption]
    post.state, post.data["deleted_by_user"] = "removed", True
    return _done()


# --- B4: comments ----------------------------------------------------------------------------------------------------


def list_comments(world: World, account: SimAccount, call: Call) -> SimReply:
    body = _body(call)
    begin, count = _number(body.get("begin"), 88010), _number(body.get("count"), 88010)
    if begin < 0 or not 0 < count < COMMENTS_UNDER:
        raise WechatRefusedError(88010)
    post = _message(world, account, body)
    if not post.data["article"].get("need_open_comment"):
        raise WechatRefusedError(88000)  # [assumption]: what an article without comments answers
    comments = _not_quite_newest_first(world.comments(post))
    if world.take_fault("short_page", "comment/list"):
        count = max(1, count // 3)
    page = comments[begin : begin + count]
    # divergence 15: `total` is the length of this page, `comment_cnt` the number of all
    shown = [_shown(comment, _replies(post), account.options) for comment in page]
    return _done(total=len(page), comment=shown, comment_cnt=len(comments))


def _message(world: World, account: SimAccount, body: Mapping[str, Any]) -> SimPost:
    """index counts from 0 (B4)."""
    wanted = str(body.get("msg_data_id"))
    for post in _posts(world, account):
        if post.ids["msg_data_id"] == wanted and post.state == "live" and str(body.get("index", 0)) == "0":
            return post
    raise WechatRefusedError(88001, {"total": 0, "comment": []})


def _not_quite_newest_first(comments: list[SimComment]) -> list[SimComment]:
    """Not strictly by time [WX-FORUM]; how is [assumption]: every seventh stands before the others."""
    newest = comments[::-1]
    return [c for c in newest if _ordinal(c) % 7 == 0] + [c for c in newest if _ordinal(c) % 7]


def _ordinal(comment: SimComment) -> int:
    return int(comment.native_id.rpartition(":")[2])


def _shown(comment: SimComment, replies: dict[int, dict[str, Any]], options: Mapping[str, str]) -> dict[str, Any]:
    """user_comment_id counts in its article only; replies of the audience are ordinary comments [assumption]."""
    elected = _ordinal(comment) % 7 == 0
    shown: dict[str, Any] = {
        "user_comment_id": _ordinal(comment),
        "openid": comment.author,
        "create_time": int(comment.at.timestamp()),
        "content": comment.text,
        "comment_type": int(elected),
    }
    if reply := replies.get(_ordinal(comment)):
        shown["reply"] = [reply] if options.get("comment_reply") == "list" else reply  # divergence 14
    return shown


def _replies(post: SimPost) -> dict[int, dict[str, Any]]:
    """The author's replies by user_comment_id, one each."""
    held: dict[int, dict[str, Any]] = post.data.setdefault("replies", {})
    return held


def _comment(world: World, account: SimAccount, call: Call) -> tuple[SimPost, int]:
    body = _body(call)
    post, wanted = _message(world, account, body), _number(body.get("user_comment_id"), 88008)
    if all(_ordinal(comment) != wanted for comment in world.comments(post)):
        raise WechatRefusedError(88008)
    return post, wanted


def add_reply(world: World, account: SimAccount, call: Call) -> SimReply:
    post, wanted = _comment(world, account, call)
    content = _body(call).get("content")
    if not isinstance(content, str) or not 0 < len(content.strip()) <= REPLY_MAX:
        raise WechatRefusedError(88007)
    if wanted in _replies(post):
        raise WechatRefusedError(88005)
    _replies(post)[wanted] = {"content": content, "create_time": int(world.now().timestamp())}
    return _done()


def delete_reply(world: World, account: SimAccount, call: Call) -> SimReply:
    """[assumption]: no reply there is no error."""
    post, wanted = _comment(world, account, call)
    _replies(post).pop(wanted, None)
    return _done()


# --- B5: statistics --------------------------------------------------------------------------------------------------


def _day(call: Call, world: World) -> date:
    """One day a question [client: the old endpoints; for getarticletotaldetail assumption]."""
    body = _body(call)
    try:
        begin, end = (date.fromisoformat(str(body.get(name))) for name in ("begin_date", "end_date"))
    except ValueError:
        raise WechatRefusedError(61500) from None
    if begin != end or end >= world.now().astimezone(BEIJING).date():
        raise WechatRefusedError(61501)
    if end > _newest_day(world):
        raise WechatRefusedError(61503)
    return begin


def _newest_day(world: World) -> date:
    """Yesterday's figures are out at 08:00 Beijing time."""
    here = world.now().astimezone(BEIJING)
    return here.date() - timedelta(days=1 if here.time() >= STATISTICS_READY else 2)


def _end_of(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), BEIJING).astimezone(UTC)


def article_totals(world: World, account: SimAccount, call: Call) -> SimReply:
    day = _day(call, world)
    newest = _newest_day(world)
    posts = [p for p in _posts(world, account) if p.live_at and p.live_at.astimezone(BEIJING).date() == day]
    late = world.take_fault("statistics_delayed", "datacube/getarticletotaldetail")  # B5 [doc]: not final yet
    return SimReply({"list": [_figures(world, post, day, newest) for post in posts], "is_delay": late})


def _figures(world: World, post: SimPost, day: date, newest: date) -> dict[str, Any]:
    span = min((newest - day).days + 1, STATISTICS_DAYS)
    return {
        "ref_date": day.isoformat(),
        "msgid": f"{post.ids['msg_data_id']}_1",
        "publish_type": 0 if "msg_id" in post.ids else 1,  # with or without notifying the followers
        "title": post.title,
        "content_url": post.data["url"],
        "detail_list": [_day_figures(world, post, day + timedelta(days=shift)) for shift in range(span)],
    }


def _day_figures(world: World, post: SimPost, day: date) -> dict[str, Any]:
    """Sums from publishing to the end of that day (Beijing); people, not views."""
    counts = world.counts(post, at=_end_of(day))
    return {
        "stat_date": day.isoformat(),
        "read_user": counts["views"],
        "read_user_source": [{"user_count": counts["views"], "scene_desc": "全部"}],
        "share_user": counts["shares"],
        "zaikan_user": counts["likes"] // 2,
        "like_user": counts["likes"],
        "comment_count": counts["comments"],
        "collection_user": counts["saves"],
        "praise_money": 0,
        "read_subscribe_user": counts["follows"],
        "read_delivery_rate": 0.0,
        "read_finish_rate": 0.55,
        "read_avg_activetime": 1.4,
        "read_jump_position": [{"position": 1, "rate": 0.3}],
    }


def follower_totals(world: World, account: SimAccount, call: Call) -> SimReply:
    day = _day(call, world)
    gained = sum(world.counts(post, at=_end_of(day))["follows"] for post in _posts(world, account))
    entry = {"ref_date": day.isoformat(), "user_source": 0, "cumulate_user": account.followers + gained}
    return SimReply({"list": [entry]})


# --- B7: quotas ------------------------------------------------------------------------------------------------------


def _count(world: World, account: SimAccount, path: str) -> None:
    """Calls of an interface on a Beijing day; beyond the limit 45009."""
    today = world.now().astimezone(BEIJING).date()
    day, used = account.state.get(f"used:{path}", (today, 0))
    used = used if day == today else 0
    if used >= _daily_limit(account):
        raise WechatRefusedError(45009)
    account.state[f"used:{path}"] = (today, used + 1)


def _daily_limit(account: SimAccount) -> int:
    return int(account.options.get("daily_limit", DAILY_LIMIT))


def api_quota(world: World, account: SimAccount, call: Call) -> SimReply:
    path = _body(call).get("cgi_path")
    if all(endpoint.path != path for endpoint in ENDPOINTS):
        raise WechatRefusedError(76021)
    day, used = account.state.get(f"used:{path}", (None, 0))
    used = used if day == world.now().astimezone(BEIJING).date() else 0
    limit = _daily_limit(account)
    return _done(quota={"daily_limit": limit, "used": used, "remain": limit - used})


# --- B6: callbacks ---------------------------------------------------------------------------------------------------


def _call_back(world: World, account: SimAccount, name: str, inside: str) -> None:
    """An event, signed; encrypted for accounts in safe mode. It comes from a follower, as the samples show."""
    options, now = account.options, int(world.now().timestamp())
    message = (
        f"<xml><ToUserName><![CDATA[{account.open_id}]]></ToUserName>"
        f"<FromUserName><![CDATA[oAdministrator00000000000001]]></FromUserName><CreateTime>{now}</CreateTime>"
        f"<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[{name}]]></Event>{inside}</xml>"
    )
    token, timestamp, nonce = options.get("callback_token", ""), str(now), str(world.rng.getrandbits(31))
    query = {"signature": signature(token, timestamp, nonce), "timestamp": timestamp, "nonce": nonce}
    if key := options.get("encoding_aes_key"):
        sealed = encrypted(key, account.app_id, message.encode(), world.rng.randbytes(16))
        query |= {"encrypt_type": "aes", "msg_signature": signature(token, timestamp, nonce, sealed)}
        owner = f"<ToUserName><![CDATA[{account.open_id}]]></ToUserName>"
        message = f"<xml>{owner}<Encrypt><![CDATA[{sealed}]]></Encrypt></xml>"
    headers = {"Content-Type": "text/xml"}
    call = OutgoingCallback("POST", message.encode(), headers, query, name=name, accepts=_acknowledged)
    world.call_back(account, call)


def check_address(world: World, account: SimAccount, details: Mapping[str, str]) -> Mapping[str, Any]:
    """The console checks an address that somebody entered: by GET, and wants `echostr` back (B6 [client]: wechatpy)."""
    timestamp, nonce = str(int(world.now().timestamp())), str(world.rng.getrandbits(31))
    token, echo = account.options.get("callback_token", ""), str(world.rng.getrandbits(60))
    signed = signature(token, timestamp, nonce)
    query = {"signature": signed, "timestamp": timestamp, "nonce": nonce, "echostr": echo}

    def echoed(status: int, answer: bytes) -> bool:
        return status == 200 and answer == echo.encode()

    world.call_back(account, OutgoingCallback("GET", query=query, name="address_check", accepts=echoed))
    return {"address": "asked"}


def _acknowledged(status: int, answer: bytes) -> bool:
    """`success` or nothing at all; an encrypted answer begins as any XML does."""
    return (status == 200 and answer.strip() in (b"", b"success")) or answer.startswith(b"<xml>")


def _call_back_published(world: World, post: SimPost) -> None:
    """Failures name the articles as repeated fail_idx and carry no article elements."""
    inside = f"<publish_id>{post.ids['publish_id']}</publish_id>"
    if post.state == "live":
        item = f"<item><idx>1</idx><article_url><![CDATA[{post.data['url']}]]></article_url></item>"
        inside += (
            f"<publish_status>0</publish_status><article_id><![CDATA[{post.native_id}]]></article_id>"
            f"<article_detail><count>1</count>{item}</article_detail>"
        )
    else:
        inside += "<publish_status>4</publish_status><fail_idx>1</fail_idx>"
    account = world.accounts[post.account]
    _call_back(world, account, "PUBLISHJOBFINISH", f"<PublishEventInfo>{inside}</PublishEventInfo>")


def _call_back_mass(world: World, account: SimAccount, msg_id: str, status: str, url: str | None) -> None:
    reached = account.followers if url else 0
    item = f"<item><ArticleIdx>1</ArticleIdx><ArticleUrl><![CDATA[{url}]]></ArticleUrl></item>" if url else ""
    inside = (
        f"<MsgID>{msg_id}</MsgID><Status><![CDATA[{status}]]></Status><TotalCount>{account.followers}</TotalCount>"
        f"<FilterCount>{reached}</FilterCount><SentCount>{reached}</SentCount><ErrorCount>0</ErrorCount>"
        "<CopyrightCheckResult><Count>0</Count><ResultList></ResultList><CheckState>0</CheckState>"
        f"</CopyrightCheckResult><ArticleUrlResult><Count>{int(bool(url))}</Count>"
        f"<ResultList>{item}</ResultList></ArticleUrlResult>"
    )
    _call_back(world, account, "MASSSENDJOBFINISH", inside)


# --- the platform ----------------------------------------------------------------------------------------------------


def _post(path: str, handler: Callable[[World, Call], SimReply], *, mutating: bool) -> Endpoint:
    return Endpoint(_name(path), "POST", path, handler, mutating)


ENDPOINTS = (
    Endpoint("token", "GET", "/cgi-bin/token", _open(token), mutating=False),
    _post("/cgi-bin/stable_token", _open(stable_token), mutating=False),
    _post("/cgi-bin/media/uploadimg", _authorised(upload_inline), mutating=True),
    _post("/cgi-bin/material/add_material", _authorised(add_material), mutating=True),
    _post("/cgi-bin/draft/add", _authorised(add_draft), mutating=True),
    _post("/cgi-bin/draft/get", _authorised(get_draft), mutating=False),
    _post("/cgi-bin/draft/delete", _authorised(delete_draft), mutating=True),
    _post("/cgi-bin/draft/batchget", _authorised(batch_drafts), mutating=False),
    Endpoint("draft/count", "GET", "/cgi-bin/draft/count", _authorised(count_drafts), mutating=False),
    _post("/cgi-bin/freepublish/submit", _authorised(submit), mutating=True),
    _post("/cgi-bin/freepublish/get", _authorised(publish_status), mutating=False),
    _post("/cgi-bin/freepublish/batchget", _authorised(batch_published), mutating=False),
    _post("/cgi-bin/freepublish/getarticle", _authorised(get_article), mutating=False),
    _post("/cgi-bin/freepublish/delete", _authorised(delete_article), mutating=True),
    _post("/cgi-bin/message/mass/sendall", _authorised(send_to_all), mutating=True),
    _post("/cgi-bin/message/mass/get", _authorised(mass_status), mutating=False),
    _post("/cgi-bin/message/mass/delete", _authorised(delete_mass), mutating=True),
    _post("/cgi-bin/comment/list", _authorised(list_comments), mutating=False),
    _post("/cgi-bin/comment/reply/add", _authorised(add_reply), mutating=True),
    _post("/cgi-bin/comment/reply/delete", _authorised(delete_reply), mutating=True),
    _post("/cgi-bin/openapi/quota/get", _authorised(api_quota), mutating=False),
    _post("/datacube/getarticletotaldetail", _authorised(article_totals), mutating=False),
    _post("/datacube/getusercumulate", _authorised(follower_totals), mutating=False),
)


class WechatSimulator:
    """The contract's SimulatedPlatform."""

    platform = "wechat"
    exposed: tuple[Metric, ...] = ("views", "likes", "comments", "shares", "saves", "follows")
    taken_faults = (
        "review_refused", "short_page", "statistics_delayed", "token_stolen", "webhook_lost", "webhook_thrice",
    )  # fmt: skip
    callbacks = ("PUBLISHJOBFINISH", "MASSSENDJOBFINISH", "address_check")
    acts = MappingProxyType({"confirm_mass": confirm_mass, "refuse_mass": refuse_mass, "check_address": check_address})

    def endpoints(self) -> Sequence[Endpoint]:
        return ENDPOINTS

    def not_found(self, call: Call) -> SimReply:
        """Another method on a path that exists is 43002 (B7); another path the gateway does not know [assumption]."""
        if any(endpoint.path == call.path for endpoint in ENDPOINTS):
            return _refusal(43002, "0-0-0", {})
        return SimReply(b"<html><head><title>404 Not Found</title></head></html>", 404, "text/html")

    def fault_reply(self, kind: str, endpoint: str, call: Call) -> SimReply | None:
        """A token is not expired where it is asked for. Publishing the same words again is nothing WeChat minds."""
        if kind not in FAULTS or (kind == "token_expired" and endpoint in TOKEN_ENDPOINTS):
            return None
        return _refusal(FAULTS[kind], "69a6b1c2-1a2b3c4d-5e6f7a8b", {})

    def comment_id(self, world: World, post: SimPost, ordinal: int, at: datetime) -> str:
        """The platform's own number counts in one article only, so the article's statistics id goes before it."""
        return f"{post.ids['msg_data_id']}_1:{ordinal}"

    def tick(self, world: World) -> None:
        """Jobs end, published or refused by the review, and approvals that nobody gave."""
        for post in world.posts:
            if post.state == "publishing" and world.now() >= post.data["ends_at"]:
                if post.data["refused"]:
                    post.state = "rejected"
                else:
                    world.go_live(post, post.data["ends_at"])
                _tell_end(world, post)
        for account in world.accounts.values():
            for key, used in _approvals(account):
                if world.now() - used.first_at >= APPROVAL_LIVES:
                    _drop_approval(world, account, key, "err(40002)")


def _tell_end(world: World, post: SimPost) -> None:
    if "publish_id" in post.ids:
        _call_back_published(world, post)
    else:
        url = post.data["url"] if post.state == "live" else None
        status = "send success" if url else "err(10001)"
        _call_back_mass(world, world.accounts[post.account], post.ids["msg_id"], status, url)


SIMULATOR = WechatSimulator()
