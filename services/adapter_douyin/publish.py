"""One Douyin publication: uploads, one create call, then review until the post is public.

Stateless: everything it needs to know stands in the record. A create call uses its uploads up, whatever its outcome, so
each upload is kept with its *round*: the number of create calls so far and of uploads in parts that expired. Uploads of
an earlier round are made again. An `h5` account gets a share link instead (`hand_over.py`).
"""

from __future__ import annotations

import math
from collections.abc import Container
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, BinaryIO, cast

from schemas.events.placement import Draft, DraftMedia, HistoryEntry, PlacementRecord
from services.adapter.contract.errors import PlatformError
from services.adapter.contract.publication import (
    Accepted,
    Done,
    Followed,
    Look,
    MediaSource,
    Step,
    StepOutcome,
)
from services.adapter.media.file_slice import FileSlice
from services.adapter_douyin.client import DouyinClient
from services.adapter_douyin.errors import UPLOAD_EXPIRED, upload_expired
from services.adapter_douyin.find_post import CREATES, REVIEWING, find_created, find_shared, follow_post
from services.adapter_douyin.hand_over import (
    SHARE_LINK,
    is_handed_over,
    make_share_link,
    next_hand_over_step,
    wait_for_person,
)
from services.adapter_douyin.settings import UPLOADING, Uploading

UPLOAD_LIVES = timedelta(hours=2)
MOST_RESTARTS = 3


@dataclass(frozen=True, slots=True)
class DouyinPublication:
    """The contract's Publication."""

    uploading: Uploading = UPLOADING

    # --- steps ---

    def next_step(self, record: PlacementRecord) -> Step | None:
        """The call without a known outcome, if there is one; else the first step without a result of this round."""
        draft = _draft_of(record)
        if is_handed_over(draft):
            return next_hand_over_step(record)
        create = _create_step(draft)
        if record.result_of(create.name) is not None:
            return None
        if record.step == create.name and record.state not in ("INTENDED", "PARKED"):
            return create
        now = str(_current_round(record))
        return next((step for step in self._uploads(record) if _round_of(record, step) != now), create)

    def _uploads(self, record: PlacementRecord) -> list[Step]:
        draft = _draft_of(record)
        if draft.form == "pictures":
            count = len(draft.media)
            return [_upload_step(f"upload_image:{n}", f"上传第 {n}/{count} 张图片") for n in range(1, count + 1)]
        steps = self._video_steps(record, draft.media[0])
        if len(draft.media) > 1:
            steps.append(_upload_step("upload_cover", "上传封面"))
        return steps

    def _video_steps(self, record: PlacementRecord, video: DraftMedia) -> list[Step]:
        if video.size_bytes <= self.uploading.in_parts_above:
            return [_upload_step("upload_video", "上传视频")]
        count = math.ceil(video.size_bytes / self._part_bytes(record))
        parts = [_upload_step(f"upload_part:{n}", f"上传视频第 {n}/{count} 片") for n in range(1, count + 1)]
        return [_upload_step("init_upload", "开始分片上传"), *parts, _upload_step("complete_upload", "合并视频分片")]

    def _part_bytes(self, record: PlacementRecord) -> int:
        """As the running upload began, even where the setting has changed since."""
        return int((record.result_of("init_upload") or {}).get("part_bytes", self.uploading.part_bytes))

    # --- performing a step ---

    def perform(self, client: DouyinClient, record: PlacementRecord, step: Step, media: MediaSource) -> StepOutcome:
        name, _, number = step.name.partition(":")
        draft, now = _draft_of(record), str(_current_round(record))
        match name:
            case "share_link":
                return make_share_link(client, record, draft)
            case "hand_over":
                return wait_for_person(_step_result(record, SHARE_LINK.name, "link"))
            case "create_video" | "create_image_text":
                return _create(client, record, step)
            case "upload_video":
                with media.open(draft.media[0]) as stream:
                    handle = client.upload_video(draft.media[0].media_id, draft.media[0].content_type, stream)
                return Done({"video_id": handle, "round": now})
            case "init_upload":
                part_bytes = str(self.uploading.part_bytes)
                return Done({"upload_id": client.init_upload(), "part_bytes": part_bytes, "round": now})
            case "upload_part" | "complete_upload":
                return Done({**self._continue_upload(client, record, number, media), "round": now})
            case "upload_cover":
                return Done({"image_id": _upload_image(client, draft.media[1], media), "round": now})
            case "upload_image":
                return Done({"image_id": _upload_image(client, draft.media[int(number) - 1], media), "round": now})
            case _:
                raise PlatformError(f"未知步骤 {step.name} / unknown step", error_class="bug", sent="no")

    def _continue_upload(
        self, client: DouyinClient, record: PlacementRecord, number: str, media: MediaSource
    ) -> dict[str, str]:
        begun = next(step for step in record.steps if step.name == "init_upload")
        upload_id = begun.result["upload_id"]
        try:
            if record.occurred_at - begun.finished_at >= UPLOAD_LIVES:
                raise upload_expired()
            if not number:
                return {"video_id": client.complete_upload(upload_id)}
            part_bytes, video = self._part_bytes(record), _draft_of(record).media[0]
            with media.open(video) as stream:
                part = cast(BinaryIO, FileSlice(stream, (int(number) - 1) * part_bytes, part_bytes))
                client.upload_part(upload_id, int(number), part)
        except PlatformError as error:
            if error.code == UPLOAD_EXPIRED and _expired_uploads(record) >= MOST_RESTARTS:
                error.retriable = False  # another upload expired as well, so time is not the cause
            raise
        return {}

    # --- finding and following ---

    def find(self, client: DouyinClient, record: PlacementRecord, claimed: Container[str]) -> Look:
        draft = _draft_of(record)
        find = find_shared if is_handed_over(draft) else find_created
        return find(client, record, draft, claimed)

    def follow(self, client: DouyinClient, record: PlacementRecord) -> Followed:
        return follow_post(client, record, _draft_of(record).form)


