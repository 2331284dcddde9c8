"""Comments and daily statistics of published articles, by polling: no event tells of comments.

Statistics come a day late and count people, not views; before the first day is out the reason is `not_yet`, never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any

from schemas.events.feedback import Absence, Metric, Reading, Readings
from services.adapter.contract.errors import PlatformError
from services.adapter.contract.feedback import Comment, CommentPage, LivePost
from services.adapter_wechat.client import WechatClient
from services.adapter_wechat.errors import DATE_OUT_OF_RANGE, STATISTICS_NOT_READY
from services.adapter_wechat.limits import COMMENTS_PER_PAGE
from services.adapter_wechat.wire_types import (
    ArticleFigures,
    Comments,
    DayFigures,
    FollowerTotals,
    WechatComment,
    instant,
)

BEIJING = timezone(timedelta(hours=8))
READY_HOUR = 8
EMPTY_PAGES = 3

NATIVE: dict[Metric, str] = {
    "views": "read_user",
    "likes": "like_user",
    "shares": "share_user",
    "saves": "collection_user",
    "comments": "comment_count",
    "follows": "read_subscribe_user",
}
FOLLOWERS = "cumulate_user"


class WechatFeedback:
    """The contract's FeedbackSource."""

    def native_metrics(self) -> Mapping[Metric, str]:
        return NATIVE

    def comment_pages(
        self,
        client: WechatClient,
        post: LivePost,
        position: Mapping[str, Any],
        known: Callable[[str], bool],
        now: datetime,
    ) -> Iterator[CommentPage]:
        """All comments, every time: the order is not by time, so nothing says where the new ones stop.

        Comments that arrive meanwhile shift the others; where a pass met fewer than the platform counts, another
        follows, as long as each meets new ones. `known` cannot shorten this.
        """
        begin, seen, met_before, empty = int(position.get("begin", 0)), set[str](), 0, 0
        whole = begin == 0  # a walk that goes on where another stopped has not seen the beginning
        while True:
            page = client.comments(message_of(post), index_of(post), begin, COMMENTS_PER_PAGE)
            comments = tuple(_comment(post, one) for one in page.comment)
            seen.update(comment.comment_id for comment in comments)
            begin += len(comments)
            empty = 0 if comments else empty + 1
            over = ended(page, begin, empty)
            if over and (not whole or met_before < len(seen) < (page.comment_cnt or 0)):
                begin, whole, met_before, empty, over = 0, True, len(seen), 0, False
            yield CommentPage(comments, {"begin": 0 if over else begin}, not over, page.comment_cnt)
            if over:
                return

    def metrics(self, client: WechatClient, posts: Sequence[LivePost], now: datetime) -> Mapping[str, Readings]:
        """One question per publishing day. The platform's clock may differ from ours, so days beside it are asked."""
        days = sorted({day for post in posts for day in _days_around(post, now)})
        answers = {day: _figures_of(client, day, newest=day == _newest_day(now)) for day in days}
        return {
            post.post.native_id: _readings(post, [answers[day] for day in _days_around(post, now)]) for post in posts
        }

    def followers(self, client: WechatClient, now: datetime) -> Reading:
        """As of the end of the newest day that has statistics; user/get would hand us every follower's id with it."""
        try:
            totals = client.follower_totals(_newest_day(now))
        except PlatformError as error:
            if error.code == STATISTICS_NOT_READY:
                return Reading(reason="not_yet", native=FOLLOWERS)
            raise
        return _follower_reading(totals)


# --- comments --------------------------------------------------------------------------------------------------------


def message_of(post: LivePost) -> int:
    msg_data_id = post.post.ids.get("msg_data_id", "")
    if not msg_data_id.isdecimal():
        raise PlatformError(
            f"文章 {post.post.native_id} 没有 msg_data_id，无法读取留言 / no msg_data_id, comments cannot be read",
            error_class="needs_human",
            sent="yes",
        )
    return int(msg_data_id)


def index_of(post: LivePost) -> int:
    """Comments count a message's articles from 0, everything else from 1."""
    return int(post.post.ids.get("idx", "1")) - 1


def ended(page: Comments, begin: int, empty: int) -> bool:
    """A short page is not the end, nor is an empty one while the platform counts more; `total` is the page's length."""
    if page.comment_cnt is not None and begin < page.comment_cnt:
        return empty >= EMPTY_PAGES
    return page.comment_cnt is not None or empty > 0


def _comment(post: LivePost, one: WechatComment) -> Comment:
    """user_comment_id is unique in its article only, so the article's own id goes before it. The author's reply, which
    is ours, is no comment. Without a WeChat identity nobody can say whether two comments are one person's."""
    comment_id = f"{_msg_id(post)}:{one.user_comment_id}"
    author = one.openid or f"unknown:{comment_id}"
    return Comment(comment_id=comment_id, author=author, text=one.content, written_at=instant(one.create_time))


def _msg_id(post: LivePost) -> str:
    """The id of one article of a message, as the statistics call it."""
    return f"{post.post.ids.get('msg_data_id', '')}_{post.post.ids.get('idx', '1')}"


# --- statistics ------------------------------------------------------------------------------------------------------


def _days_around(post: LivePost, now: datetime) -> list[date]:
    published = post.post.published_at.astimezone(BEIJING).date()
    days = (published + timedelta(days=shift) for shift in (-1, 0, 1))
    return [day for day in days if day <= _newest_day(now)]


def _newest_day(now: datetime) -> date:
    """Yesterday's figures are there from about 08:00 Beijing time; before that, those of the day before."""
    here = now.astimezone(BEIJING)
    return here.date() - timedelta(days=1 if here.hour >= READY_HOUR else 2)


def _figures_of(client: WechatClient, day: date, *, newest: bool) -> tuple[ArticleFigures, ...]:
    """Figures of the articles published that day; none while they are not ready or not final.

    newest: our newest day may still be today for a platform whose clock is behind ours.
    """
    try:
        totals = client.article_totals(day)
    except PlatformError as error:
        if error.code == STATISTICS_NOT_READY or (newest and error.code == DATE_OUT_OF_RANGE):
            return ()
        raise
    return () if totals.is_delay else totals.list


def _readings(post: LivePost, days: Sequence[Sequence[ArticleFigures]]) -> Readings:
    mine = [one for figures in days for one in figures if _is_of(one, post)]
    newest = max((detail for one in mine for detail in one.detail_list), key=lambda d: d.stat_date, default=None)
    return Readings(**{metric: _reading(newest, native) for metric, native in NATIVE.items()})


def _is_of(figures: ArticleFigures, post: LivePost) -> bool:
    if post.post.ids.get("msg_data_id"):
        return figures.msgid == _msg_id(post)
    return bool(post.post.url) and figures.content_url == post.post.url


def _reading(newest: DayFigures | None, native: str) -> Reading:
    value: int | None = getattr(newest, native) if newest is not None else None
    reason: Absence | None = None if value is not None else "not_yet" if newest is None else "failed"
    return Reading(value=value, reason=reason, native=native)


def _follower_reading(totals: FollowerTotals) -> Reading:
    newest = max(totals.list, key=lambda day: day.ref_date, default=None)
    if newest is None:
        return Reading(reason="not_yet", native=FOLLOWERS)
    return Reading(value=newest.cumulate_user, native=FOLLOWERS)
