"""What a process and all its descendants have cost, from /proc."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PARENT, _USER, _CHILDREN_SYSTEM = 1, 11, 14  # fields of /proc/PID/stat after the name, from 0


class ProcessTree:
    """The trees below some processes. Ended children count through the parent that waited for them."""

    def __init__(self, pids: list[int]) -> None:
        self._pids = pids
        self._peaks: dict[int, int] = {}

    def cpu_s(self) -> float:
        return sum(sum(map(int, stat[_USER : _CHILDREN_SYSTEM + 1])) for stat in self._stats().values()) / _TICKS

    def peak_mb(self) -> float:
        """The sum of each process's own peak so far; call it now and then, an ended process keeps its last one."""
        for pid in self._stats():
            self._peaks[pid] = max(self._peaks.get(pid, 0), _peak_kb(pid))
        return sum(self._peaks.values()) / 1024

    def _stats(self) -> dict[int, list[str]]:
        everyone = {int(path.name): stat for path in Path("/proc").glob("[0-9]*") if (stat := _stat(path))}
        wanted = set(self._pids)
        while more := {pid for pid, stat in everyone.items() if int(stat[_PARENT]) in wanted and pid not in wanted}:
            wanted |= more
        return {pid: everyone[pid] for pid in wanted if pid in everyone}


def _stat(path: Path) -> list[str]:
    try:
        return (path / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return []  # it has just ended


def _peak_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
