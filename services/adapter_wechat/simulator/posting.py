"""Publishing at the simulated WeChat: a job per draft, its status, and the articles that came of it (B3)."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from services.adapter_wechat.simulator.bodies import WechatRefusedError, done, json_body
from services.adapter_wechat.simulator.drafts import draft_of, drafts_of, page_of
from services.adapter_wechat.simulator.facts import PICTURE_HOST
from services.adapter_wechat.simulator.pictures import new_media_id
from services.simulator.contract import Call, SimAccount, SimPost, SimReply, World

JOB_SECONDS = (5.0, 15.0)  # [assumption]: in reality seconds to minutes
FIRST_PUBLISH_ID = 2650177668
BIZ = "MzAwMTE2MzA1Mg=="
TAG = re.compile(r"<[^>]+>")


def check_may_publish(account: SimAccount) -> None:
    """Service accounts, and subscription accounts only if verified (B3)."""
    if account.options.get("level") in ("subscription", "personal"):
        raise WechatRefusedError(48001)


def submit(world: World, account: SimAccount, call: Call) -> SimReply:
    """[assumption]: the draft leaves the box with the submit; the sources say "once it is published"."""
    check_may_publish(account)
    media_id, draft = draft_of(world, account, call)
    del drafts_of(world)[media_id]
    publish_id = next_id(world, "last_publish_id", FIRST_PUBLISH_ID)
    ids = {"publish_id": str(publish_id), "msg_data_id": str(publish_id)}
    begin_job(world, account, draft.articles[0], new_media_id(world), ids, "freepublish/submit")
    answer: dict[str, Any] = {"publish_id": publish_id}
    if account.options.get("publish_id") == "text":  # divergence 11: the page says string, recordings show a number
        answer["publish_id"] = str(publish_id)
    if account.options.get("msg_data_id") == "in_submit":  # divergence 13: listed on the page, absent in recordings
        answer["msg_data_id"] = publish_id
    return done(**answer)


def next_id(world: World, counter: str, first: int) -> int:
    world.state[counter] = world.state.get(counter, first - 1) + 1
    return int(world.state[counter])


def begin_job(
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


def posts_of(world: World, account: SimAccount) -> list[SimPost]:
    return [post for post in world.posts if post.account == account.account]


def publish_status(world: World, account: SimAccount, call: Call) -> SimReply:
    """0 done, 1 under way, 4 refused, 5 deleted by the account, 6 blocked; "under way" shows fail_idx [1] (B3)."""
    check_may_publish(account)
    asked = json_body(call).get("publish_id")
    post = next((p for p in posts_of(world, account) if p.ids.get("publish_id") == str(asked)), None)
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
    published = [post for post in posts_of(world, account) if post.live_at is not None and "publish_id" in post.ids]
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
    check_may_publish(account)
    offset, count = page_of(call)
    posts = _published(world, account)
    items = []
    for post in posts[offset : offset + count]:
        stamp = int((post.live_at or post.created_at).timestamp())
        news = [_news_item(post, with_content=json_body(call).get("no_content") != 1)]
        content = {"news_item": news, "create_time": int(post.created_at.timestamp()), "update_time": stamp}
        items.append({"article_id": post.native_id, "content": content, "update_time": stamp})
    return SimReply({"total_count": len(posts), "item_count": len(items), "item": items})


def _article_post(world: World, account: SimAccount, call: Call) -> SimPost:
    check_may_publish(account)
    wanted = json_body(call).get("article_id")
    post = next((p for p in _published(world, account) if p.native_id == wanted), None)
    if post is None:
        raise WechatRefusedError(53600)
    return post


def get_article(world: World, account: SimAccount, call: Call) -> SimReply:
    return SimReply({"news_item": [_news_item(_article_post(world, account, call), with_content=True)]})


def delete_article(world: World, account: SimAccount, call: Call) -> SimReply:
    post = _article_post(world, account, call)
    post.state, post.data["deleted_by_user"] = "removed", True
    return done()
