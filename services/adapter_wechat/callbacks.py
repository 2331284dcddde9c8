"""What WeChat calls us with: signature, freshness, plain or encrypted XML, and what it tells. Pure; does nothing.

In plain mode the signature covers time and nonce, not the body: no event here is more than a reason to ask.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit
from xml.parsers import expat

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from services.adapter.contract.accounts import Account
from services.adapter.contract.callbacks import (
    CallbackAnswer,
    CallbackEvent,
    CallbackRefusedError,
    CallbackRequest,
    PublicationChanged,
    Received,
)
from services.adapter_wechat.limits import CALLBACK_BYTES
from services.adapter_wechat.settings import CALLBACK_FRESH_S

TOKEN_OPTION = "callback_token"
KEY_OPTION = "encoding_aes_key"
PADDED_TO = 32  # not the 16 of AES [client]
NOISE = 16
DEEPEST, MOST_ELEMENTS = 8, 1000  # [assumption] a publish event is four deep; eight articles make some thirty elements
LAST_STAMP = 253_402_300_799  # the end of the year 9999
ACKNOWLEDGED = CallbackAnswer(b"success")


class WechatCallbacks:
    """The contract's Callbacks. An account with an EncodingAESKey takes encrypted messages only."""

    def receive(self, account: Account, request: CallbackRequest, now: datetime) -> Received:
        _check_signature(account, request)
        _check_freshness(request, now)
        if request.method == "GET":
            return _address_check(account, request)
        if request.method != "POST":
            raise CallbackRefusedError("method_not_allowed", 405)
        received = _received(account, _message(account, request))
        return received if account.options.get(KEY_OPTION) else replace(received, proof=request.query["signature"])


# --- signatures ------------------------------------------------------------------------------------------------------


def signature(*parts: str) -> str:
    """SHA-1 of the sorted parts, joined."""
    return hashlib.sha1(_bytes("".join(sorted(parts)))).hexdigest()  # noqa: S324 - the platform's choice


def _check_signature(account: Account, request: CallbackRequest) -> None:
    token = account.options.get(TOKEN_OPTION, "")
    if not token:
        raise CallbackRefusedError("callback_token_not_configured")
    if not all(request.query.get(name) for name in ("signature", "timestamp", "nonce")):
        raise CallbackRefusedError("signature_missing")
    _compare(request.query["signature"], signature(token, request.query["timestamp"], request.query["nonce"]))


def _compare(given: str, right: str) -> None:
    if not hmac.compare_digest(_bytes(given), _bytes(right)):
        raise CallbackRefusedError("signature_wrong" if given else "signature_missing")


def _check_freshness(request: CallbackRequest, now: datetime) -> None:
    sent_at = _instant(request.query.get("timestamp", ""))
    if sent_at is None or abs((now - sent_at).total_seconds()) > CALLBACK_FRESH_S:
        raise CallbackRefusedError("stale")


def _address_check(account: Account, request: CallbackRequest) -> Received:
    echo = request.query.get("echostr", "")
    if not echo:
        raise CallbackRefusedError("echostr_missing", 400)
    identity = _identity(account, "check", request.query["timestamp"], request.query["nonce"])
    return Received(CallbackAnswer(_bytes(echo)), identity)


# --- encryption ------------------------------------------------------------------------------------------------------


def encrypted(encoding_aes_key: str, app_id: str, message: bytes, noise: bytes) -> str:
    """A message as it travels in safe mode. noise: 16 random bytes. Raises ValueError for a key that is none."""
    inside = noise + len(message).to_bytes(4, "big") + message + app_id.encode()
    missing = PADDED_TO - len(inside) % PADDED_TO
    cipher = _cipher(encoding_aes_key).encryptor()
    return base64.b64encode(cipher.update(inside + bytes([missing]) * missing) + cipher.finalize()).decode()


def decrypted(encoding_aes_key: str, app_id: str, sealed: str) -> bytes:
    """The message inside. Raises ValueError for whatever was not made with this key for this account."""
    cipher = _cipher(encoding_aes_key).decryptor()
    inside = cipher.update(base64.b64decode(_bytes(sealed), validate=True)) + cipher.finalize()
    padding = inside[-1] if inside else 0
    if not 1 <= padding <= PADDED_TO or inside[-padding:] != bytes([padding]) * padding:
        raise ValueError("wrong padding")
    inside = inside[NOISE:-padding]
    length = int.from_bytes(inside[:4], "big")
    message, owner = inside[4 : 4 + length], inside[4 + length :]
    if len(message) != length or not hmac.compare_digest(owner, app_id.encode()):
        raise ValueError("not for this account")
    return message


def encrypted_answer(account: Account, message: bytes, now: datetime, nonce: str, noise: bytes) -> CallbackAnswer:
    """An answer with words in it, for an account in safe mode; a mere acknowledgement needs no encryption."""
    sealed = encrypted(account.options[KEY_OPTION], account.app_id, message, noise)
    stamp = str(int(now.timestamp()))
    signed = signature(account.options[TOKEN_OPTION], stamp, nonce, sealed)
    body = (
        f"<xml><Encrypt><![CDATA[{sealed}]]></Encrypt><MsgSignature><![CDATA[{signed}]]></MsgSignature>"
        f"<TimeStamp>{stamp}</TimeStamp><Nonce><![CDATA[{nonce}]]></Nonce></xml>"
    )
    return CallbackAnswer(body.encode(), "application/xml; charset=utf-8")


def _cipher(encoding_aes_key: str) -> Cipher[CBC]:
    key = base64.b64decode(f"{encoding_aes_key}=", validate=True)
    if len(key) != PADDED_TO:
        raise ValueError("an EncodingAESKey has 43 characters")
    return Cipher(AES(key), CBC(key[:16]))


