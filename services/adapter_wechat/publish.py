"""The steps of one publication: pictures, draft, submit or mass send; then following the job until it has ended.

Submit has no idempotency key. What makes looking possible: a draft leaves the box when it is published or sent, and the
list of published articles names titles and covers. A mass send carries a key that this system chooses, `clientmsgid`.
"""

from __future__ import annotations

import hashlib
import html
from collections.abc import Callable, Container, Iterator
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any
from urllib.parse import parse_qs, urlsplit

from schemas.events.placement import Draft, DraftMedia, PlacementRecord, PostRef
from services.adapter.contract.errors import NoAnswerError, PlatformError
from services.adapter.contract.publication import (
    Accepted,
    Done,
    Followed,
    Live,
    Look,
    MediaSource,
    NotFound,
    Pending,
    Rejected,
    Removed,
    Step,
    StepOutcome,
    Undecidable,
)
from services.adapter.localising.article import place_pictures
from services.adapter.localising.text import normalise
from services.adapter_wechat.client import WechatClient
from services.adapter_wechat.errors import ALREADY_SENT, APPROVAL, DRAFT_GONE, ERRORS, NO_SUCH_ARTICLE
from services.adapter_wechat.limits import (
    APPROVAL_MINUTES,
    CLIENT_MSG_ID,
    CLIENT_MSG_ID_HOURS,
    DRAFTS_PER_PAGE,
    PUBLISHED_PER_PAGE,
)
from services.adapter_wechat.settings import MASS_FIELD, LostPublication
from services.adapter_wechat.wire_types import MassSent, Number, PublishedItem, PublishStatus, Submitted
from services.runtime.clock import SystemClock

LABELS = {"inline": "正文图片", "cover": "封面", "image": "图片"}
CLOCKS_DIFFER = timedelta(minutes=5)
PAGES_TO_SEARCH = 10
KEY_KNOWN_FOR = timedelta(hours=CLIENT_MSG_ID_HOURS - 1)  # an hour short of it, because clocks differ
APPROVAL_ENDS = timedelta(minutes=APPROVAL_MINUTES) + CLOCKS_DIFFER
AWAITS_APPROVAL = f"等待管理员在公众平台确认这次群发（{APPROVAL_MINUTES} 分钟内有效）"
SENDING = "公众号正在群发"


class PublishState(IntEnum):
    """`publish_status` of freepublish/get, but for the refusals, which stand in the error table."""

    DONE = 0
    UNDER_WAY = 1
    DELETED_BY_USER = 5
    BLOCKED = 6


