"""Uploads to the simulated WeChat: pictures inside an article and permanent material (B2)."""

from __future__ import annotations

from collections.abc import Mapping

from services.adapter_wechat.simulator.bodies import WechatRefusedError
from services.adapter_wechat.simulator.facts import PICTURE_HOST
from services.simulator.contract import Call, SimAccount, SimReply, UploadedFile, World

INLINE_MAX = 1024 * 1024  # B2 [doc]: under 1 MB
PICTURE_MAX = 10 * 1024 * 1024  # B2 [doc]
KINDS = {"image/jpeg": (b"\xff\xd8\xff",), "image/png": (b"\x89PNG\r\n\x1a\n",)}
LIBRARY_KINDS = KINDS | {"image/gif": (b"GIF87a", b"GIF89a"), "image/bmp": (b"BM",)}


def _picture(call: Call, kinds: Mapping[str, tuple[bytes, ...]], below: int) -> UploadedFile:
    file = call.files.get("media")
    if file is None:
        raise WechatRefusedError(41005)
    if file.size == 0:
        raise WechatRefusedError(44001)
    if not file.head.startswith(tuple(mark for marks in kinds.values() for mark in marks)):
        raise WechatRefusedError(40005)
    if file.size >= below:
        raise WechatRefusedError(40009)
    return file


def upload_inline(world: World, _account: SimAccount, call: Call) -> SimReply:
    file = _picture(call, KINDS, INLINE_MAX)
    return SimReply({"url": f"http://{PICTURE_HOST}/mmbiz_{_kind(file)}/{file.sha256[:43]}/0?from=appmsg"})


def add_material(world: World, account: SimAccount, call: Call) -> SimReply:
    if call.query.get("type") != "image":  # voice, video and thumb are not simulated
        raise WechatRefusedError(40004)
    file = _picture(call, LIBRARY_KINDS, PICTURE_MAX + 1)
    media_id = new_media_id(world)
    library_of(world)[media_id] = account.account
    url = f"http://{PICTURE_HOST}/mmbiz_{_kind(file)}/{file.sha256[:43]}/0?wx_fmt={_kind(file)}"
    return SimReply({"media_id": media_id, "url": url, "item": []})


def _kind(file: UploadedFile) -> str:
    known = (kind for kind, marks in LIBRARY_KINDS.items() if file.head.startswith(marks))
    return next(known).removeprefix("image/")


def library_of(world: World) -> dict[str, str]:
    """Permanent pictures: media_id → account."""
    held: dict[str, str] = world.state.setdefault("library", {})
    return held


def new_media_id(world: World) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
    return "".join(world.rng.choices(alphabet, k=43))
