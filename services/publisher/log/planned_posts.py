"""What the accepted contents will post on each account: newest versions only, and nothing that is long past."""

from __future__ import annotations

from datetime import datetime, timedelta

from schemas.events.content import MasterContent
from services.adapter.accounts.quota_forecast import Planned
from services.publisher.content.plan import planned_post

# The longest limit that a platform declares counts a month; what was due before has no part in it any more.
REMEMBERED = timedelta(days=62)
_FEW = 64

Account = tuple[str, str]  # platform, account


class PlannedPosts:
    """By account and content. Not thread-safe by itself. At most what is planned, and two months of the past."""

    def __init__(self) -> None:
        self._by_account: dict[Account, dict[str, tuple[Planned, ...]]] = {}
        self._accounts_of: dict[str, tuple[Account, ...]] = {}
        self._crowded: dict[Account, int] = {}

    def put(self, content: MasterContent) -> None:
        """The version that counts from now on, in the place of an earlier one."""
        self.drop(content.content_id)
        posts: dict[Account, list[Planned]] = {}
        for target in content.targets:
            posts.setdefault((target.platform, target.account), []).append(planned_post(content, target))
        for account, planned in posts.items():
            self._by_account.setdefault(account, {})[content.content_id] = tuple(planned)
        self._accounts_of[content.content_id] = tuple(posts)
        for account in posts:
            if len(self._by_account[account]) > self._crowded.get(account, _FEW):
                self._forget(account, content.occurred_at - REMEMBERED)

    def drop(self, content_id: str) -> None:
        """Nothing of the content is planned any more; one that is not known changes nothing."""
        for account in self._accounts_of.pop(content_id, ()):
            self._by_account[account].pop(content_id, None)

    def on(self, platform: str, account: str, besides: str) -> tuple[Planned, ...]:
        """The posts on one account of all contents but one."""
        contents = self._by_account.get((platform, account), {})
        return tuple(one for content_id, posts in contents.items() if content_id != besides for one in posts)

    def _forget(self, account: Account, before: datetime) -> None:
        """Each post is looked at a few times at most: the next time is when there are twice as many."""
        contents = self._by_account[account]
        for content_id in [name for name, posts in contents.items() if all(one.due_at < before for one in posts)]:
            del contents[content_id]
            left = tuple(one for one in self._accounts_of[content_id] if one != account)
            if left:
                self._accounts_of[content_id] = left
            else:
                del self._accounts_of[content_id]
        self._crowded[account] = max(_FEW, 2 * len(contents))
