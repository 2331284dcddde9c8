"""Before the body of a request is read it is counted, so that bodies of one brand cannot fill the memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send
from litestar.types.asgi_types import HTTPReceiveMessage, WebSocketReceiveMessage

from services.publisher.http.bearer import granted_in
from services.publisher.http.turns import Lane, Turns

LANE = "lane"


def lane(name: Lane) -> dict[str, Any]:
    """What a route is marked with that does not belong to the ordinary ones."""
    return {LANE: name}


class Admission(ASGIMiddleware):
    """The gate stands behind it, so who asks is known when the first piece of the body is asked for, and not before."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        ended: list[Callable[[], None]] = []

        async def counted() -> HTTPReceiveMessage | WebSocketReceiveMessage:
            granted = granted_in(scope)
            if granted is not None and not ended:
                ended.append(self._turns.begin(scope["route_handler"].opt.get(LANE, "ordinary"), granted))
            return await receive()

        try:
            await next_app(scope, counted, send)
        finally:
            for end in ended:
                end()
