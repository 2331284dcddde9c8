"""Has a running pipeline do without one of its services while somebody works on what belongs to that service.

A hold is a lock on a file, so it ends with its process, however that ends: no service stays away for ever.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager

from services.cli.local.layout import Layout

_TRIES, _PAUSE_S = 20, 0.05


class HeldError(Exception):
    """Raised when somebody else holds the service already; speaks to people."""


@contextmanager
def hold(layout: Layout, service: str) -> Iterator[None]:
    """Within this the supervisor of this folder, if one runs, ends the service and does not start it again."""
    layout.run.mkdir(parents=True, exist_ok=True)
    with (layout.run / f"{service}.hold").open("a") as lock:
        for _ in range(_TRIES):  # the supervisor looks now and then, which is a lock of its own for a moment
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_PAUSE_S)
        else:
            raise HeldError(f"另一个命令正让 {service} 停着，请等它结束 / another command holds {service}, wait for it")
        yield


def held(layout: Layout) -> frozenset[str]:
    """The services that somebody holds now."""
    found = set()
    for file in layout.run.glob("*.hold"):
        with file.open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                found.add(file.stem)
    return frozenset(found)
