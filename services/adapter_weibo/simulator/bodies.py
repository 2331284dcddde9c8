"""The JSON objects of the simulated Weibo's answers, its ids and its time stamps. Changes nothing."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone
from typing import Any

import orjson

from services.adapter.localising.text import URL, gbk_length
from services.simulator.contract import SimAccount, SimComment, SimPost, World

BEIJING = timezone(timedelta(hours=8))
ORDINALS = 2**14  # comments of one post within the ids of one second
ID_EPOCH = 515483463  # ids are seconds since then, shifted by 22 bits [memory]; order and size are what matters


def status_body(world: World, post: SimPost) -> dict[str, Any]:
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
        "pic_urls": [{"thumbnail_pic": picture_urls(pic)["thumbnail_pic"]} for pic in post.media],
        "geo": None,
        "user": user_body(world, world.accounts[post.account]),
        "reposts_count": counts["shares"],
        "comments_count": counts["comments"],
        "attitudes_count": counts["likes"],
        "isLongText": False,
    }
    if post.media:
        body |= picture_urls(post.media[0])
    if post.data["annotations"]:
        body["annotations"] = orjson.loads(post.data["annotations"])  # given back to the app that set it [memory]
    return body


def count_body(world: World, post: SimPost) -> dict[str, Any]:
    counts = world.counts(post)
    return {
        "id": int(post.native_id),
        "idstr": post.native_id,
        "comments": counts["comments"],
        "reposts": counts["shares"],
        "attitudes": counts["likes"],
        "number_display_strategy": {"apply_scenario_flag": 3, "display_text_min_number": 1000000},
    }


def comment_body(world: World, post: SimPost, comment: SimComment) -> dict[str, Any]:
    body: dict[str, Any] = {
        "created_at": _stamp(comment.at),
        "id": int(comment.native_id),
        "idstr": comment.native_id,
        "mid": comment.native_id,
        "rootid": int(comment.parent or comment.native_id),
        "text": comment.text,
        "source": "",
        "user": comment_author(world, comment),
        "status": {"id": int(post.native_id), "idstr": post.native_id},
        "floor_number": 1,
        "like_count": comment.likes,
    }
    if comment.parent:
        body["reply_comment"] = {"id": int(comment.parent), "idstr": comment.parent}
    return body


def comment_author(world: World, comment: SimComment) -> dict[str, Any]:
    """One of the audience, or an account that wrote by the API."""
    account = next((one for one in world.accounts.values() if one.open_id == comment.author), None)
    number = int(account.open_id) if account else _author_id(comment.author)
    return {"id": number, "idstr": str(number), "screen_name": account.display_name if account else comment.author}


def user_body(world: World, account: SimAccount) -> dict[str, Any]:
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


def picture_urls(name: str) -> dict[str, str]:
    sizes = {"thumbnail_pic": "thumbnail", "bmiddle_pic": "bmiddle", "original_pic": "large"}
    return {key: f"http://wx1.sinaimg.cn/{size}/{name}.jpg" for key, size in sizes.items()}


def _short_link(url: str) -> str:
    return f"http://t.cn/A6{hashlib.sha256(url.encode()).hexdigest()[:6]}"


def _author_id(author: str) -> int:
    return 1_000_000_000 + int(hashlib.sha256(author.encode()).hexdigest()[:8], 16) % 7_000_000_000


def _stamp(at: datetime) -> str:
    return at.astimezone(BEIJING).strftime("%a %b %d %H:%M:%S %z %Y")


def id_at(at: datetime) -> int:
    return (int(at.timestamp()) - ID_EPOCH) << 22


def comment_id(post: SimPost, ordinal: int, at: datetime) -> str:
    """Ids rise with time; within a second with the ordinal. Posts share a second by their number."""
    return str(id_at(at) | (post.data["number"] % 256) << 14 | ordinal % ORDINALS)
