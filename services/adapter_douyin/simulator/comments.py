"""The simulated comments (C4): lists of comments and replies, and answering one."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from services.adapter_douyin.simulator.bodies import DouyinRefusedError, json_body
from services.adapter_douyin.simulator.posting import SENSITIVE
from services.adapter_douyin.simulator.reading import paging, post_of
from services.simulator.contract import Call, SimAccount, SimComment, World

COMMENTS_MAX = 50  # C4 [doc]
REPLY_MAX = 100  # [memory]


def comment_list(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    """Pinned comments stand on top of the first page and make it longer than `count` [client: dyjava]."""
    post = post_of(world, account, call)
    comments = world.comments(post)
    pinned: list[str] = post.data.get("pinned", [])
    roots = [comment for comment in comments if comment.parent is None and comment.native_id not in pinned]
    cursor, count = paging(world, call, COMMENTS_MAX, "item/comment/list")
    page = _sorted(roots, call.query.get("sort_type"))[cursor : cursor + count]
    tops = [comment for comment in comments if comment.native_id in pinned] if cursor == 0 else []
    replies = reply_counts(comments)
    return {
        "list": [comment_row(comment, replies, top=comment in tops) for comment in (*tops, *page)],
        "cursor": cursor + len(page),
        "has_more": cursor + len(page) < len(roots),
    }


def reply_list(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    """All replies in the thread of a top-level comment, oldest first [assumption]."""
    post = post_of(world, account, call)
    comments = world.comments(post)
    root = _thread_roots(comments)
    below = [one for one in comments if one.parent is not None and root[one.native_id] == call.query.get("comment_id")]
    cursor, count = paging(world, call, COMMENTS_MAX, "item/comment/reply/list")
    page = below[cursor : cursor + count]
    rows = [comment_row(comment, {}, top=False) for comment in page]
    return {"list": rows, "cursor": cursor + len(page), "has_more": cursor + len(page) < len(below)}


def reply(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    """A comment by the account's own user, below `comment_id` or, without one, below the post. Codes: C6 [client]."""
    body = json_body(call)
    post = post_of(world, account, call, body.get("item_id"))
    content, parent = body.get("content"), body.get("comment_id") or None
    if not isinstance(content, str) or not content.strip() or len(content) > REPLY_MAX or post.state != "live":
        raise DouyinRefusedError(28001007)
    if SENSITIVE in content:
        raise DouyinRefusedError(2111001)
    if parent is not None and parent not in {comment.native_id for comment in world.comments(post)}:
        raise DouyinRefusedError(2111007)
    comment_id = f"@{base64.b64encode(world.rng.randbytes(64)).decode()}"
    world.add_comment(post, SimComment(comment_id, account.open_id, content, world.now(), parent))
    return {"comment_id": comment_id}


def _thread_roots(comments: Sequence[SimComment]) -> dict[str, str]:
    """Comment id → id of the top-level comment of its thread."""
    roots: dict[str, str] = {}
    for comment in comments:
        roots[comment.native_id] = roots.get(comment.parent, comment.parent) if comment.parent else comment.native_id
    return roots


def reply_counts(comments: Sequence[SimComment]) -> dict[str, int]:
    counts: dict[str, int] = {}
    roots = _thread_roots(comments)
    for comment in comments:
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


def comment_row(comment: SimComment, replies: Mapping[str, int], *, top: bool) -> dict[str, Any]:
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
