"""The HTTP side: one address for each account, `/callbacks/{platform}/{account}`; reads a request and hands it over.

Takes any bytes; whatever is too large, too slow or no request at all is refused before anybody looks at it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl

from services.adapter.contract.callbacks import CallbackAnswer, CallbackRefusedError, CallbackRequest
from services.feedback_collector.callbacks.desk import Address, CallbackHandler

MOST_BYTES = 1_048_576
MOST_HEARD_OUT = 4 * MOST_BYTES  # read and thrown away, so that a client that sends too much can read why it is refused
BODY_WITHIN_S = 5.0  # as long as the platforms themselves wait for our answer
MOST_PARAMETERS = 100
MOST_AT_ONCE = 32
_PATH = re.compile(r"/callbacks/([a-z][a-z0-9_]{1,31})/([A-Za-z0-9][A-Za-z0-9._:@-]{0,127})")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class _GoneError(Exception):
    """Raised when the caller hung up before its request was whole."""


class CallbackApp:
    """ASGI. ready: whether calls can be told from replays already; until then the platform is asked to call again."""

    def __init__(self, desk: CallbackHandler, ready: Callable[[], bool], body_within_s: float = BODY_WITHIN_S) -> None:
        self._desk, self._ready, self._body_within_s = desk, ready, body_within_s
        self._threads = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="callback")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            answer = await self._answer(scope, receive)
        except _GoneError:
            return
        await _send(send, answer)

    async def _answer(self, scope: Scope, receive: Receive) -> CallbackAnswer:
        found = _PATH.fullmatch(scope["path"])
        to = Address(found[1], found[2]) if found else None
        try:
            if to is None:
                raise CallbackRefusedError("unknown_address", 404)
            if not self._ready():
                return CallbackAnswer(b"starting", status=503)
            request = await self._request(scope, receive)
        except CallbackRefusedError as refused:
            return self._desk.refuse("unknown", to.account if to else "", refused)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._desk.answer, to, request)

    async def _request(self, scope: Scope, receive: Receive) -> CallbackRequest:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        return CallbackRequest(
            scope["method"], _query(scope["query_string"]), headers, await self._body(headers, receive)
        )

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        if int(headers.get("content-length", "0")) > MOST_HEARD_OUT:  # uvicorn lets nothing but digits through
            raise CallbackRefusedError("too_large", 413)
        try:
            async with asyncio.timeout(self._body_within_s):
                return await _whole(receive)
        except TimeoutError:
            raise CallbackRefusedError("too_slow", 408) from None


async def _whole(receive: Receive) -> bytes:
    body, length = bytearray(), 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        part = message.get("body", b"")
        length += len(part)
        if length <= MOST_BYTES:
            body += part
        if length > MOST_HEARD_OUT or (length > MOST_BYTES and not message.get("more_body")):
            raise CallbackRefusedError("too_large", 413)
        if not message.get("more_body"):
            return bytes(body)


def _query(raw: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            raw.decode("latin-1"), keep_blank_values=True, errors="replace", max_num_fields=MOST_PARAMETERS
        )
    except ValueError:
        raise CallbackRefusedError("too_many_parameters", 400) from None
    return dict(pairs)


async def _send(send: Send, answer: CallbackAnswer) -> None:
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
        (b"x-content-type-options", b"nosniff"),  # an echo is never a page
    ]
    if answer.status in (408, 413):
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
