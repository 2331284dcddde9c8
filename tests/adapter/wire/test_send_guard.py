"""No request leaves after its time, not even the rest of one: over real HTTP, with a clock that the test turns."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import pytest

from services.adapter.contract.errors import NoAnswerError, NotSentError
from services.adapter.wire import send_guard
from services.adapter.wire.http import PlatformHttp
from services.adapter.wire.send_guard import boot_seconds, send_before
from tests.waiting import wait_for

LARGE = 1 << 20


class Receiver(ThreadingHTTPServer):
    """Counts requests whose whole body arrived; answers with `answer`."""

    daemon_threads = True
    complete = 0
    begun = 0
    encoding = ""
    answer = b"{}"
    silent = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.over = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.server.begun += 1
        length = int(self.headers["Content-Length"])
        if len(self.rfile.read(length)) < length:
            return
        self.server.complete += 1
        if self.server.silent:
            self.server.over.wait()
            return
        self.send_response(200)
        if self.server.encoding:
            self.send_header("Content-Encoding", self.server.encoding)
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join(5)


@pytest.fixture
def http(receiver: Receiver) -> Iterator[PlatformHttp]:
    platform = PlatformHttp(f"http://127.0.0.1:{receiver.server_port}", 60.0)
    yield platform
    platform.close()


class FreezesWhileRead(BytesIO):
    """A file during whose reading the process stands still for a while."""

    def __init__(self, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(data)
        self._monkeypatch = monkeypatch

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > LARGE // 2:
            self._monkeypatch.setattr(send_guard, "boot_seconds", lambda: boot_seconds() + 60.0)
        return super().read(size)


def test_a_request_in_time_leaves(http: PlatformHttp, receiver: Receiver) -> None:
    with send_before(boot_seconds() + 30.0):
        assert http.call("POST", "/post", form={"status": "茶"}).status == 200
    assert receiver.complete == 1


def test_a_request_whose_time_is_over_is_not_sent_at_all(http: PlatformHttp, receiver: Receiver) -> None:
    with send_before(boot_seconds() - 0.001), pytest.raises(NotSentError):
        http.call("POST", "/post", form={"status": "茶"})
    assert receiver.begun == 0
    http.call("POST", "/post", form={"status": "茶"})
    assert receiver.complete == 1, "the limit ends with its block"


def test_a_process_frozen_while_sending_breaks_off_and_the_outcome_counts_as_unknown(
    http: PlatformHttp, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = FreezesWhileRead(b"x" * LARGE, monkeypatch)
    with send_before(boot_seconds() + 30.0), pytest.raises(NoAnswerError):
        http.call("POST", "/post", files={"pic": ("a.jpg", picture, "image/jpeg")})
    http.close()
    assert receiver.complete == 0


def test_an_answer_that_cannot_be_unpacked_is_no_answer(http: PlatformHttp, receiver: Receiver) -> None:
    receiver.encoding, receiver.answer = "gzip", b"\x00 not gzip"
    with pytest.raises(NoAnswerError):
        http.call("POST", "/post", form={"status": "茶"})
    assert receiver.complete == 1


def test_a_platform_that_takes_the_request_and_stays_silent_leaves_the_outcome_unknown(receiver: Receiver) -> None:
    receiver.silent = True
    http = PlatformHttp(f"http://127.0.0.1:{receiver.server_port}", 0.2)
    with pytest.raises(NoAnswerError) as caught:
        http.call("POST", "/post", form={"status": "茶"})
    http.close()
    assert caught.value.sent == "unknown"
    # A receiver that is slow to take it may do so after the caller has given up.
    wait_for(lambda: receiver.complete == 1, "the request has arrived")
