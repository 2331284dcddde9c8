"""Fetching remote media: never into a private network, never more than was promised, never a different file."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import httpcore
import pytest

from schemas.events.placement import DraftMedia
from services.adapter.contract.errors import PlatformError
from services.adapter.media.download import Downloader, GuardedBackend, most_seconds
from services.adapter.media.public_addresses import ForbiddenAddressError, first_public, is_public
from services.adapter.media.verified import VerifiedMedia
from tests.waiting import wait_for

PICTURE = b"\xff\xd8\xff" + b"tea" * 1000


@dataclass
class Server:
    """Answers by path: (status, headers, body). A body that is cut breaks off half-way."""

    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            status, headers, body = state.answers[self.path]
            self.send_response(status)
            for name, text in headers.items():
                self.send_header(name, text)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
    state.url = f"http://127.0.0.1:{listening.server_port}"
    yield state
    listening.shutdown()
    listening.server_close()


def loopback_too(host: str, addresses: Iterable[str]) -> str:
    """The guard, but the test's own server counts as public; every other private address stays forbidden."""
    found = list(addresses)
    return found[0] if found == ["127.0.0.1"] else first_public(host, found)


@pytest.fixture
def fetcher() -> Downloader:
    return Downloader(
        backend=GuardedBackend(choose=loopback_too),
        schemes=frozenset({"http", "https"}),
        most_bytes=1 << 20,
        ports=None,
    )


def fetch(fetcher: Downloader, url: str, size: int = len(PICTURE), sha256: str | None = None) -> bytes:
    to = BytesIO()
    digest = sha256 or hashlib.sha256(PICTURE).hexdigest()
    fetcher.fetch(url, to, size=size, sha256=digest, content_type="image/jpeg")
    return to.getvalue()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1",
        "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "not-an-address", "",
    ],
)  # fmt: skip
def test_no_private_address_in_whatever_wrapping_is_public(address: str) -> None:
    assert not is_public(address)


def test_public_addresses_are_public() -> None:
    assert is_public("93.184.216.34")
    assert is_public("2606:4700::1111")
    assert is_public("::ffff:93.184.216.34")


def test_one_private_address_among_public_ones_refuses_the_host() -> None:
    with pytest.raises(ForbiddenAddressError):
        first_public("evil.example", ["93.184.216.34", "127.0.0.1"])
    with pytest.raises(ForbiddenAddressError):
        first_public("nowhere.example", [])


def test_the_guard_in_its_plain_form_never_reaches_this_machine(server: Server) -> None:
    server.answers["/a.jpg"] = (200, {"Content-Type": "image/jpeg"}, PICTURE)
    plain = Downloader(schemes=frozenset({"http", "https"}), ports=None)
    for host in ("127.0.0.1", "localhost", "0.0.0.0", "[::1]", "2130706433", "0x7f.1"):
        with pytest.raises(PlatformError) as caught:
            fetch(plain, server.url.replace("127.0.0.1", host) + "/a.jpg")
        assert caught.value.error_class == "media"
    assert server.asked == []


def test_a_name_that_resolves_differently_the_second_time_is_looked_up_once(server: Server) -> None:
    answers = iter([["93.184.216.34"], ["127.0.0.1"]])
    looked_up: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        looked_up.append(host)
        return next(answers)

    connected: list[str] = []
    backend = GuardedBackend(resolve)
    backend._inner = _Recording(connected)  # type: ignore[assignment]
    with pytest.raises(PlatformError):
        fetch(Downloader(backend=backend, schemes=frozenset({"http"}), ports=None), "http://rebind.example/a.jpg")
    assert looked_up == ["rebind.example"]
    assert connected == ["93.184.216.34"]


class _Recording:
    def __init__(self, connected: list[str]) -> None:
        self._connected = connected

    def connect_tcp(self, address: str, *_: object) -> None:
        self._connected.append(address)
        raise httpcore.ConnectError("not in a test")


def test_the_promised_file_is_fetched(server: Server, fetcher: Downloader) -> None:
    server.answers["/a.jpg"] = (200, {"Content-Type": "image/jpeg; charset=binary"}, PICTURE)
    assert fetch(fetcher, server.url + "/a.jpg") == PICTURE


