"""A way to the broker that shuts in the face of some clients: Kafka goes away exactly when one of them comes."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def doorway(bootstrap: str, refused: bytes, times: int) -> Iterator[tuple[str, list[bytes]]]:
    """An address before `bootstrap`, and who was turned away: the first `times` clients whose id begins so."""
    host, _, port = bootstrap.rpartition(":")
    turned_away, counting = list[bytes](), threading.Lock()
    door = socket.create_server(("127.0.0.1", 0))

    def serve(guest: socket.socket) -> None:
        with guest, suppress(OSError, EOFError):
            first = _request(guest)
            name = _client_id(first)
            with counting:
                if name.startswith(refused) and len(turned_away) < times:
                    turned_away.append(name)
                    return
            with socket.create_connection((host, int(port))) as broker:
                broker.sendall(first)
                threading.Thread(target=_carry, args=(broker, guest), daemon=True).start()
                _carry(guest, broker)

    def accept() -> None:
        with suppress(OSError):  # the door was taken away
            while True:
                threading.Thread(target=serve, args=(door.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"127.0.0.1:{door.getsockname()[1]}", turned_away
    finally:
        door.close()


def _request(guest: socket.socket) -> bytes:
    size = _exactly(guest, 4)
    return size + _exactly(guest, struct.unpack(">i", size)[0])


def _client_id(request: bytes) -> bytes:
    (length,) = struct.unpack_from(">h", request, 12)  # size, key, version, correlation id
    return request[14 : 14 + max(length, 0)]


def _exactly(guest: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        part = guest.recv(size - len(found))
        if not part:
            raise EOFError
        found += part
    return bytes(found)


def _carry(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(65_536):
            target.sendall(part)
        target.shutdown(socket.SHUT_WR)
