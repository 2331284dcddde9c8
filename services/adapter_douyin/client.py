"""Douyin on the wire: one method per endpoint, tokens, both code families. Decides nothing about retrying a post.

Mutating calls are one attempt; only a definite *token invalid* is answered with a fresh token and one repetition.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, BinaryIO
from urllib.parse import quote

import orjson

from services.adapter.accounts import Account
from services.adapter.errors import CodeMeaning, NoAnswerError, PlatformError
from services.adapter.http import Answer, PlatformHttp, reading
from services.adapter_douyin.errors import (
    BAD_PARAMETER,
    ERRORS,
    HANDLE_SPENT,
    TOO_MANY_CLIENT_TOKENS,
    UNTIL_NEXT_DAY,
    upload_expired,
)
from services.adapter_douyin.settings import DEFAULT_BASE_URL, UPLOADING

VIDEO = "/api/douyin/v1/video"
BEIJING = timezone(timedelta(hours=8))
TOKEN_MARGIN_S = 60.0

JsonObject = dict[str, Any]


class DouyinClient:
    """The client of one account; threads share it. A refreshed token lives as long as the client does."""

    def __init__(
        self,
        account: Account,
        timeout_s: float,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.account = account
        self.now = now
        self._http = PlatformHttp(account.base_url or DEFAULT_BASE_URL, timeout_s)
        self._upload_timeout_s = max(timeout_s, UPLOADING.timeout_s)
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._token = account.access_token
        self._refresh_token = account.refresh_token
        self._app_tokens: dict[str, tuple[str, float]] = {}  # name → (value, good until)
        self._app_lock = threading.RLock()  # a ticket is fetched with a client token

    def close(self) -> None:
        self._http.close()

    # --- uploads ---

    def upload_video(self, name: str, content_type: str, stream: BinaryIO) -> str:
        """The whole video in one request → video_id, the upload handle."""
        data = self._upload(f"{VIDEO}/upload_video/", {"video": (name, stream, content_type)}, stream)
        return _text(_object(data, "video"), "video_id")

    def init_upload(self) -> str:
        """Begin an upload in parts → upload_id, good for 2 hours."""
        return _text(self._post(f"{VIDEO}/init_video_part_upload/"), "upload_id")

    def upload_part(self, upload_id: str, number: int, part: bytes) -> None:
        """Part `number`, from 1. An upload_id that no longer counts raises `upload_expired`."""
        query = {"upload_id": upload_id, "part_number": str(number)}
        files = {"video": (f"part-{number}", part, "application/octet-stream")}
        _of_running_upload(lambda: self._upload(f"{VIDEO}/upload_video_part/", files, None, query))

    def complete_upload(self, upload_id: str) -> str:
        """All parts are there → video_id. An upload_id that no longer counts raises `upload_expired`."""
        path = f"{VIDEO}/complete_video_part_upload/"
        data = _of_running_upload(lambda: self._post(path, query={"upload_id": upload_id}))
        return _text(_object(data, "video"), "video_id")

    def upload_image(self, name: str, content_type: str, image: bytes) -> str:
        data = self._upload(f"{VIDEO}/upload_image/", {"image": (name, image, content_type)}, None)
        return _text(_object(data, "image"), "image_id")

    # --- posts ---

    def create_video(self, fields: Mapping[str, Any]) -> JsonObject:
        """Make the post → {item_id, video_id}; one attempt."""
        return self._create(f"{VIDEO}/create_video/", fields)

    def create_image_text(self, fields: Mapping[str, Any]) -> JsonObject:
        return self._create(f"{VIDEO}/create_image_text/", fields)

    def video_list(self, cursor: int, count: int) -> JsonObject:
        """The account's own posts, newest first → {list, cursor, has_more}."""
        return self._read("GET", f"{VIDEO}/video_list/", query={"cursor": cursor, "count": count})

    def video_data(self, item_ids: Sequence[str]) -> list[JsonObject]:
        """Status and statistics of some posts; one that is gone is missing."""
        return _rows(self._read("POST", f"{VIDEO}/video_data/", json={"item_ids": list(item_ids)}))

    # --- feedback ---

    def comments(self, item_id: str, cursor: int, count: int) -> JsonObject:
        """Top-level comments, newest first → {list, cursor, has_more}. Pinned ones come first, whatever the order."""
        query: dict[str, str | int] = {"item_id": item_id, "cursor": cursor, "count": count, "sort_type": "time"}
        return self._read("GET", "/item/comment/list/", query=query)

    def replies(self, item_id: str, comment_id: str, cursor: int, count: int) -> JsonObject:
        query: dict[str, str | int] = {"item_id": item_id, "comment_id": comment_id, "cursor": cursor, "count": count}
        return self._read("GET", "/item/comment/reply/list/", query=query)

    def fans(self, days: int) -> list[JsonObject]:
        """Followers per day → [{date, new_fans, total_fans}]; days 7, 15 or 30."""
        data = self._read("GET", "/data/external/user/fans/", query={"date_type": days})
        return [row for row in data.get("result_list") or [] if isinstance(row, dict)]

    # --- H5 hand-off ---

    def share_id(self, hashtag: str = "") -> str:
        query = {"need_callback": "true", **({"default_hashtag": hashtag} if hashtag else {})}
        return _text(self._app_read("/share-id/", query), "share_id")

    def ticket(self) -> str:
        """The ticket that share links are signed with, kept while it is good."""
        return self._kept("ticket", lambda: self._app_read("/open/getticket/", {}), "ticket")

    def share_link(self, fields: Mapping[str, Any], share_id: str, nonce: str) -> str:
        """The link that opens the post for publishing in the app; the person confirms there."""
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
        """A spent upload handle is no fault of the content: repeating with a fresh upload may help."""
        data = self._post(path, json=dict(fields), overrides={"2190007": HANDLE_SPENT})
        if not isinstance(data.get("item_id"), str) or not data["item_id"]:
            raise PlatformError(
                "平台已受理，但没有返回 item_id / accepted, but without item_id",
                error_class="network_unknown",
                sent="yes",
                outcome="published",
            )
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
            return _data(self._http.call(
                "POST", path, query=parameters, files=files, headers={"access-token": token}, timeout_s=timeout
            ))  # fmt: skip

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
        """A read-only call: repeated where that may help."""
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
            return _data(self._http.call(method, path, query=parameters, json=json, headers=headers), overrides)

        return self._with_token(send)

    # --- tokens ---

    def _with_token(self, send: Callable[[str], JsonObject]) -> JsonObject:
        """Once with the present token; where the platform says that it is no good, once more with a fresh one."""
        token = self._token
        try:
            return send(token)
        except PlatformError as error:
            if not error.new_token or not self._refresh_token:
                raise
        return send(self._fresh_token(token))

    def _fresh_token(self, stale: str) -> str:
        """Refresh, unless another thread just did. The refused call did nothing, so a failure here is `not sent`."""
        with self._lock:
            if self._token != stale:
                return self._token
            try:
                data = self._refresh()
                self._token = _text(data, "access_token")
            except PlatformError as error:
                error.sent, error.outcome, error.new_token = "no", "refused", False
                raise
            self._refresh_token = data.get("refresh_token") or self._refresh_token
            return self._token

    def _refresh(self) -> JsonObject:
        form = {
            "client_key": self.account.app_id,
            "grant_type": "refresh_token",
            "refresh_token": self._refresh_token,
        }
        return _data(self._http.call("POST", "/oauth/refresh_token/", form=form))

    def _client_token(self) -> str:
        body = {
            "client_key": self.account.app_id,
            "client_secret": self.account.app_secret,
            "grant_type": "client_credential",
        }
        overrides = {"10020": TOO_MANY_CLIENT_TOKENS}
        return self._kept(
            "client_token",
            lambda: _data(self._http.call("POST", "/oauth/client_token/", json=body), overrides),
            "access_token",
        )

    def _app_read(self, path: str, query: Mapping[str, str | int]) -> JsonObject:
        """A read-only call with the app's own token, which is fetched anew once where it is refused."""
        for again in (True, False):
            token = self._client_token()
            try:
                return _data(self._http.call("GET", path, query=query, headers={"access-token": token}))
            except PlatformError as error:
                if not (again and error.new_token):
                    raise
                self._forget("client_token", token)
        raise AssertionError("the second attempt returns or raises")

    def _kept(self, name: str, fetch: Callable[[], JsonObject], field: str) -> str:
        """A value of the app, fetched by one thread at a time and only when the last one is no longer good."""
        with self._app_lock:
            value, until = self._app_tokens.get(name, ("", 0.0))
            if value and self._monotonic() < until:
                return value
            data = fetch()
            value = _text(data, field)
            lives = max(0.0, (_number(data.get("expires_in")) or 0) - TOKEN_MARGIN_S)
            self._app_tokens[name] = (value, self._monotonic() + lives)
            return value

    def _forget(self, name: str, value: str) -> None:
        with self._app_lock:
            if self._app_tokens.get(name, ("", 0.0))[0] == value:
                del self._app_tokens[name]