def test_a_redirect_into_a_private_network_is_refused(server: Server, fetcher: Downloader) -> None:
    server.answers["/a.jpg"] = (302, {"Location": "http://169.254.169.254/latest/meta-data"}, b"")
    with pytest.raises(PlatformError) as caught:
        fetch(fetcher, server.url + "/a.jpg")
    assert "169.254.169.254" in caught.value.message
    assert not caught.value.retriable


def test_a_redirect_to_another_scheme_is_refused(server: Server, fetcher: Downloader) -> None:
    for target in ("file:///etc/passwd", "ftp://example.com/a.jpg", "//"):
        server.answers["/a.jpg"] = (302, {"Location": target}, b"")
        with pytest.raises(PlatformError):
            fetch(fetcher, server.url + "/a.jpg")


@pytest.mark.parametrize(
    "target", ["http://[", "http://a:99999/", "http://a:b/", "http://例子.测试/图.jpg", "http://a..b/"]
)
def test_a_redirect_to_what_is_no_address_is_an_answer_not_a_crash(
    server: Server, fetcher: Downloader, target: str
) -> None:
    server.answers["/a.jpg"] = (302, {"Location": target.encode().decode("latin-1")}, b"")
    with pytest.raises(PlatformError):
        fetch(fetcher, server.url + "/a.jpg")


@pytest.mark.parametrize("url", ["http://[", "http://例子.测试/a.jpg", "http://a:99999/a.jpg", "ftp://a/a.jpg", ""])
def test_what_is_no_address_is_refused_for_good(fetcher: Downloader, url: str) -> None:
    with pytest.raises(PlatformError) as caught:
        fetch(fetcher, url)
    assert not caught.value.retriable


def test_redirects_end_somewhere(server: Server, fetcher: Downloader) -> None:
    server.answers["/a.jpg"] = (302, {"Location": "/a.jpg"}, b"")
    with pytest.raises(PlatformError, match="跳转太多"):
        fetch(fetcher, server.url + "/a.jpg")
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("headers", "body", "words"),
    [
        ({"Content-Type": "text/html"}, PICTURE, "素材类型"),
        ({}, PICTURE, "素材类型"),
        ({"Content-Type": "image/jpeg"}, PICTURE + b"more", "比登记的"),
        ({"Content-Type": "image/jpeg"}, PICTURE[:-1] + b"x", "sha256"),
    ],
)
def test_another_file_than_promised_is_refused(
    server: Server, fetcher: Downloader, headers: dict[str, str], body: bytes, words: str
) -> None:
    server.answers["/a.jpg"] = (200, headers, body)
    with pytest.raises(PlatformError, match=words) as caught:
        fetch(fetcher, server.url + "/a.jpg")
    assert not caught.value.retriable


def test_a_broken_download_is_tried_again_later(server: Server, fetcher: Downloader) -> None:
    server.answers["/a.jpg"] = (200, {"Content-Type": "image/jpeg", "Content-Length": str(len(PICTURE))}, PICTURE[:50])
    server.answers["/b.jpg"] = (503, {}, b"")
    for path in ("/a.jpg", "/b.jpg"):
        with pytest.raises(PlatformError) as caught:
            fetch(fetcher, server.url + path)
        assert caught.value.retriable
        assert caught.value.sent == "no"


def test_a_file_larger_than_the_limit_is_not_even_asked_for(server: Server, fetcher: Downloader) -> None:
    with pytest.raises(PlatformError, match="超过上限"):
        fetch(fetcher, server.url + "/a.jpg", size=2 << 20)
    assert server.asked == []


def test_a_remote_file_is_fetched_once_and_nothing_half_done_stays(
    server: Server, fetcher: Downloader, tmp_path: Path
) -> None:
    digest = hashlib.sha256(PICTURE).hexdigest()
    media = DraftMedia(
        media_id="m", use="pic", uri=server.url + "/a.jpg", sha256=digest, content_type="image/jpeg",
        size_bytes=len(PICTURE),
    )  # fmt: skip
    folder = VerifiedMedia(tmp_path, fetcher)
    server.answers["/a.jpg"] = (503, {}, b"")
    with pytest.raises(PlatformError):
        folder.read(media)
    assert list(tmp_path.iterdir()) == []
    server.answers["/a.jpg"] = (200, {"Content-Type": "image/jpeg"}, PICTURE)
    assert folder.read(media) == PICTURE
    assert folder.read(media) == PICTURE
    assert server.asked == ["/a.jpg", "/a.jpg"]
    assert [path.name for path in tmp_path.iterdir()] == [digest]


