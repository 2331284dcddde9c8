"""One publication on Weibo: the steps of each way, the search after an unknown outcome, the check for removal.

A status is live as soon as it is accepted. Weibo has no idempotency: a post that may exist is searched for, never sent
again.
"""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime

from schemas.events.placement import Draft, DraftMedia, PlacementRecord, PostRef
from services.adapter.contract.errors import PlatformError
from services.adapter.contract.publication import (
    Done,
    Followed,
    Live,
    Look,
    MediaSource,
    NotFound,
    Removed,
    Step,
    StepOutcome,
    Undecidable,
)
from services.adapter.localising.text import fingerprint
from services.adapter_weibo.client import WeiboClient
from services.adapter_weibo.errors import GONE
from services.adapter_weibo.settings import LOOKING
from services.adapter_weibo.wire_types import Picture, Status, Timeline, annotation, base62, post_url

SHARE = Step("share", "post", "微博开放接口发布")
UPDATE = Step("update", "post", "微博商业接口发布文字")
UPLOAD = Step("upload", "post", "微博商业接口发布单图")
UPLOAD_URL_TEXT = Step("upload_url_text", "post", "微博商业接口发布多图")
UPLOAD_PIC = "upload_pic"


class WeiboPublication:
    """The contract's Publication. Stateless."""

    def next_step(self, record: PlacementRecord) -> Step | None:
        return next((step for step in _steps(_draft(record)) if record.result_of(step.name) is None), None)

    def perform(self, client: WeiboClient, record: PlacementRecord, step: Step, media: MediaSource) -> StepOutcome:
        draft = _draft(record)
        if step.name.startswith(UPLOAD_PIC + ":"):
            wanted = draft.media[int(step.name.partition(":")[2]) - 1]
            return Done({"pic_id": client.upload_pic(_picture(wanted, media))})
        return Live(_post(client, self._posted(client, record, draft, step, media)))

    def find(self, client: WeiboClient, record: PlacementRecord, claimed: Container[str]) -> Look:
        """Searches the account's timeline, of which an ordinary app sees only the latest five posts."""
        if record.first_called_at is None:
            return NotFound()
        since = record.first_called_at - LOOKING.clock_slack
        timeline = _timeline_back_to(client, since)
        mine = [
            status
            for status in timeline.rows
            if status.created_at >= since and status.id not in claimed and _is_ours(status, record)
        ]
        standing = [status for status in mine if not status.deleted]
        if standing:
            return Live(_post(client, min(standing, key=lambda status: (status.created_at, int(status.id)))))
        if mine:  # it was published; a deleted post is not published again without a person's decision
            return Undecidable(f"这条微博曾经发出（{mine[0].id}），但已被删除；是否重发请人工决定")
        if _reaches(timeline, since) or _is_whole(timeline):
            return NotFound()
        return Undecidable(
            f"微博只让应用看到最近 {len(timeline.rows)} 条，它们都比这次调用新，更早的看不到；请到微博主页核对"
        )

    def follow(self, client: WeiboClient, record: PlacementRecord) -> Followed:
        """A status is live once accepted, so only its removal can be new."""
        if record.post is None:
            raise PlatformError("没有可跟踪的微博 / there is no post to follow", error_class="bug", sent="no")
        try:
            status = client.show(record.post.native_id)
        except PlatformError as error:
            if error.code in GONE:
                return Removed(error.message)
            raise
        return Removed("微博已被删除") if status.deleted else Live(record.post)

    def _posted(
        self, client: WeiboClient, record: PlacementRecord, draft: Draft, step: Step, media: MediaSource
    ) -> Status:
        text = str(draft.fields["status"])
        if step.name == SHARE.name:
            return client.share(text, _picture(draft.media[0], media) if draft.media else None)
        visible, marked = str(draft.fields["visible"]), annotation(record.placement_id)
        if step.name == UPDATE.name:
            return client.update(text, visible, marked)
        if step.name == UPLOAD.name:
            return client.upload(text, visible, marked, _picture(draft.media[0], media))
        uploads = [record.result_of(_upload(number).name) or {} for number in range(1, len(draft.media) + 1)]
        return client.upload_url_text(text, visible, marked, [upload["pic_id"] for upload in uploads])


def _steps(draft: Draft) -> tuple[Step, ...]:
    if draft.fields["way"] == "open":
        return (SHARE,)
    if not draft.media:
        return (UPDATE,)
    if len(draft.media) == 1:
        return (UPLOAD,)
    return (*(_upload(number) for number in range(1, len(draft.media) + 1)), UPLOAD_URL_TEXT)


def _upload(number: int) -> Step:
    return Step(f"{UPLOAD_PIC}:{number}", "orphan", f"微博上传第 {number} 张图片")


def _draft(record: PlacementRecord) -> Draft:
    if record.draft is None:
        raise PlatformError("记录里没有草稿 / the record has no draft", error_class="bug", sent="no")
    return record.draft


def _picture(wanted: DraftMedia, media: MediaSource) -> Picture:
    extension = wanted.content_type.partition("/")[2].replace("jpeg", "jpg")
    return Picture(f"{wanted.media_id}.{extension}", wanted.content_type, media.read(wanted))


def _is_ours(status: Status, record: PlacementRecord) -> bool:
    """By the annotation where the platform returns it, otherwise by the fingerprint of the text."""
    if status.placement is not None:
        return status.placement == record.placement_id
    return fingerprint(status.text) == _draft(record).fingerprint


def _timeline_back_to(client: WeiboClient, since: datetime) -> Timeline:
    """The timeline back to `since`, or as far as the app may see; an ordinary app's second page is empty."""
    timeline = client.user_timeline()
    for _ in range(LOOKING.pages - 1):
        if not timeline.rows or _reaches(timeline, since) or _is_whole(timeline):
            break
        below = client.user_timeline(max_id=int(timeline.rows[-1].id) - 1)
        seen = {status.id for status in timeline.rows}
        older = tuple(status for status in below.rows if status.id not in seen)
        if not older:
            break
        timeline = Timeline((*timeline.rows, *older), timeline.total)
    return timeline


def _reaches(timeline: Timeline, since: datetime) -> bool:
    """Whether it reaches back before `since`. The last row decides, because a pinned old post comes first."""
    return bool(timeline.rows) and timeline.rows[-1].created_at < since


def _is_whole(timeline: Timeline) -> bool:
    """Whether the platform says that it showed every post there is."""
    return timeline.total is not None and len(timeline.rows) >= timeline.total


def _post(client: WeiboClient, status: Status) -> PostRef:
    uid = status.uid or client.account.open_id
    return PostRef(
        native_id=status.id,
        url=post_url(uid, status.mid) if uid else None,
        published_at=status.created_at,
        ids={"mid": status.mid, "base62": base62(status.mid)},
    )
