"""What follows publishing: takes articles down and answers comments."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from schemas.events.placement import PlacementRecord
from services.adapter.contract.errors import PlatformError
from services.adapter.contract.feedback import LivePost
from services.adapter.localising.text import normalise
from services.adapter_wechat.client import WechatClient
from services.adapter_wechat.errors import NO_SUCH_ARTICLE
from services.adapter_wechat.feedback import ended, index_of, message_of
from services.adapter_wechat.limits import COMMENTS_PER_PAGE, REPLY
from services.adapter_wechat.wire_types import WechatComment, instant

CLOCKS_DIFFER = timedelta(minutes=5)


class WechatRetraction:
    """The contract's Retraction. A published article is deleted; of a mass send only the page can be."""

    def retract(self, client: WechatClient, record: PlacementRecord) -> None:
        if record.post is None:
            raise PlatformError("没有帖子可以撤下 / there is no post to take down", error_class="bug", sent="yes")
        msg_id = record.post.ids.get("msg_id", "")
        if msg_id:
            if client.mass_status(int(msg_id)) != "DELETE":
                client.delete_mass(int(msg_id))
            return
        try:
            client.delete_article(record.post.native_id)
        except PlatformError as error:
            if error.code != NO_SUCH_ARTICLE:
                raise


class WechatReplies:
    """The contract's Replies. A comment has at most one reply of the author, so the platform refuses a second one."""

    def reply(self, client: WechatClient, post: LivePost, comment_id: str, text: str) -> str:
        client.reply(message_of(post), index_of(post), _number(comment_id), text)
        return _reply_id(comment_id)

    def find_reply(
        self, client: WechatClient, post: LivePost, comment_id: str, text: str, since: datetime
    ) -> str | None:
        wanted, earliest = _number(comment_id), since - CLOCKS_DIFFER
        for comment in _comments(client, post):
            if int(comment.user_comment_id) == wanted:
                ours = [one for one in comment.replies if normalise(one.content) == normalise(text)]
                recent = any(instant(one.create_time) >= earliest for one in ours)
                return _reply_id(comment_id) if recent else None
        return None

    def most_characters(self) -> int:
        return REPLY


def _number(comment_id: str) -> int:
    """The platform's own number of a comment, which counts in its article only."""
    number = comment_id.rpartition(":")[2]
    if not (number.isascii() and number.isdecimal()):
        message = f"留言编号“{comment_id}”不是公众号的编号 / not a comment id of this platform"
        raise PlatformError(message, error_class="bug", sent="yes")
    return int(number)


def _reply_id(comment_id: str) -> str:
    """The platform gives replies no id; there is one a comment."""
    return f"{comment_id}:reply"


def _comments(client: WechatClient, post: LivePost) -> Iterator[WechatComment]:
    begin, empty, over = 0, 0, False
    while not over:
        page = client.comments(message_of(post), index_of(post), begin, COMMENTS_PER_PAGE)
        yield from page.comment
        begin += len(page.comment)
        empty = 0 if page.comment else empty + 1
        over = ended(page, begin, empty)
