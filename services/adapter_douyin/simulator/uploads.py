"""The simulated uploads of videos and pictures (C2), in one request or in parts."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from services.adapter_douyin.simulator.bodies import DouyinRefusedError
from services.simulator.contract import Call, SimAccount, World

MIB = 1024 * 1024
UPLOAD_LIVES = timedelta(hours=2)  # C2 [client: dyjava]
ONE_REQUEST_MAX = 128 * MIB  # C2 [doc]
VIDEO_MAX = 4096 * MIB  # C2 [doc]
PART_MIN = 5 * MIB  # C2 [doc]; the last part may be smaller [memory]
IMAGE_MAX = 20 * MIB  # C2 [client]


def upload_video(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    file = call.files.get("video")
    if file is None or file.size == 0:
        raise DouyinRefusedError(28001007)
    if file.size > ONE_REQUEST_MAX:
        raise DouyinRefusedError(2190005)
    return {"video": _new_video(world, account, file.sha256)}


def init_upload(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    upload_id = hashlib.sha256(world.rng.randbytes(16)).hexdigest()
    _running_uploads(world)[upload_id] = {"account": account.account, "begun": world.now(), "parts": {}}
    return {"upload_id": upload_id}


def upload_part(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    """`part_number` starts at 1. An expired upload_id is answered as a bad parameter [assumption]."""
    upload, file = _running_upload(world, account, call), call.files.get("video")
    number = call.query.get("part_number", "")
    if file is None or file.size == 0 or not number.isdecimal() or int(number) < 1:
        raise DouyinRefusedError(28001007)
    upload["parts"][int(number)] = (file.size, file.sha256)
    return {}


def complete_upload(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    upload = _running_upload(world, account, call)
    parts: dict[int, tuple[int, str]] = upload["parts"]
    sizes = [parts[number][0] for number in sorted(parts)]
    if sorted(parts) != list(range(1, len(parts) + 1)) or not parts or any(size < PART_MIN for size in sizes[:-1]):
        raise DouyinRefusedError(28001007)
    if sum(sizes) > VIDEO_MAX:
        raise DouyinRefusedError(2190005)
    del _running_uploads(world)[call.query["upload_id"]]
    return {"video": _new_video(world, account, "+".join(parts[number][1] for number in sorted(parts)))}


def upload_image(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    file = call.files.get("image")
    if file is None or file.size == 0:
        raise DouyinRefusedError(28001007)
    if file.size > IMAGE_MAX:
        raise DouyinRefusedError(2190005)
    image_id = f"tos-cn-i-{world.rng.getrandbits(96):024x}"
    unused_uploads(world)[image_id] = (account.account, "image", file.sha256)
    return {"image": {"image_id": image_id, "width": 1080, "height": 1440}}


def _running_uploads(world: World) -> dict[str, Any]:
    uploads: dict[str, Any] = world.state.setdefault("uploads", {})
    return uploads


def unused_uploads(world: World) -> dict[str, tuple[str, str, str]]:
    """upload handle → (account, kind of file, sha256), until a create call uses it."""
    handles: dict[str, tuple[str, str, str]] = world.state.setdefault("handles", {})
    return handles


def _running_upload(world: World, account: SimAccount, call: Call) -> dict[str, Any]:
    upload: dict[str, Any] | None = _running_uploads(world).get(call.query.get("upload_id", ""))
    if upload is None or upload["account"] != account.account or world.now() - upload["begun"] >= UPLOAD_LIVES:
        raise DouyinRefusedError(28001007)
    return upload


def _new_video(world: World, account: SimAccount, sha256: str) -> dict[str, Any]:
    video_id = f"v0200f{world.rng.getrandbits(104):026x}"
    unused_uploads(world)[video_id] = (account.account, "video", sha256)
    return {"video_id": video_id, "width": 1080, "height": 1920}
