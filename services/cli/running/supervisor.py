"""Keeps child processes running: starts them, notes their ids, starts them again when they die, ends them in order.

Knows nothing of what the children do. All starting happens in the thread that made the supervisor, because the
children are told by the kernel to end when that thread does.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

STOP_WITHIN_S = 15.0
LONGEST_PAUSE_S = 10.0
STABLE_AFTER_S = 30.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Child:
    """One process to keep running. `n` counts processes of one service from 0."""

    service: str
    n: int
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.service}-{self.n}"


@dataclass(slots=True)
class _Running:
    child: Child
    process: subprocess.Popen[bytes]
    started_at: float
    pause_s: float = 0.5
    restart_at: float | None = None
    restarts: int = 0


class Supervisor:
    """Children with a pid file in `run_dir` and a log file in `log_dir` each."""

    def __init__(self, run_dir: Path, log_dir: Path, say: Callable[[str], None]) -> None:
        self._run_dir, self._log_dir, self._say = run_dir, log_dir, say
        self._running: dict[str, _Running] = {}
        run_dir.mkdir(parents=True, exist_ok=True)
        log_dir.mkdir(parents=True, exist_ok=True)

    def start(self, child: Child) -> None:
        self._running[child.name] = _Running(child, self._spawn(child), time.monotonic())

    def restarts(self) -> int:
        return sum(one.restarts for one in self._running.values())

    def pid(self, name: str) -> int:
        return self._running[name].process.pid

    def log_of(self, child: Child) -> Path:
        return self._log_dir / f"{child.name}.log"

    def watch(self) -> None:
        """Start again what has died, after a pause that grows while it keeps dying. Call this a few times a second."""
        for one in self._running.values():
            if one.process.poll() is None:
                continue
            now = time.monotonic()
            if one.restart_at is None:
                if now - one.started_at > STABLE_AFTER_S:
                    one.pause_s = 0.5
                one.restart_at = now + one.pause_s
                code = one.process.returncode
                self._say(f"{one.child.name} 已退出（{code}），{one.pause_s:g} 秒后重启 / ended, restarting")
            elif now >= one.restart_at:
                one.process, one.started_at, one.restart_at = self._spawn(one.child), now, None
                one.pause_s = min(one.pause_s * 2, LONGEST_PAUSE_S)
                one.restarts += 1

    def exited(self, name: str) -> int | None:
        """The exit code of a child that is not running now, else None."""
        return self._running[name].process.poll()

    def stop(self) -> None:
        """End all children, last started first, services before what they need; kill what does not end in time."""
        for one in reversed(self._running.values()):
            _end(one.process, STOP_WITHIN_S)
            (self._run_dir / f"{one.child.name}.pid").unlink(missing_ok=True)
        self._running.clear()

    def stop_together(self, names: Sequence[str]) -> None:
        """Ask several children to end at the same time, then wait for them: faster than one after the other."""
        chosen = [self._running.pop(name) for name in names if name in self._running]
        for one in chosen:
            if one.process.poll() is None:
                one.process.send_signal(signal.SIGTERM)
        for one in chosen:
            _end(one.process, STOP_WITHIN_S)
            (self._run_dir / f"{one.child.name}.pid").unlink(missing_ok=True)

    def _spawn(self, child: Child) -> subprocess.Popen[bytes]:
        with self.log_of(child).open("ab") as log:
            process = subprocess.Popen(
                list(child.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **child.env},
                start_new_session=True,  # Ctrl-C is for the supervisor, which ends the children in order
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one syscall, no locks
            )
        (self._run_dir / f"{child.name}.pid").write_text(f"{process.pid}\n")
        return process


def _end_with_parent() -> None:
    """Linux ends this process when its parent dies without saying so."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _end(process: subprocess.Popen[bytes], within_s: float) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
