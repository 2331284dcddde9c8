"""`/health/live`, `/health/ready` and `/metrics`: one thread, which sleeps until somebody asks.

Answers every client, and none for long: a request has a few seconds and a few kilobytes, and there are only so many
at a time. The one that has waited longest makes room for the next.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress
from typing import Any

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.runtime import metrics
from services.runtime.health import Health
from services.runtime.logging import get_logger

LOOPBACK = "127.0.0.1"
WITHIN_S = 5.0  # from connecting to the last byte of the answer
MOST_CONNECTIONS = 100
MOST_HEAD_BYTES = 8_192
BACKLOG = 128
_KNOWN = ("/health/live", "/health/ready", "/metrics")
_JSON = "application/json; charset=utf-8"
_PHRASES = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout",
            431: "Request Header Fields Too Large", 500: "Internal Server Error",
            503: "Service Unavailable"}  # fmt: skip

log = get_logger(__name__)


class HealthServer:
    """Listens from its making until `close`. Raises OSError where the address is not available."""

    def __init__(
        self, service: str, health: Health, port: int, host: str = LOOPBACK, within_s: float = WITHIN_S
    ) -> None:
        self._service, self._health, self._within_s = service, health, within_s
        self._open: dict[asyncio.StreamWriter, None] = {}  # the one that has waited longest comes first
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=BACKLOG)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)
        self._thread.start()
        self._ready.wait()

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def close(self) -> None:
        with suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(timeout=2.0)
        self._socket.close()

    def _run(self) -> None:
        asyncio.run(self._listen())

    async def _listen(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, sock=self._socket, limit=MOST_HEAD_BYTES)
        self._ready.set()
        await self._end.wait()
        server.close()
        for writer in list(self._open):
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= MOST_CONNECTIONS:
            longest = next(iter(self._open))
            del self._open[longest]
            longest.transport.abort()
        self._open[writer] = None
        try:
            async with asyncio.timeout(self._within_s):
                writer.write(await self._answered(reader))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass  # too slow, or gone
        finally:
            self._open.pop(writer, None)
            writer.transport.abort()

    async def _answered(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _answer(431, _JSON, b"{}")
        method, _, rest = head.partition(b"\r\n")[0].partition(b" ")
        target, _, version = rest.rpartition(b" ")
        if not target.startswith(b"/") or not version.startswith(b"HTTP/1."):
            return _answer(400, _JSON, b"{}")
        if method not in (b"GET", b"HEAD"):
            return _answer(405, _JSON, b"{}", "Allow: GET, HEAD\r\n")
        try:
            whole = self._about(target.partition(b"?")[0].decode("latin-1"))
        except Exception:  # nothing that cannot be shown ends the thread that shows it
            log.exception("health_not_shown")
            whole = _answer(500, _JSON, b"{}")
        return whole if method == b"GET" else whole[: whole.index(b"\r\n\r\n") + 4]

    def _about(self, path: str) -> bytes:
        if path == "/health/live":
            return _json(200, {"live": True, "service": self._service})
        if path == "/health/ready":
            return self._readiness()
        if path == "/metrics":
            metrics.READY.labels(self._service).set(self._health.verdict().ready)
            return _answer(200, CONTENT_TYPE_LATEST, generate_latest(metrics.registry()))
        return _json(404, {"error": "没有这个地址 / no such address", "known": _KNOWN})

    def _readiness(self) -> bytes:
        seen = self._health.verdict()
        age = None if seen.progress_age_s is None else round(seen.progress_age_s, 3)
        body = {
            "ready": seen.ready,
            "service": self._service,
            "reason": {"zh": seen.zh, "en": seen.en},
            "assigned_partitions": seen.assigned,
            "progress_age_s": age,
        }
        return _json(200 if seen.ready else 503, body)


def _json(status: int, body: dict[str, Any]) -> bytes:
    return _answer(status, _JSON, orjson.dumps(body))


def _answer(status: int, content_type: str, body: bytes, more: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status} {_PHRASES[status]}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        f"X-Content-Type-Options: nosniff\r\nConnection: close\r\n{more}\r\n"
    )
    return head.encode() + body
