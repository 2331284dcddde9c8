"""Comments below articles of the simulated WeChat: pages that are not quite in order, and replies (B4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.adapter_wechat.simulator.bodies import WechatRefusedError, done, json_body, number_in
from services.adapter_wechat.simulator.posting import posts_of
from services.simulator.contract import Call, SimAccount, SimComment, SimPost, SimReply, World

COMMENTS_UNDER = 50  # B4 [doc]
REPLY_MAX = 600  # [client]


def list_comments(world: World, account: SimAccount, call: Call) -> SimReply:
    body = json_body(call)
    begin, count = number_in(body.get("begin"), 88010), number_in(body.get("count"), 88010)
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
    return done(total=len(page), comment=shown, comment_cnt=len(comments))


def _message(world: World, account: SimAccount, body: Mapping[str, Any]) -> SimPost:
    """index counts from 0 (B4)."""
    wanted = str(body.get("msg_data_id"))
    for post in posts_of(world, account):
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
    body = json_body(call)
    post, wanted = _message(world, account, body), number_in(body.get("user_comment_id"), 88008)
    if all(_ordinal(comment) != wanted for comment in world.comments(post)):
        raise WechatRefusedError(88008)
    return post, wanted


def add_reply(world: World, account: SimAccount, call: Call) -> SimReply:
    post, wanted = _comment(world, account, call)
    content = json_body(call).get("content")
    if not isinstance(content, str) or not 0 < len(content.strip()) <= REPLY_MAX:
        raise WechatRefusedError(88007)
    if wanted in _replies(post):
        raise WechatRefusedError(88005)
    _replies(post)[wanted] = {"content": content, "create_time": int(world.now().timestamp())}
    return done()


def delete_reply(world: World, account: SimAccount, call: Call) -> SimReply:
    """[assumption]: no reply there is no error."""
    post, wanted = _comment(world, account, call)
    _replies(post).pop(wanted, None)
    return done()
