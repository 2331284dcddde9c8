"""Polls comments, counts and followers of Weibo posts; the platform pushes nothing.

Comments come newest first. A walk stores in `position` how far it got, so an interrupted one goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from schemas.events.feedback import Absence, Metric, Reading, Readings
from services.adapter.contract.feedback import Comment, CommentPage, LivePost
from services.adapter_weibo.client import WeiboClient
from services.adapter_weibo.settings import LISTENING
from services.adapter_weibo.wire_types import CommentRow, CommentRows, StatusCounts

NATIVE: dict[Metric, str] = {"likes": "attitudes", "comments": "comments", "shares": "reposts"}
FOLLOWERS = "followers_count"


@dataclass(frozen=True, slots=True)
class _Walk:
    """One walk from the newest comment downwards.

    done_to: everything up to this id was walked before; 0 = a walk over all comments. top: the highest id met. below:
    where to go on, 0 = at the newest. seen: comments received so far, by this walk and the walks before it.
    total: the platform's own number when this walk began. missing: total minus seen after the last finished walk.
    """

    done_to: int = 0
    top: int = 0
    below: int = 0
    seen: int = 0
    total: int = 0
    missing: int = 0

    @classmethod
    def left_at(cls, position: Mapping[str, Any]) -> _Walk:
        return cls(**{name: int(position.get(name, 0)) for name in cls.__slots__})

    @property
    def position(self) -> dict[str, Any]:
        """As strings: the ids are beyond what every JSON reader keeps exact."""
        return {name: str(value) for name, value in asdict(self).items()}

    def after(self, page: CommentRows) -> _Walk:
        """The walk after one more page; `below` is 0 again where the walk has ended."""
        ids = [number for row in page.rows if self._asked_for(number := int(row.id))]
        total = self.total if self.below or page.total is None else page.total
        below = self._next(page, ids)
        return replace(self, top=max([self.top, *ids]), below=below, seen=self.seen + len(ids), total=total)

    def _asked_for(self, number: int) -> bool:
        """False for a pinned comment, which the platform may send with every page."""
        return number > self.done_to and (not self.below or number <= self.below)

    def _next(self, page: CommentRows, ids: Sequence[int]) -> int:
        """The next max_id: below the last row that was asked for, or the platform's cursor if that is higher.

        A short page is not the end, and an empty one neither while the cursor points below.
        """
        if page.next_cursor == 0 and len(page.rows) < LISTENING.comments_per_page:
            return 0
        choices = (page.next_cursor, ids[-1] - 1 if ids else 0)
        lower = (number for number in choices if not self.below or number < self.below)
        return max((number for number in lower if number > self.done_to), default=0)

    def finished(self) -> _Walk:
        """The start of the next walk, which goes down to where this one began."""
        return _Walk(self.top, self.top, 0, self.seen, 0, self.total - self.seen)


class WeiboFeedback:
    """The contract's FeedbackSource."""

    def native_metrics(self) -> Mapping[Metric, str]:
        return NATIVE

    def comment_pages(
        self,
        client: WeiboClient,
        post: LivePost,
        position: Mapping[str, Any],
        known: Callable[[str], bool],
        now: datetime,
    ) -> Iterator[CommentPage]:
        """From the newest down to where the last finished walk began; a walk that was cut off is finished first.

        A comment that the platform releases late lies below that line: where its own total grew by more than the walk
        met, all comments are walked once more.
        """
        walk = _Walk.left_at(position)
        resumed = bool(walk.below)
        while True:
            page = client.comments(
                post.post.native_id,
                count=LISTENING.comments_per_page,
                since_id=walk.done_to,
                max_id=walk.below,
            )
            before, walk, more = walk, walk.after(page), True
            if not walk.below:
                walk = walk.finished()
                late = bool(before.done_to) and walk.missing > before.missing and _is_cheap(walk)
                more = resumed or late
                resumed = False
                if late:
                    walk = _Walk(missing=walk.missing)
            yield CommentPage(tuple(map(_comment, page.rows)), walk.position, more, page.total)
            if not more:
                return

    def metrics(self, client: WeiboClient, posts: Sequence[LivePost], now: datetime) -> Mapping[str, Readings]:
        found = client.counts(post.post.native_id for post in posts)
        return {post.post.native_id: _readings(found.get(post.post.native_id), post, now) for post in posts}

    def followers(self, client: WeiboClient, now: datetime) -> Reading:
        return _reading(client.followers(), FOLLOWERS)


def _is_cheap(walk: _Walk) -> bool:
    """Whether a new walk over all comments costs few calls."""
    return walk.seen <= LISTENING.whole_walk_at_most


def _comment(row: CommentRow) -> Comment:
    return Comment(row.id, row.author, row.text, row.created_at, row.parent, row.likes)


def _readings(counts: StatusCounts | None, post: LivePost, now: datetime) -> Readings:
    """A post that the answer lacks is too young to be counted, or the platform no longer counts it; never 0."""
    young = counts is None and now - post.post.published_at < LISTENING.counts_lag
    otherwise: Absence = "not_yet" if young else "failed"
    counts = counts or StatusCounts(None, None, None)
    return Readings(
        likes=_reading(counts.attitudes, NATIVE["likes"], otherwise),
        comments=_reading(counts.comments, NATIVE["comments"], otherwise),
        shares=_reading(counts.reposts, NATIVE["shares"], otherwise),
    )


def _reading(value: int | None, native: str, otherwise: Absence = "failed") -> Reading:
    if value is None:
        return Reading(reason=otherwise, native=native)
    return Reading(value=value, native=native)
