"""A receiver of webhooks on this machine: notes what comes, and answers as the test wants it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Answer = Callable[[int], int]


class Receiver:
    """answer: from how many calls came before to a status; 0 hangs until the end of the test."""

    def __init__(self, answer: Answer = lambda before: 204) -> None:
        self.calls: list[tuple[dict[str, str], bytes]] = []
        self._over, self.turn = threading.Event(), threading.Lock()
        handler = type("Handler", (_Handler,), {"receiver": self, "answer": staticmethod(answer), "over": self._over})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def events(self) -> list[str]:
        return [json.loads(body)["type"] for _, body in list(self.calls)]

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in list(self.calls)]


def genuine(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """What a receiver does by the specification of Standard Webhooks, written from it and not from our code."""
    key = base64.b64decode(secret.split("_", 1)[1])
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return any(hmac.compare_digest(f"v1,{expected}", one) for one in headers["webhook-signature"].split(" "))


class _Handler(BaseHTTPRequestHandler):
    receiver: Receiver
    answer: Answer
    over: threading.Event

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        with self.receiver.turn:  # two calls at the same time have not the same number of calls before them
            before = len(self.receiver.calls)
            self.receiver.calls.append(({name.lower(): value for name, value in self.headers.items()}, body))
        status = self.answer(before)
        if not status:
            self.over.wait(60)
            return
        self.send_response(status)
        if status == 302:
            self.send_header("location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """The test looks at the calls."""
