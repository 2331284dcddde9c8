"""All that was accepted, rebuilt from the `master-content` log and from nothing else. Thread-safe.

The log decides: where two records claim the same identity, the first one holds. Each record carries the answer that
was given for it, so the same request gets the same bytes again, also after a restart.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from schemas.codec import DecodeError, decoder
from schemas.events.content import CampaignDefined, ContentCancelled, MasterContent, MasterContentEvent, Target
from schemas.topics import topic
from services.adapter.accounts.quota_forecast import Planned
from services.publisher.content.similarity import Alike, Likeness
from services.publisher.log.planned_posts import PlannedPosts
from services.runtime.kafka.records import Record
from services.runtime.logging import get_logger

TOPIC = topic("master-content").name
ANSWER_HEADER = "publisher-answer"
_decode = decoder("master-content")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AcceptedEvent:
    """An accepted event and the answer it got (compressed); answer None: it was written by something else."""

    event: MasterContentEvent
    compressed: bytes | None

    @property
    def answer(self) -> bytes | None:
        return None if self.compressed is None else zlib.decompress(self.compressed)

    @property
    def request_sha256(self) -> str | None:
        return None if isinstance(self.event, ContentCancelled) else self.event.request_sha256


def compressed(answer: bytes) -> bytes:
    return zlib.compress(answer, 6)


def identities(event: MasterContentEvent) -> tuple[str, ...]:
    """The names under which the same request is recognised: its own identity and its idempotency key."""
    if isinstance(event, ContentCancelled):
        return (f"cancel/{event.content_id}/{event.version}",)
    if isinstance(event, CampaignDefined):
        own, kind = campaign_identity(event.campaign_id), "campaign"
    else:
        own, kind = content_identity(event.content_id, event.version), "content"
    if event.idempotency_key is None:
        return (own,)
    return own, key_identity(kind, event.brand_id, event.idempotency_key)


def campaign_identity(campaign_id: str) -> str:
    return f"campaign/{campaign_id}"


def content_identity(content_id: str, version: int) -> str:
    return f"content/{content_id}/{version}"


def cancel_identity(content_id: str, version: int) -> str:
    return f"cancel/{content_id}/{version}"


def key_identity(kind: str, brand_id: str, key: str) -> str:
    """Keys are a brand's own: two brands may well both number their requests from 1."""
    return f"key/{kind}/{brand_id}/{key}"


@dataclass
class _Content:
    versions: list[MasterContent] = field(default_factory=list)
    cancels: list[ContentCancelled] = field(default_factory=list)

    @property
    def withdrawn(self) -> bool:
        return any(cancel.version >= self.versions[-1].version for cancel in self.cancels)


class AcceptedLog:
    """What the log says was accepted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, AcceptedEvent] = {}
        self._campaigns: dict[str, CampaignDefined] = {}
        self._contents: dict[str, _Content] = {}
        self._by_campaign: dict[str, list[str]] = {}
        self._by_placement: dict[str, str] = {}
        self._planned = PlannedPosts()
        self._likeness = Likeness()

    def apply(self, record: Record) -> None:
        """Take in one record of the log; what cannot be read or came before changes nothing."""
        if record.value is None:
            return
        try:
            event = _decode(record.value)
        except DecodeError as error:
            log.error("master_content_unreadable", partition=record.partition, offset=record.offset, field=error.field)
            return
        entry = AcceptedEvent(event, record.header(ANSWER_HEADER))
        with self._lock:
            own, *others = identities(event)
            if own in self._entries:
                log.debug("master_content_repeated", event_id=event.event_id, offset=record.offset)
                return
            self._entries[own] = entry
            for name in others:
                self._entries.setdefault(name, entry)
            self._file(event)

    def _file(self, event: MasterContentEvent) -> None:
        if isinstance(event, CampaignDefined):
            self._campaigns[event.campaign_id] = event
            return
        if event.content_id not in self._contents:
            self._contents[event.content_id] = _Content()
            self._by_campaign.setdefault(event.campaign_id, []).append(event.content_id)
        content = self._contents[event.content_id]
        if isinstance(event, ContentCancelled):
            content.cancels.append(event)
        else:
            content.versions.append(event)
            content.versions.sort(key=lambda one: one.version)
            for target in event.targets:
                self._by_placement[event.placement_id(target)] = event.content_id
        newest = content.versions[-1] if content.versions else None
        if newest is None or content.withdrawn:
            self._planned.drop(event.content_id)
            self._likeness.drop(event.content_id)
        elif event is newest:
            self._planned.put(newest)
            self._likeness.put(newest)

    def entry(self, identity: str) -> AcceptedEvent | None:
        with self._lock:
            return self._entries.get(identity)

    def any_of(self, names: Iterable[str]) -> AcceptedEvent | None:
        """The entry of the first of `names` that is known."""
        with self._lock:
            return next((self._entries[name] for name in names if name in self._entries), None)

    def campaign(self, campaign_id: str) -> CampaignDefined | None:
        with self._lock:
            return self._campaigns.get(campaign_id)

    def campaigns(self) -> tuple[CampaignDefined, ...]:
        with self._lock:
            return tuple(self._campaigns.values())

    def versions(self, content_id: str) -> tuple[MasterContent, ...]:
        """All accepted versions of a content, oldest first."""
        with self._lock:
            found = self._contents.get(content_id)
            return tuple(found.versions) if found else ()

    def planned_posts(self, platform: str, account: str, besides: str) -> tuple[Planned, ...]:
        """Posts on that account of the newest versions of all contents but one, cancelled ones left out."""
        with self._lock:
            return self._planned.on(platform, account, besides)

    def alike(self, event: MasterContent, target: Target) -> Alike | None:
        """Another content, not cancelled, whose newest version says nearly the same on that account within a day."""
        with self._lock:
            return self._likeness.nearest(event, target)

    def cancels(self, content_id: str) -> tuple[ContentCancelled, ...]:
        with self._lock:
            found = self._contents.get(content_id)
            return tuple(found.cancels) if found else ()

    def contents_of(self, campaign_id: str) -> tuple[str, ...]:
        with self._lock:
            return tuple(self._by_campaign.get(campaign_id, ()))

    def content_of_placement(self, placement_id: str) -> str | None:
        with self._lock:
            return self._by_placement.get(placement_id)