_URI_SAFE = "-_.!~*'()"  # what encodeURIComponent of JavaScript leaves alone


def share_signature(nonce: str, ticket: str, timestamp: str) -> str:
    """md5 over the raw values, as the H5 share page prescribes; it is a signature of theirs, not a secret of ours."""
    return hashlib.md5(f"nonce_str={nonce}&ticket={ticket}&timestamp={timestamp}".encode()).hexdigest()  # noqa: S324


# --- reading answers -------------------------------------------------------------------------------------------------


def _data(answer: Answer, overrides: Mapping[str, CodeMeaning] | None = None) -> JsonObject:
    """The `data` of a success; raises PlatformError for every code that is not 0, wherever it stands."""
    body = answer.body
    if not isinstance(body, dict):
        raise NoAnswerError(f"平台返回 HTTP {answer.status}，不是 JSON 对象 / not a JSON object")
    data, extra = _mapping(body.get("data")), _mapping(body.get("extra"))
    code = _code(body, data, extra)
    if code is None and answer.status < 400 and body.get("message") != "error":
        return data
    said = _message(body, data, extra)
    error = ERRORS.error(code or f"http_{answer.status}", said, override=(overrides or {}).get(code or ""))
    if code in UNTIL_NEXT_DAY:
        error.retry_after_s = _until_next_day(_number(extra.get("now"))) or error.retry_after_s
    raise error


