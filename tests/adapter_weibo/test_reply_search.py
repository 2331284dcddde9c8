"""The search for our answer where the platform shows only a part of the comments."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from schemas.events.placement import PostRef
from services.adapter.contract.after_posting import Replies
from services.adapter.contract.errors import PlatformError
from services.adapter.contract.feedback import LivePost
from services.adapter_weibo import ADAPTER
from services.adapter_weibo.after_posting import WeiboReplies
from services.adapter_weibo.client import WeiboClient
from services.adapter_weibo.wire_types import CommentRow, CommentRows
from tests.adapter_weibo.samples import ACCOUNTS, NOW

Connect = Callable[..., WeiboClient]
REPLIES: Replies = WeiboReplies()
THANKS = "谢谢喜欢，春茶三月二十日开采🍵"


class Listing:
    """The own comments of an account, made of rows; `forbidden`: the app may not list them."""

    account = ACCOUNTS["commercial"]

    def __init__(self, rows: list[CommentRow], total: int, most: int = 200, forbidden: str = "") -> None:
        self.rows, self.total, self.most, self.forbidden = rows, total, most, forbidden

    def own_comments(self, *, count: int, max_id: int = 0) -> CommentRows:
        if self.forbidden:
            raise ADAPTER.errors.error(self.forbidden, "")
        return self._page(max_id)

    def comments(self, status_id: str, *, count: int, max_id: int = 0) -> CommentRows:
        return self._page(max_id)

    def uid(self) -> str:
        return self.account.open_id

    def _page(self, max_id: int) -> CommentRows:
        left = [row for row in self.rows if not max_id or int(row.id) <= max_id]
        shown = left[: self.most]
        return CommentRows(tuple(shown), int(left[self.most].id) if len(left) > self.most else 0, self.total)


def row(number: int, at: datetime, text: str = THANKS, author: str = "1900000001") -> CommentRow:
    return CommentRow(str(number), author, text, at, "77", 0, "9")


def live_post() -> LivePost:
    ref = PostRef(native_id="9", published_at=NOW)
    return LivePost("pl-1", "c-1", "qinghe", "spring", "qinghe-tea", "notice", "", ref)


def test_where_the_platform_hides_the_time_in_question_nobody_says_that_it_is_not_there() -> None:
    newer = [row(100 - n, NOW + timedelta(minutes=30 - n), "别的话") for n in range(5)]
    with pytest.raises(PlatformError) as caught:
        REPLIES.find_reply(Listing(newer, total=300), live_post(), "77", THANKS, NOW)
    assert caught.value.error_class == "needs_human"
    older = [*newer, row(50, NOW - timedelta(hours=1), "昨天的话")]
    assert REPLIES.find_reply(Listing(older, total=300), live_post(), "77", THANKS, NOW) is None


def test_a_search_that_would_never_end_is_given_up_undecided() -> None:
    endless = [row(10_000 - n, NOW + timedelta(minutes=1), "别的话") for n in range(50)]
    with pytest.raises(PlatformError) as caught:
        REPLIES.find_reply(Listing(endless, total=50, most=2), live_post(), "77", THANKS, NOW)
    assert caught.value.error_class == "needs_human"


@pytest.mark.parametrize("code", ["10005", "10014"])
def test_where_the_app_may_not_list_its_comments_those_of_the_post_are_read(code: str) -> None:
    rows = [row(13, NOW), row(12, NOW, author="5"), row(11, NOW - timedelta(days=1))]
    assert REPLIES.find_reply(Listing(rows, 3, forbidden=code), live_post(), "77", THANKS, NOW) == "13"
    assert REPLIES.find_reply(Listing(rows[1:], 2, forbidden=code), live_post(), "77", THANKS, NOW) is None


def test_a_search_that_fails_says_so() -> None:
    with pytest.raises(PlatformError) as caught:
        REPLIES.find_reply(Listing([], 0, forbidden="10023"), live_post(), "77", THANKS, NOW)
    assert caught.value.error_class == "quota"