class WechatPublication:
    """The contract's Publication. now: only to say when something has been waited for long enough."""

    def __init__(self, now: Callable[[], datetime] | None = None, lost: LostPublication | None = None) -> None:
        self._now = now or SystemClock().now
        self._give_up_after = timedelta(seconds=(lost or LostPublication()).give_up_after_s)

    def next_step(self, record: PlacementRecord) -> Step | None:
        if record.draft is None:
            return None
        finished = {step.name for step in record.steps}
        return next((step for step in _steps(record.draft) if step.name not in finished), None)

    def perform(self, client: WechatClient, record: PlacementRecord, step: Step, media: MediaSource) -> StepOutcome:
        draft = _draft(record)
        match step.name.partition(":")[0]:
            case "draft":
                return Done({"media_id": _saved_before(client, record) or client.add_draft(_article(draft, record))})
            case "submit":
                submitted = client.submit(_result(record, "draft", "media_id"))
                return Accepted(_submit_result(submitted), "公众号正在发布和审核")
            case "sendall":
                return _send_to_all(client, record)
            case use:
                file = next(one for one in draft.media if _upload_step(one) == step.name)
                data = media.read(file)
                if use == "inline":
                    return Done({"url": client.upload_inline(file, data)})
                return Done({"media_id": client.add_picture(file, data)})

    def find(self, client: WechatClient, record: PlacementRecord, claimed: Container[str]) -> Look:
        """Whether an unanswered submit or mass send arrived. While the draft is still in the box it has not (yet)."""
        if client.draft_exists(_result(record, "draft", "media_id")):
            return NotFound()
        if _is_mass(record):
            return self._sent_before(client, record)
        match _same_article(client, record, claimed):
            case []:
                return Accepted({}, "草稿已被平台取用，等待文章出现在已发布列表")
            case [only]:
                return Live(_listed_post(only))
            case several:
                return Undecidable(_ambiguous(several))

    def follow(self, client: WechatClient, record: PlacementRecord) -> Followed:
        if _is_mass(record):
            return self._follow_mass(client, record)
        publish_id = _publish_id(record)
        if publish_id is not None:
            return _job_result(client, record, client.publish_status(publish_id))
        if record.post is not None:
            return _still_there(client, record.post)
        return self._reappeared(client, record)

    def _reappeared(self, client: WechatClient, record: PlacementRecord) -> Followed:
        """The draft was consumed by a submit whose answer got lost, so there is no publish_id to ask by."""
        found = _same_article(client, record, frozenset())
        if len(found) == 1:
            return Live(_listed_post(found[0]))
        if found or self._now() - record.since > self._give_up_after:
            reason = (
                _ambiguous(found) if found else "草稿已被平台取用，但文章一直没有出现，可能审核未通过，请到公众平台查看"
            )
            raise PlatformError(f"{reason} / look at mp.weixin.qq.com", error_class="needs_human", sent="yes")
        return Pending("草稿已被平台取用，等待文章出现在已发布列表")

    def _sent_before(self, client: WechatClient, record: PlacementRecord) -> Look:
        """What became of a mass send whose draft is gone.

        The only question the platform answers is the same call with the same clientmsgid. Here it is a mere question:
        the key is used up, and the draft that it names is gone, so there is nothing that it could send.
        """
        if self._now() - (record.first_called_at or record.since) > KEY_KNOWN_FOR:
            return Undecidable("草稿已被取用，但 clientmsgid 已过有效期，问不到群发编号，请到公众平台查看是否已群发")
        try:
            return _send_to_all(client, record)
        except PlatformError as error:
            if error.code in (DRAFT_GONE, ALREADY_SENT):
                return Undecidable("草稿已不在草稿箱，平台也说不出这次群发的编号，请到公众平台查看是否已群发")
            raise

    def _follow_mass(self, client: WechatClient, record: PlacementRecord) -> Followed:
        sent = _mass_sent(record)
        if sent is None:
            if client.draft_exists(_result(record, "draft", "media_id")):
                return self._awaiting_approval(record)
            found = self._sent_before(client, record)
            if not isinstance(found, Accepted):
                reason = found.reason if isinstance(found, Undecidable) else "找不到这次群发"
                raise PlatformError(f"{reason} / look at mp.weixin.qq.com", error_class="needs_human", sent="yes")
            sent = _mass_ids(found.result)
        return _mass_result(client, record, sent) if sent else Pending(AWAITS_APPROVAL)

    def _awaiting_approval(self, record: PlacementRecord) -> Followed:
        asked = next((step.finished_at for step in record.steps if step.name == "sendall"), record.since)
        if self._now() - asked <= APPROVAL_ENDS:
            return Pending(AWAITS_APPROVAL)
        raise PlatformError(
            f"管理员拒绝了群发，或 {APPROVAL_MINUTES} 分钟内没有确认：没有群发，草稿还在草稿箱"
            " / the administrator did not confirm the mass send",
            error_class="needs_human",
            sent="yes",
        )


# --- what is sent ----------------------------------------------------------------------------------------------------


def _steps(draft: Draft) -> Iterator[Step]:
    for file in draft.media:
        yield Step(_upload_step(file), "orphan", f"上传{LABELS[file.use]} {file.media_id}")
    yield Step("draft", "orphan", "保存草稿")
    yield Step("sendall", "post", "提交群发") if MASS_FIELD in draft.fields else Step("submit", "post", "提交发布")


def _upload_step(file: DraftMedia) -> str:
    return f"{file.use}:{file.media_id}"


def _article(draft: Draft, record: PlacementRecord) -> dict[str, Any]:
    """The article for draft/add, with what the uploads yielded."""
    fields = {name: value for name, value in draft.fields.items() if name != MASS_FIELD}
    if draft.form == "newspic":
        images = [{"image_media_id": _result(record, _upload_step(file), "media_id")} for file in draft.media]
        return {**fields, "content": draft.text, "image_info": {"image_list": images}}
    content = place_pictures(draft.html, lambda media_id: _result(record, f"inline:{media_id}", "url"))
    return {**fields, "content": content, "thumb_media_id": _thumb(record)}


