"""One Douyin publication: uploads, one create, then review until the post is public. Stateless; the record says all.

A create call uses its uploads up, whatever came of it, so the uploads carry the *round* they were made for: how often
create has been called and how often an upload in parts has expired. Uploads of an earlier round are made again.

An `h5` account gets a signed link instead and a person publishes with it; the link's `share_id` tells the post.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO, cast

import segno

from schemas.events.placement import Draft, DraftMedia, HistoryEntry, PlacementRecord, PostRef
from services.adapter.contract.errors import PlatformError
from services.adapter.contract.publication import (
    Accepted,
    Done,
    Followed,
    Live,
    Look,
    MediaSource,
    NeedsHuman,
    NotFound,
    Pending,
    Rejected,
    Removed,
    Step,
    StepOutcome,
    Undecidable,
)
from services.adapter.localising.text import fingerprint
from services.adapter.media.file_slice import FileSlice
from services.adapter_douyin.client import DouyinClient
from services.adapter_douyin.errors import (
    CAPABILITY_MISSING,
    NOT_GRANTED,
    UPLOAD_EXPIRED,
    review_refused,
    upload_expired,
)
from services.adapter_douyin.settings import UPLOADING, Uploading

UPLOAD_LIVES = timedelta(hours=2)
MOST_RESTARTS = 3
LOOK_BACK = timedelta(minutes=5)
PAGE = 20
MOST_PAGES = 25

NOT_PUBLIC, IN_REVIEW, PUBLIC, FRIENDS, PRIVATE, OLD_AGGREGATE = 2, 4, 5, 6, 7, 1
MEDIA_TYPES = {"pictures": 2, "video": 4}
CREATES = {"create_video": "video", "create_image_text": "note"}
REVIEWING = "抖音审核，审核结束前只有作者自己可见"
LINK_LIVES = timedelta(hours=1)  # as long as the ticket behind it surely does [assumption]
SHARE_LINK = Step("share_link", "orphan", "生成抖音分享链接")
HAND_OVER = Step("hand_over", "none", "等人在抖音 App 里确认发布")


@dataclass(frozen=True, slots=True)
class DouyinPublication:
    uploading: Uploading = UPLOADING

    # --- steps ---

    def next_step(self, record: PlacementRecord) -> Step | None:
        """The call in doubt while there is one; else the first step whose result is missing or of an earlier round."""
        draft = _draft(record)
        if _is_handed_over(draft):
            return _hand_over_step(record)
        create = _create_step(draft)
        if record.result_of(create.name) is not None:
            return None
        if record.step == create.name and record.state not in ("INTENDED", "PARKED"):
            return create
        now = str(_round(record))
        return next((step for step in self._uploads(record) if _round_of(record, step) != now), create)

    def _uploads(self, record: PlacementRecord) -> list[Step]:
        draft = _draft(record)
        if draft.form == "pictures":
            count = len(draft.media)
            return [_upload(f"upload_image:{n}", f"上传第 {n}/{count} 张图片") for n in range(1, count + 1)]
        steps = self._video_steps(record, draft.media[0])
        if len(draft.media) > 1:
            steps.append(_upload("upload_cover", "上传封面"))
        return steps

    def _video_steps(self, record: PlacementRecord, video: DraftMedia) -> list[Step]:
        if video.size_bytes <= self.uploading.in_parts_above:
            return [_upload("upload_video", "上传视频")]
        count = math.ceil(video.size_bytes / self._part_bytes(record))
        parts = [_upload(f"upload_part:{n}", f"上传视频第 {n}/{count} 片") for n in range(1, count + 1)]
        return [_upload("init_upload", "开始分片上传"), *parts, _upload("complete_upload", "合并视频分片")]

    def _part_bytes(self, record: PlacementRecord) -> int:
        """As the running upload began, even where the setting has changed since."""
        return int((record.result_of("init_upload") or {}).get("part_bytes", self.uploading.part_bytes))

    # --- doing them ---

    def perform(self, client: DouyinClient, record: PlacementRecord, step: Step, media: MediaSource) -> StepOutcome:
        name, _, number = step.name.partition(":")
        draft, now = _draft(record), str(_round(record))
        match name:
            case "share_link":
                return _share_link(client, record)
            case "hand_over":
                return _hand_over(record)
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
            part_bytes, video = self._part_bytes(record), _draft(record).media[0]
            with media.open(video) as stream:
                part = cast(BinaryIO, FileSlice(stream, (int(number) - 1) * part_bytes, part_bytes))
                client.upload_part(upload_id, int(number), part)
        except PlatformError as error:
            if error.code == UPLOAD_EXPIRED and _expiries(record) >= MOST_RESTARTS:
                error.retriable = False  # it was never the time, then
            raise
        return {}

    # --- looking ---

    def find(self, client: DouyinClient, record: PlacementRecord, claimed: Container[str]) -> Look:
        """In the account's own list, newest first, back to five minutes before the first call or the link."""
        if _is_handed_over(_draft(record)):
            return _look_for_shared(client, record, claimed)
        if record.first_called_at is None:
            return Undecidable("记录里没有首次调用时间，无法限定查找范围")
        try:
            not_before = (record.first_called_at - LOOK_BACK).timestamp()
            return _look(client, lambda row: _matches(row, _draft(record), not_before, claimed), not_before)
        except PlatformError as error:
            if error.code in CAPABILITY_MISSING:
                return Undecidable(f"作品列表接口不可用（{error.code}），请在抖音 App 里确认这条作品是否已发布")
            raise

    def follow(self, client: DouyinClient, record: PlacementRecord) -> Followed:
        """What `video_data` says. A post that was live and is no longer public, or no longer there, was removed."""
        item_id = record.post.native_id if record.post else _created(record)["item_id"]
        row = next((row for row in client.video_data([item_id]) if row.get("item_id") == item_id), None)
        if record.post is not None:
            return _still_live(row, record.post)
        if row is None:
            return Pending("抖音还没有返回这条作品")
        status, reviewed = _status(row), _is_true(row.get("is_reviewed"))
        if status == NOT_PUBLIC:
            return Rejected(review_refused())
        if status == PUBLIC or (status == OLD_AGGREGATE and reviewed):
            return Live(_post(row, record))
        if status in (FRIENDS, PRIVATE) and reviewed:
            return Pending("审核已结束，但作品仅好友或自己可见，请在抖音 App 里设为公开")
        return Pending(REVIEWING)


