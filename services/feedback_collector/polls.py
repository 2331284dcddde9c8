"""One poll of one account: metrics of its due posts in as few calls as the platform allows, then comments per post.

Runs on a thread and only reads; what it found is turned into events by the stage, on the loop's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schemas.feedback import Reading, Readings
from services.adapter.contract import Comment, FeedbackSource, LivePost
from services.adapter.errors import PlatformError
from services.runtime.logging import get_logger

MOST_PAGES = 200

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ask:
    """What one post's poll needs to know. again: walk all comments, also past those already collected."""

    post: LivePost
    position: Mapping[str, Any]
    known: Callable[[str], bool]
    again: bool


@dataclass(slots=True)
class Found:
    """What the poll of one post brought. comments: None where the walk failed. complete: the walk came to its end."""

    native_id: str
    readings: Readings | None = None
    comments: list[Comment] | None = None
    position: dict[str, Any] = field(default_factory=dict)
    total: int | None = None
    complete: bool = False
    error: PlatformError | None = None


@dataclass(frozen=True, slots=True)
class Polled:
    """One account's poll. at: the clock's time when it began."""

    platform: str
    account: str
    at: datetime
    found: tuple[Found, ...] = ()
    followers: Reading | None = None


def poll_posts(source: FeedbackSource, client: Any, asks: Sequence[Ask], now: datetime) -> list[Found]:
    """Everything about these posts of one account. A failure is a value: one broken post leaves the others alone."""
    found = {ask.post.post.native_id: Found(ask.post.post.native_id) for ask in asks}
    try:
        readings = source.metrics(client, [ask.post for ask in asks], now)
    except PlatformError as error:
        readings = {}
        for one in found.values():
            one.error = error
    for native_id, one in found.items():
        one.readings = readings.get(native_id)
    for ask in asks:
        one = found[ask.post.post.native_id]
        try:
            _walk(source, client, ask, now, one)
        except PlatformError as error:
            one.error = error
            one.comments = None
    return list(found.values())


def _walk(source: FeedbackSource, client: Any, ask: Ask, now: datetime, found: Found) -> None:
    known = (lambda _: False) if ask.again else ask.known
    comments: dict[str, Comment] = {}
    position: dict[str, Any] = {} if ask.again else dict(ask.position)
    pages = enumerate(source.comment_pages(client, ask.post, position, known, now), start=1)
    for number, page in pages:
        comments.update((comment.comment_id, comment) for comment in page.comments if not ask.known(comment.comment_id))
        position, found.total = page.position, page.total if page.total is not None else found.total
        if not page.more:
            found.complete = True
        if number >= MOST_PAGES:
            log.warning("comment_walk_cut", native_id=found.native_id, pages=number)
            break
    found.comments, found.position = list(comments.values()), position


def poll_followers(source: FeedbackSource, client: Any, now: datetime) -> Reading:
    try:
        return source.followers(client, now)
    except PlatformError:
        return Reading(reason="failed")
