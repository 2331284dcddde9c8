"""Endpoints of the simulated Weibo that read posts, comments, users and limits. They change no post."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from services.adapter_weibo.simulator.account_options import HITS, hits_this_hour, hour_began, option_value
from services.adapter_weibo.simulator.bodies import BEIJING, comment_body, count_body, status_body, user_body
from services.adapter_weibo.simulator.comments import COMMENTING, comments_by_account, comments_this_hour
from services.adapter_weibo.simulator.exchange import endpoint_name, live_post
from services.adapter_weibo.simulator.parameters import whole_number
from services.adapter_weibo.simulator.posting import POSTING, posts_this_hour
from services.adapter_weibo.simulator.refusals import WeiboRefusedError
from services.simulator.contract import Call, SimAccount, SimComment, SimPost, World

IDS_MAX = 100  # [doc]
COMMENTS_DEFAULT, COMMENTS_MAX = 50, 200  # [doc], [memory]
TIMELINE_ROWS, TIMELINE_PAGE = 5, 100  # [client], [memory]


def user_timeline(world: World, call: Call, account: SimAccount) -> Any:
    """The authorizing user's own posts, the latest 5 for an ordinary app [client]; `timeline_rows` for other grants.

    Pages lie within that window [assumption]: by `page`, or below `max_id` inclusive as for comments [memory].
    """
    mine = [post for post in world.posts if post.account == account.account and post.state == "live"]
    window = mine[::-1][: option_value(account, "timeline_rows", TIMELINE_ROWS)]
    max_id, count = whole_number(call, "max_id", 0), max(1, min(whole_number(call, "count", 20), TIMELINE_PAGE))
    wanted = [post for post in window if not max_id or int(post.native_id) <= max_id]
    start = (max(1, whole_number(call, "page", 1)) - 1) * count
    statuses = [status_body(world, post) for post in wanted[start : start + count]]
    return {"statuses": statuses, "previous_cursor": 0, "next_cursor": 0, "total_number": len(mine)}


def show_status(world: World, call: Call, account: SimAccount) -> Any:
    return status_body(world, live_post(world, call.param("id")))


def post_counts(world: World, call: Call, account: SimAccount) -> Any:
    """A bare array; unknown and deleted ids are left out [memory]."""
    ids = [one for one in (call.param("ids") or "").split(",") if one]
    if not ids:
        raise WeiboRefusedError(10016)
    if len(ids) > IDS_MAX:
        raise WeiboRefusedError(10008)
    live = {post.native_id: post for post in world.posts if post.state == "live"}
    return [count_body(world, live[one]) for one in ids if one in live]


def show_comments(world: World, call: Call, account: SimAccount) -> Any:
    post = live_post(world, call.param("id"))
    return _comment_page(world, call, [(post, comment) for comment in world.comments(post)])


def own_comments(world: World, call: Call, account: SimAccount) -> Any:
    """Comments that I sent [client]; those of posts that are gone are gone too [assumption]."""
    return _comment_page(world, call, [made for made in comments_by_account(world, account) if made[0].state == "live"])


def _comment_page(world: World, call: Call, everything: Sequence[tuple[SimPost, SimComment]]) -> Any:
    """Newest first; since_id exclusive, max_id inclusive [doc]; a page may be shorter than `count` [client]."""
    since_id, max_id = whole_number(call, "since_id", 0), whole_number(call, "max_id", 0)
    count = max(1, min(whole_number(call, "count", COMMENTS_DEFAULT), COMMENTS_MAX))
    wanted = [one for one in everything if since_id < int(one[1].native_id) <= (max_id or int(one[1].native_id))]
    wanted.sort(key=lambda one: int(one[1].native_id), reverse=True)
    start = (max(1, whole_number(call, "page", 1)) - 1) * count
    page = wanted[start : start + count]
    if len(page) > 1 and world.take_fault("short_page", endpoint_name(call)):
        page = page[: (len(page) + 1) // 2]
    left = wanted[start + len(page) :]
    cursor = int(left[0][1].native_id) if left else 0
    return {
        "comments": [comment_body(world, post, comment) for post, comment in page],
        "hasvisible": False,
        "previous_cursor": 0,
        "next_cursor": cursor,
        "total_number": len(everything),
        "since_id": int(page[0][1].native_id) if page else 0,
        "max_id": cursor,
    }


def users_counts(world: World, call: Call, account: SimAccount) -> Any:
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


def show_user(world: World, call: Call, account: SimAccount) -> Any:
    uid = call.param("uid") or account.open_id
    found = next((one for one in world.accounts.values() if one.open_id == uid), None)
    if found is None:
        raise WeiboRefusedError(20003)
    return user_body(world, found)


def rate_limit_status(world: World, call: Call, account: SimAccount) -> Any:
    """[client: wb4java]; asking costs nothing [assumption]. Interfaces without a limit of their own are left out."""
    now, hour = world.now(), hour_began(world)
    resets_at = hour + timedelta(hours=1)
    most = option_value(account, "hits_per_hour", HITS)
    left = max(0, most - hits_this_hour(world, account))
    paces = (
        ("posts_per_hour", POSTING, posts_this_hour(world, account)),
        ("comments_per_hour", COMMENTING, comments_this_hour(world, account)),
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
            if (limit := option_value(account, option)) is not None
        ],
    }