# --- steps and rounds ------------------------------------------------------------------------------------------------


def _draft(record: PlacementRecord) -> Draft:
    if record.draft is None:
        raise PlatformError("记录里没有草稿 / the record has no draft", error_class="bug", sent="no")
    return record.draft


def _upload(name: str, waiting_on: str) -> Step:
    return Step(name, "orphan", waiting_on)


def _create_step(draft: Draft) -> Step:
    return Step("create_video" if draft.form == "video" else "create_image_text", "post", "创建抖音作品")


def _round_of(record: PlacementRecord, step: Step) -> str | None:
    return (record.result_of(step.name) or {}).get("round")


def _round(record: PlacementRecord) -> int:
    """Creates that may have used their uploads up, and uploads that expired. Reads the history only, so it is pure."""
    following = [*record.history[1:], None]
    creates = sum(
        entry.state == "CALLING" and entry.step in CREATES and not _left_uploads_alone(after)
        for entry, after in zip(record.history, following, strict=True)
    )
    return creates + _expiries(record)


def _left_uploads_alone(after: HistoryEntry | None) -> bool:
    """What followed a create says that it was turned away at the door. Should that be wrong once, 2190007 tells."""
    failure = after.failure if after else None
    if failure is None:
        return False
    return failure.sent == "no" or (failure.sent == "yes" and failure.error_class in ("quota", "auth"))


def _expiries(record: PlacementRecord) -> int:
    return sum(entry.failure is not None and entry.failure.code == UPLOAD_EXPIRED for entry in record.history)


# --- doing -----------------------------------------------------------------------------------------------------------


