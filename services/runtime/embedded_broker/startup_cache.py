"""What Java learned at one start of the broker, kept so that later starts need less than half of the processor time.

Java's ahead-of-time cache (JEP 483, 514 and 515) holds loaded and linked classes. It belongs to exactly these jars and
this Java, which ignores a cache that does not fit. `make setup` makes it; a broker without it starts all the same.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from services.runtime.embedded_broker.jars import java

_FOLDER = Path(sys.prefix) / "var" / "tongbo"  # goes with the environment, which is made anew with other versions


def cache_of(jars: Sequence[Path]) -> Path:
    """Where the cache for these jars and this Java is, or would be."""
    parts = [java(), *jars]
    told = "\n".join(f"{part} {part.stat().st_size} {part.stat().st_mtime_ns}" for part in parts)
    return _FOLDER / f"kafka-{hashlib.sha256(told.encode()).hexdigest()[:16]}.aot"


def cache_options(jars: Sequence[Path]) -> tuple[str, ...]:
    """Options for a Java that runs these jars; none where no cache has been made."""
    cache = cache_of(jars)
    return (f"-XX:AOTCache={cache}", "-Xlog:aot*=off", "-Xlog:cds*=off") if cache.exists() else ()


def make_cache(jars: Sequence[Path], run: Callable[[Path, tuple[str, ...]], None]) -> Path:
    """Make the cache if it is missing. `run` runs a broker in a folder, with options, from start to a clean stop.

    The file appears at once and whole, also when two processes make it at the same time. OSError: no place for it.
    """
    cache = cache_of(jars)
    if cache.exists():
        return cache
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.parent) as folder:
        made = Path(folder) / "made.aot"
        run(Path(folder) / "broker", (f"-XX:AOTCacheOutput={made}",))
        if made.exists():
            os.replace(made, cache)
    for old in cache.parent.glob("kafka-*.aot"):
        if old != cache:
            old.unlink(missing_ok=True)
    return cache
