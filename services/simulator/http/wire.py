"""From bytes to a Call and from a Reply to bytes. A file part is hashed while it streams by and never held."""

from __future__ import annotations

import hashlib
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import parse_qsl, unquote

import orjson
from aiohttp import BodyPartReader, web

from services.simulator.contract import Call, SimReply, UploadedFile

HEAD_BYTES = 65_536
MAX_PLAIN_BODY = 32 * 1024 * 1024
MAX_FORM_FIELD = 4 * 1024 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class UnreadableError(Exception):
    """Raised when a request cannot be read as HTTP promises it: a broken multipart body, one beyond all bounds."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        super().__init__(reason)


class DepartedError(Exception):
    """Raised when the client went away before its request was complete."""


@dataclass(slots=True)
class _Parts:
    form: dict[str, str] = field(default_factory=dict)
    files: dict[str, UploadedFile] = field(default_factory=dict)
    body: bytes = b""


def target(request: web.BaseRequest) -> tuple[str, dict[str, str]]:
    """Path and query as the client wrote them, decoded once."""
    path, _, query = _text(request.raw_path).partition("?")
    return unquote(path), dict(parse_qsl(query, keep_blank_values=True))


async def read_call(request: web.BaseRequest, path: str, query: Mapping[str, str]) -> Call:
    """The whole request. Raises UnreadableError or DepartedError."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    try:
        parts = await (_multipart(request) if _is(request, "multipart/") else _plain(request))
    except ConnectionError as error:
        raise DepartedError from error
    except web.RequestPayloadError as error:
        raise (UnreadableError(400, f"malformed body: {error}") if request.transport else DepartedError()) from error
    except (ValueError, AssertionError, LookupError) as error:  # aiohttp has no one error for a broken multipart body
        raise UnreadableError(400, f"malformed multipart body: {error}") from error
    return Call(
        method=request.method,
        path=path,
        query=query,
        form=parts.form,
        json=_json(parts.body),
        files=parts.files,
        headers={name.lower(): _text(value) for name, value in request.headers.items()},
        body=parts.body,
    )


def encoded(reply: SimReply) -> bytes:
    """The body on the wire. Raises TypeError where it is no JSON."""
    return reply.body if isinstance(reply.body, bytes) else orjson.dumps(reply.body)


def response(reply: SimReply, now: datetime) -> web.Response:
    """A Reply on the wire; `Date` is the simulated time."""
    body = encoded(reply)
    headers = {"Content-Type": reply.content_type, "Date": format_datetime(now.replace(microsecond=0), usegmt=True)}
    if reply.location is not None:
        headers["Location"] = reply.location
    return web.Response(body=body, status=reply.status, headers=headers)


def reset_connection(request: web.BaseRequest) -> web.Response:
    """Cut the connection with a TCP reset; the response returned can no longer reach anybody."""
    reset_transport(request.transport)
    return web.Response(status=499)


def reset_transport(transport: object) -> None:
    if transport is None:
        return
    connection = transport.get_extra_info("socket")  # type: ignore[attr-defined]
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()  # type: ignore[attr-defined]


def _text(said: str) -> str:
    """`said` as real UTF-8: bytes that are none arrive as lone surrogates, which no JSON can carry."""
    return said.encode("utf-8", "replace").decode()


def _is(request: web.BaseRequest, content_type: str) -> bool:
    return request.headers.get("Content-Type", "").lower().startswith(content_type)


async def _plain(request: web.BaseRequest) -> _Parts:
    parts = _Parts()
    body = bytearray()
    async for chunk in request.content.iter_chunked(HEAD_BYTES):
        body += chunk
        if len(body) > MAX_PLAIN_BODY:
            raise UnreadableError(413, "request body too large")
    parts.body = bytes(body)
    if _is(request, "application/x-www-form-urlencoded"):
        parts.form = dict(parse_qsl(parts.body.decode("utf-8", "replace"), keep_blank_values=True))
    return parts


async def _multipart(request: web.BaseRequest) -> _Parts:
    parts = _Parts()
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.name is None:
            raise UnreadableError(400, "malformed multipart body: a part without a name")
        if part.filename is None:
            parts.form[_text(part.name)] = await _field(part)
        else:
            parts.files[_text(part.name)] = await _file(part, _text(part.filename))
    return parts


async def _field(part: BodyPartReader) -> str:
    value = bytearray()
    while chunk := await part.read_chunk(HEAD_BYTES):
        value += chunk
        if len(value) > MAX_FORM_FIELD:
            raise UnreadableError(413, f"form field {part.name} too large")
    return value.decode("utf-8", "replace")


async def _file(part: BodyPartReader, filename: str) -> UploadedFile:
    digest, size, head = hashlib.sha256(), 0, bytearray()
    while chunk := await part.read_chunk(HEAD_BYTES):
        digest.update(chunk)
        size += len(chunk)
        head += chunk[: HEAD_BYTES - len(head)]
    content_type = part.headers.get("Content-Type", "application/octet-stream")
    return UploadedFile(filename, content_type, size, digest.hexdigest(), bytes(head))


def _json(body: bytes) -> object:
    try:
        return orjson.loads(body) if body else None
    except orjson.JSONDecodeError:
        return None
