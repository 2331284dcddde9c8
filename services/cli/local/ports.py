"""Which ports a pipeline uses: the usual one where it is free, else any; none that another pipeline is about to use."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from pathlib import Path
from typing import IO

_TRIES = 20


class NoPortError(Exception):
    """Raised when no port can be had."""


class Ports:
    """Claims ports for the life of this process.

    A usual port that is free may be one that another pipeline has chosen and not opened yet, so it is also claimed by
    a lock that all pipelines of this user see; the lock ends with the process, however that ends.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or Path(tempfile.gettempdir()) / f"tongbo-ports-{os.getuid()}"
        self._claimed: set[int] = set()
        self._locks: list[IO[bytes]] = []

    def claim(self, wanted: int) -> int:
        """`wanted` if nobody has it, else any free port; 0 wants any. Raises NoPortError."""
        for port in (wanted, *[0] * _TRIES):
            found = _free(port)
            if found is not None and found not in self._claimed and (port == 0 or self._locked(found)):
                self._claimed.add(found)
                return found
        raise NoPortError("找不到空闲端口 / no free port")

    def _locked(self, port: int) -> bool:
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = (self._folder / f"{port}.lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        self._locks.append(lock)
        return True


def _free(port: int) -> int | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return None
        return int(probe.getsockname()[1])