# --- the message -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Element:
    """An XML element; the same name may stand in it several times."""

    name: str
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self, *path: str) -> Iterator[Element]:
        """Every element at the end of `path`."""
        if not path:
            yield self
            return
        for child in self.children:
            if child.name == path[0]:
                yield from child.all(*path[1:])

    def first(self, *path: str) -> str:
        """The text of the first element at the end of `path`; empty where there is none."""
        return next((element.text.strip() for element in self.all(*path)), "")


def read_xml(body: bytes) -> Element:
    """The tree of a small document without declarations of its own. Raises CallbackRefusedError for any other.

    A document type is refused as such: entities, the outer ones and those that grow, are declared nowhere else.
    """
    if len(body) > CALLBACK_BYTES:
        raise CallbackRefusedError("too_large", 413)
    parser, reading = expat.ParserCreate("UTF-8"), _Reading()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reading.refuse_declarations
    parser.StartElementHandler, parser.EndElementHandler = reading.begin, reading.end
    parser.CharacterDataHandler = reading.text
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise CallbackRefusedError("malformed_xml", 400) from error
    return reading.document.children[0]


class _Reading:
    """Builds the tree; knows when it is too deep or too wide."""

    def __init__(self) -> None:
        self.document = Element("")
        self._open = [self.document]
        self._elements = 0

    def begin(self, name: str, _attributes: dict[str, str]) -> None:
        self._elements += 1
        if len(self._open) > DEEPEST or self._elements > MOST_ELEMENTS:
            raise CallbackRefusedError("malformed_xml", 400)
        element = Element(name)
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()

    def text(self, text: str) -> None:
        self._open[-1].text += text

    def refuse_declarations(self, *_declared: object) -> None:
        raise CallbackRefusedError("document_type_refused", 400)


def _message(account: Account, request: CallbackRequest) -> Element:
    """The message itself. In compatible mode it stands there twice; only the encrypted one is signed, so it counts."""
    envelope = read_xml(request.body)
    sealed, key = envelope.first("Encrypt"), account.options.get(KEY_OPTION, "")
    if not key:
        if sealed and not envelope.first("MsgType"):
            raise CallbackRefusedError("encoding_aes_key_not_configured")
        return envelope
    if not sealed:
        raise CallbackRefusedError("not_encrypted")
    query = request.query
    right = signature(account.options[TOKEN_OPTION], query["timestamp"], query["nonce"], sealed)
    _compare(query.get("msg_signature", ""), right)
    try:
        message = decrypted(key, account.app_id, sealed)
    except (ValueError, binascii.Error) as error:
        raise CallbackRefusedError("encryption_wrong") from error
    return read_xml(message)


# --- what it tells ---------------------------------------------------------------------------------------------------


def _received(account: Account, message: Element) -> Received:
    """Messages of users and events that change no publication are acknowledged, and that is all."""
    kind, event = message.first("MsgType"), message.first("Event").upper()
    events: tuple[CallbackEvent, ...] = ()
    if not kind:
        raise CallbackRefusedError("message_incomplete", 400)
    if kind != "event":
        identity = _identity(account, "message", _needed(message.first("MsgId")))
    elif event == "PUBLISHJOBFINISH":
        ids = _publish_ids(message)
        identity = _identity(account, event, ids["publish_id"], message.first("PublishEventInfo", "publish_status"))
        events = (PublicationChanged(ids),)
    elif event == "MASSSENDJOBFINISH":
        ids = _mass_ids(message)
        identity = _identity(account, event, ids["msg_id"], message.first("Status"))
        events = (PublicationChanged(ids),)
    else:
        told = (message.first(name) for name in ("FromUserName", "CreateTime", "EventKey"))
        identity = _identity(account, event, *told)
    return Received(ACKNOWLEDGED, identity, events, _instant(message.first("CreateTime")))


def _publish_ids(message: Element) -> dict[str, str]:
    """An event of a failed job names no article."""
    info = next(message.all("PublishEventInfo"), Element(""))
    ids = {"publish_id": _needed(info.first("publish_id")), "article_id": info.first("article_id")}
    addresses = info.all("article_detail", "item", "article_url")
    return _present(ids | {"msg_data_id": _message_of(addresses)})


def _mass_ids(message: Element) -> dict[str, str]:
    addresses = message.all("ArticleUrlResult", "ResultList", "item", "ArticleUrl")
    return _present({"msg_id": _needed(message.first("MsgID")), "msg_data_id": _message_of(addresses)})


def _message_of(addresses: Iterator[Element]) -> str:
    """`mid` of an article's address is the id of its message [client]; all articles of one event are of one message."""
    for address in addresses:
        try:
            query = parse_qs(urlsplit(address.text.strip()).query)
        except ValueError:
            continue
        if "mid" in query:
            return query["mid"][0]
    return ""


def _present(ids: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in ids.items() if value}


def _needed(value: str) -> str:
    if not value:
        raise CallbackRefusedError("message_incomplete", 400)
    return value


def _identity(account: Account, kind: str, *told: str) -> str:
    """The same for each repetition, whatever its nonce. Hashed, because some of what is told names a person."""
    digest = hashlib.sha256(_bytes("\x1f".join((kind, *told)))).hexdigest()[:32]
    return f"{account.platform}:{account.account}:{digest}"


def _instant(stamp: str) -> datetime | None:
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= len(str(LAST_STAMP))):
        return None
    return datetime.fromtimestamp(int(stamp), UTC) if int(stamp) <= LAST_STAMP else None


def _bytes(text: str) -> bytes:
    """Whatever arrived as text, lone surrogates included."""
    return text.encode("utf-8", "surrogatepass")
