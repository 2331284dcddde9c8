"""Takes campaigns, contents and cancels: the same request once, however often and in whatever order it is repeated.

Decides with the register (what the log says), writes through the writer; knows no HTTP.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from schemas.events.content import CampaignDefined, MasterContentEvent
from services.adapter.contract.accounts import Accounts
from services.adapter.contract.adapter import Adapter
from services.publisher.access.roles import Granted
from services.publisher.api.problems import conflict, problem, unfit
from services.publisher.api.requests import CampaignRequest, CancelRequest, CheckRequest, ContentRequest
from services.publisher.content.acceptance import Stamp, judged
from services.publisher.content.events import Made, campaign_defined, content_cancelled
from services.publisher.content.known import Known
from services.publisher.desks.brand_scope import may_define, may_write, missing, seen_accounts
from services.publisher.desks.name_locks import NameLocks
from services.publisher.desks.unconfirmed import UnconfirmedWrites
from services.publisher.log import accepted as names
from services.publisher.log.accepted import AcceptedEvent, AcceptedLog
from services.publisher.log.follower import LogFollower
from services.publisher.log.writer import LogWriter, OutcomeUnknownError
from services.publisher.media.uploads import UploadStore
from services.runtime.clock import Clock
from services.runtime.logging import get_logger

_SEEN_WITHIN_S = 5.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ContentAnswer:
    """JSON to answer with. repeated: this very answer was given before."""

    body: bytes
    repeated: bool


class ContentHandler:
    """One per process. All methods may be called from many threads at once."""

    def __init__(
        self,
        register: AcceptedLog,
        follower: LogFollower,
        writer: LogWriter,
        media: UploadStore,
        accounts: Accounts,
        adapter: Callable[[str], Adapter],
        clock: Clock,
        doubts: UnconfirmedWrites,
    ) -> None:
        self._register, self._follower, self._writer, self._media = register, follower, writer, media
        self._accounts, self._adapter, self._clock, self._doubts = accounts, adapter, clock, doubts
        self._turns = NameLocks()

    def campaign(self, request: CampaignRequest, key: str | None, granted: Granted) -> ContentAnswer:
        """Define a campaign; the same id with another definition is a conflict."""
        may_define(granted, request.brand_id)
        own = names.campaign_identity(request.campaign_id)
        stamp = self._stamp(request, key)
        by_key = self._by_key("campaign", request.brand_id, key)
        return self._take(own, by_key, own, stamp, lambda: campaign_defined(request, stamp))

    def content(self, request: ContentRequest, key: str | None, granted: Granted) -> ContentAnswer:
        """Accept one version of a content."""
        self._settle_campaign(request)
        may_write(granted, self._register, request)
        own = names.content_identity(request.content_id, request.version)
        stamp = self._stamp(_unconfirmed(request), key)

        def make() -> Made:
            may_write(granted, self._register, request)  # in its turn: another brand may just have taken this id
            plan = judged(request, self._known(request, granted), stamp)
            return plan.master, msgspec.json.encode(plan.answer("ACCEPTED_BY_PUBLISHER"))

        campaign = self._register.campaign(request.campaign_id)
        by_key = self._by_key("content", campaign.brand_id, key) if campaign else ()
        return self._take(own, by_key, f"content/{request.content_id}", stamp, make)

    def check(self, request: CheckRequest, granted: Granted) -> ContentAnswer:
        """What `content` would answer; writes nothing. request.campaign: one that is still to be defined."""
        bare = msgspec.convert(
            {name: getattr(request, name) for name in ContentRequest.__struct_fields__}, ContentRequest
        )
        brand = request.campaign.brand_id if request.campaign else None
        self._settle_campaign(bare)
        may_write(granted, self._register, bare, brand)
        stamp = self._stamp(_unconfirmed(bare), None)
        entry = self._register.entry(names.content_identity(bare.content_id, bare.version))
        if entry is not None:
            return _again(entry, stamp, by_key=False)
        plan = judged(bare, self._known(bare, granted, brand), stamp)
        return ContentAnswer(msgspec.json.encode(plan.answer("WOULD_BE_ACCEPTED")), repeated=False)

    def cancel(self, content_id: str, request: CancelRequest, granted: Granted) -> ContentAnswer:
        """Cancel a content up to a version; cancelling the same again gives the first answer."""
        with self._turns.of(f"content/{content_id}"):
            self._doubts.settle(self._doubts.below(f"content/{content_id}/"))
            versions = self._register.versions(content_id)
            if not versions or not granted.sees(versions[-1].brand_id):
                raise missing(granted, "内容", "content", content_id)
            newest = versions[-1]
            version = request.version or newest.version
            if version > newest.version:
                way_out = "请去掉 version 以取消最新版 / leave it out to cancel the newest"
                wrong = f"只接收到第 {newest.version} 版", f"the newest version is {newest.version}"
                raise unfit([problem("version", "version_unknown", *wrong, way_out)])
            identity = names.cancel_identity(content_id, version)
            before = self._register.entry(identity)
            if before is not None:
                return ContentAnswer(before.answer or b"{}", repeated=True)
            self._doubts.settle((identity,))
            stamp = self._stamp(request, None)
            event, answer = content_cancelled(newest.brand_id, newest.campaign_id, content_id, version, request, stamp)
            return self._written(identity, (identity,), event, answer, stamp)

    def _settle_campaign(self, request: ContentRequest) -> None:
        """A campaign just accepted may not have been read back yet: that is "ask again", and not "no such campaign"."""
        self._doubts.settle((names.campaign_identity(request.campaign_id),))

    # --- once only ---

    def _take(
        self, own: str, by_key: tuple[str, ...], turn: str, stamp: Stamp, make: Callable[[], Made]
    ) -> ContentAnswer:
        """by_key: the identity its Idempotency-Key gives it, if any. turn: what no two requests may do at once."""
        identities = (*by_key, own)
        with self._turns.of(*by_key, turn):
            self._doubts.settle(identities)
            for name in identities:
                entry = self._register.entry(name)
                if entry is not None:
                    return _again(entry, stamp, by_key=name in by_key)
            event, answer = make()
            return self._written(own, identities, event, answer, stamp)

    def _written(
        self, own: str, identities: Sequence[str], event: MasterContentEvent, answer: bytes, stamp: Stamp
    ) -> ContentAnswer:
        partition = self._writer.partition(event)
        try:
            offset = self._writer.write(event, answer)
        except OutcomeUnknownError:
            raise self._doubts.opened(identities, partition) from None
        if not self._follower.wait_for(names.TOPIC, partition, offset, _SEEN_WITHIN_S):
            # It is acknowledged, so it is accepted; only the register may not know yet who asks for it again.
            self._doubts.opened(identities, partition)
            log.warning("own_record_not_seen_yet", event_id=event.event_id, offset=offset)
            return ContentAnswer(answer, repeated=False)
        entry = self._register.entry(own)
        if entry is not None and entry.event.trace_id != event.trace_id:
            return _again(entry, stamp, by_key=False)  # another publisher process was first on the log
        return ContentAnswer(answer, repeated=False)

    def _stamp(self, request: msgspec.Struct, key: str | None) -> Stamp:
        return Stamp(
            now=self._clock.now(),
            trace_id=uuid.uuid4().hex,
            idempotency_key=key,
            request_sha256=hashlib.sha256(msgspec.json.encode(request)).hexdigest(),
        )

    def _by_key(self, kind: str, brand_id: str, key: str | None) -> tuple[str, ...]:
        return () if key is None else (names.key_identity(kind, brand_id, key),)

    def _known(self, request: ContentRequest, granted: Granted, brand_to_be: str | None = None) -> Known:
        campaign = self._register.campaign(request.campaign_id)
        return Known(
            campaign_brand=campaign.brand_id if campaign else brand_to_be,
            versions=self._register.versions(request.content_id),
            accounts=seen_accounts(granted, self._accounts),
            adapter=self._adapter,
            find_media=self._media.find,
            planned_posts=lambda platform, account: self._register.planned_posts(platform, account, request.content_id),
            alike=self._register.alike,
        )


def _unconfirmed(request: ContentRequest) -> ContentRequest:
    """A confirmation changes nothing of the content: repeated with it, it is the same request."""
    return msgspec.structs.replace(request, confirm_similar=False)


def _again(entry: AcceptedEvent, stamp: Stamp, *, by_key: bool) -> ContentAnswer:
    """The first answer for the same request; raises a conflict for another one."""
    if entry.request_sha256 == stamp.request_sha256 and entry.answer is not None:
        return ContentAnswer(entry.answer, repeated=True)
    if by_key:
        raise conflict(
            "idempotency_key_reused",
            "这个 Idempotency-Key 已用于另一个请求",
            "this Idempotency-Key was used for another request",
            "请为新请求换一个键；重发必须与第一次完全相同 / use a new key, or repeat the first request unchanged",
            "Idempotency-Key",
        )
    if isinstance(entry.event, CampaignDefined):
        raise conflict(
            "campaign_already_defined",
            "这个活动已经定义，内容不同",
            "the campaign is defined already, in another way",
            "请使用新的 campaign_id / use a new campaign_id",
            "campaign_id",
        )
    raise conflict(
        "version_already_accepted",
        "这个内容的这个版本已经接收，内容不同",
        "this version of the content was accepted with another body",
        "修改内容请把 version 加一 / to change it, send the next version",
        "version",
    )
