"""How answers of a broker get into memory: what is large is received straight into the bytes in which it is read.

The client's own reader copies each byte four times, and its buffers stand beside what they were copied to. Must not
change what an answer says: everything but records is decoded by the client, from the same bytes.
"""

from __future__ import annotations

import asyncio
import ctypes
import weakref
from io import BytesIO
from struct import Struct
from typing import Any

from aiokafka import conn as client_connection
from aiokafka.conn import AIOKafkaConnection
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.types import Bytes, Int32

_SIZE = Struct(">i")
_FIRST_BYTES = 64 * 1024  # of an answer; smaller ones are copied out, for the next ones come into the same room

_unwritten = ctypes.pythonapi.PyBytes_FromStringAndSize  # `bytes(size)` would write zeros over megabytes first
_unwritten.restype, _unwritten.argtypes = ctypes.py_object, (ctypes.c_char_p, ctypes.c_ssize_t)


class FrameReceiver(asyncio.BufferedProtocol):
    """Cuts what comes in into frames, and hands each to the connection as soon as it is whole.

    beside: the client's own protocol, which goes on to know of pauses and of the end.
    """

    def __init__(self, connection: AIOKafkaConnection, beside: asyncio.Protocol) -> None:
        self._connection, self._beside = weakref.ref(connection), beside
        self._first = memoryview(bytearray(_FIRST_BYTES))
        self._large: BytesIO | None = None
        self._room, self._filled = self._first, 0
        self._lent = self._first

    def get_buffer(self, sizehint: int) -> memoryview:
        self._lent = self._room[self._filled :]
        return self._lent

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        if self._large is None:
            self._cut()
        elif self._filled == len(self._room):
            self._deliver(self._whole(self._large))

    def _cut(self) -> None:
        at, filled = 0, self._filled
        while filled - at >= _SIZE.size:
            (size,) = _SIZE.unpack_from(self._first, at)
            at += _SIZE.size
            if size < 0:
                raise ConnectionError(f"frame of {size} bytes")
            if size > filled - at:
                self._go_on_in(size, self._first[at:filled])
                return
            self._deliver(bytes(self._first[at : at + size]))
            at += size
        self._begin(self._first[at:filled])

    def _whole(self, large: BytesIO) -> bytes:
        """The very bytes that were written, which nobody can write to from now on."""
        self._lent.release()
        self._begin()
        return large.getvalue()  # copies only where somebody still could

    def _begin(self, with_bytes: memoryview | bytes = b"") -> None:
        self._large, self._room, self._filled = None, self._first, len(with_bytes)
        self._first[: len(with_bytes)] = bytes(with_bytes)

    def _go_on_in(self, size: int, beginning: memoryview) -> None:
        self._large = BytesIO(_unwritten(None, size))
        self._room, self._filled = self._large.getbuffer(), len(beginning)
        self._room[: len(beginning)] = beginning

    def _deliver(self, frame: bytes) -> None:
        connection = self._connection()
        if connection is not None and connection._reader is not None:  # TLS goes on to decipher after a close
            connection._handle_frame(frame)

    def connection_lost(self, exc: Exception | None) -> None:
        self._begin()
        self._beside.connection_lost(exc)

    def pause_writing(self) -> None:
        self._beside.pause_writing()

    def resume_writing(self) -> None:
        self._beside.resume_writing()


class FrameConnection(AIOKafkaConnection):  # type: ignore[misc]  # aiokafka ships no annotations for it
    """The client's connection; its reading task only waits for the end, which it tells the client of."""

    def _create_reader_task(self) -> Any:
        self._writer.transport.set_protocol(FrameReceiver(self, self._protocol))
        return super()._create_reader_task()


class Records(Bytes):  # type: ignore[misc]  # as above
    """The field of a fetched partition that holds its records: a view of the frame."""

    @classmethod
    def decode(cls, data: BytesIO) -> Any:
        size, at = Int32.decode(data), data.tell()
        if size < 0:
            return None
        view = memoryview(data.getvalue())[at : at + size]
        if len(view) != size:
            raise ValueError("fetched records are cut off")
        data.seek(at + size)
        return view


def receive_in_place() -> None:
    """From now on the connections of this process receive as told above."""
    client_connection.AIOKafkaConnection = FrameConnection
    for request in FetchRequest._CLASSES:
        partitions = request.RESPONSE_TYPE.SCHEMA.fields[-1].array_of.fields[-1].array_of
        assert partitions.names[-1] == "message_set", partitions.names
        partitions.fields = (*partitions.fields[:-1], Records)
