"""One running pipeline per folder: who owns it, how to end it from elsewhere."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.cli.running.pipeline import Layout

DOWN_WITHIN_S = 60.0


class AlreadyRunningError(Exception):
    """Raised when a pipeline already runs from this folder."""


@contextmanager
def ownership(layout: Layout) -> Iterator[None]:
    """Hold the folder's pipeline for this process; raises AlreadyRunningError."""
    owner = owner_of(layout)
    if owner is not None:
        raise AlreadyRunningError(
            f"{layout.home} 的流水线已在运行（进程 {owner}），请先执行 tongbo down"
            " / already running here, run `tongbo down` first"
        )
    layout.run.mkdir(parents=True, exist_ok=True)
    layout.supervisor_pid.write_text(f"{os.getpid()}\n")
    try:
        yield
    finally:
        layout.supervisor_pid.unlink(missing_ok=True)


def owner_of(layout: Layout) -> int | None:
    """The process id of the running supervisor, None where none runs."""
    try:
        pid = int(layout.supervisor_pid.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return pid if _alive(pid) else None


def end(layout: Layout, say: Callable[[str], None]) -> bool:
    """Ask the supervisor to end everything and wait for it; True where there was something to end."""
    owner = owner_of(layout)
    if owner is not None:
        os.kill(owner, signal.SIGTERM)
        say("正在停止所有进程 / stopping all processes")
        deadline = time.monotonic() + DOWN_WITHIN_S
        while _alive(owner) and time.monotonic() < deadline:
            time.sleep(0.1)
        if _alive(owner):
            os.kill(owner, signal.SIGKILL)
            say("监督进程没有按时退出，已强制结束 / supervisor killed")
    return _end_leftovers(layout) or owner is not None


def _end_leftovers(layout: Layout) -> bool:
    """End what a killed supervisor may have left; the pid files say what it was."""
    found = False
    for file in sorted(layout.run.glob("*-*.pid"), reverse=True):
        pid = int(file.read_text().strip() or 0)
        if pid and _alive(pid) and _ours(pid):
            found = True
            os.kill(pid, signal.SIGTERM)
        file.unlink(missing_ok=True)
    return found


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return True


def _ours(pid: int) -> bool:
    """Whether the process is a service of ours, as process ids are used again."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as command:
            return b"services." in command.read()
    except OSError:
        return False