def _code(body: JsonObject, data: JsonObject, extra: JsonObject) -> str | None:
    """The code that says most: a known one before an unknown one, the general before the sub code."""
    said = (data.get("error_code"), extra.get("error_code"), body.get("err_no"), extra.get("sub_error_code"))
    codes = [str(code) for code in said if code not in (None, "", 0, "0")]
    return next((code for code in codes if code in ERRORS.meanings), codes[0] if codes else None)


def _message(body: JsonObject, data: JsonObject, extra: JsonObject) -> str:
    said = (data.get("description"), extra.get("description"), extra.get("sub_description"), body.get("err_msg"))
    words = next((str(one) for one in said if one), "")
    log_id = extra.get("logid") or extra.get("log_id") or data.get("log_id") or body.get("log_id")
    return f"{words} logid={log_id}" if log_id else words


def _until_next_day(now_ms: int | None) -> float | None:
    """Seconds from the platform's own clock to its next midnight, when daily quotas start anew."""
    if not now_ms:
        return None
    now = datetime.fromtimestamp(now_ms / 1000, BEIJING)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight - now).total_seconds() + 60.0


def _of_running_upload(call: Callable[[], JsonObject]) -> JsonObject:
    """Number and bytes of the part are ours and checked, so a bad parameter can only be the upload_id."""
    try:
        return call()
    except PlatformError as error:
        if error.code in BAD_PARAMETER:
            raise upload_expired() from error
        raise


def _text(data: JsonObject, name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise NoAnswerError(f"平台答复里没有 {name} / {name} is missing in the answer")
    return value


def _object(data: JsonObject, name: str) -> JsonObject:
    return _mapping(data.get(name))


def _mapping(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _rows(data: JsonObject) -> list[JsonObject]:
    return [row for row in data.get("list") or [] if isinstance(row, dict)]


def _number(value: Any) -> int | None:
    """Many samples show numbers as strings."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return None
