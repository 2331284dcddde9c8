"""Douyin's webhooks: checks the signature and reads the events. Pure; the caller decides what an event changes.

The signature covers the raw body but no time, so a replay cannot be recognised by its age, only by its `identity`, a
digest of the signed body. Events are hints: they may arrive late, twice, out of order or never.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from services.adapter.contract.accounts import Account
from services.adapter.contract.callbacks import (
    AuthorisationChanged,
    CallbackAnswer,
    CallbackEvent,
    CallbackRefusedError,
    CallbackRequest,
    CommentArrived,
    PublicationChanged,
    Received,
)
from services.adapter.contract.feedback import Comment

SIGNATURE = "x-douyin-signature"
MESSAGE_ID = "msg-id"
WEBHOOK_SECRET = "webhook_secret"
MOST_BYTES = 1024 * 1024
MOST_ID_CHARACTERS = 128

JsonObject = dict[str, Any]
Read = tuple[tuple[CallbackEvent, ...], datetime | None]


def sign(secret: str, body: bytes) -> str:
    """sha1 over secret and raw body, neither HMAC nor time, as the webhook page prescribes [doc]."""
    return hashlib.sha1(secret.encode() + body).hexdigest()  # noqa: S324 — Douyin's choice


class DouyinCallbacks:
    """The contract's Callbacks."""

    def receive(self, account: Account, request: CallbackRequest, now: datetime) -> Received:
        """Check the signature, then read the body. Raises CallbackRefusedError."""
        _check_sender(account, request)
        body = _object(request.body)
        if body.get("client_key") != account.app_id:
            raise CallbackRefusedError("other_app")
        identity = _identity(request, body)
        event, content = body.get("event"), _content(body.get("content"))
        if event == "verify_webhook":
            return Received(_challenged(content), identity)
        read = _EVENTS.get(event) if isinstance(event, str) else None
        if read is None:
            return Received(CallbackAnswer(), identity)
        _check_user(account, body, of_others=event == "item_comment_reply")
        events, occurred_at = read(content)
        return Received(CallbackAnswer(), identity, events, occurred_at)


def _check_sender(account: Account, request: CallbackRequest) -> None:
    if request.method != "POST":
        raise CallbackRefusedError("method", 405)
    if len(request.body) > MOST_BYTES:
        raise CallbackRefusedError("too_large", 413)
    secret = account.options.get(WEBHOOK_SECRET) or account.app_secret
    if not secret:  # anybody could sign with an empty secret
        raise CallbackRefusedError("no_secret")
    given = request.headers.get(SIGNATURE, "").encode(errors="surrogatepass")
    if not hmac.compare_digest(given, sign(secret, request.body).encode()):
        raise CallbackRefusedError("signature")


def _check_user(account: Account, body: JsonObject, *, of_others: bool) -> None:
    """One address serves all accounts of an app. of_others: another user caused the event.

    No source states which of the two fields names the account's user in that case, so either field may.
    """
    actor, towards = body.get("from_user_id"), body.get("to_user_id")
    ours = account.open_id in (actor, towards) if of_others and towards else of_others or actor == account.open_id
    if not ours:
        raise CallbackRefusedError("other_account")


def _identity(request: CallbackRequest, body: JsonObject) -> str:
    """A digest of the signed body: the same body under another `Msg-Id` is the same call.

    `Msg-Id` is not signed, so it could disguise a replay as a new call. It counts only if the body has no `log_id`,
    which otherwise distinguishes two equal events.
    """
    digest = hashlib.sha256(request.body).hexdigest()[:32]
    message_id = request.headers.get(MESSAGE_ID, "")
    if body.get("log_id") or not message_id:
        return f"douyin:{digest}"
    return f"douyin:{digest}:{message_id[:MOST_ID_CHARACTERS]}"


# --- reading ---------------------------------------------------------------------------------------------------------


def _object(raw: bytes | str) -> JsonObject:
    try:
        body = orjson.loads(raw)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        raise _malformed() from None
    if not isinstance(body, dict):
        raise _malformed()
    return body


def _content(content: Any) -> JsonObject:
    """An object in old events, a JSON string in newer ones (D 27). A missing one counts as empty."""
    if content is None or content == "":
        return {}
    if isinstance(content, str):
        return _object(content)
    if not isinstance(content, dict):
        raise _malformed()
    return content


def _challenged(content: JsonObject) -> CallbackAnswer:
    challenge = content.get("challenge")
    if isinstance(challenge, bool) or not isinstance(challenge, int | str):
        raise _malformed()
    return CallbackAnswer(orjson.dumps({"challenge": challenge}), "application/json; charset=utf-8")


def _created(content: JsonObject) -> Read:
    """A post published with a share link: `share_id` identifies the link, `item_id` the post."""
    ids = {name: _text(content, name) for name in ("share_id", "item_id")}
    return (PublicationChanged(ids),), None


def _commented(content: JsonObject) -> Read:
    written_at = _instant(content.get("create_time"))
    answered = content.get("reply_to_comment_id")
    comment = Comment(
        comment_id=_text(content, "comment_id"),
        author=_text(content, "comment_user_id"),
        text=content["content"] if isinstance(content.get("content"), str) else "",
        written_at=written_at,
        parent_comment_id=answered if isinstance(answered, str) and answered else None,
        likes=_count(content.get("digg_count")),
    )
    return (CommentArrived(_text(content, "reply_to_item_id"), comment),), written_at


def _granted(content: JsonObject) -> Read:
    return (AuthorisationChanged(True, _scopes(content)),), None


def _withdrawn(content: JsonObject) -> Read:
    return (AuthorisationChanged(False, _scopes(content)),), None


_EVENTS: Mapping[str, Callable[[JsonObject], Read]] = {
    "create_video": _created,
    "item_comment_reply": _commented,
    "authorize": _granted,
    "contract_authorize": _granted,
    "unauthorize": _withdrawn,
    "contract_unauthorize": _withdrawn,
}
EVENTS = tuple(_EVENTS)


def _scopes(content: JsonObject) -> tuple[str, ...]:
    scopes = content.get("scopes")
    return tuple(one for one in scopes if isinstance(one, str)) if isinstance(scopes, list) else ()


def _text(content: JsonObject, name: str) -> str:
    value = content.get(name)
    if not isinstance(value, str) or not value:
        raise _malformed()
    return value


def _instant(value: Any) -> datetime:
    """Seconds, as a number or, as in many samples, a string (D 22)."""
    seconds = _count(value)
    if seconds is None:
        raise _malformed()
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        raise _malformed() from None


def _count(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    if isinstance(value, str) and not (value.isascii() and value.isdecimal() and len(value) < 20):
        return None
    number = int(value)
    return number if number >= 0 else None


def _malformed() -> CallbackRefusedError:
    return CallbackRefusedError("malformed", 400)
