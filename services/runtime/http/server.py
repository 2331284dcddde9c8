"""An ASGI application behind its own address, served by uvicorn in a thread; knows nothing of what is asked there."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import uvicorn

from services.runtime.http.connections import BoundedConnection, ConnectionLimits, OpenConnections
from services.runtime.http.patience import BodyInTime
from services.runtime.logging import get_logger

BACKLOG = 512
KEEP_ALIVE_S = 5
MOST_HEAD_BYTES = 32_768
_TICK_S = 1.0
GRACE_S = 5  # for requests under way, once it is told to end

log = get_logger(__name__)


class _Server(uvicorn.Server):
    """Looks at the time once a second, and ends at once when told to; uvicorn looks ten times a second."""

    _end: asyncio.Event

    async def main_loop(self) -> None:
        self._end, self._loop = asyncio.Event(), asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._end.wait(), _TICK_S)

    def end(self) -> None:
        """From any thread."""
        self.should_exit = True
        with suppress(AttributeError, RuntimeError):  # it has not begun, or has ended
            self._loop.call_soon_threadsafe(self._end.set)


class HttpServer:
    """Listens from its making, answers from `start` to `close`; the signals stay with the service's main thread.

    lifespan: whether the application wants to be told of start and end. stop: set where the server ends without having
    been closed, so that no service goes on as if somebody still answered; `failed` then tells it from an order to stop.
    trusted_proxies: addresses whose `X-Forwarded-For` says who asks; anybody else may write there what they like.
    A client that sends slowly, reads slowly or opens many connections is closed; see connections.py and patience.py.
    Raises OSError where the address is not available.
    """

    def __init__(
        self,
        name: str,
        app: Callable[..., Any],
        host: str,
        port: int,
        stop: threading.Event,
        *,
        lifespan: bool,
        limits: ConnectionLimits | None = None,
        trusted_proxies: Sequence[str] = (),
    ) -> None:
        self._name, self._stop = name, stop
        self._socket = socket.create_server((host, port), backlog=BACKLOG, reuse_port=False)
        # Connections inherit it. Without it the end of each answer waits 40 ms for the client's acknowledgement.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.url = f"http://{host}:{self._socket.getsockname()[1]}"
        self._closed = self._failed = False
        limits = limits or ConnectionLimits()
        known = OpenConnections(limits)
        config = uvicorn.Config(
            BodyInTime(app, limits.body_within_s),
            http=type("Connection", (BoundedConnection,), {"open_connections": known}),
            ws="none",
            lifespan="on" if lifespan else "off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=list(trusted_proxies),
            h11_max_incomplete_event_size=MOST_HEAD_BYTES,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
        )
        self._server = _Server(config)
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def failed(self) -> bool:
        """It has ended although nobody closed it."""
        return self._failed

    def close(self) -> None:
        """Let what is under way be answered, for a moment; may be called without `start`."""
        self._closed = True
        self._server.end()
        if self._thread.ident is not None:
            self._thread.join(timeout=2.0 * GRACE_S)
        self._socket.close()

    def _serve(self) -> None:
        try:
            with suppress(SystemExit):  # how uvicorn gives up; in a thread it would end nobody
                self._server.run(sockets=[self._socket])
        finally:
            if not self._closed:
                self._failed = True
                log.error("http_server_ended_by_itself", server=self._name, url=self.url)
                self._stop.set()
