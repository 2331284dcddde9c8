"""Platform calls over TLS, as in production: on trusted connections only, reused, whatever the size of the body."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from services.adapter.contract.errors import NotSentError
from services.adapter.wire.http import PlatformHttp
from tests.runtime.kafka.certificates import Authority


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Platform

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.connections.add(self.client_address)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        pass


class Platform(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, keystore: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[bytes] = []
        self.connections: set[object] = set()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(keystore)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that does not trust us hangs up in mid-handshake."""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def platform(authority: Authority) -> Iterator[Platform]:
    with Platform(authority.keystore("127.0.0.1")) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


@pytest.fixture
def address(platform: Platform) -> str:
    return f"https://127.0.0.1:{platform.server_port}"


def test_small_and_large_requests_go_over_one_trusted_connection(
    platform: Platform, address: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusting = ssl.create_default_context(cafile=str(authority.file))
    monkeypatch.setattr("services.adapter.wire.http._trusted", lambda: trusting)
    http = PlatformHttp(address, 60.0)
    for text in ("小", "大" * 300_000, "小"):
        assert http.call("POST", "/post", json={"text": text}).body == {}
    http.close()
    assert [len(body) for body in platform.bodies] == [14, 900_011, 14]
    assert len(platform.connections) == 1


def test_a_platform_whose_certificate_nobody_vouches_for_is_sent_nothing(platform: Platform, address: str) -> None:
    with pytest.raises(NotSentError):
        PlatformHttp(address, 60.0).call("POST", "/post", json={"text": "茶"})
    assert platform.bodies == []
