"""The HTTP client of Douyin: one method per endpoint, tokens, both code families. Never decides to repeat a post.

A mutating call is made once. Only after a definite *token invalid* it is repeated once with a new token.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO
from urllib.parse import quote

import orjson

from services.adapter.accounts.credentials import alone
from services.adapter.contract.account import Grant
from services.adapter.contract.accounts import Account
from services.adapter.contract.errors import CodeMeaning, NoAnswerError, PlatformError
from services.adapter.contract.shared import Shared, Tokens
from services.adapter.wire.http import Answer, PlatformHttp, reading
from services.adapter_douyin.errors import (
    BAD_PARAMETER,
    HANDLE_SPENT,
    TOO_MANY_CLIENT_TOKENS,
    refusal_in,
    upload_expired,
)
from services.adapter_douyin.settings import DEFAULT_BASE_URL, UPLOADING
from services.adapter_douyin.tokens import AppToken, UserTokens

VIDEO = "/api/douyin/v1/video"
MOST_SECONDS = 10 * 366 * 86400  # of a token's life; a larger number is a mistake

JsonObject = dict[str, Any]


class DouyinClient:
    """The client of one account, shared by threads. `shared` holds its tokens, those of its app, and its budget."""

    def __init__(
        self,
        account: Account,
        timeout_s: float,
        shared: Shared | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.account = account
        self.now = now
        shared = shared or alone()
        self._http = PlatformHttp(account.base_url or DEFAULT_BASE_URL, timeout_s, budget=shared.budget)
        self._upload_timeout_s = max(timeout_s, UPLOADING.timeout_s)
        self.tokens = UserTokens(account, shared.credentials, self._refresh, self._renew, now)
        self._app_token = AppToken(account, shared.credentials, self._fetch_app_token, now)
        self._ticket = ("", datetime.min.replace(tzinfo=UTC))
        self._ticket_lock = threading.Lock()

    def close(self) -> None:
        self._http.close()

    # --- uploads ---

    def upload_video(self, name: str, content_type: str, stream: BinaryIO) -> str:
        """The whole video in one request → video_id, the upload handle."""
        data = self._upload(f"{VIDEO}/upload_video/", {"video": (name, stream, content_type)}, stream)
        return _text(_object(data, "video"), "video_id")

    def init_upload(self) -> str:
        """Begin an upload in parts → upload_id, valid for 2 hours."""
        return _text(self._post(f"{VIDEO}/init_video_part_upload/"), "upload_id")

    def upload_part(self, upload_id: str, number: int, part: BinaryIO) -> None:
        """Part `number`, from 1. Raises `upload_expired` if the upload_id has expired."""
        query = {"upload_id": upload_id, "part_number": str(number)}
        files = {"video": (f"part-{number}", part, "application/octet-stream")}
        _in_upload(lambda: self._upload(f"{VIDEO}/upload_video_part/", files, part, query))

    def complete_upload(self, upload_id: str) -> str:
        """Join all parts → video_id. Raises `upload_expired` if the upload_id has expired."""
        path = f"{VIDEO}/complete_video_part_upload/"
        data = _in_upload(lambda: self._post(path, query={"upload_id": upload_id}))
        return _text(_object(data, "video"), "video_id")

    def upload_image(self, name: str, content_type: str, image: bytes) -> str:
        data = self._upload(f"{VIDEO}/upload_image/", {"image": (name, image, content_type)}, None)
        return _text(_object(data, "image"), "image_id")

    # --- posts ---

    def create_video(self, fields: Mapping[str, Any]) -> JsonObject:
        """Create the post → {item_id, video_id}; one attempt."""
        return self._create(f"{VIDEO}/create_video/", fields)

    def create_image_text(self, fields: Mapping[str, Any]) -> JsonObject:
        return self._create(f"{VIDEO}/create_image_text/", fields)

    def video_list(self, cursor: int, count: int) -> JsonObject:
        """The account's own posts, newest first → {list, cursor, has_more}."""
        return self._read("GET", f"{VIDEO}/video_list/", query={"cursor": cursor, "count": count})

    def video_data(self, item_ids: Sequence[str]) -> list[JsonObject]:
        """Status and statistics of some posts; a deleted post is missing."""
        return _rows(self._read("POST", f"{VIDEO}/video_data/", json={"item_ids": list(item_ids)}))

    # --- feedback ---

    def comments(self, item_id: str, cursor: int, count: int) -> JsonObject:
        """Top-level comments, newest first → {list, cursor, has_more}. Pinned comments always come first."""
        query: dict[str, str | int] = {"item_id": item_id, "cursor": cursor, "count": count, "sort_type": "time"}
        return self._read("GET", "/item/comment/list/", query=query)

    def replies(self, item_id: str, comment_id: str, cursor: int, count: int) -> JsonObject:
        query: dict[str, str | int] = {"item_id": item_id, "comment_id": comment_id, "cursor": cursor, "count": count}
        return self._read("GET", "/item/comment/reply/list/", query=query)

    def reply(self, item_id: str, comment_id: str, content: str) -> str:
        """Answer a comment → the reply's comment_id; one attempt."""
        body = {"item_id": item_id, "comment_id": comment_id, "content": content}
        return _created_id(self._post("/item/comment/reply/", json=body), "comment_id")

    def item_figures(self, item_id: str) -> JsonObject:
        """30-day figures of a post → {total_play, total_like, total_comment, total_share, avg_play_duration}."""
        return _object(self._read("GET", "/data/external/item/base/", query={"item_id": item_id}), "result")

    def fans(self, days: int) -> list[JsonObject]:
        """Followers per day → [{date, new_fans, total_fans}]; days 7, 15 or 30."""
        data = self._read("GET", "/data/external/user/fans/", query={"date_type": days})
        return [row for row in data.get("result_list") or [] if isinstance(row, dict)]

    # --- the account ---

    def userinfo(self) -> JsonObject:
        """The user of the token → {open_id, union_id, nickname, avatar}."""

        def send(token: str) -> JsonObject:
            form = {"access_token": token, "open_id": self.account.open_id}
            return self._exchange("POST", "/oauth/userinfo/", form=form)

        for attempt in reading():
            with attempt:
                return self._with_token(send)
        raise AssertionError("tenacity re-raises the last error")

    def event_status(self) -> dict[str, int]:
        """Webhook event → 1 = subscribed, for the whole app."""
        rows = _rows(self._app_call("GET", "/event/status/list/", {}))
        return {str(row.get("event")): _number(row.get("status")) or 0 for row in rows}

    # --- H5 hand-off ---

    def share_id(self, hashtag: str = "") -> str:
        query = {"need_callback": "true", **({"default_hashtag": hashtag} if hashtag else {})}
        return _text(self._app_call("GET", "/share-id/", query), "share_id")

    def ticket(self) -> str:
        """The ticket that signs share links, used for the first half of its life, as links are used later."""
        with self._ticket_lock:
            ticket, until = self._ticket
            if self.now() >= until:
                data = self._app_call("GET", "/open/getticket/", {})
                ticket, lives = _text(data, "ticket"), timedelta(seconds=_seconds(data, "expires_in") or 0)
                self._ticket = (ticket, self.now() + lives / 2)
            return ticket

    def share_link(self, fields: Mapping[str, Any], share_id: str, nonce: str) -> str:
        """The link that opens the post in the app, where the person publishes it."""
        stamp, ticket = str(int(self.now().timestamp())), self.ticket()
        parameters = {
            "share_type": "h5",
            "client_key": self.account.app_id,
            "nonce_str": nonce,
            "timestamp": stamp,
            "signature": share_signature(nonce, ticket, stamp),
            "state": share_id,
            **{
                name: value if isinstance(value, str) else orjson.dumps(value).decode()
                for name, value in fields.items()
            },
        }
        return "snssdk1128://openplatform/share?" + "&".join(
            f"{quote(name, safe=_URI_SAFE)}={quote(value, safe=_URI_SAFE)}" for name, value in parameters.items()
        )

    # --- the exchange ---

    def _create(self, path: str, fields: Mapping[str, Any]) -> JsonObject:
        """A used upload handle is not a fault of the content: a new upload may help."""
        data = self._post(path, json=dict(fields), overrides={"2190007": HANDLE_SPENT})
        _created_id(data, "item_id")
        return data

    def _upload(
        self, path: str, files: Mapping[str, Any], stream: BinaryIO | None, query: Mapping[str, str] | None = None
    ) -> JsonObject:
        start = stream.tell() if stream is not None else 0

        def send(token: str) -> JsonObject:
            if stream is not None:
                stream.seek(start)
            parameters = {"open_id": self.account.open_id, **(query or {})}
            timeout = self._upload_timeout_s
            headers = {"access-token": token}
            return self._exchange("POST", path, query=parameters, files=files, headers=headers, timeout_s=timeout)

        return self._with_token(send)

    def _post(
        self,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        json: Any = None,
        overrides: Mapping[str, CodeMeaning] | None = None,
    ) -> JsonObject:
        return self._user_call("POST", path, query, json, overrides)

    def _read(
        self, method: str, path: str, *, query: Mapping[str, str | int] | None = None, json: Any = None
    ) -> JsonObject:
        """A read-only call, repeated after transient errors."""
        for attempt in reading():
            with attempt:
                return self._user_call(method, path, query, json, None)
        raise AssertionError("tenacity re-raises the last error")

    def _user_call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None,
        json: Any,
        overrides: Mapping[str, CodeMeaning] | None,
    ) -> JsonObject:
        parameters = {"open_id": self.account.open_id, **(query or {})}

        def send(token: str) -> JsonObject:
            headers = {"access-token": token}
            return self._exchange(method, path, overrides, query=parameters, json=json, headers=headers)

        return self._with_token(send)

    # --- tokens ---

    def _with_token(self, send: Callable[[str], JsonObject]) -> JsonObject:
        """Send with the current token; if the platform rejects the token, send once more with a new one."""
        token = self.tokens.current()
        try:
            return send(token)
        except PlatformError as error:
            if not error.new_token or not self.tokens.held.refresh_token:
                raise
        return send(self.tokens.fresh(token))

    def _refresh(self, refresh_token: str) -> Tokens:
        """A new access token; the refresh token and its life stay the same."""
        form = {"client_key": self.account.app_id, "grant_type": "refresh_token", "refresh_token": refresh_token}
        return self._granted(self._exchange("POST", "/oauth/refresh_token/", form=form))

    def _renew(self, refresh_token: str) -> Tokens:
        """A new refresh token of 30 days. Works five times; then the user must authorise again."""
        form = {"client_key": self.account.app_id, "refresh_token": refresh_token}
        data = self._exchange("POST", "/oauth/renew_refresh_token/", form=form)
        until = self._until(data, "expires_in")
        return Tokens(refresh_token=_text(data, "refresh_token"), refresh_expires_at=until)

    def exchange_code(self, code: str) -> Grant:
        """Exchange an authorisation code → tokens, open_id, scopes. One attempt; stores nothing."""
        body = {
            "client_key": self.account.app_id,
            "client_secret": self.account.app_secret,
            "code": code,
            "grant_type": "authorization_code",
        }
        data = self._exchange("POST", "/oauth/access_token/", json=body)
        scopes = tuple(one.strip() for one in str(data.get("scope") or "").split(",") if one.strip())
        return Grant(self._granted(data), _text(data, "open_id"), scopes)

    def _granted(self, data: JsonObject) -> Tokens:
        refresh_token = data.get("refresh_token")
        return Tokens(
            _text(data, "access_token"),
            refresh_token if isinstance(refresh_token, str) else "",
            self._until(data, "expires_in"),
            self._until(data, "refresh_expires_in"),
        )

    def _until(self, data: JsonObject, name: str) -> datetime | None:
        seconds = _seconds(data, name)
        return None if seconds is None else self.now() + timedelta(seconds=seconds)

    def _fetch_app_token(self) -> Tokens:
        body = {
            "client_key": self.account.app_id,
            "client_secret": self.account.app_secret,
            "grant_type": "client_credential",
        }
        data = self._exchange("POST", "/oauth/client_token/", {"10020": TOO_MANY_CLIENT_TOKENS}, json=body)
        return Tokens(_text(data, "access_token"), access_expires_at=self._until(data, "expires_in"))

    def _app_call(self, method: str, path: str, query: Mapping[str, str | int]) -> JsonObject:
        """A read-only call with the app's token, which is fetched again once if it is rejected."""
        token = self._app_token.value()
        try:
            return self._exchange(method, path, query=query, headers={"access-token": token})
        except PlatformError as error:
            if not error.new_token:
                raise
        token = self._app_token.value(refused=token)
        return self._exchange(method, path, query=query, headers={"access-token": token})

    def _exchange(
        self, method: str, path: str, overrides: Mapping[str, CodeMeaning] | None = None, **content: Any
    ) -> JsonObject:
        """One attempt. Quota refusals are remembered for all callers of this endpoint."""
        with self._http.learning(path):
            return _data(self._http.call(method, path, **content), overrides)


