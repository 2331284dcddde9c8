"""What follows a publication on Weibo: taking a status down, answering comments, looking after the account.

Decides nothing about time: when to look again, or to call again, is for whoever asks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from schemas.events.placement import ErrorClass, PlacementRecord
from services.adapter.contract.account import AccountHealth, Quota
from services.adapter.contract.errors import PlatformError
from services.adapter.contract.feedback import LivePost
from services.adapter.localising.text import fingerprint
from services.adapter_weibo.client import WeiboClient
from services.adapter_weibo.errors import GONE, NOT_ALLOWED
from services.adapter_weibo.limits import COMMENT_MAX, ENDPOINT_OF_API, status_length
from services.adapter_weibo.settings import LOOKING
from services.adapter_weibo.wire_types import CommentRow, CommentRows, HitLimits, Hits, TokenInfo

Page = Callable[[int], CommentRows]
ANSWERING = re.compile(r"^回复\s*@[^:：]{1,60}[:：]\s*")  # what the platform puts before an answer [memory]
OF_THE_ACCOUNT: tuple[ErrorClass, ...] = ("auth", "account_risk", "quota")
"""Classes by which even a question about limits is refused for the account's sake."""


class WeiboRetraction:
    """The contract's Retraction. Destroyed twice is destroyed once: after an unknown outcome it may be repeated."""

    def retract(self, client: WeiboClient, record: PlacementRecord) -> None:
        if record.post is None:
            raise PlatformError("没有可撤下的微博 / there is no post to take down", error_class="bug", sent="no")
        try:
            client.destroy(record.post.native_id)
        except PlatformError as error:
            if error.code not in GONE:
                raise


class WeiboReplies:
    """The contract's Replies. An empty comment_id: the post itself is commented on."""

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
        """Among our own comments, or where the app may not list those, among the post's by our uid.

        Raises PlatformError where looking cannot tell, because the platform hides the time in question.
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


class WeiboCare:
    """The contract's AccountCare. Weibo tells when the token ends, and what is left of the hour's calls.

    A platform that cannot be reached is a problem too: whether the account is well is not known then; `error` says so.
    """

    def check(self, client: WeiboClient, now: datetime) -> AccountHealth:
        try:
            token = client.token_info()
        except PlatformError as error:
            return AccountHealth(problem=error.message, error=error)
        ends = _from(now, token.expires_in_s)
        if trouble := _wrong_with(client, token):
            return AccountHealth(token_expires_at=ends, problem=trouble.message, error=trouble)
        try:
            limits = client.hit_limits()
        except PlatformError as error:
            if error.error_class not in OF_THE_ACCOUNT:
                return AccountHealth(token_expires_at=ends)
            return AccountHealth(token_expires_at=ends, problem=error.message, error=error)
        quotas = _quotas(limits, now)
        if spent := _spent(quotas, limits):
            return AccountHealth(token_expires_at=ends, quotas=quotas, problem=spent.message, error=spent)
        return AccountHealth(token_expires_at=ends, quotas=quotas)


# --- looking for an answer of ours -----------------------------------------------------------------------------------


def _words(text: str) -> str:
    return fingerprint(ANSWERING.sub("", text))


def _own_comments(client: WeiboClient, post: LivePost, earliest: datetime) -> list[CommentRow]:
    """Our comments under the post, back to `earliest`."""
    status_id, most = post.post.native_id, LOOKING.comments_per_page
    try:
        ours = list(_back_to(earliest, lambda below: client.own_comments(count=most, max_id=below)))
        return [row for row in ours if row.status_id == status_id]
    except PlatformError as error:
        if error.code not in NOT_ALLOWED:
            raise
    uid = client.uid()
    everybody = _back_to(earliest, lambda below: client.comments(status_id, count=most, max_id=below))
    return [row for row in everybody if row.author == uid]


def _back_to(earliest: datetime, page_below: Page) -> Iterator[CommentRow]:
    """Newest first; raises PlatformError where the rows end, or we give up, before that time is reached."""
    below, seen = 0, 0
    for _ in range(LOOKING.pages):
        page = page_below(below)
        yield from page.rows
        seen += len(page.rows)
        if len(page.rows) > 1 and page.rows[-1].created_at < earliest:  # one old row alone may be pinned
            return
        lower = _next(page, below)
        if not lower:
            if page.total is None or page.total <= seen or _old(page, earliest):
                return
            break
        below = lower
    message = "微博没有给出足够早的评论，无法判断回复是否已发出；请到微博核对 / cannot tell whether the reply is there"
    raise PlatformError(message, error_class="needs_human", sent="yes")


def _next(page: CommentRows, below: int) -> int:
    """Where to go on; 0 at the end. A short page is not the end while the platform's cursor points below."""
    if page.next_cursor == 0 and len(page.rows) < LOOKING.comments_per_page:
        return 0
    lower = max(page.next_cursor, int(page.rows[-1].id) - 1 if page.rows else 0)
    return lower if not below or lower < below else 0


def _old(page: CommentRows, earliest: datetime) -> bool:
    return bool(page.rows) and page.rows[-1].created_at < earliest


# --- the account's health --------------------------------------------------------------------------------------------


def _wrong_with(client: WeiboClient, token: TokenInfo) -> PlatformError | None:
    """A token that is over, or another user's: its posts would appear on another account."""
    declared = client.account.open_id
    if token.expires_in_s is not None and token.expires_in_s <= 0:
        return _error("auth", "access_token 已过期，请重新授权 / the token has expired")
    if declared and token.uid and token.uid != declared:
        message = f"令牌属于另一个微博账号（uid {token.uid}，应为 {declared}），请用正确的账号重新授权"
        return _error("auth", f"{message} / the token is another user's")
    return None


def _quotas(limits: HitLimits, now: datetime) -> tuple[Quota, ...]:
    """One for each endpoint: of several figures for the same calls the one of which least is left."""
    resets_at = _from(now, limits.resets_in_s)
    tightest: dict[str, Hits] = {}
    for row in limits.rows:
        endpoint = _endpoint(row.api)
        if endpoint not in tightest or row.remaining < tightest[endpoint].remaining:
            tightest[endpoint] = row
    return tuple(Quota(endpoint, row.limit, row.remaining, resets_at) for endpoint, row in tightest.items())


def _endpoint(api: str) -> str:
    """As `limits.py` calls it; otherwise the platform's own name without decoration."""
    plain = api.strip("/").removesuffix(".json").removesuffix("/biz")
    return ENDPOINT_OF_API.get(plain, plain) or "*"


def _spent(quotas: tuple[Quota, ...], limits: HitLimits) -> PlatformError | None:
    if any(quota.endpoint == "*" and quota.remaining == 0 for quota in quotas):
        message = "本小时的接口调用次数已用完，整点恢复 / no calls are left in this hour"
        return _error("quota", message, limits.resets_in_s)
    return None


def _error(error_class: ErrorClass, message: str, retry_after_s: float | None = None) -> PlatformError:
    return PlatformError(message, error_class=error_class, sent="yes", scope="account", retry_after_s=retry_after_s)


def _from(now: datetime, seconds: int | None) -> datetime | None:
    try:
        return None if seconds is None else now + timedelta(seconds=seconds)
    except OverflowError:
        return None
