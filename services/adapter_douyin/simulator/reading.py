"""The simulated read endpoints of posts and accounts (C2, C4): lists, status, statistics and followers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from schemas.events.feedback import Metric
from services.adapter_douyin.simulator.bodies import DouyinRefusedError, json_body
from services.simulator.contract import Call, SimAccount, SimPost, World

LIST_MAX = 20  # C4 [memory]


def video_list(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    """Newest first, with pinned posts on top [assumption]."""
    posts = [post for post in world.posts if post.account == account.account and post.state != "removed"]
    posts.sort(key=lambda post: (bool(post.data.get("is_top")), post.created_at), reverse=True)
    cursor, count = paging(world, call, LIST_MAX, "video/video_list")
    rows = [_post_row(world, post) for post in posts[cursor : cursor + count]]
    return {"list": rows, "cursor": cursor + len(rows), "has_more": cursor + len(rows) < len(posts)}


def video_data(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    """Deleted posts and posts of other accounts are missing in the answer [assumption]."""
    wanted = json_body(call).get("item_ids")
    if not isinstance(wanted, list) or not wanted:
        raise DouyinRefusedError(28001007)
    mine = {post.native_id: post for post in world.posts if post.account == account.account}
    found = [mine[item] for item in wanted if item in mine and mine[item].state != "removed"]
    return {"list": [_post_row(world, post) for post in found]}


def _post_row(world: World, post: SimPost) -> dict[str, Any]:
    """`is_reviewed`: the review has ended. `video_status`: 2 not public, 4 under review, 5 public (C2)."""
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


def fans(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    """Followers per day up to yesterday, for enterprise developers only (C4 [doc])."""
    if account.options.get("enterprise", "true") != "true":
        raise DouyinRefusedError(28001018)
    if call.query.get("date_type") not in ("7", "15", "30"):
        raise DouyinRefusedError(28001007)
    days = int(call.query["date_type"])
    dates = [(world.now() - timedelta(days=back)).date().isoformat() for back in range(days, 0, -1)]
    return {"result_list": [{"date": date, "new_fans": 0, "total_fans": account.followers} for date in dates]}


def item_base(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    """Figures of posts of the last 30 days. In reality they come about 10:00 the next day."""
    if account.options.get("enterprise", "true") != "true":
        raise DouyinRefusedError(28001018)
    post = post_of(world, account, call)
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


def post_of(world: World, account: SimAccount, call: Call, item: str | None = None) -> SimPost:
    item = item or call.query.get("item_id")
    for post in world.posts:
        if post.native_id == item and post.account == account.account and post.state != "removed":
            return post
    raise DouyinRefusedError(28001007)


def paging(world: World, call: Call, most: int, endpoint: str) -> tuple[int, int]:
    cursor, count = call.query.get("cursor", "0"), call.query.get("count", "")
    if not cursor.isdecimal() or not count.isdecimal() or not 1 <= int(count) <= most:
        raise DouyinRefusedError(28001007)
    short = world.take_fault("short_page", endpoint)
    return int(cursor), max(1, int(count) // 3) if short else int(count)