def _create(client: DouyinClient, record: PlacementRecord, step: Step) -> Accepted:
    draft = _draft_of(record)
    if draft.form == "pictures":
        images = [_step_result(record, f"upload_image:{n}", "image_id") for n in range(1, len(draft.media) + 1)]
        made = client.create_image_text({**draft.fields, "image_list": images})
    else:
        uploaded = "complete_upload" if record.result_of("complete_upload") else "upload_video"
        fields: dict[str, Any] = {**draft.fields, "video_id": _step_result(record, uploaded, "video_id")}
        if len(draft.media) > 1:
            fields["custom_cover_image_url"] = _step_result(record, "upload_cover", "image_id")
        made = client.create_video(fields)
    return Accepted({"item_id": str(made["item_id"]), "video_id": str(made.get("video_id") or "")}, REVIEWING)


def _upload_image(client: DouyinClient, image: DraftMedia, media: MediaSource) -> str:
    return client.upload_image(image.media_id, image.content_type, media.read(image))


# --- steps and rounds -------------------------------------------------------------------------------------------------


def _draft_of(record: PlacementRecord) -> Draft:
    if record.draft is None:
        raise PlatformError("记录里没有草稿 / the record has no draft", error_class="bug", sent="no")
    return record.draft


def _upload_step(name: str, waiting_on: str) -> Step:
    return Step(name, "orphan", waiting_on)


def _create_step(draft: Draft) -> Step:
    return Step("create_video" if draft.form == "video" else "create_image_text", "post", "创建抖音作品")


def _round_of(record: PlacementRecord, step: Step) -> str | None:
    return (record.result_of(step.name) or {}).get("round")


def _current_round(record: PlacementRecord) -> int:
    """Create calls that may have used their uploads up, plus uploads that expired. Reads only the history."""
    following = [*record.history[1:], None]
    creates = sum(
        entry.state == "CALLING" and entry.step in CREATES and not _left_uploads_alone(after)
        for entry, after in zip(record.history, following, strict=True)
    )
    return creates + _expired_uploads(record)


def _left_uploads_alone(after: HistoryEntry | None) -> bool:
    """The platform refused the create call before it used its uploads. Should that be wrong, 2190007 shows it."""
    failure = after.failure if after else None
    if failure is None:
        return False
    return failure.sent == "no" or (failure.sent == "yes" and failure.error_class in ("quota", "auth"))


def _expired_uploads(record: PlacementRecord) -> int:
    return sum(entry.failure is not None and entry.failure.code == UPLOAD_EXPIRED for entry in record.history)


def _step_result(record: PlacementRecord, step: str, name: str) -> str:
    value = (record.result_of(step) or {}).get(name)
    if not value:
        message = f"步骤 {step} 没有留下 {name} / step result is missing"
        raise PlatformError(message, error_class="bug", sent="no")
    return value
