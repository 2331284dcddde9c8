"""One listening port on loopback that can really be closed for a while and opened again under the same number."""

from __future__ import annotations

import asyncio
import socket

from aiohttp import web

from services.simulator.http.wire import reset_transport

HOST = "127.0.0.1"
BACKLOG = 512


class Listener:
    """While it is closed the port stays bound without listening: connections are refused and nobody else takes it."""

    def __init__(self, server: web.Server, port: int) -> None:
        self._server = server
        self._socket = _bound(port)
        self.port: int = self._socket.getsockname()[1]
        self._accepting: asyncio.Server | None = None
        self._reopening: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    async def open(self) -> None:
        self._forget_reopening()
        if self._accepting is None:
            loop = asyncio.get_running_loop()
            self._accepting = await loop.create_server(self._server, sock=self._socket, backlog=BACKLOG)

    async def refuse(self, seconds: float) -> None:
        """Close the port, reset the connections there are, and open it again after `seconds`."""
        self._forget_reopening()
        if self._accepting is not None:
            self._accepting.close()
            self._accepting = None
            self._socket = _bound(self.port)
        for connection in self._server.connections:
            reset_transport(connection.transport)
        self._reopening = asyncio.create_task(self._open_later(seconds))

    async def close(self) -> None:
        self._forget_reopening()
        if self._accepting is not None:
            self._accepting.close()
        self._socket.close()
        await self._server.shutdown(0.2)

    async def _open_later(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._reopening = None
        await self.open()

    def _forget_reopening(self) -> None:
        if self._reopening is not None:
            self._reopening.cancel()
            self._reopening = None


def _bound(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setblocking(False)
    try:
        bound.bind((HOST, port))
    except OSError:
        bound.close()
        raise
    return bound
