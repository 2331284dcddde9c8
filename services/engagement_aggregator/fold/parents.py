"""The rows that posts count in while they are open: contents, campaigns on a platform, campaigns; their followers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from schemas.events.aggregate import FollowersState, Scope
from schemas.internal.aggregate_state import PostState, TableRow, TotalState
from services.engagement_aggregator.fold.published_row import followers_total
from services.engagement_aggregator.fold.wire import ReadFollowers
from services.engagement_aggregator.native.state import State
from services.engagement_aggregator.rows import keys
from services.engagement_aggregator.rows.sums import NOTHING, follow

_json = msgspec.json.encode


class Parent:
    """A row by its number in C; followers by `<platform>:<account>`."""

    __slots__ = ("brand_id", "campaign_id", "followers", "key", "number")

    def __init__(self, key: str, total: TotalState, number: int) -> None:
        self.key, self.number = key, number
        self.brand_id, self.campaign_id, self.followers = total.brand_id, total.campaign_id, total.followers


class Parents:
    """Opened on the first touch. load: a row as it was last written. home: the partition of a brand."""

    def __init__(self, state: State, load: Callable[[str], TableRow | None], home: Callable[[str], int]) -> None:
        self._state, self._load, self._home = state, load, home
        self._by_key: dict[str, Parent] = {}
        self._by_number: list[Parent] = []
        self._followed: set[Parent] = set()

    def __len__(self) -> int:
        return len(self._by_number)

    def key(self, number: int) -> str:
        return self._by_number[number].key

    def known(self, key: str) -> Parent | None:
        """None if there is no such row."""
        parent = self._by_key.get(key)
        if parent is None and isinstance(total := self._load(key), TotalState):
            parent = self._opened(key, total, is_new=False)
        return parent

    def of(self, post: PostState) -> tuple[int, int, int]:
        """Content, campaign on the platform and campaign of a post, made where they are not there."""
        content = self._total(keys.content(post.content_id), "content", post, content=post.content_id)
        key = keys.campaign_platform(post.campaign_id, post.platform)
        on_platform = self._total(key, "campaign_platform", post, platform=post.platform)
        campaign = self._total(keys.campaign(post.campaign_id), "campaign", post)
        return content.number, on_platform.number, campaign.number

    def followed(self, event: ReadFollowers, seen: datetime) -> None:
        """Note an account's number of followers, or why it is missing, as observed at `seen`."""
        reading = event.followers
        state = (
            FollowersState(reason=reading.reason, reason_at=seen)
            if reading.value is None
            else FollowersState(value=reading.value, value_at=seen)
        )
        name = keys.followers(event.platform, event.account)
        on_platform = keys.campaign_platform(event.campaign_id, event.platform)
        for parent in (
            self._total(keys.campaign(event.campaign_id), "campaign", event, at=seen),
            self._total(on_platform, "campaign_platform", event, platform=event.platform, at=seen),
        ):
            is_news = follow(parent.followers.setdefault(name, FollowersState()), state)
            if is_news:
                self._followed.add(parent)
            self._state.followed(parent.number, seen, is_news=is_news)

    def settle_followers(self) -> None:
        """Put them where they are written from."""
        followed, self._followed = self._followed, set()
        for parent in followed:
            self._put_followers(parent)

    def renumber(self, numbers: Sequence[int]) -> None:
        """Some were forgotten: by number the new one, or -1."""
        kept = [parent for parent, number in zip(self._by_number, numbers, strict=True) if number >= 0]
        for number, parent in enumerate(kept):
            parent.number = number
        self._by_number, self._by_key = kept, {parent.key: parent for parent in kept}

    def _total(
        self, key: str, scope: Scope, source: PostState | ReadFollowers, platform: str = "all",
        content: str | None = None, at: datetime | None = None,
    ) -> Parent:  # fmt: skip
        parent = self.known(key)
        if parent is None:
            as_of = source.as_of if isinstance(source, PostState) else at
            assert as_of is not None
            total = TotalState(scope, source.brand_id, source.campaign_id, content, platform, as_of, NOTHING)
            parent = self._opened(key, total, is_new=True)
        return parent

    def _opened(self, key: str, total: TotalState, *, is_new: bool) -> Parent:
        number = self._state.load_total(key, total, self._home(total.brand_id), is_new=is_new)
        parent = self._by_key[key] = Parent(key, total, number)
        self._by_number.append(parent)
        self._put_followers(parent)
        return parent

    def _put_followers(self, parent: Parent) -> None:
        shown = followers_total(parent.followers.values())
        value = shown.value if not shown.unknown else None
        self._state.put_followers(parent.number, _json(parent.followers), _json(shown), value)
