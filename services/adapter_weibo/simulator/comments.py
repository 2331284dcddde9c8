"""Endpoints of the simulated Weibo that write a comment."""

from __future__ import annotations

from typing import Any

from services.adapter_weibo.simulator.account_options import hour_began, option_value
from services.adapter_weibo.simulator.bodies import ORDINALS, comment_author, comment_body, comment_id
from services.adapter_weibo.simulator.exchange import live_post
from services.adapter_weibo.simulator.parameters import text_length
from services.adapter_weibo.simulator.posting import REPEAT_WITHIN
from services.adapter_weibo.simulator.refusals import WeiboRefusedError
from services.simulator.contract import Call, SimAccount, SimComment, SimPost, World

COMMENT_MAX = 140  # [doc]
COMMENTING = ("comments/create", "comments/reply")


def create_comment(world: World, call: Call, account: SimAccount) -> Any:
    """2/comments/create [client]"""
    post = live_post(world, call.param("id"))
    return _commented(world, account, post, _comment_text(call), None)


def reply_comment(world: World, call: Call, account: SimAccount) -> Any:
    """WB-WIKI 2/comments/reply [doc]; the words put before an answer are [memory]."""
    post, text = live_post(world, call.param("id")), _comment_text(call)
    wanted = call.param("cid")
    if not wanted:
        raise WeiboRefusedError(20204)
    answered = next((one for one in world.comments(post) if one.native_id == wanted), None)
    if answered is None:
        raise WeiboRefusedError(20201)
    if call.param("without_mention") != "1":
        text = f"回复@{comment_author(world, answered)['screen_name']}:{text}"
    return _commented(world, account, post, text, wanted)


def _comment_text(call: Call) -> str:
    text = (call.param("comment") or "").strip()
    if not text:
        raise WeiboRefusedError(20008)
    if text_length(text) > COMMENT_MAX:
        raise WeiboRefusedError(20012)
    return text


def _commented(world: World, account: SimAccount, post: SimPost, text: str, answered: str | None) -> Any:
    """The same words to the same comment shortly after one another are refused [client]: for an hour [assumption]."""
    now = world.now()
    for other, made in comments_by_account(world, account):
        if other is post and (made.text, made.parent) == (text, answered) and now - made.at < REPEAT_WITHIN:
            raise WeiboRefusedError(20019)
    _refuse_comment_pace(world, account)
    made_by_us = post.data.setdefault("comments_by_api", [])
    # Ids from the top of the second's range: those of the audience count up from its bottom.
    native_id = comment_id(post, ORDINALS - 1 - len(made_by_us), now)
    comment = SimComment(native_id, account.open_id, text, now, answered)
    world.add_comment(post, comment)
    made_by_us.append(comment)
    return comment_body(world, post, comment)


def comments_by_account(world: World, account: SimAccount) -> list[tuple[SimPost, SimComment]]:
    """The account's comments under all posts, oldest first."""
    made = [
        (post, comment)
        for post in world.posts
        for comment in post.data.get("comments_by_api", ())
        if comment.author == account.open_id
    ]
    return sorted(made, key=lambda one: one[1].at)


def _refuse_comment_pace(world: World, account: SimAccount) -> None:
    """60 comments an hour [client, figures of 2012]; only where the option `comments_per_hour` says so."""
    limit = option_value(account, "comments_per_hour")
    if limit is not None and comments_this_hour(world, account) >= limit:
        raise WeiboRefusedError(10024)


def comments_this_hour(world: World, account: SimAccount) -> int:
    return sum(1 for _, comment in comments_by_account(world, account) if comment.at >= hour_began(world))
