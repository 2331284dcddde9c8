"""Names the machine and the versions, so that nobody compares figures of two machines."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.contenders.contract import ROOT
from services.runtime.embedded_broker.jars import KAFKA, java

_PACKAGES = ("faust-streaming", "aiokafka", "rocksdict", "msgspec", "quixstreams", "confluent-kafka")


def machine() -> dict[str, Any]:
    return {
        "cpu": _line("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(int(_line("/proc/meminfo", "MemTotal").split()[0] or 0) / 1024**2, 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "java": _java(),
        "kafka": KAFKA.rpartition(":")[2],
        "packages": {name: _version(name) for name in _PACKAGES},
        "commit": _commit(),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_at_start": round(os.getloadavg()[0], 2),
    }


def _line(file: str, name: str) -> str:
    for line in Path(file).read_text().splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return "0"


def _java() -> str:
    said = subprocess.run([str(java()), "-version"], capture_output=True, text=True, check=False).stderr
    return said.splitlines()[0] if said else "unknown"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"
