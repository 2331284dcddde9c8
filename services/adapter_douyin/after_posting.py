"""Replies to the comments of a live Douyin post: sending one, and finding one whose answer was lost.

Douyin offers no way to take a post down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.adapter.contract.errors import PlatformError
from services.adapter.contract.feedback import LivePost
from services.adapter.localising.text import fingerprint
from services.adapter_douyin.client import DouyinClient
from services.adapter_douyin.limits import REPLY_MAX, caption_length

LOOK_BACK = timedelta(minutes=5)
PAGE = 50
MOST_PAGES = 40


class DouyinReplies:
    """The contract's Replies."""

    def reply(self, client: DouyinClient, post: LivePost, comment_id: str, text: str) -> str:
        if not text.strip() or caption_length(text) > REPLY_MAX:
            raise PlatformError(
                f"回复须有 1 到 {REPLY_MAX} 个字 / a reply has 1 to {REPLY_MAX} characters",
                error_class="content",
                sent="no",
            )
        return client.reply(post.post.native_id, comment_id, text)

    def find_reply(
        self, client: DouyinClient, post: LivePost, comment_id: str, text: str, since: datetime
    ) -> str | None:
        """Search the replies below the comment; if the comment is a reply itself, search its whole thread."""
        wanted = _Wanted(client.account.open_id, comment_id, fingerprint(text), (since - LOOK_BACK).timestamp())
        item = post.post.native_id
        found = next((row for row in _below(client, item, comment_id) if wanted.matches(row)), None)
        found = found or next((row for row in _thread_of(client, item, comment_id) if wanted.matches(row)), None)
        return str(found["comment_id"]) if found else None

    def most_characters(self) -> int:
        return REPLY_MAX


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What identifies the reply. `reply_comment_id`, where an answer has it, names the comment that it answers."""

    author: str
    answers: str
    words: str
    not_before: float

    def matches(self, row: dict[str, Any]) -> bool:
        return (
            row.get("comment_user_id") == self.author
            and (row.get("reply_comment_id") or self.answers) == self.answers
            and fingerprint(str(row.get("content") or "")) == self.words
            and _int(row.get("create_time")) >= self.not_before
        )


def _below(client: DouyinClient, item_id: str, comment_id: str) -> Iterator[dict[str, Any]]:
    return _pages(lambda cursor: client.replies(item_id, comment_id, cursor, PAGE))


def _thread_of(client: DouyinClient, item_id: str, comment_id: str) -> list[dict[str, Any]]:
    """The replies of the thread that contains the comment; empty for a top-level comment."""
    for root in _pages(lambda cursor: client.comments(item_id, cursor, PAGE)):
        if root["comment_id"] == comment_id:
            return []
        if _int(root.get("reply_comment_total")):
            thread = list(_below(client, item_id, str(root["comment_id"])))
            if any(row["comment_id"] == comment_id for row in thread):
                return thread
    return []


def _pages(ask: Callable[[int], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows of all pages. A short page is not the end; only `has_more` marks it."""
    cursor = 0
    for _ in range(MOST_PAGES):
        page = ask(cursor)
        yield from (row for row in page.get("list") or [] if isinstance(row, dict) and row.get("comment_id"))
        following = _int(page.get("cursor"))
        if page.get("has_more") not in (True, 1, "1", "true") or following <= cursor:
            return
        cursor = following
    raise PlatformError(
        f"评论超过 {MOST_PAGES * PAGE} 条，没有看完，请在抖音 App 里确认回复是否已发出 / too many comments to tell",
        error_class="needs_human",
        sent="yes",
        outcome="unknown",
    )


def _int(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0
