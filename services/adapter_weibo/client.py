"""The client of Weibo's two API families: one method per endpoint. Decides nothing about a publication.

A call that changes something is one attempt; only a refusal of the token allows one repetition, with a new token.
Read-only calls are repeated by tenacity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

from services.adapter.accounts.credentials import alone
from services.adapter.contract.account import Grant
from services.adapter.contract.accounts import Account
from services.adapter.contract.errors import CodeMeaning, NoAnswerError, PlatformError
from services.adapter.contract.shared import Shared, Tokens
from services.adapter.wire.http import Answer, PlatformHttp, reading
from services.adapter_weibo.errors import ERRORS, SHARE_PARAMETER
from services.adapter_weibo.limits import COUNTS_MAX_IDS, TIMELINE_PAGE
from services.adapter_weibo.settings import COMMERCIAL_HOST, OPEN_HOST
from services.adapter_weibo.wire_types import (
    CommentRow,
    CommentRows,
    HitLimits,
    Picture,
    Status,
    StatusCounts,
    Timeline,
    TokenInfo,
    read_comment,
    read_comments,
    read_counts,
    read_hits,
    read_status,
    whole_number,
)

MOST_SECONDS = 10 * 366 * 86_400  # longest life of a token that is believed


def open_client(account: Account, timeout_s: float, shared: Shared | None = None) -> WeiboClient:
    """The client of one account. Both API families use the account's base_url if it has one. Sends nothing."""
    return WeiboClient(account, timeout_s, shared)