def _thumb(record: PlacementRecord) -> str:
    """The media_id of the cover, or of the first picture of a picture post."""
    first = next(file for file in _draft(record).media if file.use in ("cover", "image"))
    return _result(record, _upload_step(first), "media_id")


def _saved_before(client: WechatClient, record: PlacementRecord) -> str | None:
    """The draft of an earlier, unanswered draft/add, told by our own cover; copies of it are cleared away.

    Where the box cannot be read, another draft is added: an unused one harms nobody.
    """
    if record.attempt <= 1:
        return None
    title, thumb = normalise(_draft(record).title), _thumb(record)
    try:
        ours = [
            item.media_id
            for page in range(PAGES_TO_SEARCH)
            for item in client.drafts(page * DRAFTS_PER_PAGE).item
            if any(one.thumb_media_id == thumb and normalise(one.title) == title for one in item.content.news_item)
        ]
        for copy in ours[1:]:
            client.delete_draft(copy)
    except PlatformError:
        return None
    return ours[0] if ours else None


def _send_to_all(client: WechatClient, record: PlacementRecord) -> Accepted:
    """One call of sendall. The administrator's confirmation, where the account wants it, is a way of being accepted."""
    key, settings = client_msg_id(record.placement_id), dict(_draft(record).fields[MASS_FIELD])
    try:
        sent = client.send_to_all(_result(record, "draft", "media_id"), key, settings)
    except PlatformError as error:
        if error.code in APPROVAL:
            return Accepted({"clientmsgid": key}, AWAITS_APPROVAL)
        raise
    ids = {"clientmsgid": key, "msg_id": str(sent.msg_id)}
    return Accepted(ids | ({"msg_data_id": str(sent.msg_data_id)} if sent.msg_data_id else {}), SENDING)


def client_msg_id(placement_id: str) -> str:
    """The idempotency key of a placement's mass send: the same for every attempt and every version."""
    return hashlib.sha256(placement_id.encode()).hexdigest()[:CLIENT_MSG_ID]


def _is_mass(record: PlacementRecord) -> bool:
    return MASS_FIELD in _draft(record).fields


def _mass_sent(record: PlacementRecord) -> MassSent | None:
    """The ids of the mass send, where they are known yet."""
    return _mass_ids(record.result_of("sendall") or {}) or (_mass_ids(record.post.ids) if record.post else None)


def _mass_ids(ids: dict[str, str]) -> MassSent | None:
    return MassSent(ids["msg_id"], ids.get("msg_data_id")) if ids.get("msg_id") else None


def _submit_result(submitted: Submitted) -> dict[str, str]:
    """As text, with the JSON type kept beside it: the number some accounts get is sent back as the number it was."""
    kind = "number" if isinstance(submitted.publish_id, int) else "text"
    result = {"publish_id": str(submitted.publish_id), "publish_id_type": kind}
    return result | ({"msg_data_id": str(submitted.msg_data_id)} if submitted.msg_data_id else {})


def _publish_id(record: PlacementRecord) -> Number | None:
    result = record.result_of("submit") or {}
    publish_id = result.get("publish_id")
    return int(publish_id) if publish_id and result.get("publish_id_type") == "number" else publish_id


def _result(record: PlacementRecord, step: str, name: str) -> str:
    result = record.result_of(step)
    if result is None or name not in result:
        raise PlatformError(f"步骤 {step} 没有结果 {name} / step without result", error_class="bug", sent="yes")
    return result[name]


def _draft(record: PlacementRecord) -> Draft:
    if record.draft is None:
        raise PlatformError("发布记录里没有草稿 / the record has no draft", error_class="bug", sent="yes")
    return record.draft


# --- what became of it -----------------------------------------------------------------------------------------------


def _job_result(client: WechatClient, record: PlacementRecord, status: PublishStatus) -> Followed:
    match status.publish_status:
        case PublishState.DONE:
            return Live(record.post or _published_post(client, record, status))
        case PublishState.UNDER_WAY:
            return Pending("公众号正在发布和审核")
        case PublishState.DELETED_BY_USER:
            return Removed("发布后被账号运营者删除")
        case PublishState.BLOCKED:
            return Removed("发布后被平台封禁")
        case number:
            error = ERRORS.error(f"publish_status_{number}", f"fail_idx {status.fail_idx}")
            if not error.recognised:
                raise error
            return Rejected(error)


