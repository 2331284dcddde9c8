"""Downloads one file over https, in constant memory, from public addresses only, never more than was promised."""

from __future__ import annotations

import hashlib
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO
from urllib.parse import urljoin, urlsplit

import httpcore

from services.adapter.contract.errors import PlatformError
from services.adapter.media.deadline import DeadlineBackend
from services.adapter.media.public_addresses import ForbiddenAddressError, first_public

MOST_REDIRECTS = 3
TIMEOUT_S = 30.0
REDIRECTS = frozenset({301, 302, 303, 307, 308})
TIMEOUTS = {"timeout": {"connect": 5.0, "read": TIMEOUT_S, "write": TIMEOUT_S, "pool": TIMEOUT_S}}
SLOWEST_BYTES_PER_S = 50_000  # of a server that is worth waiting for
PORTS = frozenset({443, 8443})

Resolve = Callable[[str, int], list[str]]
Choose = Callable[[str, Iterable[str]], str]


def most_seconds(size: int) -> float:
    """How long a file of so many bytes may take."""
    return TIMEOUT_S + size / SLOWEST_BYTES_PER_S


def refused(message: str) -> PlatformError:
    """The file is not to be had like this; asking again does not help."""
    return PlatformError(message, error_class="media", sent="yes", outcome="refused")


def away(message: str) -> PlatformError:
    """The file is not to be had now; nothing was sent to any platform, so the step is simply tried again."""
    return PlatformError(message, error_class="media", sent="no", retriable=True)


def resolved(host: str, port: int) -> list[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class GuardedBackend(httpcore.NetworkBackend):
    """Connects to an address that has been looked at, not to a name that may be looked up again."""

    def __init__(self, resolve: Resolve = resolved, choose: Choose = first_public) -> None:
        self._resolve, self._choose, self._inner = resolve, choose, httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            address = self._choose(host, self._resolve(host, port))
        except (OSError, UnicodeError) as error:  # a name with an empty or overlong part is no name at all
            raise httpcore.ConnectError(f"cannot resolve: {error}") from error
        return self._inner.connect_tcp(address, port, timeout, local_address, socket_options)


class Downloader:
    """schemes: `https` alone in life. most_bytes: above this no file is taken, whatever it promised.

    ports: that may be asked, None = any. most_s: how long a file of so many bytes may take in all, redirects included.
    Each download has connections of its own: no server can use up those of others.
    """

    def __init__(
        self,
        *,
        backend: httpcore.NetworkBackend | None = None,
        schemes: frozenset[str] = frozenset({"https"}),
        most_bytes: int = 4 << 30,
        ssl_context: ssl.SSLContext | None = None,
        ports: frozenset[int] | None = PORTS,
        most_s: Callable[[int], float] = most_seconds,
    ) -> None:
        self._context = ssl_context or ssl.create_default_context()
        self._backend = backend or GuardedBackend()
        self._schemes, self._most_bytes, self._ports, self._most_s = schemes, most_bytes, ports, most_s

    def fetch(self, url: str, to: BinaryIO, *, size: int, sha256: str, content_type: str) -> None:
        """Write the file at `url` to `to`; raises PlatformError where it is not the file that was promised."""
        if size > self._most_bytes:
            raise refused(f"素材有 {size} 字节，超过上限 {self._most_bytes} / larger than what is fetched")
        try:
            limited = DeadlineBackend(self._backend, self._most_s(size))
            with httpcore.ConnectionPool(ssl_context=self._context, network_backend=limited) as pool:
                self._follow(pool, url, to, size=size, sha256=sha256, content_type=content_type)
        except ForbiddenAddressError as error:
            raise refused(str(error)) from error
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            raise away(f"素材下载中断（{type(error).__name__}）/ download broke off") from error

    def _follow(
        self, pool: httpcore.ConnectionPool, url: str, to: BinaryIO, *, size: int, sha256: str, content_type: str
    ) -> None:
        for _ in range(MOST_REDIRECTS + 1):
            with pool.stream(
                "GET", self._address(url), headers={"User-Agent": "tongbo"}, extensions=TIMEOUTS
            ) as answer:
                headers = {name.lower().decode("latin-1"): text.decode("latin-1") for name, text in answer.headers}
                if answer.status in REDIRECTS and "location" in headers:
                    url = _led_to(url, headers["location"])
                    continue
                if answer.status >= 500:
                    raise away(f"素材服务器返回 {answer.status} / the media server answers {answer.status}")
                if answer.status != 200:
                    raise refused(f"素材服务器返回 {answer.status} / the media server answers {answer.status}")
                given = headers.get("content-type", "").partition(";")[0].strip().lower()
                if given != content_type:
                    raise refused(f"素材类型是 {given or '未知'}，登记的是 {content_type} / wrong content type")
                _copy(answer.iter_stream(), to, size, sha256)
                return
        raise refused("素材地址跳转太多 / too many redirects")

    def _address(self, url: str) -> httpcore.URL:
        try:
            parts, found = urlsplit(url), httpcore.URL(url)
        except (ValueError, TypeError):  # TypeError: it is not percent-encoded
            raise refused("素材地址不是合法的网址 / the media address is no valid address") from None
        if parts.scheme not in self._schemes or not parts.hostname:
            raise refused("素材地址必须是 https / the media address must be https")
        try:
            parts.hostname.encode("ascii")
            port = parts.port or 443
        except (ValueError, UnicodeError):  # names in other letters have a form in ASCII, which is written instead
            raise refused("素材地址的主机名或端口不合法 / the media address has no valid host or port") from None
        if self._ports is not None and port not in self._ports:
            allowed = "、".join(map(str, sorted(self._ports)))
            raise refused(f"素材地址的端口只能是 {allowed} / the port of a media address must be one of these")
        return found


def _led_to(url: str, location: str) -> str:
    """Where a redirect leads; what it names may be no address at all."""
    try:
        return urljoin(url, location)
    except ValueError:
        raise refused("素材服务器的跳转地址有误 / the media server redirects to what is no address") from None


def _copy(chunks: Iterable[bytes], to: BinaryIO, size: int, sha256: str) -> None:
    digest, got = hashlib.sha256(), 0
    for chunk in chunks:
        got += len(chunk)
        if got > size:
            raise refused(f"素材比登记的 {size} 字节大 / larger than registered")
        digest.update(chunk)
        to.write(chunk)
    if got != size:
        raise away(f"素材只收到 {got} / {size} 字节 / only part of it arrived")
    if digest.hexdigest() != sha256:
        raise refused("素材内容与登记的 sha256 不符 / content differs from its sha256")