def test_a_stored_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    digest = hashlib.sha256(PICTURE).hexdigest()
    file = tmp_path / f"{digest}.jpg"
    file.write_bytes(b"something else")
    media = DraftMedia(
        media_id="m", use="pic", uri=file.as_uri(), sha256=digest, content_type="image/jpeg", size_bytes=len(PICTURE)
    )
    with pytest.raises(PlatformError, match="sha256"):
        VerifiedMedia(tmp_path).read(media)


class _Drip(threading.Thread):
    """A server that sends a byte of its answer each time it is told to go on, and never ends."""

    def __init__(self, beginning: bytes) -> None:
        super().__init__(daemon=True)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}/a.jpg"
        self.sent, self._beginning = 0, beginning

    def run(self) -> None:
        with suppress(OSError):
            connection, _ = self.listening.accept()
            connection.recv(4096)
            connection.sendall(self._beginning)
            while True:
                connection.sendall(b"x")
                self.sent += 1
                threading.Event().wait(0.02)


@pytest.mark.parametrize(
    "beginning",
    [
        b"HTTP/1.1 200 OK\r\nX-Long: ",
        b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 3003\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"",
    ],
    ids=["header", "body", "chunk size", "status"],
)
def test_a_server_that_drips_is_left_when_the_time_for_the_whole_file_is_over(beginning: bytes) -> None:
    drip = _Drip(beginning)
    drip.start()
    patient = Downloader(
        backend=GuardedBackend(choose=loopback_too), schemes=frozenset({"http"}), ports=None, most_s=lambda size: 1.0
    )
    with pytest.raises(PlatformError) as caught:
        fetch(patient, drip.url)
    assert (caught.value.sent, caught.value.retriable) == ("no", True)
    assert drip.sent > 5, "each byte came in time"
    drip.listening.close()


def test_ten_servers_that_drip_keep_no_other_download_waiting(server: Server, fetcher: Downloader) -> None:
    server.answers["/a.jpg"] = (200, {"Content-Type": "image/jpeg"}, PICTURE)
    drips = [_Drip(b"HTTP/1.1 200 OK\r\nX-Long: ") for _ in range(12)]
    over = threading.Event()

    def hang(url: str) -> None:
        with suppress(PlatformError):
            fetch(fetcher, url)
        over.set()

    for drip in drips:
        drip.start()
        threading.Thread(target=hang, args=(drip.url,), daemon=True).start()
    wait_for(lambda: all(drip.sent for drip in drips), "all of them drip")
    assert fetch(fetcher, f"{server.url}/a.jpg") == PICTURE
    assert not over.is_set(), "they still drip"
    for drip in drips:
        drip.listening.close()


def test_a_file_may_take_its_size_at_a_slow_pace_and_half_a_minute() -> None:
    assert most_seconds(0) == 30
    assert most_seconds(50_000_000) == 30 + 1000


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://media.example:22/a.jpg", "端口"), ("https://media.example:6379/a.jpg", "端口"),
        ("https://media.example:99999/a.jpg", "合法"), ("https://例子.测试/a.jpg", "合法"),
        ("https://media.example:80/a.jpg", "端口"),
    ],
)  # fmt: skip
def test_other_ports_and_names_in_other_letters_are_refused_with_words(url: str, words: str) -> None:
    def never(host: str, port: int) -> list[str]:
        raise AssertionError("nobody is asked")

    guarded = Downloader(backend=GuardedBackend(resolve=never))
    with pytest.raises(PlatformError) as caught:
        fetch(guarded, url)
    assert (caught.value.outcome, words in caught.value.message) == ("refused", True)


@pytest.mark.parametrize(
    "address",
    [
        "64:ff9b:1::a00:1", "64:ff9b:1:ffff::1", "fec0::1", "feff::1", "::8.8.8.8", "::1", "::", "::ffff:0:8.8.8.8",
        "168.63.129.16", "::ffff:168.63.129.16", "64:ff9b::168.63.129.16", "100.100.100.200",
    ],
)  # fmt: skip
def test_what_only_looks_public_is_not(address: str) -> None:
    assert not is_public(address)
