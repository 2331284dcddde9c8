"""Which live posts nobody has looked at for much longer than their cadence. Pure; ages are in the platforms' time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from schemas.events.cursor import CollectorCursor
from schemas.events.feedback import post_key
from schemas.events.placement import PlacementRecord
from services.adapter.contract.poll_cadence import interval
from services.watchdog.trouble import Trouble

KIND = "feedback_stale"
MISSED_POLLS = 4  # so many cadences without an observation are much longer than the cadence


@dataclass(frozen=True, slots=True)
class _Post:
    """observed_at: by the platform's clock; seen_at: when that came to the log, by the machines' clock."""

    placement_id: str
    brand_id: str
    platform: str
    account: str
    published_at: datetime
    observed_at: datetime
    seen_at: datetime


class Observed:
    """The live posts and when each was last observed. Fed with the ledger and with the collector's cursors."""

    def __init__(self, least: timedelta, least_real: timedelta) -> None:
        self._least, self._least_real = least, least_real
        self._posts: dict[str, _Post] = {}
        self._polled: dict[str, tuple[datetime, datetime]] = {}  # of posts the ledger has not told of yet, too

    def recorded(self, record: PlacementRecord, seen_at: datetime) -> None:
        if record.post is None:
            return
        key = post_key(record.platform, record.post.native_id)
        if record.state != "LIVE":
            self._posts.pop(key, None)
            return
        known = self._posts.get(key)
        if known is not None:
            return
        published = record.post.published_at
        observed, seen = self._polled.get(key, (published, seen_at))
        self._posts[key] = _Post(
            record.placement_id, record.brand_id, record.platform, record.account, published,
            max(observed, published), max(seen, seen_at),
        )  # fmt: skip

    def polled(self, cursor: CollectorCursor, seen_at: datetime) -> None:
        """A poll that failed is no observation."""
        if cursor.failures or cursor.last_polled_at is None:
            return
        self._polled[cursor.post_key] = cursor.last_polled_at, seen_at
        known = self._posts.get(cursor.post_key)
        if known is not None:
            self._posts[cursor.post_key] = replace(known, observed_at=cursor.last_polled_at, seen_at=seen_at)

    def stale(self, now: datetime, real_now: datetime) -> list[Trouble]:
        """One trouble for each account that has such posts."""
        found: dict[tuple[str, str, str], list[_Post]] = defaultdict(list)
        for one in self._posts.values():
            limit = max(self._least, interval(now - one.published_at) * MISSED_POLLS)
            if now - one.observed_at > limit and real_now - one.seen_at > self._least_real:
                found[one.brand_id, one.platform, one.account].append(one)
        return [_trouble(account, posts, now) for account, posts in sorted(found.items())]


def _trouble(account: tuple[str, str, str], posts: list[_Post], now: datetime) -> Trouble:
    brand, platform, name = account
    oldest: Callable[[_Post], datetime] = lambda one: one.observed_at  # noqa: E731 - a key with a name
    first = min(posts, key=oldest)
    return Trouble(
        kind=KIND,
        about=f"{platform}/{name}",
        severity="warning",
        since=first.observed_at,
        title=f"{platform}/{name} 的在线帖子很久没有采集到反馈",
        title_en=f"live posts of {platform}/{name} have not been observed for much longer than their cadence",
        way_out="检查反馈采集服务是否在运行、该账号的授权与额度；在此之前数字是旧的，不是 0",
        way_out_en="check the feedback collector and the account's authorisation and quota; until then figures are old",
        brand_id=brand,
        platform=platform,
        account=name,
        metric="observation_age_s",
        value=round((now - first.observed_at).total_seconds(), 1),
        evidence=tuple(sorted(one.placement_id for one in posts)),
    )
