"""The WeChat Official Account interfaces, one method per endpoint: one attempt each, typed answers, no decisions.

Answers are HTTP 200 with an `errcode` that is 0 or absent for success. The token is renewed here, by one thread at a
time; a call that was refused for its token is repeated once, which is safe because the platform did nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from schemas.events.placement import DraftMedia
from services.adapter.accounts.credentials import alone
from services.adapter.contract.accounts import Account
from services.adapter.contract.errors import CodeMeaning, NoAnswerError, NotSentError, PlatformError
from services.adapter.contract.shared import Shared, Tokens
from services.adapter.wire.http import Answer, PlatformHttp, reading
from services.adapter_wechat.errors import ALREADY_SENT, DRAFT_GONE, ERRORS, SUBMIT, TOKEN_ENDPOINT
from services.adapter_wechat.limits import DRAFTS_PER_PAGE, FORCED, PUBLISHED_PER_PAGE
from services.adapter_wechat.settings import BASE_URL, TokenSettings
from services.adapter_wechat.wire_types import (
    ApiQuota,
    ArticleTotals,
    Comments,
    DraftPage,
    FollowerTotals,
    MassSent,
    MassStatusAnswer,
    NewsContent,
    Number,
    PublishedPage,
    PublishStatus,
    QuotaAnswer,
    Submitted,
    TokenAnswer,
    UploadedMedia,
)

Shape = TypeVar("Shape", bound=Struct)


class WechatClient:
    """One account's connection. Threads share it."""

    def __init__(
        self, account: Account, timeout_s: float, shared: Shared | None = None, *, tokens: TokenSettings | None = None
    ) -> None:
        shared = shared or alone()
        self._account = account
        self._timeout_s = timeout_s
        self._tokens = tokens or TokenSettings()
        self._http = PlatformHttp(account.base_url or BASE_URL, timeout_s, budget=shared.budget)
        self._credentials = shared.credentials
        self._lock = threading.Lock()
        self._held: Tokens | None = None
        self._forced_at: float | None = None

    def close(self) -> None:
        self._http.close()

    # --- media and drafts: a repetition leaves at most an unused upload behind ---

    def upload_inline(self, media: DraftMedia, data: bytes) -> str:
        """media/uploadimg → the address to use inside an article."""
        return self._upload("/cgi-bin/media/uploadimg", {}, media, data, "url").url

    def add_picture(self, media: DraftMedia, data: bytes) -> str:
        """material/add_material → a permanent media_id."""
        return self._upload("/cgi-bin/material/add_material", {"type": "image"}, media, data, "media_id").media_id

    def add_draft(self, article: Mapping[str, Any]) -> str:
        """draft/add with one article → the draft's media_id."""
        body = self._post("/cgi-bin/draft/add", {"articles": [article]})
        return _needed(_read(body, UploadedMedia).media_id, "media_id")

    def draft_exists(self, media_id: str) -> bool:
        """draft/get: False where the draft is gone, which it is once it has been published."""
        try:
            self._reading_post("/cgi-bin/draft/get", {"media_id": media_id})
        except PlatformError as error:
            if error.code == DRAFT_GONE:
                return False
            raise
        return True

    def drafts(self, offset: int = 0, count: int = DRAFTS_PER_PAGE) -> DraftPage:
        """draft/batchget, without the texts."""
        page = {"offset": offset, "count": count, "no_content": 1}
        return _read(self._reading_post("/cgi-bin/draft/batchget", page), DraftPage)

    def delete_draft(self, media_id: str) -> None:
        """draft/delete; a draft that is gone already is a success."""
        try:
            self._post("/cgi-bin/draft/delete", {"media_id": media_id})
        except PlatformError as error:
            if error.code != DRAFT_GONE:
                raise

    # --- publishing ---

    def submit(self, media_id: str) -> Submitted:
        """freepublish/submit: one attempt; no idempotency key exists."""
        body = self._post("/cgi-bin/freepublish/submit", {"media_id": media_id}, meanings=SUBMIT)
        return _read(body, Submitted)

    def publish_status(self, publish_id: Number) -> PublishStatus:
        return _read(self._reading_post("/cgi-bin/freepublish/get", {"publish_id": publish_id}), PublishStatus)

    def published(self, offset: int = 0, count: int = PUBLISHED_PER_PAGE) -> PublishedPage:
        """freepublish/batchget, without the texts."""
        page = {"offset": offset, "count": count, "no_content": 1}
        return _read(self._reading_post("/cgi-bin/freepublish/batchget", page), PublishedPage)

    def article(self, article_id: str) -> NewsContent:
        return _read(self._reading_post("/cgi-bin/freepublish/getarticle", {"article_id": article_id}), NewsContent)

    def delete_article(self, article_id: str) -> None:
        """freepublish/delete, the whole message: one attempt, cannot be undone."""
        self._post("/cgi-bin/freepublish/delete", {"article_id": article_id})

    # --- mass sending ---

    def send_to_all(self, media_id: str, clientmsgid: str, settings: Mapping[str, Any]) -> MassSent:
        """message/mass/sendall: one attempt. The same clientmsgid within 24 h sends nothing and names the first one."""
        message = {**settings, "mpnews": {"media_id": media_id}, "msgtype": "mpnews", "clientmsgid": clientmsgid}
        body = self._call(
            "POST", "/cgi-bin/message/mass/sendall", json=message, meanings=SUBMIT, answers=(ALREADY_SENT,)
        )
        if "msg_id" not in body and str(body.get("errcode", 0)) == ALREADY_SENT:
            raise ERRORS.error(ALREADY_SENT, str(body.get("errmsg", "")))
        return _read(body, MassSent)

    def mass_status(self, msg_id: int) -> str:
        """message/mass/get → `msg_status`."""
        return _read(self._reading_post("/cgi-bin/message/mass/get", {"msg_id": msg_id}), MassStatusAnswer).msg_status

    def delete_mass(self, msg_id: int) -> None:
        """message/mass/delete, all its articles: the pages go, the card stays with who has received it."""
        self._post("/cgi-bin/message/mass/delete", {"msg_id": msg_id, "article_idx": 0})

    # --- answering ---

    def reply(self, msg_data_id: Number, index: int, user_comment_id: int, content: str) -> None:
        """comment/reply/add: one attempt; the reply gets no id, a comment has at most one."""
        place = {"msg_data_id": msg_data_id, "index": index, "user_comment_id": user_comment_id}
        self._post("/cgi-bin/comment/reply/add", {**place, "content": content})

    def delete_reply(self, msg_data_id: Number, index: int, user_comment_id: int) -> None:
        place = {"msg_data_id": msg_data_id, "index": index, "user_comment_id": user_comment_id}
        self._post("/cgi-bin/comment/reply/delete", place)

    # --- the account ---

    def ensure_token(self) -> None:
        """Have a token; raises where the platform gives none."""
        self._token(None)

    def quota(self, path: str) -> ApiQuota:
        """openapi/quota/get: today's calls of the interface at `path`."""
        body = self._reading_post("/cgi-bin/openapi/quota/get", {"cgi_path": path})
        return _read(body, QuotaAnswer).quota

    # --- feedback ---

    def comments(self, msg_data_id: Number, index: int, begin: int, count: int) -> Comments:
        """comment/list of all kinds. index counts from 0; count has to be under 50."""
        page = {"msg_data_id": msg_data_id, "index": index, "begin": begin, "count": count, "type": 0}
        return _read(self._reading_post("/cgi-bin/comment/list", page), Comments)

    def article_totals(self, day: date) -> ArticleTotals:
        """datacube/getarticletotaldetail: figures of the posts published on that day (Beijing)."""
        return _read(self._reading_post("/datacube/getarticletotaldetail", _days(day)), ArticleTotals)

    def follower_totals(self, day: date) -> FollowerTotals:
        return _read(self._reading_post("/datacube/getusercumulate", _days(day)), FollowerTotals)

    # --- the wire ---

    def _upload(self, path: str, query: dict[str, str], media: DraftMedia, data: bytes, wanted: str) -> UploadedMedia:
        extension = media.content_type.partition("/")[2].replace("jpeg", "jpg")
        part = (f"{media.media_id}.{extension}", data, media.content_type)
        uploaded = _read(self._call("POST", path, query=query, files={"media": part}), UploadedMedia)
        _needed(getattr(uploaded, wanted), wanted)
        return uploaded

    def _post(self, path: str, body: Any, meanings: Mapping[str, CodeMeaning] | None = None) -> dict[str, Any]:
        return self._call("POST", path, json=body, meanings=meanings)

    def _reading_post(self, path: str, body: Any) -> dict[str, Any]:
        """A POST that only reads, so it may be repeated."""
        for attempt in reading():
            with attempt:
                return self._post(path, body)
        raise AssertionError("unreachable: reading() re-raises the last error")

    def _call(
        self, method: str, path: str, *, query: dict[str, str] | None = None,
        meanings: Mapping[str, CodeMeaning] | None = None, answers: tuple[str, ...] = (), **content: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """One attempt within the time-out, token included; a second one only where the token was refused.

        meanings: of codes that mean something of their own here. answers: codes that are no failure here.
        """
        ends = time.monotonic() + self._timeout_s
        token = self._token(None)
        with self._http.learning(path):
            try:
                answer = self._exchange(method, path, {**(query or {}), "access_token": token}, ends, content)
                return _checked(answer, meanings or {}, answers)
            except PlatformError as error:
                if not error.new_token:
                    raise
            fresh = self._token(token)
            answer = self._exchange(method, path, {**(query or {}), "access_token": fresh}, ends, content)
            return _checked(answer, meanings or {}, answers)

    def _exchange(self, method: str, path: str, query: dict[str, str], ends: float, content: dict[str, Any]) -> Answer:
        left = ends - time.monotonic()
        if left <= 0:
            raise NotSentError("获取 access_token 用尽了时间，请求未发出 / no time left after the token, never sent")
        return self._http.call(method, path, query=query, timeout_s=left, **content)

    # --- the token ---

    def _token(self, refused: str | None) -> str:
        """A token that is not `refused`, if the platform gives one. Raises only errors that say: nothing was sent."""
        with self._lock:
            if not self._usable(self._held, refused):
                self._held = self._credentials.load(self._account)  # another process may have been faster
            if not self._usable(self._held, refused):
                with self._credentials.lease(self._account):
                    self._held = self._fetched(self._credentials.load(self._account), refused)
            return self._held.access_token if self._held else ""

    def _usable(self, held: Tokens | None, refused: str | None) -> bool:
        if held is None or not held.access_token or held.access_token == refused or held.access_expires_at is None:
            return False
        return datetime.now(UTC) < held.access_expires_at - timedelta(seconds=self._tokens.margin_s)

    def _fetched(self, seen: Tokens, refused: str | None) -> Tokens:
        """While nobody else is fetching one."""
        if self._usable(seen, refused):
            return seen
        seen = self._kept(seen, self._ask_token(force=False))
        if seen.access_token != refused:
            return seen
        given = self._forced()
        return seen if given is None else self._kept(seen, given)

    def _kept(self, seen: Tokens, given: TokenAnswer) -> Tokens:
        until = datetime.now(UTC) + timedelta(seconds=given.expires_in)
        return self._credentials.replace(self._account, seen.revision, Tokens(given.access_token, "", until))

    def _forced(self) -> TokenAnswer | None:
        """A forced renewal; None where there may be none now: the old token is tried again, and the call tells."""
        now = time.monotonic()
        if self._forced_at is not None and now - self._forced_at < self._tokens.force_every_s:
            return None
        self._forced_at = now
        try:
            self._http.reserve(FORCED)  # among all processes
            return self._ask_token(force=True)
        except PlatformError as error:
            if error.error_class == "quota":
                return None
            raise

    def _ask_token(self, *, force: bool) -> TokenAnswer:
        """stable_token; in normal mode it gives everybody the same one, so processes do not take it from each other."""
        body: dict[str, Any] = {
            "grant_type": "client_credential",
            "appid": self._account.app_id,
            "secret": self._account.app_secret,
        }
        if force:
            body["force_refresh"] = True
        try:
            answer = self._http.call("POST", "/cgi-bin/stable_token", json=body)
            given = _read(_checked(answer, TOKEN_ENDPOINT), TokenAnswer)
        except NoAnswerError as error:
            raise NotSentError("没有拿到 access_token，请求未发出 / no token, the call was never sent") from error
        except PlatformError as error:
            raise _before_the_call(error) from error
        if not given.access_token:
            raise NotSentError("平台给了空的 access_token，未采用 / an empty token was not taken")
        return given


def _days(day: date) -> dict[str, str]:
    return {"begin_date": day.isoformat(), "end_date": day.isoformat()}


def _checked(answer: Answer, meanings: Mapping[str, CodeMeaning], answers: tuple[str, ...] = ()) -> dict[str, Any]:
    """The body of a success, or of a code among `answers`; otherwise the error that the code means."""
    body = answer.body
    if answer.status == 413:
        message = "文件或请求太大，被网关拒绝（HTTP 413） / too large for the gateway"
        raise PlatformError(message, error_class="media", sent="yes", code="413")
    if not isinstance(body, dict):
        raise NoAnswerError(f"平台的答复（HTTP {answer.status}）不是 JSON 对象 / the answer is no JSON object")
    code = str(body.get("errcode", 0))
    if code != "0" and code not in answers:
        raise ERRORS.error(code, str(body.get("errmsg", "")), override=meanings.get(code))
    if answer.status >= 400:
        raise NoAnswerError(f"平台返回 HTTP {answer.status}，没有错误码 / HTTP {answer.status} without a code")
    return body


def _read(body: dict[str, Any], shape: type[Shape]) -> Shape:
    """A success in the shape we know. Another shape is an answer nobody can use: what it did is unknown."""
    try:
        return msgspec.convert(body, shape, strict=False)
    except msgspec.ValidationError as error:
        raise NoAnswerError(f"平台的答复与文档不符 / the answer has another shape: {error}") from error


def _needed(value: str, name: str) -> str:
    if not value:
        raise NoAnswerError(f"平台的答复里没有 {name} / the answer lacks {name}")
    return value


def _before_the_call(error: PlatformError) -> PlatformError:
    """An error of the token endpoint, for a call that was therefore never made."""
    return PlatformError(
        f"获取 access_token 失败：{error.message}",
        error_class=error.error_class,
        sent=error.sent,
        retriable=error.retriable,
        scope="account",
        retry_after_s=error.retry_after_s,
        code=error.code,
        recognised=error.recognised,
    )
