"""Stands before an ASGI application: the body of a request has to come, at a pace that any line can keep."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

BODY_WITHIN_S = 30.0
SLOWEST_BYTES_PER_S = 50_000  # beyond the first half minute

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class TooSlowError(Exception):
    """Raised where an application asks for more of a body that does not come; answered with 408 if it does not."""


class BodyInTime:
    """body_within_s: for what is waited for; the time that the application itself takes does not count."""

    def __init__(self, app: Application, body_within_s: float = BODY_WITHIN_S) -> None:
        self._app, self._body_within_s = app, body_within_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, self._in_time(receive), noted)
        except TooSlowError:
            if not begun:
                headers = [(b"connection", b"close"), (b"content-length", b"0")]
                await send({"type": "http.response.start", "status": 408, "headers": headers})
                await send({"type": "http.response.body", "body": b""})

    def _in_time(self, receive: Receive) -> Receive:
        left_s, whole = self._body_within_s, False

        async def in_time() -> Message:
            nonlocal left_s, whole
            if whole:
                return await receive()  # waits for the client to go, however long that takes
            loop = asyncio.get_running_loop()
            began = loop.time()
            try:
                async with asyncio.timeout(left_s):
                    message = await receive()
            except TimeoutError:
                raise TooSlowError from None
            whole = not message.get("more_body", False)
            left_s += len(message.get("body", b"")) / SLOWEST_BYTES_PER_S - (loop.time() - began)
            return message

        return in_time