class WeiboClient:
    """Thread-safe. Raises PlatformError by the error table, NotSentError, NoAnswerError."""

    def __init__(self, account: Account, timeout_s: float, shared: Shared | None = None) -> None:
        shared = shared or alone()
        self.account = account
        self._open = PlatformHttp(account.base_url or OPEN_HOST, timeout_s, budget=shared.budget)
        self._commercial = PlatformHttp(account.base_url or COMMERCIAL_HOST, timeout_s, budget=shared.budget)
        self._credentials = shared.credentials
        self._tokens = self._credentials.load(account)
        self._token_lock = Lock()
        self._uid = account.open_id

    def close(self) -> None:
        self._open.close()
        self._commercial.close()

    # --- posting: one attempt each ---

    def share(self, status: str, picture: Picture | None = None) -> Status:
        """`statuses/share`: the open interface, text and at most one picture."""
        return read_status(
            self._post(self._open, "/2/statuses/share.json", {"status": status}, picture, SHARE_PARAMETER)
        )

    def update(self, status: str, visible: str, annotations: str) -> Status:
        fields = {"status": status, "visible": visible, "annotations": annotations}
        return read_status(self._post(self._commercial, "/2/statuses/update/biz.json", fields))

    def upload(self, status: str, visible: str, annotations: str, picture: Picture) -> Status:
        fields = {"status": status, "visible": visible, "annotations": annotations}
        return read_status(self._post(self._commercial, "/2/statuses/upload/biz.json", fields, picture))

    def upload_pic(self, picture: Picture) -> str:
        """A picture alone; its pic_id."""
        body = self._post(self._commercial, "/2/statuses/upload_pic/biz.json", {}, picture)
        pic_id = body.get("pic_id")
        if not pic_id:
            raise NoAnswerError("上传图片的答复缺少 pic_id / the answer has no pic_id")
        return str(pic_id)

    def upload_url_text(self, status: str, visible: str, annotations: str, pic_ids: Sequence[str]) -> Status:
        fields = {"status": status, "visible": visible, "annotations": annotations, "pic_id": ",".join(pic_ids)}
        return read_status(self._post(self._commercial, "/2/statuses/upload_url_text/biz.json", fields))

    # --- after publishing: one attempt each ---

    def destroy(self, status_id: str) -> None:
        self._post(self._open, "/2/statuses/destroy.json", {"id": status_id})

    def comment(self, status_id: str, text: str) -> CommentRow:
        """Writes a comment under a post."""
        return read_comment(self._post(self._open, "/2/comments/create.json", {"id": status_id, "comment": text}))

    def reply(self, status_id: str, comment_id: str, text: str) -> CommentRow:
        """Answers a comment with exactly this text: the platform puts no “回复@name:” before it."""
        fields = {"id": status_id, "cid": comment_id, "comment": text, "without_mention": "1"}
        return read_comment(self._post(self._open, "/2/comments/reply.json", fields))

    # --- reading ---

    def user_timeline(self, max_id: int = 0) -> Timeline:
        """The account's latest posts with ids up to max_id (0 = any). An ordinary app gets 5, whatever it asks for."""
        query: dict[str, str | int] = {"count": TIMELINE_PAGE, "max_id": max_id}
        body = _object(self._get("/2/statuses/user_timeline.json", query))
        return Timeline(
            tuple(read_status(row) for row in body.get("statuses") or ()), whole_number(body.get("total_number"))
        )

    def show(self, status_id: str) -> Status:
        return read_status(_object(self._get("/2/statuses/show.json", {"id": status_id})))

    def comments(self, status_id: str, *, count: int, since_id: int = 0, max_id: int = 0) -> CommentRows:
        """Comments with ids above since_id and not above max_id, newest first; 0 = no such bound."""
        query: dict[str, str | int] = {"id": status_id, "count": count, "since_id": since_id, "max_id": max_id}
        return read_comments(_object(self._get("/2/comments/show.json", query)))

    def own_comments(self, *, count: int, max_id: int = 0) -> CommentRows:
        """Comments that the account wrote under any post, ids up to max_id, newest first; 0 = from the newest."""
        return read_comments(_object(self._get("/2/comments/by_me.json", {"count": count, "max_id": max_id})))

    def counts(self, status_ids: Iterable[str]) -> dict[str, StatusCounts]:
        """Figures by post id, asked a hundred posts at a time; posts that the platform does not know are left out."""
        wanted = list(dict.fromkeys(status_ids))
        found: dict[str, StatusCounts] = {}
        for start in range(0, len(wanted), COUNTS_MAX_IDS):
            rows = self._get("/2/statuses/count.json", {"ids": ",".join(wanted[start : start + COUNTS_MAX_IDS])})
            found.update(read_counts(row) for row in _rows(rows))
        return found

    def followers(self) -> int | None:
        """Followers of the account; None where the platform does not say."""
        rows = _rows(self._get("/2/users/counts.json", {"uids": self.uid()}))
        return next(
            (whole_number(row.get("followers_count")) for row in rows if str(row.get("id")) == self.uid()), None
        )

    def uid(self) -> str:
        """The account's user id; the platform is asked where the account does not declare it."""
        if not self._uid:
            self._uid = self.token_info().uid
        return self._uid

    def token_info(self) -> TokenInfo:
        """What the platform says about the token. POST, but read-only; the field really is called `expire_in`."""
        path = "/oauth2/get_token_info"
        with self._open.learning(path):
            body = _object(self._read(lambda token: self._open.call("POST", path, form={"access_token": token})))
        return TokenInfo(str(body.get("uid") or ""), whole_number(body.get("expire_in")))

    def hit_limits(self) -> HitLimits:
        """The remaining calls; rows without readable figures are left out."""
        body = _object(self._get("/2/account/rate_limit_status.json", {}))
        rows = [
            read_hits("", body.get("user_limit"), body.get("remaining_user_hits")),
            read_hits("", body.get("ip_limit"), body.get("remaining_ip_hits")),
        ]
        for row in body.get("api_rate_limits") or ():
            if isinstance(row, dict):
                rows.append(read_hits(str(row.get("api", "")), row.get("limit"), row.get("remaining_hits")))
        known = tuple(row for row in rows if row is not None)
        return HitLimits(known, whole_number(body.get("reset_time_in_seconds")))

    # --- the exchange ---

    def _get(self, path: str, query: Mapping[str, str | int]) -> Any:
        with self._open.learning(path):
            return self._read(lambda token: self._open.call("GET", path, query={**query, "access_token": token}))

    def _read(self, call: Callable[[str], Answer]) -> Any:
        for attempt in reading():
            with attempt:
                return self._with_token(call)
        raise AssertionError("reading() ends by returning or raising")

    def _post(
        self,
        http: PlatformHttp,
        path: str,
        fields: Mapping[str, str],
        picture: Picture | None = None,
        on_10017: CodeMeaning | None = None,
    ) -> dict[str, Any]:
        files = {"pic": (picture.filename, picture.content, picture.content_type)} if picture else None
        with http.learning(path):
            return _object(
                self._with_token(
                    lambda token: http.call("POST", path, form={**fields, "access_token": token}, files=files), on_10017
                )
            )

    def _with_token(self, call: Callable[[str], Answer], on_10017: CodeMeaning | None = None) -> Any:
        token = self._tokens.access_token
        try:
            return _checked(call(token), on_10017)
        except PlatformError as error:
            if not error.new_token or not self._renewed(token):
                raise
        return _checked(call(self._tokens.access_token), on_10017)

    def _renewed(self, refused: str) -> bool:
        """Gets another token than the refused one; False without one. Only accounts of the mobile SDK can refresh.

        The refused call did nothing, so a failure here says that nothing was sent.
        """
        with self._token_lock:
            self._tokens = self._credentials.load(self.account)
            if self._tokens.access_token == refused and self._tokens.refresh_token:
                try:
                    with self._credentials.lease(self.account):
                        self._refresh(refused)
                except PlatformError as error:
                    error.sent, error.outcome, error.new_token = "no", "refused", False
                    raise
            return self._tokens.access_token != refused

    def _refresh(self, refused: str) -> None:
        """Renews the token unless another process has just done so. Call it under the credentials' lease."""
        self._tokens = seen = self._credentials.load(self.account)
        if seen.access_token != refused:
            return
        form = {
            "client_id": self.account.app_id,
            "client_secret": self.account.app_secret,
            "grant_type": "refresh_token",
            "refresh_token": seen.refresh_token,
        }
        body = _object(_checked(self._open.call("POST", "/oauth2/access_token", form=form)))
        self._tokens = self._credentials.replace(self.account, seen.revision, _given(body))

    def exchange_code(self, code: str, redirect_uri: str) -> Grant:
        """Exchanges an authorisation code for tokens; redirect_uri as used before. One attempt, stores nothing."""
        form = {
            "client_id": self.account.app_id,
            "client_secret": self.account.app_secret,
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
        }
        body = _object(_checked(self._open.call("POST", "/oauth2/access_token", form=form)))
        given, user = _given(body), str(body.get("uid") or "")
        if not given.access_token or not user:
            raise NoAnswerError("答复里没有 access_token 或 uid / the answer lacks access_token or uid")
        return Grant(given, user)


def _given(body: Mapping[str, Any]) -> Tokens:
    lives = whole_number(body.get("expires_in"))
    return Tokens(
        str(body.get("access_token") or ""),
        str(body.get("refresh_token") or ""),
        datetime.now(UTC) + timedelta(seconds=lives) if lives and 0 < lives < MOST_SECONDS else None,
    )


# --- answers ---------------------------------------------------------------------------------------------------------


def _checked(answer: Answer, on_10017: CodeMeaning | None = None) -> Any:
    """The body of a success; the error table's error otherwise."""
    body = answer.body
    if isinstance(body, dict) and "error_code" in body:
        code = str(body["error_code"])
        raise ERRORS.error(code, str(body.get("error", "")), override=on_10017 if code == "10017" else None)
    if answer.status >= 400 or not isinstance(body, dict | list):
        raise NoAnswerError(f"HTTP {answer.status}，答复无法识别 / unrecognisable answer")
    return body


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise NoAnswerError("答复不是 JSON 对象 / the answer is no object")
    return body


def _rows(body: Any) -> list[dict[str, Any]]:
    if not isinstance(body, list):
        raise NoAnswerError("答复不是 JSON 数组 / the answer is no array")
    return [row for row in body if isinstance(row, dict)]
