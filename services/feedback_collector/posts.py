"""The live posts of the held partitions and where the collector stands with each; in memory, rebuilt on assignment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from schemas.cursor import CollectorCursor
from schemas.feedback import Readings
from schemas.placement import PlacementRecord
from services.adapter.contract import LivePost
from services.feedback_collector.seen import Seen


@dataclass(slots=True, eq=False)
class Watched:
    """One post that is listened on. busy: a poll is on its way. walked_short: complete walks that found too little."""

    post: LivePost
    platform: str
    trace_id: str
    partition: int
    position: dict[str, object] = field(default_factory=dict)
    seen: Seen = field(default_factory=Seen)
    sequence: int = 0
    failures: int = 0
    next_poll_at: datetime | None = None
    last_snapshot_at: datetime | None = None
    readings: Readings | None = None
    told: tuple[int, int | None] | None = None
    walked_short: int = 0
    polled_at: float = float("-inf")
    busy: bool = False

    @property
    def key(self) -> str:
        return f"{self.platform}:{self.post.post.native_id}"


def watched(record: PlacementRecord, partition: int, cursor: CollectorCursor | None) -> Watched | None:
    """The live post of a ledger record, taken up where its cursor left off; None where there is no post."""
    if record.post is None:
        return None
    post = LivePost(
        placement_id=record.placement_id,
        content_id=record.content_id,
        brand_id=record.brand_id,
        campaign_id=record.campaign_id,
        account=record.account,
        kind=record.kind,
        title=record.draft.title or record.draft.text if record.draft else "",
        post=record.post,
    )
    found = Watched(post, record.platform, record.trace_id, partition)
    if cursor is not None:
        found.position, found.seen = dict(cursor.position), Seen(cursor.seen)
        found.sequence, found.failures = cursor.metrics_sequence, cursor.failures
        found.next_poll_at = cursor.next_poll_at
    return found


class Posts:
    """All watched posts by post key, and the followers' schedule of their accounts."""

    def __init__(self) -> None:
        self.by_key: dict[str, Watched] = {}

    def add(self, one: Watched) -> None:
        self.by_key.setdefault(one.key, one)

    def drop(self, key: str) -> None:
        self.by_key.pop(key, None)

    def forget(self, partitions: Iterable[int]) -> None:
        gone = set(partitions)
        self.by_key = {key: one for key, one in self.by_key.items() if one.partition not in gone}

    def due(self, now: datetime, monotonic: float, least_s: float) -> dict[tuple[str, str], list[Watched]]:
        """Posts to poll now by (platform, account); none more often than every `least_s` real seconds."""
        found: dict[tuple[str, str], list[Watched]] = defaultdict(list)
        for one in self.by_key.values():
            if one.busy or monotonic - one.polled_at < least_s:
                continue
            if one.next_poll_at is None or one.next_poll_at <= now:
                found[one.platform, one.post.account].append(one)
        return found

    def accounts(self) -> dict[tuple[str, str], dict[str, Watched]]:
        """(platform, account) → one post of each campaign that has a live post there."""
        found: dict[tuple[str, str], dict[str, Watched]] = defaultdict(dict)
        for one in self.by_key.values():
            found[one.platform, one.post.account].setdefault(one.post.campaign_id, one)
        return found

    def busy(self) -> int:
        return sum(one.busy for one in self.by_key.values())
