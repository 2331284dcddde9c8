"""The draft box of the simulated WeChat: what an article may hold, and how drafts are listed (B3)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.adapter_wechat.simulator.bodies import WechatRefusedError, done, json_body, number_in
from services.adapter_wechat.simulator.facts import PICTURE_HOST
from services.adapter_wechat.simulator.pictures import library_of, new_media_id
from services.simulator.contract import Call, SimAccount, SimReply, World

TITLE_MAX, AUTHOR_MAX, DIGEST_MAX = 32, 16, 128  # B3 [doc]
CONTENT_MAX, CONTENT_BYTES_MAX = 20_000, 1024 * 1024  # B3 [doc]: under both
SOURCE_URL_MAX = 1024  # B3 [doc]
ARTICLES_MAX, PICTURES_MAX = 8, 20  # B3 [doc]
IMAGE_TAG = re.compile(r"<img\b[^>]*?>", re.IGNORECASE)
IMAGE_SOURCE = re.compile(r"""\bsrc\s*=\s*["']([^"']*)["']""", re.IGNORECASE)
SCRIPT = re.compile(r"<script\b.*?</script\s*>", re.IGNORECASE | re.DOTALL)


@dataclass(slots=True)
class StoredDraft:
    account: str
    articles: list[dict[str, Any]]
    created_at: datetime


def drafts_of(world: World) -> dict[str, StoredDraft]:
    held: dict[str, StoredDraft] = world.state.setdefault("drafts", {})
    return held


def add_draft(world: World, account: SimAccount, call: Call) -> SimReply:
    if b"\\u" in call.body:
        raise WechatRefusedError(40033)
    articles = json_body(call).get("articles")
    if not isinstance(articles, list) or not 1 <= len(articles) <= ARTICLES_MAX:
        raise WechatRefusedError(45008)
    media_id = new_media_id(world)
    taken = [_article(world, account, article) for article in articles]
    drafts_of(world)[media_id] = StoredDraft(account.account, taken, world.now())
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
    if any(library_of(world).get(media_id) != account.account for media_id in wanted):
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


def draft_of(world: World, account: SimAccount, call: Call) -> tuple[str, StoredDraft]:
    media_id = str(json_body(call).get("media_id", ""))
    draft = drafts_of(world).get(media_id)
    if draft is None or draft.account != account.account:
        raise WechatRefusedError(40007)
    return media_id, draft


def get_draft(world: World, account: SimAccount, call: Call) -> SimReply:
    _, draft = draft_of(world, account, call)
    stamp = int(draft.created_at.timestamp())
    return SimReply({"news_item": draft.articles, "create_time": stamp, "update_time": stamp})


def delete_draft(world: World, account: SimAccount, call: Call) -> SimReply:
    media_id, _ = draft_of(world, account, call)
    del drafts_of(world)[media_id]
    return done()


def batch_drafts(world: World, account: SimAccount, call: Call) -> SimReply:
    """Newest first [assumption]."""
    offset, count = page_of(call)
    drafts = [(media_id, one) for media_id, one in drafts_of(world).items() if one.account == account.account][::-1]
    items = []
    for media_id, draft in drafts[offset : offset + count]:
        stamp = int(draft.created_at.timestamp())
        news = [
            article | ({"content": ""} if json_body(call).get("no_content") == 1 else {}) for article in draft.articles
        ]
        content = {"news_item": news, "create_time": stamp, "update_time": stamp}
        items.append({"media_id": media_id, "content": content, "update_time": stamp})
    return SimReply({"total_count": len(drafts), "item_count": len(items), "item": items})


def page_of(call: Call) -> tuple[int, int]:
    body = json_body(call)
    offset, count = number_in(body.get("offset"), 47001), number_in(body.get("count"), 47001)
    if offset < 0 or not 1 <= count <= 20:
        raise WechatRefusedError(47001)  # [assumption]: no page names the code
    return offset, count


def count_drafts(world: World, account: SimAccount, call: Call) -> SimReply:
    return SimReply({"total_count": sum(1 for draft in drafts_of(world).values() if draft.account == account.account)})
