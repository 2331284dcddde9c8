"""One running pipeline per folder: who owns it, how to end it from elsewhere, and what a killed owner left behind."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from services.cli.local.layout import Layout

DOWN_WITHIN_S = 60.0
LEFTOVERS_WITHIN_S = 20.0
_LOCK_TRIES = 5


class AlreadyRunningError(Exception):
    """Raised when a pipeline already runs from this folder."""


@contextmanager
def ownership(layout: Layout, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the folder's pipeline for this process; raises AlreadyRunningError. Ends what a killed owner left."""
    layout.run.mkdir(parents=True, exist_ok=True)
    with layout.lock.open("a") as lock:
        if not _locked(lock):
            raise AlreadyRunningError(
                f"{layout.home} 的流水线已在运行（进程 {owner_of(layout) or '?'}），请先执行 tongbo down"
                " / already running here, run `tongbo down` first"
            )
        _end_leftovers(layout, say)
        layout.supervisor_pid.write_text(f"{os.getpid()}\n")
        try:
            yield
        finally:
            layout.supervisor_pid.unlink(missing_ok=True)


def owner_of(layout: Layout) -> int | None:
    """The process id of the running supervisor, None where none runs."""
    try:
        with layout.lock.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return None
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return _read_pid(layout.supervisor_pid)


def end(layout: Layout, say: Callable[[str], None]) -> bool:
    """Ask the supervisor to end everything and wait for it; True where there was something to end."""
    owner = owner_of(layout)
    if owner is not None:
        os.kill(owner, signal.SIGTERM)
        say("正在停止所有进程 / stopping all processes")
        if not _gone(owner, DOWN_WITHIN_S):
            os.kill(owner, signal.SIGKILL)
            say("监督进程没有按时退出，已强制结束 / supervisor killed")
    return _end_leftovers(layout, say) or owner is not None


def _locked(lock: IO[str]) -> bool:
    """Whether the lock is ours now; somebody who only asks for the owner holds it for a moment."""
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.05)
    return False


def _end_leftovers(layout: Layout, say: Callable[[str], None]) -> bool:
    """End what a killed supervisor left, and wait for it: ports and data folders must be free for the next run."""
    files = {file: f"services.{file.stem.rpartition('-')[0]}" for file in sorted(layout.run.glob("*-*.pid"))}
    files = {file: what.replace("services.kafka", "services.runtime.embedded_broker") for file, what in files.items()}
    files[layout.broker_pid] = str(layout.broker_pid.parent)
    left = {pid for file, what in files.items() if (pid := _read_pid(file)) and what in _command(pid)}
    if left:
        say(f"正在清理上次遗留的 {len(left)} 个进程 / ending {len(left)} processes of an earlier run")
    for pid in left:
        _signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + LEFTOVERS_WITHIN_S
    for pid in left:
        if not _gone(pid, max(0.0, deadline - time.monotonic())):
            _signal(pid, signal.SIGKILL)
            _gone(pid, 5.0)
    for file in files:
        file.unlink(missing_ok=True)
    for stale in (layout.ready, layout.addresses, layout.supervisor_pid):
        stale.unlink(missing_ok=True)
    return bool(left)


def _read_pid(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it ended in the meantime, which is what was wanted
        os.kill(pid, number)


def _gone(pid: int, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while _command(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _command(pid: int) -> str:
    """The command line of a running process, "" where there is none: process ids are used again."""
    if not Path("/proc/self").exists():
        asked = subprocess.run(["ps", "-ww", "-o", "stat=,command=", "-p", str(pid)], capture_output=True, check=False)
        state, _, command = asked.stdout.decode(errors="replace").strip().partition(" ")
        return "" if state.startswith("Z") else command
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
    return "" if state == "Z" else command
