"""Verifies and reads Weibo's callbacks: the address check, fan-service messages, the withdrawal of the permission.

Pure. The signature covers time and nonce but not the body, so no signed body is read as an event.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import orjson

from services.adapter.contract.accounts import Account
from services.adapter.contract.callbacks import (
    AuthorisationChanged,
    CallbackAnswer,
    CallbackRefusedError,
    CallbackRequest,
    Received,
)
from services.adapter_weibo.settings import CALLBACK_LIMITS

REVOCATION = ("source", "uid", "auth_end", "verification")  # its parameters [client: wb4java]
MILLISECONDS_FROM = 10**11  # a stamp above is in milliseconds [assumption]: in seconds it would lie in the year 5138
LAST_STAMP = 253_402_300_799  # the end of the year 9999
LONGEST_ECHO = 1024  # [assumption]


class WeiboCallbacks:
    """The contract's Callbacks.

    Old signed callbacks [memory] are refused. The withdrawal [client] has no documented check: neither its sender nor
    its age can be proven, so it is passed on as a hint to ask the platform for the token's state.
    """

    def receive(self, account: Account, request: CallbackRequest, now: datetime) -> Received:
        if request.method not in ("GET", "POST"):
            raise CallbackRefusedError("method_not_allowed", 405)
        if len(request.body) > CALLBACK_LIMITS.most_bytes:
            raise CallbackRefusedError("body_too_large", 413)
        if "signature" not in request.query:
            return _revocation(account, request, now)
        _check_signature(account, request.query)
        _check_freshness(request.query, now)
        return _address_check(account, request) if request.method == "GET" else _message(account, request)


# --- signed: fan service ---------------------------------------------------------------------------------------------


def signature(app_secret: str, timestamp: str, nonce: str) -> str:
    """SHA-1 of the three, sorted and joined [memory]."""
    joined = "".join(sorted((app_secret, timestamp, nonce)))
    return hashlib.sha1(_bytes(joined)).hexdigest()  # noqa: S324 - the platform's choice


def _check_signature(account: Account, query: Mapping[str, str]) -> None:
    if not account.app_secret:  # anybody can sign with an empty secret
        raise CallbackRefusedError("app_secret_not_configured")
    right = signature(account.app_secret, query.get("timestamp", ""), query.get("nonce", ""))
    if not hmac.compare_digest(_bytes(query["signature"]), _bytes(right)):
        raise CallbackRefusedError("signature_wrong")


def _check_freshness(query: Mapping[str, str], now: datetime) -> None:
    sent_at = _instant(query.get("timestamp", ""))
    if sent_at is None or abs(now - sent_at) > CALLBACK_LIMITS.fresh_within:
        raise CallbackRefusedError("stale")


def _address_check(account: Account, request: CallbackRequest) -> Received:
    echo = request.query.get("echostr", "")
    if not echo or len(echo) > LONGEST_ECHO:
        raise CallbackRefusedError("echostr_missing" if not echo else "echostr_too_long", 400)
    return Received(CallbackAnswer(_bytes(echo)), _identity(account, "check", request.query["signature"]))


def _message(account: Account, request: CallbackRequest) -> Received:
    """Direct messages and follows are accepted and not used. An empty answer sends nothing to the user [memory]."""
    try:
        told = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise CallbackRefusedError("body_not_json", 400) from None
    if not isinstance(told, dict):
        raise CallbackRefusedError("body_not_an_object", 400)
    return Received(CallbackAnswer(), _identity(account, "message", hashlib.sha256(request.body).hexdigest()))


# --- unsigned: the user withdraws the app's permission ---------------------------------------------------------------


def _revocation(account: Account, request: CallbackRequest, now: datetime) -> Received:
    told = {**_form(request), **request.query}
    if not all(told.get(name) for name in REVOCATION):
        raise CallbackRefusedError("signature_missing")
    if told["source"] != account.app_id:
        raise CallbackRefusedError("another_app")
    if account.open_id and told["uid"] != account.open_id:
        raise CallbackRefusedError("another_account")
    ended_at = _instant(told["auth_end"])
    return Received(
        CallbackAnswer(),
        _identity(account, "revocation", told["uid"], told["auth_end"]),
        (AuthorisationChanged(granted=False, proven=False),),
        ended_at if ended_at is not None and ended_at <= now else None,
    )


def _form(request: CallbackRequest) -> dict[str, str]:
    """The parameters of a POST body; no source says whether they come there or in the address."""
    try:
        return dict(parse_qsl(request.body.decode(), max_num_fields=50))
    except ValueError:
        raise CallbackRefusedError("body_not_a_form", 400) from None


# --- pieces ----------------------------------------------------------------------------------------------------------


def _instant(stamp: str) -> datetime | None:
    """Unix time in seconds or milliseconds; None for anything else."""
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= 16):
        return None
    number = int(stamp) / 1000 if int(stamp) >= MILLISECONDS_FROM else float(stamp)
    return datetime.fromtimestamp(number, UTC) if number <= LAST_STAMP else None


def _identity(account: Account, kind: str, *parts: str) -> str:
    """The same for a repeated callback; its length does not depend on what was sent."""
    digest = hashlib.sha256(_bytes("\n".join(parts))).hexdigest()
    return f"weibo:{account.account}:{kind}:{digest[:32]}"


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
