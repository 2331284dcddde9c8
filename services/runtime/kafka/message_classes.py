"""The client's message classes are made once, whichever thread needs one first.

kafka-python 3.0 makes the class for a version of a message when that version is first used, and remembers it without a
lock. Two threads that meet there make two; one of them is kept, the client's register of responses may name the other
by a weak reference, and as soon as that one is collected no client of the process can read this answer again: every
connection ends with "Request timed out", for as long as the process lives.
"""

from __future__ import annotations

import threading

from kafka.protocol.api_message import VersionSubscriptable

_look_up = VersionSubscriptable.__getitem__
_lock = threading.RLock()  # of a versioned class, the look-up asks the class it was made from


def _made_once(cls: VersionSubscriptable, version: int | None) -> type:
    with _lock:
        made: type = _look_up(cls, version)
        return made


def make_each_class_once() -> None:
    """For all clients of this process; may be called again."""
    VersionSubscriptable.__getitem__ = _made_once
