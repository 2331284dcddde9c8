"""Statistics of the simulated WeChat, which are out a day late (B5)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from services.adapter_wechat.simulator.bodies import WechatRefusedError, json_body
from services.adapter_wechat.simulator.facts import BEIJING
from services.adapter_wechat.simulator.posting import posts_of
from services.simulator.contract import Call, SimAccount, SimPost, SimReply, World

STATISTICS_DAYS = 30  # B5 [doc]
STATISTICS_READY = time(8, 0)  # B5 [client]


def _day(call: Call, world: World) -> date:
    """One day a question [client: the old endpoints; for getarticletotaldetail assumption]."""
    body = json_body(call)
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
    posts = [p for p in posts_of(world, account) if p.live_at and p.live_at.astimezone(BEIJING).date() == day]
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
    gained = sum(world.counts(post, at=_end_of(day))["follows"] for post in posts_of(world, account))
    entry = {"ref_date": day.isoformat(), "user_source": 0, "cumulate_user": account.followers + gained}
    return SimReply({"list": [entry]})