def _create(client: DouyinClient, record: PlacementRecord, step: Step) -> Accepted:
    draft = _draft(record)
    if draft.form == "pictures":
        images = [_result(record, f"upload_image:{n}", "image_id") for n in range(1, len(draft.media) + 1)]
        made = client.create_image_text({**draft.fields, "image_list": images})
    else:
        uploaded = "complete_upload" if record.result_of("complete_upload") else "upload_video"
        fields: dict[str, Any] = {**draft.fields, "video_id": _result(record, uploaded, "video_id")}
        if len(draft.media) > 1:
            fields["custom_cover_image_url"] = _result(record, "upload_cover", "image_id")
        made = client.create_video(fields)
    return Accepted({"item_id": str(made["item_id"]), "video_id": str(made.get("video_id") or "")}, REVIEWING)


def _result(record: PlacementRecord, step: str, name: str) -> str:
    value = (record.result_of(step) or {}).get(name)
    if not value:
        message = f"步骤 {step} 没有留下 {name} / step result is missing"
        raise PlatformError(message, error_class="bug", sent="no")
    return value


def _upload_image(client: DouyinClient, image: DraftMedia, media: MediaSource) -> str:
    return client.upload_image(image.media_id, image.content_type, media.read(image))


# --- handing over to a person ----------------------------------------------------------------------------------------


def _is_handed_over(draft: Draft) -> bool:
    return "text" not in draft.fields


def _hand_over_step(record: PlacementRecord) -> Step | None:
    """A link that has grown old is made anew where somebody asks for it; its share_id stays."""
    if record.result_of(HAND_OVER.name) is not None:
        return None
    if record.step == HAND_OVER.name and record.state not in ("INTENDED", "PARKED"):
        return HAND_OVER
    made = next((step for step in record.steps if step.name == SHARE_LINK.name), None)
    return SHARE_LINK if made is None or record.occurred_at - made.finished_at >= LINK_LIVES else HAND_OVER


def _share_link(client: DouyinClient, record: PlacementRecord) -> Done:
    draft = _draft(record)
    topics = draft.fields.get("hashtag_list") or []
    share_id = _share_id(record) or client.share_id(topics[0] if topics else "")
    link = client.share_link(draft.fields, share_id, secrets.token_hex(8))
    return Done({"share_id": share_id, "link": link, "qr": qr_text(link)})


def _hand_over(record: PlacementRecord) -> NeedsHuman:
    return NeedsHuman(
        "请在装有抖音的手机上扫码或打开此链接并确认发布（约一小时内有效，过期后重试此发布位可得新链接）："
        + _result(record, SHARE_LINK.name, "link")
    )


def qr_text(link: str) -> str:
    """A QR code for a terminal, light on dark, two rows a line; empty where the link is too long for one."""
    try:
        rows = [[bool(dark) for dark in row] for row in segno.make_qr(link, error="l", boost_error=False).matrix_iter()]
    except segno.DataOverflowError:
        return ""
    pairs = zip(rows[::2], [*rows[1::2], [True] * len(rows[0])], strict=False)
    signs = {(False, False): "█", (False, True): "▀", (True, False): "▄", (True, True): " "}
    return "\n".join("".join(signs[pair] for pair in zip(upper, lower, strict=True)) for upper, lower in pairs)


def _share_id(record: PlacementRecord) -> str:
    return (record.result_of(SHARE_LINK.name) or {}).get("share_id", "")


def _told_item(record: PlacementRecord) -> str:
    """The post that the `create_video` webhook named for our share_id, where it was put into the record's steps."""
    results = [step.result for step in record.steps]
    told = [one["item_id"] for one in results if one.get("item_id") and one.get("share_id") == _share_id(record)]
    return told[-1] if told else ""


def _look_for_shared(client: DouyinClient, record: PlacementRecord, claimed: Container[str]) -> Look:
    """By the webhook's word where it came, else in the account's list by what the link proposed as its words."""
    made = next((step for step in record.steps if step.name == SHARE_LINK.name), None)
    share_id, item_id = _share_id(record), _told_item(record)
    if made is None or not share_id:
        return Undecidable("还没有生成分享链接，不可能已经发布")
    try:
        if item_id:
            row = next((row for row in client.video_data([item_id]) if row.get("item_id") == item_id), {})
            video_id = str(row.get("video_id") or "")
            return Accepted({"share_id": share_id, "item_id": item_id, "video_id": video_id}, REVIEWING)
        not_before = (made.finished_at - LOOK_BACK).timestamp()
        found = _look(client, lambda row: _matches_shared(row, _draft(record), not_before, claimed), not_before)
        return replace(found, result={**found.result, "share_id": share_id}) if isinstance(found, Accepted) else found
    except PlatformError as error:
        if error.code not in CAPABILITY_MISSING | NOT_GRANTED:
            raise
        if item_id:  # the person published it; whether the review is over this account may not ask
            return Live(PostRef(native_id=item_id, published_at=record.occurred_at, ids={"share_id": share_id}))
        return Undecidable(f"作品列表接口不可用（{error.code}），等 create_video 推送，或在抖音 App 里确认是否已发布")


