"""Finding a Douyin post whose create call has no known outcome, and following a post through its review. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.events.placement import Draft, PlacementRecord, PostRef
from services.adapter.contract.errors import PlatformError
from services.adapter.contract.publication import (
    Accepted,
    Followed,
    Live,
    Look,
    NotFound,
    Pending,
    Rejected,
    Removed,
    Undecidable,
)
from services.adapter.localising.text import fingerprint
from services.adapter_douyin.client import DouyinClient
from services.adapter_douyin.errors import CAPABILITY_MISSING, NOT_GRANTED, review_refused
from services.adapter_douyin.hand_over import HAND_OVER, SHARE_LINK, share_id_of

LOOK_BACK = timedelta(minutes=5)
PAGE = 20
MOST_PAGES = 25
NOT_PUBLIC, IN_REVIEW, PUBLIC, FRIENDS, PRIVATE, OLD_AGGREGATE = 2, 4, 5, 6, 7, 1
MEDIA_TYPES = {"pictures": 2, "video": 4}
CREATES = ("create_video", "create_image_text")
PAGES = {"video": "video", "pictures": "note"}  # form of the draft → path of the post's page
REVIEWING = "抖音审核，审核结束前只有作者自己可见"


def find_created(client: DouyinClient, record: PlacementRecord, draft: Draft, claimed: Container[str]) -> Look:
    """In the account's own list, newest first, back to five minutes before the first call."""
    if record.first_called_at is None:
        return Undecidable("记录里没有首次调用时间，无法限定查找范围")
    try:
        not_before = (record.first_called_at - LOOK_BACK).timestamp()
        return _search_list(client, lambda row: _matches(row, draft, not_before, claimed), not_before)
    except PlatformError as error:
        if error.code in CAPABILITY_MISSING:
            return Undecidable(f"作品列表接口不可用（{error.code}），请在抖音 App 里确认这条作品是否已发布")
        raise


def follow_post(client: DouyinClient, record: PlacementRecord, form: str) -> Followed:
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
        return Live(_post(row, record, form))
    if status in (FRIENDS, PRIVATE) and reviewed:
        return Pending("审核已结束，但作品仅好友或自己可见，请在抖音 App 里设为公开")
    return Pending(REVIEWING)


def _item_from_webhook(record: PlacementRecord) -> str:
    """The item_id that the `create_video` webhook gave for this share_id, if it is among the record's steps."""
    results = [step.result for step in record.steps]
    named = [one["item_id"] for one in results if one.get("item_id") and one.get("share_id") == share_id_of(record)]
    return named[-1] if named else ""


def find_shared(client: DouyinClient, record: PlacementRecord, draft: Draft, claimed: Container[str]) -> Look:
    """By the item_id of the webhook if it came, else in the account's list by the text that the link proposed."""
    made = next((step for step in record.steps if step.name == SHARE_LINK.name), None)
    share_id, item_id = share_id_of(record), _item_from_webhook(record)
    if made is None or not share_id:
        return Undecidable("还没有生成分享链接，不可能已经发布")
    try:
        if item_id:
            row = next((row for row in client.video_data([item_id]) if row.get("item_id") == item_id), {})
            video_id = str(row.get("video_id") or "")
            return Accepted({"share_id": share_id, "item_id": item_id, "video_id": video_id}, REVIEWING)
        not_before = (made.finished_at - LOOK_BACK).timestamp()
        found = _search_list(client, lambda row: _matches_shared(row, draft, not_before, claimed), not_before)
        return replace(found, result={**found.result, "share_id": share_id}) if isinstance(found, Accepted) else found
    except PlatformError as error:
        if error.code not in CAPABILITY_MISSING | NOT_GRANTED:
            raise
        if item_id:  # published; this account has no access to the state of the review
            return Live(PostRef(native_id=item_id, published_at=record.occurred_at, ids={"share_id": share_id}))
        return Undecidable(f"作品列表接口不可用（{error.code}），等 create_video 推送，或在抖音 App 里确认是否已发布")


def _matches_shared(row: dict[str, Any], draft: Draft, not_before: float, claimed: Container[str]) -> bool:
    """The app's position of topics in the text is unknown, so they are left out of the comparison."""
    words = str(row.get("title") or "")
    for topic in draft.fields.get("hashtag_list") or []:
        words = words.replace(f"#{topic}", "")
    return _matches({**row, "title": words}, draft, not_before, claimed)


def _search_list(client: DouyinClient, is_wanted: Callable[[dict[str, Any]], bool], not_before: float) -> Look:
    """The oldest match, so that of two placements with the same text each finds its own post."""
    cursor = 0
    matches: list[dict[str, Any]] = []
    for _ in range(MOST_PAGES):
        page = client.video_list(cursor, PAGE)
        rows = [row for row in page.get("list") or [] if isinstance(row, dict)]
        matches += [row for row in rows if is_wanted(row)]
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


def _post(row: dict[str, Any], record: PlacementRecord, form: str) -> PostRef:
    created = _created(record)
    video_id = str(row.get("video_id") or created.get("video_id") or "")
    ids = {"video_id": video_id, "share_id": created.get("share_id", "")}
    return PostRef(
        native_id=str(row["item_id"]),
        url=f"https://www.douyin.com/{PAGES[form]}/{video_id}" if video_id else row.get("share_url"),
        published_at=datetime.fromtimestamp(_int(row.get("create_time")), UTC),
        ids={name: value for name, value in ids.items() if value},
    )


def _status(row: dict[str, Any]) -> int:
    return _int(row.get("video_status"))


def _int(value: Any) -> int:
    """Many samples show numbers as strings. Anything that is not a number counts as 0."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


def _is_true(value: Any) -> bool:
    return value in (True, 1, "1", "true")
