"""Comments, metrics and followers of Douyin posts, read-only.

Comments are walked newest first. A reply to an old comment does not change that order, so the walk is steered by the
platform's total: it ends once it found as many new comments as the total grew by, or has seen all comments.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.events.feedback import Metric, Reading, Readings
from services.adapter.contract.errors import PlatformError
from services.adapter.contract.feedback import Comment, CommentPage, LivePost
from services.adapter_douyin.client import DouyinClient
from services.adapter_douyin.errors import BAD_PARAMETER, CAPABILITY_MISSING, NOT_GRANTED

COMMENTS_A_PAGE = 50
POSTS_A_CALL = 20  # video_data states no limit; the page size of video_list is taken [assumption]
FULL_WALK_EVERY = 20  # polls; a full walk also finds changes that leave the total the same
GAP_BELIEVED_AFTER = 2  # full walks that found the same number of comments missing
NATIVE: Mapping[Metric, str] = {
    "views": "play_count",
    "likes": "digg_count",
    "comments": "comment_count",
    "shares": "share_count",
}
PRIVATE = (6, 7)
DAILY: Mapping[Metric, str] = {
    "views": "total_play",
    "likes": "total_like",
    "comments": "total_comment",
    "shares": "total_share",
}
DAILY_AFTER = timedelta(hours=34)  # they come about 10:00 of the next day [doc]


class DouyinFeedback:
    """The contract's FeedbackSource."""

    def native_metrics(self) -> Mapping[Metric, str]:
        return NATIVE

    def comment_pages(
        self,
        client: DouyinClient,
        post: LivePost,
        position: Mapping[str, Any],
        known: Callable[[str], bool],
        now: datetime,
    ) -> Iterator[CommentPage]:
        """position: `collected` so far, `gap` = comments of the total that no page shows, `gap_seen`, `polls`."""
        total = _total(client, post)
        walk = _Walk(client, post.post.native_id, known, total, _Position.read(position))
        yield from walk.pages()

    def metrics(self, client: DouyinClient, posts: Sequence[LivePost], now: datetime) -> Mapping[str, Readings]:
        """Up to POSTS_A_CALL posts per call. A post missing in the answer is `failed`, not 0."""
        found: dict[str, Readings] = {post.post.native_id: _absent("failed") for post in posts}
        ids = list(found)
        try:
            for start in range(0, len(ids), POSTS_A_CALL):
                for row in client.video_data(ids[start : start + POSTS_A_CALL]):
                    if row.get("item_id") in found:
                        found[row["item_id"]] = _readings(row)
        except PlatformError as error:
            if error.code not in CAPABILITY_MISSING:
                raise
            return found | {post.post.native_id: _daily(client, post, now) for post in posts}
        return found

    def followers(self, client: DouyinClient, now: datetime) -> Reading:
        """Followers on the newest day of the account's statistics, which only enterprise applications get."""
        native = "total_fans"
        try:
            days = client.fans(7)
        except PlatformError as error:
            if error.code in CAPABILITY_MISSING | NOT_GRANTED:
                return Reading(reason="unsupported", native=native)
            raise
        counted = [day for day in days if _int(day.get(native)) is not None]
        if not counted:
            return Reading(reason="not_yet", native=native)
        newest = max(counted, key=lambda day: str(day.get("date", "")))
        return Reading(value=_int(newest[native]), native=native)


