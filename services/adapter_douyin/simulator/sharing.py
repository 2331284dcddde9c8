"""The simulated Douyin app (C3): a user opens a share link and publishes the post."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from services.adapter_douyin.simulator.posting import new_post
from services.adapter_douyin.simulator.webhooks import notify
from services.simulator.contract import SimAccount, World
from services.simulator.http.refusal import AdminError as WrongAct

H5_TOPICS_MAX = 10  # C3 [client]


def publish_share(world: World, account: SimAccount, details: Mapping[str, str]) -> Mapping[str, Any]:
    """The user opens the link and confirms. with: `link`, optionally `title` = the text as the user edited it.

    The media of the link are not fetched [assumption].
    """
    link = urlsplit(details.get("link", ""))
    parameters = dict(parse_qsl(link.query))
    tickets: dict[str, datetime] = world.state.get("tickets", {})
    good = [ticket for ticket, until in tickets.items() if world.now() < until]
    if (
        link.scheme != "snssdk1128"
        or parameters.get("share_type") != "h5"
        or parameters.get("client_key") != account.app_id
    ):
        raise WrongAct("link", "不是这个应用的分享链接 / no share link of this app")
    if parameters.get("signature") not in {_share_signature(parameters, ticket) for ticket in good}:
        raise WrongAct("link", "签名不对或已过期 / the signature is wrong or its ticket has expired")
    if parameters.get("state") not in world.state.get("share_ids", []):
        raise WrongAct("link", "share_id 未知 / unknown share_id")
    topics = _json_list(parameters.get("hashtag_list", "[]"))
    media = (
        _json_list(parameters["image_list_path"])
        if "image_list_path" in parameters
        else [parameters.get("image_path", "")]
    )
    media = [parameters["video_path"]] if "video_path" in parameters else media
    if len(topics) > H5_TOPICS_MAX or not all(one.startswith("https://") for one in media):
        raise WrongAct("link", "话题过多，或素材不在公网 https 地址上 / too many topics, or media without https")
    words = details.get("title", parameters.get("title", ""))
    text = " ".join([words, *(f"#{topic}" for topic in topics)])
    post = new_post(world, account, "video" if "video_path" in parameters else "pictures", text, tuple(media), "passed")
    post.placement_hint = parameters["state"]
    notify(world, account, "create_video", {"share_id": parameters["state"], "item_id": post.native_id})
    return {"item_id": post.native_id, "share_id": parameters["state"]}


def _share_signature(parameters: Mapping[str, str], ticket: str) -> str:
    """md5 over the raw values (C3 [doc])."""
    signed = f"nonce_str={parameters.get('nonce_str', '')}&ticket={ticket}&timestamp={parameters.get('timestamp', '')}"
    return hashlib.md5(signed.encode()).hexdigest()  # noqa: S324 — Douyin's choice


def _json_list(text: str) -> list[str]:
    try:
        parsed = orjson.loads(text)
    except orjson.JSONDecodeError:
        parsed = None
    if not isinstance(parsed, list) or not all(isinstance(one, str) for one in parsed):
        raise WrongAct("link", "列表参数不是 JSON 数组 / a list in it is no JSON array")
    return parsed
