"""Asks a broker whether it lets us in, before any client is built.

The client libraries try a refused password or a foreign certificate again and again, as if the cluster were only slow,
and often lose the broker's words about it; here one connection is made by hand and what is wrong is said.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator
from typing import Any

from services.runtime.kafka.errors import AccessRefused
from services.runtime.settings import KafkaSettings

WITHIN_S = 10.0
_HANDSHAKE, _AUTHENTICATE, _VERSIONS = 17, 36, 18
_UNSUPPORTED_MECHANISM, _NO_LOGIN_HERE = 33, 34
_TLS_ALERT = 0x15
_LONGEST_ANSWER = 1_000_000


def admitted(settings: KafkaSettings, options: dict[str, Any]) -> None:
    """Return where a broker lets us in, or none can be asked now; raises AccessRefused, which no waiting cures.

    options: of the client that is to be built.
    """
    for server in options["bootstrap_servers"]:
        host, _, port = server.rpartition(":")
        try:
            with _connected(settings, host.strip("[]"), int(port)) as connection:
                _log_in(settings, connection, options, host)
                return
        except ssl.SSLCertVerificationError as error:
            raise AccessRefused(
                f"Kafka 的证书不可信（{error.verify_message}）：请检查 KAFKA_SSL_CAFILE，现为 {_cafile(settings)}"
                " / the broker's certificate is not trusted, check KAFKA_SSL_CAFILE"
            ) from error
        except (OSError, ValueError, EOFError) as error:  # not there, going away, or it hangs up on TLS
            if _tls(settings) and _speaks_plainly(settings, host.strip("[]"), int(port)):
                raise AccessRefused(
                    f"{server} 不使用 TLS：请检查 KAFKA_SECURITY_PROTOCOL，现为 {settings.security_protocol}"
                    " / no TLS is spoken there, check KAFKA_SECURITY_PROTOCOL"
                ) from error


def _cafile(settings: KafkaSettings) -> str:
    return str(settings.ssl_cafile or "系统自带 the system's own")


def _tls(settings: KafkaSettings) -> bool:
    return "SSL" in settings.security_protocol.split("_")


def _speaks_plainly(settings: KafkaSettings, host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), WITHIN_S) as connection:
            _asked(settings, connection, _VERSIONS, 0, b"")
            return True
    except (OSError, ValueError, EOFError, AccessRefused):
        return False


def _connected(settings: KafkaSettings, host: str, port: int) -> socket.socket:
    if not _tls(settings):
        return socket.create_connection((host, port), WITHIN_S)
    try:
        context = ssl.create_default_context(cafile=str(settings.ssl_cafile) if settings.ssl_cafile else None)
    except OSError as error:
        raise AccessRefused(
            f"CA 证书文件 {settings.ssl_cafile} 无法读取（{error}）：请检查 KAFKA_SSL_CAFILE"
            " / the CA file cannot be read, check KAFKA_SSL_CAFILE"
        ) from error
    plain = socket.create_connection((host, port), WITHIN_S)
    try:
        return context.wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise


def _log_in(settings: KafkaSettings, connection: socket.socket, options: dict[str, Any], host: str) -> None:
    if settings.sasl_mechanism is None or "SASL" not in settings.security_protocol:
        _asked(settings, connection, _VERSIONS, 0, b"")
        _let_in_without_login(settings, connection)
        return
    answer = _asked(settings, connection, _HANDSHAKE, 1, _text(settings.sasl_mechanism))
    (code,) = struct.unpack_from(">h", answer)
    if code == _NO_LOGIN_HERE:
        raise AccessRefused(
            f"Kafka 在这个地址不要求登录：请检查 KAFKA_SECURITY_PROTOCOL，现为 {settings.security_protocol}"
            " / nobody logs in there, check KAFKA_SECURITY_PROTOCOL"
        )
    if code:
        offered = "、".join(_texts(answer[2:])) if code == _UNSUPPORTED_MECHANISM else f"{code}"
        raise AccessRefused(
            f"Kafka 不支持 {settings.sasl_mechanism}（可用：{offered}）：请检查 KAFKA_SASL_MECHANISM"
            " / Kafka does not offer this mechanism, check KAFKA_SASL_MECHANISM"
        )
    from kafka.net.sasl import get_sasl_mechanism  # noqa: PLC0415 - all of the library comes with it

    login: Any = get_sasl_mechanism(settings.sasl_mechanism)(host=host, **options)
    while not login.is_done():
        token = login.auth_bytes()
        answer = _asked(settings, connection, _AUTHENTICATE, 0, struct.pack(">i", len(token)) + token)
        (code,) = struct.unpack_from(">h", answer)
        if code:
            raise AccessRefused(
                f"Kafka 拒绝了用户 {settings.sasl_username} 的登录：请检查 KAFKA_SASL_USERNAME 与 KAFKA_SASL_PASSWORD"
                f" / Kafka refuses the login, check user name and password（{settings.sasl_mechanism}）"
            )
        login.receive(_token(answer))


def _let_in_without_login(settings: KafkaSettings, connection: socket.socket) -> None:
    """A broker that wants a login tells anybody its versions, then hangs up; but it also says which logins it has."""
    try:
        answer = _asked(settings, connection, _HANDSHAKE, 1, _text("PLAIN"))
    except (OSError, ValueError, EOFError):
        return
    (code,) = struct.unpack_from(">h", answer)
    if code in (0, _UNSUPPORTED_MECHANISM):
        raise AccessRefused(
            f"Kafka 在这个地址要求登录（可用：{'、'.join(_texts(answer[2:]))}）：请检查 KAFKA_SECURITY_PROTOCOL，"
            f"现为 {settings.security_protocol}，应为 {'SASL_SSL' if _tls(settings) else 'SASL_PLAINTEXT'}"
            " / a login is wanted there, check KAFKA_SECURITY_PROTOCOL"
        )


def _asked(settings: KafkaSettings, connection: socket.socket, key: int, version: int, body: bytes) -> bytes:
    """One request in Kafka's own framing; the answer without its header."""
    frame = struct.pack(">hhi", key, version, 1) + _text("admission") + body
    connection.sendall(struct.pack(">i", len(frame)) + frame)
    size = _read(connection, 4)
    if size[0] == _TLS_ALERT:
        raise AccessRefused(
            f"{settings.bootstrap} 要求 TLS：请检查 KAFKA_SECURITY_PROTOCOL，现为 {settings.security_protocol}"
            " / TLS is spoken there, check KAFKA_SECURITY_PROTOCOL"
        )
    length = struct.unpack(">i", size)[0]
    if not 4 <= length <= _LONGEST_ANSWER:
        raise ValueError("not an answer of Kafka")
    return _read(connection, length)[4:]


def _read(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode("ascii")


def _texts(answer: bytes) -> Iterator[str]:
    (count,) = struct.unpack_from(">i", answer)
    at = 4
    for _ in range(count):
        (length,) = struct.unpack_from(">h", answer, at)
        yield answer[at + 2 : at + 2 + length].decode("utf-8", "replace")
        at += 2 + length


def _token(answer: bytes) -> bytes:
    """What the broker says in a login: behind error code and an error text that is absent here."""
    (length,) = struct.unpack_from(">h", answer, 2)
    at = 4 + max(length, 0)
    (size,) = struct.unpack_from(">i", answer, at)
    return answer[at + 4 : at + 4 + max(size, 0)]