_URI_SAFE = "-_.!~*'()"  # the characters that JavaScript's encodeURIComponent keeps


def share_signature(nonce: str, ticket: str, timestamp: str) -> str:
    """md5 over the raw values, as the H5 share page prescribes; it protects no secret."""
    return hashlib.md5(f"nonce_str={nonce}&ticket={ticket}&timestamp={timestamp}".encode()).hexdigest()  # noqa: S324


# --- reading answers -------------------------------------------------------------------------------------------------


def _data(answer: Answer, overrides: Mapping[str, CodeMeaning] | None = None) -> JsonObject:
    """The `data` of a success. Raises PlatformError for a code other than 0 in any of its fields."""
    if not isinstance(answer.body, dict):
        raise NoAnswerError(f"平台返回 HTTP {answer.status}，不是 JSON 对象 / not a JSON object")
    refusal = refusal_in(answer.body, answer.status, overrides or {})
    if refusal is not None:
        raise refusal
    return _object(answer.body, "data")


def _in_upload(call: Callable[[], JsonObject]) -> JsonObject:
    """The number and the bytes of the part are checked before, so a bad parameter can only be the upload_id."""
    try:
        return call()
    except PlatformError as error:
        if error.code in BAD_PARAMETER:
            raise upload_expired() from error
        raise


def _created_id(data: JsonObject, name: str) -> str:
    """The id that a mutating call returned. A success without an id still counts as published."""
    value = data.get(name)
    if isinstance(value, str) and value:
        return value
    raise PlatformError(
        f"平台已受理，但没有返回 {name} / accepted, but without {name}",
        error_class="network_unknown",
        sent="yes",
        outcome="published",
    )


def _text(data: JsonObject, name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise NoAnswerError(f"平台答复里没有 {name} / {name} is missing in the answer")
    return value


def _object(data: JsonObject, name: str) -> JsonObject:
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def _rows(data: JsonObject) -> list[JsonObject]:
    return [row for row in data.get("list") or [] if isinstance(row, dict)]


def _seconds(data: JsonObject, name: str) -> int | None:
    """A lifetime in seconds; None if it is missing or not plausible."""
    seconds = _number(data.get(name))
    return seconds if seconds is not None and 0 < seconds < MOST_SECONDS else None


def _number(value: Any) -> int | None:
    """Many samples show numbers as strings."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return None
