"""The simulated create calls (C2): each uses its uploads up and makes a post under review."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from services.adapter_douyin.simulator.bodies import DouyinRefusedError, json_body
from services.adapter_douyin.simulator.uploads import unused_uploads
from services.simulator.contract import Call, SimAccount, SimPost, World

IMAGES_MAX = 30  # C2 [client]
TEXT_MAX = 1000  # C2 [memory]
SENSITIVE = "敏感词示例"  # [assumption]: stands for the real list, which is not public


def create_video(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    body = json_body(call)
    wanted = [(body.get("video_id"), "video")]
    if body.get("custom_cover_image_url"):
        wanted.append((body["custom_cover_image_url"], "image"))
    return _create(world, account, "video/create_video", body, wanted, "video")


def create_image_text(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    body = json_body(call)
    images = body.get("image_list")
    if not isinstance(images, list) or not 1 <= len(images) <= IMAGES_MAX:
        raise DouyinRefusedError(28001007)
    return _create(world, account, "video/create_image_text", body, [(image, "image") for image in images], "pictures")


def _create(
    world: World, account: SimAccount, endpoint: str, body: Mapping[str, Any], wanted: list[tuple[Any, str]], kind: str
) -> dict[str, Any]:
    """A post under review. A create call uses its uploads up, even if its text is refused [assumption]."""
    if world.take_fault("daily_limit", endpoint):
        raise DouyinRefusedError(2114007)
    text = body.get("text", "")
    if not isinstance(text, str) or len(text) > TEXT_MAX:
        raise DouyinRefusedError(28001007)
    handles = unused_uploads(world)
    owned = [handles.get(handle) if isinstance(handle, str) else None for handle, _ in wanted]
    used: list[str] = []
    for found, (_, what) in zip(owned, wanted, strict=True):
        if found is None or found[:2] != (account.account, what):
            raise DouyinRefusedError(2190007)
        used.append(found[2])
    for handle, _ in wanted:
        handles.pop(handle, None)
    if SENSITIVE in text:
        raise DouyinRefusedError(2111001)
    verdict = "refused" if world.take_fault("review_refused", endpoint) else "passed"
    post = new_post(world, account, kind, text, tuple(used), verdict)
    return {"item_id": post.native_id, "video_id": post.ids["video_id"]}


def new_post(world: World, account: SimAccount, kind: str, text: str, media: tuple[str, ...], verdict: str) -> SimPost:
    post = SimPost(
        platform=world.platform,
        native_id=f"@{base64.b64encode(world.rng.randbytes(64)).decode()}",
        account=account.account,
        kind=kind,
        title=text.split("\n", maxsplit=1)[0][:30],
        text=text,
        created_at=world.now(),
        state="in_review",
        ids={"video_id": str(world.rng.randrange(7 * 10**18, 8 * 10**18))},
        media=media,
        data={"verdict": verdict},
    )
    world.add_post(post)
    return post
