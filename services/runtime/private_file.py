"""Writes files that only their owner may read: tokens, secrets, subscriptions."""

from __future__ import annotations

import os
import threading
from pathlib import Path


def private_write(path: Path, text: bytes) -> None:
    """Replace a file as a whole; only its owner can read it, from its first byte on."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    fresh.unlink(missing_ok=True)
    number = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
