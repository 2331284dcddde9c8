"""WeChat's answers as types, as far as the adapter reads them. Sends nothing."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import Struct

Number = int | str
"""What some sources show as a number and others as text."""


class NewsItem(Struct, frozen=True):
    title: str = ""
    thumb_media_id: str = ""
    url: str = ""
    is_deleted: bool = False


class NewsContent(Struct, frozen=True):
    news_item: list[NewsItem] = []
    create_time: Number = 0
    update_time: Number = 0


class PublishedItem(Struct, frozen=True):
    article_id: str
    content: NewsContent = NewsContent()
    update_time: Number = 0

    @property
    def published_at(self) -> datetime:
        """The newest stamp: a draft may have been created long before it was published."""
        return max(instant(s) for s in (self.update_time, self.content.update_time, self.content.create_time))


class PublishedPage(Struct, frozen=True):
    total_count: int = 0
    item: list[PublishedItem] = []


class DraftItem(Struct, frozen=True):
    media_id: str
    content: NewsContent = NewsContent()
    update_time: Number = 0


class DraftPage(Struct, frozen=True):
    total_count: int = 0
    item: list[DraftItem] = []


class Submitted(Struct, frozen=True):
    publish_id: Number
    msg_data_id: Number | None = None


class ArticleAddress(Struct, frozen=True):
    idx: int
    article_url: str


class ArticleDetail(Struct, frozen=True):
    count: int = 0
    item: list[ArticleAddress] = []


class PublishStatus(Struct, frozen=True):
    publish_status: int
    article_id: str = ""
    article_detail: ArticleDetail = ArticleDetail()
    fail_idx: list[int] = []


class MassSent(Struct, frozen=True):
    """A mass send that the platform took, now or earlier under the same clientmsgid."""

    msg_id: Number
    msg_data_id: Number | None = None


class AuthorReply(Struct, frozen=True):
    content: str = ""
    create_time: Number = 0


class WechatComment(Struct, frozen=True):
    """reply: the author's one reply; some sources show an object, others a list of it."""

    user_comment_id: Number
    create_time: Number
    content: str = ""
    openid: str = ""
    reply: AuthorReply | list[AuthorReply] | None = None

    @property
    def replies(self) -> list[AuthorReply]:
        given = self.reply if isinstance(self.reply, list) else [self.reply] if self.reply else []
        return [one for one in given if one.content]


class Comments(Struct, frozen=True):
    """total: comments on this page. comment_cnt: comments of the article, where the platform says it."""

    total: int = 0
    comment: list[WechatComment] = []
    comment_cnt: int | None = None


class DayFigures(Struct, frozen=True):
    """Sums from the day of publishing to `stat_date`; people, not page views."""

    stat_date: str
    read_user: int | None = None
    share_user: int | None = None
    like_user: int | None = None
    comment_count: int | None = None
    collection_user: int | None = None
    read_subscribe_user: int | None = None


class ArticleFigures(Struct, frozen=True):
    msgid: str
    content_url: str = ""
    detail_list: list[DayFigures] = []


class ArticleTotals(Struct, frozen=True):
    list: tuple[ArticleFigures, ...] = ()
    is_delay: bool = False


class DayFollowers(Struct, frozen=True):
    ref_date: str
    cumulate_user: int


class FollowerTotals(Struct, frozen=True):
    list: tuple[DayFollowers, ...] = ()


class ApiQuota(Struct, frozen=True):
    """Calls of one interface today."""

    daily_limit: int
    used: int
    remain: int


class QuotaAnswer(Struct, frozen=True):
    quota: ApiQuota


class MassStatusAnswer(Struct, frozen=True):
    msg_status: str


class UploadedMedia(Struct, frozen=True):
    media_id: str = ""
    url: str = ""


class TokenAnswer(Struct, frozen=True):
    access_token: str = ""
    expires_in: int = 0


def instant(stamp: Number) -> datetime:
    """Platform seconds, as number or text, as an instant."""
    return datetime.fromtimestamp(int(stamp), UTC)
