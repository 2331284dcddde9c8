"""What is listened on in the held partitions and how far each has come; in memory, rebuilt on assignment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any

from schemas.events.feedback import Readings, post_key
from schemas.events.placement import PlacementRecord
from services.adapter.contract.feedback import LivePost
from services.feedback_collector.polling.coverage import Shortfall
from services.feedback_collector.posts.seen_comments import SeenComments

NEVER = float("-inf")


@dataclass(slots=True, eq=False)
class TrackedPost:
    """One post that is listened on.

    sequence: of its last snapshot. readings, told (collected, total), last_snapshot_at: what that one said, unknown
    after a restart. polled_at: real monotonic seconds. busy: a poll is on its way.
    """

    post: LivePost
    platform: str
    trace_id: str
    partition: int
    position: dict[str, Any] = field(default_factory=dict)
    seen: SeenComments = field(default_factory=SeenComments)
    sequence: int = 0
    failures: int = 0
    next_poll_at: datetime | None = None
    last_snapshot_at: datetime | None = None
    readings: Readings | None = None
    told: tuple[int, int | None] = (0, None)
    shortfall: Shortfall = field(default_factory=Shortfall)
    polled_at: float = NEVER
    busy: bool = False

    @property
    def key(self) -> str:
        return post_key(self.platform, self.post.post.native_id)


@dataclass(slots=True, eq=False)
class TrackedAccount:
    """An account with a live post of the campaign. Its followers are told to each campaign."""

    platform: str
    account: str
    brand_id: str
    campaign_id: str
    trace_id: str
    partition: int
    next_poll_at: datetime | None = None
    busy: bool = False

    @property
    def key(self) -> str:
        """Of its cursor."""
        return f"{self.platform}:followers:{self.account}:{self.campaign_id}"


def watched(record: PlacementRecord, partition: int) -> TrackedPost | None:
    """The post of a ledger record, as if never polled; None where there is no post."""
    if record.post is None:
        return None
    post = LivePost.of(record)
    return TrackedPost(post, record.platform, record.trace_id, partition)


class TrackedPosts:
    """All that is listened on: posts by their keys, accounts by theirs."""

    def __init__(self) -> None:
        self.by_key: dict[str, TrackedPost] = {}
        self.accounts: dict[str, TrackedAccount] = {}

    def add(self, one: TrackedPost) -> TrackedAccount:
        """The account of the post, which is listened on with it."""
        self.by_key.setdefault(one.key, one)
        post = one.post
        account = TrackedAccount(
            one.platform, post.account, post.brand_id, post.campaign_id, one.trace_id, one.partition
        )
        return self.accounts.setdefault(account.key, account)

    def drop(self, key: str) -> None:
        if self.by_key.pop(key, None) is not None:
            self._keep_accounts_with_posts()

    def forget(self, partitions: Iterable[int]) -> None:
        gone = set(partitions)
        self.by_key = {key: one for key, one in self.by_key.items() if one.partition not in gone}
        self._keep_accounts_with_posts()

    def _keep_accounts_with_posts(self) -> None:
        needed = {(one.platform, one.post.account, one.post.campaign_id) for one in self.by_key.values()}
        self.accounts = {
            key: one for key, one in self.accounts.items() if (one.platform, one.account, one.campaign_id) in needed
        }

    def due(self, now: datetime, monotonic: float, least_s: float) -> list[list[TrackedPost]]:
        """Posts to poll now, by account, longest unpolled first; none more often than every `least_s` real seconds."""
        found: dict[tuple[str, str], list[TrackedPost]] = defaultdict(list)
        for one in self.by_key.values():
            if one.busy or monotonic - one.polled_at < least_s:
                continue
            if one.next_poll_at is None or one.next_poll_at <= now:
                found[one.platform, one.post.account].append(one)
        for posts in found.values():
            posts.sort(key=lambda one: one.polled_at)
        return sorted(found.values(), key=lambda posts: posts[0].polled_at)

    def accounts_due(self, now: datetime) -> list[list[TrackedAccount]]:
        """Accounts whose followers are to be read now: one list for each account, an entry for each campaign."""
        found: dict[tuple[str, str], list[TrackedAccount]] = defaultdict(list)
        for one in self.accounts.values():
            if not one.busy and (one.next_poll_at is None or one.next_poll_at <= now):
                found[one.platform, one.account].append(one)
        return list(found.values())

    def waits(self, until: datetime) -> bool:
        """Whether no poll is on its way and none begins before `until`, which is the platforms' time."""
        every: Iterable[TrackedPost | TrackedAccount] = chain(self.by_key.values(), self.accounts.values())
        return not any(one.busy or one.next_poll_at is None or one.next_poll_at <= until for one in every)

    def busy(self) -> int:
        return sum(one.busy for one in self.by_key.values()) + sum(one.busy for one in self.accounts.values())

    def coverage(self, platform: str) -> float | None:
        """Collected ÷ counted by the platform, over all its posts that say; None where none does."""
        told = [one.told for one in self.by_key.values() if one.platform == platform]
        counted = [(min(collected, total), total) for collected, total in told if total]
        total = sum(total for _, total in counted)
        return sum(collected for collected, _ in counted) / total if total else None
