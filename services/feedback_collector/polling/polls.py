"""One poll of an account's posts: their metrics in as few calls as the platform allows, then the comments of each.

Runs on a thread and only reads; a failure is a value. What was found is turned into events by the stage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schemas.events.feedback import Reading, Readings
from services.adapter.contract.errors import PlatformError
from services.adapter.contract.feedback import Comment, FeedbackSource, LivePost
from services.runtime.logging import get_logger

MOST_PAGES = 200

Now = Callable[[], datetime]

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ask:
    """What one post's poll needs to know. again: walk all comments, also past those already collected."""

    post: LivePost
    position: Mapping[str, Any]
    known: Callable[[str], bool]
    again: bool = False


@dataclass(slots=True)
class Found:
    """What the poll of one post brought.

    asked_at: when the poll began; read_at: when the metrics were there; at: when the poll ended. position None: no page
    came. complete: the walk came to its end. skipped: it was not asked at all, because the poll was called off.
    """

    ask: Ask
    asked_at: datetime
    read_at: datetime
    at: datetime
    readings: Readings | None = None
    comments: list[Comment] = field(default_factory=list)
    position: dict[str, Any] | None = None
    total: int | None = None
    complete: bool = False
    skipped: bool = False
    error: PlatformError | None = None


def poll_posts(
    source: FeedbackSource, client: Callable[[], Any], asks: Sequence[Ask], now: Now, called_off: Callable[[], bool]
) -> Iterator[Found]:
    """One Found for each ask, each as soon as it is there. One broken post leaves the others alone; where the platform
    refuses the whole account, the others are not tried. Once called off, it ends after the page it is at."""
    began = now()
    found = [Found(ask, began, began, began) for ask in asks]
    with _noting(found):
        _read_metrics(source, client(), found, now)
    refused = next((one.error for one in found if one.error and one.error.scope != "post"), None)
    for one in found:
        if called_off():
            one.skipped = True
        elif refused is not None:
            one.error = refused
        else:
            with _noting([one]):
                _walk(source, client(), one, now, called_off)
            refused = one.error if one.error and one.error.scope != "post" else None
        one.at = now()
        yield one


def poll_followers(source: FeedbackSource, client: Callable[[], Any], now: Now) -> Reading:
    with _noting([]):
        return source.followers(client(), now())
    return Reading(reason="failed")


def _read_metrics(source: FeedbackSource, client: Any, found: Sequence[Found], now: Now) -> None:
    """In one call; where the platform refuses that because of a post, one by one to find out which."""
    with _noting(found):
        readings = source.metrics(client, [one.ask.post for one in found], now())
        for one in found:
            one.readings, one.read_at = readings.get(one.ask.post.post.native_id), now()
    if len(found) > 1 and found[0].error is not None and _about_a_post(found[0].error):
        for one in found:
            one.error = None
            _read_metrics(source, client, [one], now)


def _about_a_post(error: PlatformError) -> bool:
    return error.sent == "yes" and error.scope == "post" and not error.retriable


def _walk(source: FeedbackSource, client: Any, found: Found, now: Now, called_off: Callable[[], bool]) -> None:
    """Keeps what came before a failure: pages and the position to go on from."""
    ask = found.ask
    known = _nothing_known if ask.again else ask.known
    start: Mapping[str, Any] = {} if ask.again else dict(ask.position)
    pages = source.comment_pages(client, ask.post, start, known, now())
    for number, page in enumerate(pages, start=1):
        found.comments += [comment for comment in page.comments if not ask.known(comment.comment_id)]
        found.position, found.total = page.position, page.total if page.total is not None else found.total
        if page.more and called_off():
            return
        if page.more and number >= MOST_PAGES:
            log.warning("comment_walk_cut", native_id=ask.post.post.native_id, pages=number)
            return
    found.complete = True


def _nothing_known(comment_id: str) -> bool:
    return False


@contextmanager
def _noting(found: Sequence[Found]) -> Iterator[None]:
    """A failure within the block is noted on each of these; a bug, ours or an adapter's, is one too, and is logged."""
    try:
        yield
    except PlatformError as error:
        failure = error
    except Exception as error:  # a thread's own border: whatever went wrong, its posts must not stay busy for ever
        log.exception("poll_bug", native_ids=[one.ask.post.post.native_id for one in found])
        message = f"程序错误 {type(error).__name__}，已记录在日志 / a bug, see the log"
        failure = PlatformError(message, error_class="bug", sent="yes")
    else:
        return
    for one in found:
        one.error = failure