@dataclass(frozen=True, slots=True)
class _Position:
    """What one poll passes on to the next."""

    collected: int = 0
    gap: int = 0
    gap_seen: int = 0
    polls: int = 0

    @classmethod
    def read(cls, position: Mapping[str, Any]) -> _Position:
        return cls(**{name: int(position.get(name, 0)) for name in cls.__slots__})

    def written(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    def missing(self, total: int | None) -> int | None:
        """Number of new comments by the total; None = unknown, so all comments are walked."""
        if total is None or self.polls % FULL_WALK_EVERY == FULL_WALK_EVERY - 1:
            return None
        believed = self.gap if self.gap_seen >= GAP_BELIEVED_AFTER else 0
        missing = total - self.collected - believed
        return missing if missing >= 0 else None  # fewer than collected: some were deleted, so all are counted again


@dataclass(slots=True)
class _Found:
    """What a walk has found so far. `fresh` counts comments that were not known before this poll."""

    seen: set[str] = field(default_factory=set)
    fresh: int = 0
    reached_known: bool = False


@dataclass(slots=True)
class _Walk:
    """One poll of one post's comments: where each list goes on, and what was found."""

    client: DouyinClient
    item_id: str
    known: Callable[[str], bool]
    total: int | None
    start: _Position
    cursor: int | None = 0
    parents: deque[tuple[str, int]] = field(default_factory=deque)
    visited: set[tuple[str, int]] = field(default_factory=set)
    found: _Found = field(default_factory=_Found)

    def pages(self) -> Iterator[CommentPage]:
        missing = self.start.missing(self.total)
        if missing == 0:
            yield self._page((), self._after(self.start.collected), more=False)
            return
        while True:
            parent = self._next_parent(missing)
            rows = self._call(parent)
            comments = self._new(rows, parent)
            found_all = missing is not None and self.found.fresh >= missing and self.found.reached_known
            seen_all = self.cursor is None and not self.parents
            if found_all or seen_all:
                yield self._page(comments, self._finished(seen_all), more=False)
                return
            # If the walk ends early, the next poll still finds the total above `collected`.
            yield self._page(comments, self.start, more=True)

    def _next_parent(self, missing: int | None) -> tuple[str, int] | None:
        """The comment whose replies to read next; None = go on in the main list."""
        wanted = missing is None or self.found.fresh < missing or self.cursor is None
        return self.parents.popleft() if self.parents and wanted else None

    def _call(self, parent: tuple[str, int] | None) -> list[dict[str, Any]]:
        """One page of replies or of the main list; notes where each list goes on."""
        if parent is not None:
            data = self.client.replies(self.item_id, *parent, COMMENTS_A_PAGE)
            following = self._following(data, parent)
            if following is not None:
                self.parents.appendleft((parent[0], following))
            return _rows(data)
        data = self.client.comments(self.item_id, self.cursor or 0, COMMENTS_A_PAGE)
        rows = [row for row in _rows(data) if row["comment_id"] not in self.found.seen]
        self.cursor = self._following(data, ("", self.cursor or 0))
        self.parents.extend((row["comment_id"], 0) for row in rows if _int(row.get("reply_comment_total")))
        # Pinned comments come first at any age, so they do not show how far the walk has come.
        reached = any(self.known(row["comment_id"]) for row in rows if not row.get("top"))
        self.found.reached_known = self.found.reached_known or reached or self.cursor is None
        return rows

    def _following(self, data: dict[str, Any], at: tuple[str, int]) -> int | None:
        """The next cursor, or None at the end. A short page is not the end; only `has_more` marks it."""
        self.visited.add(at)
        following = _int(data.get("cursor"))
        more = data.get("has_more") in (True, 1, "1", "true")
        return following if more and following is not None and (at[0], following) not in self.visited else None

    def _new(self, rows: list[dict[str, Any]], parent: tuple[str, int] | None) -> tuple[Comment, ...]:
        comments = []
        for row in rows:
            if row["comment_id"] in self.found.seen:
                continue
            self.found.seen.add(row["comment_id"])
            self.found.fresh += not self.known(row["comment_id"])
            comments.append(_comment(row, parent[0] if parent else None))
        return tuple(comments)

    def _page(self, comments: tuple[Comment, ...], position: _Position, *, more: bool) -> CommentPage:
        return CommentPage(comments, position.written(), more, self.total)

    def _after(self, collected: int) -> _Position:
        return _Position(collected, self.start.gap, self.start.gap_seen, self.start.polls + 1)

    def _finished(self, seen_all: bool) -> _Position:
        if not seen_all or self.total is None:
            return self._after(len(self.found.seen) if seen_all else self.start.collected + self.found.fresh)
        gap = self.total - len(self.found.seen)
        again = self.start.gap_seen + 1 if gap == self.start.gap else 1
        return _Position(len(self.found.seen), gap, again if gap else 0, self.start.polls + 1)


def _total(client: DouyinClient, post: LivePost) -> int | None:
    """The platform's number of comments, replies included [assumption]; None if it gives none."""
    try:
        rows = client.video_data([post.post.native_id])
    except PlatformError as error:
        if error.code in CAPABILITY_MISSING:
            return None
        raise
    row = next((row for row in rows if row.get("item_id") == post.post.native_id), None)
    return _int(_statistics(row).get("comment_count")) if row else None


def _comment(row: dict[str, Any], parent: str | None) -> Comment:
    return Comment(
        comment_id=row["comment_id"],
        author=str(row.get("comment_user_id") or ""),
        text=str(row.get("content") or ""),
        written_at=datetime.fromtimestamp(_int(row.get("create_time")) or 0, UTC),
        parent_comment_id=parent,
        likes=_int(row.get("digg_count")),
    )


def _readings(row: dict[str, Any]) -> Readings:
    figures = _statistics(row)
    readings: dict[str, Reading] = {metric: _reading(figures, native) for metric, native in NATIVE.items()}
    if _int(row.get("video_status")) in PRIVATE and not readings["views"].value:
        readings["views"] = Reading(
            reason="failed", native="play_count"
        )  # 0 plays of a private post are not a real figure
    return Readings(**readings)


def _daily(client: DouyinClient, post: LivePost, now: datetime) -> Readings:
    """The 30-day figures, a day late, where `video_data` is offline. Zeros of a post of the last day are `not_yet`."""
    try:
        figures = client.item_figures(post.post.native_id)
    except PlatformError as error:
        if error.code not in BAD_PARAMETER:  # an older or a deleted post
            raise
        return _absent("failed")
    if now - post.post.published_at < DAILY_AFTER and not any(_int(figures.get(name)) for name in DAILY.values()):
        return _absent("not_yet")
    readings: dict[str, Reading] = {metric: _reading(figures, native) for metric, native in DAILY.items()}
    return Readings(**readings)


def _reading(figures: dict[str, Any], native: str) -> Reading:
    value = _int(figures.get(native))
    return Reading(reason="not_yet", native=native) if value is None else Reading(value=value, native=native)


def _absent(reason: Any) -> Readings:
    return Readings(**{metric: Reading(reason=reason, native=native) for metric, native in NATIVE.items()})


def _rows(data: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in data.get("list") or [] if isinstance(row, dict) and row.get("comment_id")]


def _statistics(row: dict[str, Any]) -> dict[str, Any]:
    figures = row.get("statistics")
    return figures if isinstance(figures, dict) else {}


def _int(value: Any) -> int | None:
    """Many samples show numbers as strings. None for a negative number or anything else."""
    try:
        number = int(value)
    except (TypeError, ValueError):
        return None
    return number if number >= 0 else None
