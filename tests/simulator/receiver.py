"""Somebody who is called back: an HTTP server on loopback that remembers what it got and answers as it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from services.adapter.contract.callbacks import CallbackRequest
from tests.waiting import wait_for


@dataclass
class Receiver:
    """answer: (status, body) for each request; status 0 = hang up without a word."""

    got: list[CallbackRequest] = field(default_factory=list)
    answer: Callable[[CallbackRequest], tuple[int, bytes]] = lambda _request: (200, b"")
    url: str = ""

    def wait_for(self, count: int, seconds: float = 60) -> list[CallbackRequest]:
        wait_for(lambda: len(self.got) >= count, f"{count} requests", seconds)
        return list(self.got)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # with the 5 of socketserver a burst of calls waits seconds for its connections


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            request = CallbackRequest(self.command, query, headers, body)
            receiver.got.append(request)
            status, answer = receiver.answer(request)
            if not status:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST  # noqa: N815 — the names that http.server calls

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/callbacks"
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
