"""Where the C stands, and where what was made of it belongs: under the hash of its sources, so it is never stale."""

from __future__ import annotations

import hashlib
import platform
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / "c"
LOCK = "compiler.lock"


def sources() -> list[Path]:
    return sorted(path for path in FOLDER.iterdir() if path.suffix in (".c", ".h"))


def _name() -> str:
    digest = hashlib.sha256()
    for path in sources():
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"native-{sys.platform}-{platform.machine()}-{digest.hexdigest()[:16]}.so"


LIBRARY = FOLDER.parent / "build" / _name()