def _mass_result(client: WechatClient, record: PlacementRecord, sent: MassSent) -> Followed:
    match client.mass_status(int(sent.msg_id)):
        case "SEND_SUCCESS":
            return Live(record.post or _mass_post(record, sent))
        case "SENDING":
            return Pending(SENDING)
        case "DELETE":
            return Removed("群发已被删除")
        case status:
            error = ERRORS.error(f"msg_status_{status}", f"msg_id {sent.msg_id}")
            if not error.recognised:
                raise error
            return Rejected(error)


def _mass_post(record: PlacementRecord, sent: MassSent) -> PostRef:
    """Called as the statistics call it. The address only the event of the finished job tells."""
    ids = {"msg_id": str(sent.msg_id), "idx": "1"}
    if sent.msg_data_id:
        ids["msg_data_id"] = str(sent.msg_data_id)
    native_id = f"{sent.msg_data_id}_1" if sent.msg_data_id else f"msg_id:{sent.msg_id}"
    return PostRef(native_id=native_id, published_at=record.since, ids=ids)


def _published_post(client: WechatClient, record: PlacementRecord, status: PublishStatus) -> PostRef:
    """The status names id and address; when it was published only the list knows."""
    if not status.article_id:
        raise NoAnswerError("平台说已发布，但答复里没有 article_id / published, but the answer lacks the article_id")
    address = next((one.article_url for one in status.article_detail.item if one.idx == 1), None)
    listed = next((one for one in client.published().item if one.article_id == status.article_id), None)
    submitted = record.result_of("submit") or {}
    at = listed.published_at if listed is not None else record.since
    return _post(status.article_id, address, at, submitted.get("publish_id"), submitted.get("msg_data_id"))


def _listed_post(item: PublishedItem) -> PostRef:
    address = next((one.url for one in item.content.news_item if one.url), None)
    return _post(item.article_id, address, item.published_at, None, None)


def _post(
    article_id: str, address: str | None, published_at: datetime, publish_id: str | None, msg_data_id: str | None
) -> PostRef:
    """idx counts articles from 1, as the address and the statistics do; comments count from 0."""
    url = html.unescape(address) if address else None
    query = parse_qs(urlsplit(url or "").query)
    ids = {
        "msg_data_id": msg_data_id or query.get("mid", [""])[0],
        "idx": query.get("idx", ["1"])[0],
        "publish_id": publish_id or "",
    }
    return PostRef(
        native_id=article_id, url=url, published_at=published_at, ids={name: one for name, one in ids.items() if one}
    )


def _still_there(client: WechatClient, post: PostRef) -> Followed:
    try:
        items = client.article(post.native_id).news_item
    except PlatformError as error:
        if error.code == NO_SUCH_ARTICLE:
            return Removed("文章已不存在")
        raise
    return Removed("文章已被删除") if items and all(item.is_deleted for item in items) else Live(post)


# --- looking for it --------------------------------------------------------------------------------------------------


def _same_article(client: WechatClient, record: PlacementRecord, claimed: Container[str]) -> list[PublishedItem]:
    """Published articles with our title, not older than our first call, with our own cover where covers are told.

    Our upload of the cover is ours alone, so another article with the same title is told apart by it.
    """
    since = (record.first_called_at or record.since) - CLOCKS_DIFFER
    title, thumb = normalise(_draft(record).title), _thumb(record)
    titled = [
        item
        for item in _published_since(client, since)
        if item.article_id not in claimed and title in {normalise(one.title) for one in item.content.news_item}
    ]
    covers = {item.article_id: {one.thumb_media_id for one in item.content.news_item} - {""} for item in titled}
    ours = [item for item in titled if thumb in covers[item.article_id]]
    return ours or [item for item in titled if not covers[item.article_id]]


def _published_since(client: WechatClient, since: datetime) -> Iterator[PublishedItem]:
    """The list is newest first; a page of nothing but older articles ends the search."""
    for page in range(PAGES_TO_SEARCH):
        items = client.published(page * PUBLISHED_PER_PAGE).item
        recent = [item for item in items if item.published_at >= since]
        yield from recent
        if not recent:
            return


def _ambiguous(items: list[PublishedItem]) -> str:
    ids = "、".join(item.article_id for item in items)
    return f"已发布列表里有 {len(items)} 篇同名文章，分不清哪一篇是这次发布的：{ids}"
