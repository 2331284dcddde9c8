"""Endpoints of the simulated Weibo that publish a post or take one down."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from services.adapter.localising.text import URL
from services.adapter_weibo.simulator.account_options import hour_began, option_value
from services.adapter_weibo.simulator.bodies import id_at, picture_urls, status_body
from services.adapter_weibo.simulator.exchange import commercial_account, endpoint_name, live_post
from services.adapter_weibo.simulator.parameters import TOPIC, is_under, picture_hashes, placement_hint, status_text
from services.adapter_weibo.simulator.refusals import WeiboRefusedError
from services.simulator.contract import Call, SimAccount, SimPost, World

PLATFORM = "weibo"
PICTURES_MAX = 9  # [memory]
SLOW_SUCCESS_SHOWS_AFTER = timedelta(seconds=60)  # "wait 1–2 minutes" [client]
REPEAT_WITHIN = timedelta(hours=1)  # "again within a short time" [client]; the hour is an [assumption]
POSTING = ("statuses/share", "statuses/update/biz", "statuses/upload/biz", "statuses/upload_url_text/biz")


def share(world: World, call: Call, account: SimAccount) -> Any:
    """`statuses/share`: WB-WIKI 2/statuses/share [doc]."""
    text = status_text(call)
    prose = URL.sub(" ", text)
    domain = account.options.get("safe_domain", "")
    if not any(is_under(url, domain) for url in URL.findall(text)) or TOPIC.search(prose):
        raise WeiboRefusedError(10017)  # missing domain [client]; the same code for a topic [assumption]
    return _posted(world, call, account, text, picture_hashes(call, needed=False))


def update(world: World, call: Call, account: SimAccount) -> Any:
    return _posted(world, call, commercial_account(account), status_text(call), ())


def upload(world: World, call: Call, account: SimAccount) -> Any:
    return _posted(world, call, commercial_account(account), status_text(call), picture_hashes(call, needed=True))


def upload_pic(world: World, call: Call, account: SimAccount) -> Any:
    """[client: wb4java]"""
    commercial_account(account)
    (sha256,) = picture_hashes(call, needed=True)
    uploads = account.state.setdefault("pictures", {})
    pic_id = f"{int(account.open_id or 0):08x}ly1{len(uploads):04x}{sha256[:17]}"
    uploads[pic_id] = sha256
    return {"pic_id": pic_id, **picture_urls(pic_id)}


def upload_url_text(world: World, call: Call, account: SimAccount) -> Any:
    """An unknown pic_id is a wrong parameter [assumption]; empty text is refused [client]."""
    uploads = commercial_account(account).state.get("pictures", {})
    pic_ids = [pic_id for pic_id in (call.param("pic_id") or "").split(",") if pic_id]
    text = status_text(call)
    if not pic_ids or len(pic_ids) > PICTURES_MAX or any(pic_id not in uploads for pic_id in pic_ids):
        raise WeiboRefusedError(10008)
    return _posted(world, call, account, text, tuple(uploads[pic_id] for pic_id in pic_ids))


def _posted(world: World, call: Call, account: SimAccount, text: str, pictures: tuple[str, ...]) -> Any:
    """Creates the post. A slow server answers with 20032, which names no post [client]."""
    _refuse_repetition(world, account, text)
    _refuse_pace(world, account)
    number = len(world.posts) + 1
    slow = world.take_fault("slow_success", endpoint_name(call))
    now = world.now()
    post = SimPost(
        platform=PLATFORM,
        native_id=str(id_at(now) | number % (1 << 22)),
        account=account.account,
        kind="pictures" if len(pictures) > 1 else "status",
        title="",
        text=text,
        created_at=now,
        state="publishing" if slow else "live",
        live_at=None if slow else now,
        media=pictures,
        placement_hint=placement_hint(call),
        data={"number": number, "annotations": call.param("annotations"), "shows_at": now + SLOW_SUCCESS_SHOWS_AFTER},
    )
    post.ids["mid"] = post.native_id
    world.add_post(post)
    said = _posted_texts(world, account)
    said.pop(text, None)
    said[text] = now
    if slow:
        world.state.setdefault("hidden", []).append(post)
        raise WeiboRefusedError(20032)
    return status_body(world, post)


def _refuse_repetition(world: World, account: SimAccount, text: str) -> None:
    """Two consecutive posts must differ [doc: 2/statuses/update]; so must posts shortly after one another [client]."""
    said = _posted_texts(world, account)
    if text in said and (world.now() - said[text] < REPEAT_WITHIN or next(reversed(said)) == text):
        raise WeiboRefusedError(20019)


def _posted_texts(world: World, account: SimAccount) -> dict[str, datetime]:
    """Each text that the account has posted with the last time, the newest text last."""
    texts: dict[str, dict[str, datetime]] = world.state.setdefault("said", {})
    return texts.setdefault(account.account, {})


def _refuse_pace(world: World, account: SimAccount) -> None:
    """30 posts an hour [client, figures of 2012]; only where the account's option `posts_per_hour` says so."""
    limit = option_value(account, "posts_per_hour")
    if limit is not None and posts_this_hour(world, account) >= limit:
        raise WeiboRefusedError(10024)


def posts_this_hour(world: World, account: SimAccount) -> int:
    return sum(1 for post in world.posts if post.account == account.account and post.created_at >= hour_began(world))


def destroy(world: World, call: Call, account: SimAccount) -> Any:
    post = live_post(world, call.param("id"))
    if post.account != account.account:
        raise WeiboRefusedError(20102)
    body = status_body(world, post)
    post.state = "removed"
    return body
