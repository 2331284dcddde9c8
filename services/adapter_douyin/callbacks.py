"""Douyin's webhooks: verified and read, nothing else. Pure: what they bring about is decided by whoever asked.

The signature covers the raw body and no time, so an old call cannot be told by its age; what tells it is `identity`,
which is made of what was signed. Every event is a hint that may come late, twice, out of order or never.
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
    return hashlib.sha1(secret.encode() + body).hexdigest()  # noqa: S324 — their choice


class DouyinCallbacks:
    def receive(self, account: Account, request: CallbackRequest, now: datetime) -> Received:
        """Signature first: nothing of an unsigned body is looked at. Raises CallbackRefusedError."""
        _check_sender(account, request)
        said = _object(request.body)
        if said.get("client_key") != account.app_id:
            raise CallbackRefusedError("other_app")
        identity = _identity(request, said)
        event, content = said.get("event"), _content(said.get("content"))
        if event == "verify_webhook":
            return Received(_challenged(content), identity)
        read = _EVENTS.get(event) if isinstance(event, str) else None
        if read is None:
            return Received(CallbackAnswer(), identity)
        _check_user(account, said, of_others=event == "item_comment_reply")
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


def _check_user(account: Account, said: JsonObject, *, of_others: bool) -> None:
    """One address serves all accounts of an app. of_others: the event is somebody else's deed towards our user.

    Which of the two fields then names our user no source says, so either may; one that names nobody proves nothing.
    """
    actor, towards = said.get("from_user_id"), said.get("to_user_id")
    ours = account.open_id in (actor, towards) if of_others and towards else of_others or actor == account.open_id
    if not ours:
        raise CallbackRefusedError("other_account")


def _identity(request: CallbackRequest, said: JsonObject) -> str:
    """What was signed tells calls apart: a body sent again under another `Msg-Id` is the same call, not a new one.

    `Msg-Id` is not signed, so alone it would let a replay pass for news and let a forged one hide real news. It counts
    only where the body has no `log_id` that would tell two equal events apart.
    """
    digest = hashlib.sha256(request.body).hexdigest()[:32]
    message_id = request.headers.get(MESSAGE_ID, "")
    if said.get("log_id") or not message_id:
        return f"douyin:{digest}"
    return f"douyin:{digest}:{message_id[:MOST_ID_CHARACTERS]}"


# --- reading ---------------------------------------------------------------------------------------------------------


def _object(raw: bytes | str) -> JsonObject:
    try:
        said = orjson.loads(raw)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        raise _malformed() from None
    if not isinstance(said, dict):
        raise _malformed()
    return said


def _content(content: Any) -> JsonObject:
    """An object for old events, a JSON string for newer ones (D 27); none at all is an empty one."""
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
    """A post that our share link led to: `share_id` says which link, `item_id` is the post."""
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
