"""Takes a Weibo post down, answers comments, and finds an answer after an unknown outcome.

Does not decide when to call or to look again: the caller does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime

from schemas.events.placement import PlacementRecord
from services.adapter.contract.errors import PlatformError
from services.adapter.contract.feedback import LivePost
from services.adapter.localising.text import fingerprint
from services.adapter_weibo.client import WeiboClient
from services.adapter_weibo.errors import GONE, NOT_ALLOWED
from services.adapter_weibo.limits import COMMENT_MAX, status_length
from services.adapter_weibo.settings import LOOKING
from services.adapter_weibo.wire_types import CommentRow, CommentRows

Page = Callable[[int], CommentRows]
ANSWERING = re.compile(r"^回复\s*@[^:：]{1,60}[:：]\s*")  # what the platform puts before an answer [memory]


class WeiboRetraction:
    """The contract's Retraction. Deleting twice does no harm, so it may be repeated after an unknown outcome."""

    def retract(self, client: WeiboClient, record: PlacementRecord) -> None:
        if record.post is None:
            raise PlatformError("没有可撤下的微博 / there is no post to take down", error_class="bug", sent="no")
        try:
            client.destroy(record.post.native_id)
        except PlatformError as error:
            if error.code not in GONE:
                raise


class WeiboReplies:
    """The contract's Replies. With an empty comment_id the post itself is commented on."""

    def reply(self, client: WeiboClient, post: LivePost, comment_id: str, text: str) -> str:
        length = status_length(text)
        if not text.strip() or length > COMMENT_MAX:
            message = f"回复须为 1–{COMMENT_MAX} 字，现为 {length} 字，请改短或补上内容 / the reply's length is wrong"
            raise PlatformError(message, error_class="content", sent="no")
        status_id = post.post.native_id
        made = client.reply(status_id, comment_id, text) if comment_id else client.comment(status_id, text)
        return made.id

    def find_reply(
        self, client: WeiboClient, post: LivePost, comment_id: str, text: str, since: datetime
    ) -> str | None:
        """Searches the account's own comments, or, where the app may not list those, the post's comments by its uid.

        Raises PlatformError where the platform does not show the time in question.
        """
        earliest, wanted = since - LOOKING.clock_slack, _words(text)
        ours = [
            row
            for row in _own_comments(client, post, earliest)
            if row.created_at >= earliest and (row.parent or "") == comment_id and _words(row.text) == wanted
        ]
        return min(ours, key=lambda row: int(row.id)).id if ours else None

    def most_characters(self) -> int:
        return COMMENT_MAX


# --- searching the account's own comments ----------------------------------------------------------------------------


def _words(text: str) -> str:
    return fingerprint(ANSWERING.sub("", text))


def _own_comments(client: WeiboClient, post: LivePost, earliest: datetime) -> list[CommentRow]:
    """The account's comments under the post, back to `earliest`."""
    status_id, most = post.post.native_id, LOOKING.comments_per_page
    try:
        ours = list(_rows_back_to(earliest, lambda below: client.own_comments(count=most, max_id=below)))
        return [row for row in ours if row.status_id == status_id]
    except PlatformError as error:
        if error.code not in NOT_ALLOWED:
            raise
    uid = client.uid()
    everybody = _rows_back_to(earliest, lambda below: client.comments(status_id, count=most, max_id=below))
    return [row for row in everybody if row.author == uid]


def _rows_back_to(earliest: datetime, page_below: Page) -> Iterator[CommentRow]:
    """Rows, newest first. Raises PlatformError where the rows or LOOKING.pages end before `earliest` is reached."""
    below, seen = 0, 0
    for _ in range(LOOKING.pages):
        page = page_below(below)
        yield from page.rows
        seen += len(page.rows)
        if len(page.rows) > 1 and page.rows[-1].created_at < earliest:  # one old row alone may be pinned
            return
        lower = _next_max_id(page, below)
        if not lower:
            if page.total is None or page.total <= seen or _reaches_back(page, earliest):
                return
            break
        below = lower
    message = "微博没有给出足够早的评论，无法判断回复是否已发出；请到微博核对 / cannot tell whether the reply is there"
    raise PlatformError(message, error_class="needs_human", sent="yes")


def _next_max_id(page: CommentRows, below: int) -> int:
    """The max_id of the next page; 0 at the end. A short page is not the end while the cursor points below."""
    if page.next_cursor == 0 and len(page.rows) < LOOKING.comments_per_page:
        return 0
    lower = max(page.next_cursor, int(page.rows[-1].id) - 1 if page.rows else 0)
    return lower if not below or lower < below else 0


def _reaches_back(page: CommentRows, earliest: datetime) -> bool:
    return bool(page.rows) and page.rows[-1].created_at < earliest