def _matches_shared(row: dict[str, Any], draft: Draft, not_before: float, claimed: Container[str]) -> bool:
    """Where the app puts the topics is not known, so they do not count; a person may also have changed the words."""
    words = str(row.get("title") or "")
    for topic in draft.fields.get("hashtag_list") or []:
        words = words.replace(f"#{topic}", "")
    return _matches({**row, "title": words}, draft, not_before, claimed)


# --- looking ---------------------------------------------------------------------------------------------------------


def _look(client: DouyinClient, is_ours: Callable[[dict[str, Any]], bool], not_before: float) -> Look:
    """The oldest match, so that two placements with the same words each get the one that they made first."""
    cursor = 0
    matches: list[dict[str, Any]] = []
    for _ in range(MOST_PAGES):
        page = client.video_list(cursor, PAGE)
        rows = [row for row in page.get("list") or [] if isinstance(row, dict)]
        matches += [row for row in rows if is_ours(row)]
        unpinned = [row for row in rows if not _is_true(row.get("is_top"))]
        past = any(_int(row.get("create_time")) < not_before for row in unpinned)
        if past or not _is_true(page.get("has_more")):
            break
        cursor = _int(page.get("cursor"))
    else:
        if not matches:
            return Undecidable(f"最近 {MOST_PAGES * PAGE} 条作品里没有找到，列表还没有看完")
    if not matches:
        return NotFound()
    found = min(matches, key=lambda row: _int(row.get("create_time")))
    return Accepted({"item_id": str(found["item_id"]), "video_id": str(found.get("video_id") or "")}, REVIEWING)


def _matches(row: dict[str, Any], draft: Draft, not_before: float, claimed: Container[str]) -> bool:
    kind = _int(row.get("media_type"))
    return (
        bool(row.get("item_id"))
        and row["item_id"] not in claimed
        and _int(row.get("create_time")) >= not_before
        and kind in (0, MEDIA_TYPES[draft.form])
        and fingerprint(str(row.get("title") or "")) == draft.fingerprint
    )


def _created(record: PlacementRecord) -> dict[str, str]:
    result = next((record.result_of(name) for name in (*CREATES, HAND_OVER.name) if record.result_of(name)), None)
    if result is None:
        raise PlatformError("记录里没有 item_id / the record has no item_id", error_class="bug", sent="no")
    return result


def _still_live(row: dict[str, Any] | None, post: PostRef) -> Followed:
    if row is None:
        return Removed("抖音不再返回这条作品，可能已被删除")
    if _status(row) == NOT_PUBLIC:
        return Removed("抖音判定作品不适宜公开")
    if _status(row) in (FRIENDS, PRIVATE):
        return Removed("作品已改为仅好友或自己可见")
    return Live(post)


def _post(row: dict[str, Any], record: PlacementRecord) -> PostRef:
    created = _created(record)
    video_id = str(row.get("video_id") or created.get("video_id") or "")
    ids = {"video_id": video_id, "share_id": created.get("share_id", "")}
    kind = CREATES[_create_step(_draft(record)).name]
    return PostRef(
        native_id=str(row["item_id"]),
        url=f"https://www.douyin.com/{kind}/{video_id}" if video_id else row.get("share_url"),
        published_at=datetime.fromtimestamp(_int(row.get("create_time")), UTC),
        ids={name: value for name, value in ids.items() if value},
    )


def _status(row: dict[str, Any]) -> int:
    return _int(row.get("video_status"))


def _int(value: Any) -> int:
    """Many samples show numbers as strings; what is no number counts as 0."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


def _is_true(value: Any) -> bool:
    return value in (True, 1, "1", "true")
