"""Keeps child processes running: starts them, notes their ids, starts them again when they die, ends them in order.

Knows nothing of what the children do. All starting happens in the thread that made the supervisor, because the
children are told by the kernel to end when that thread does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from services.runtime.children import ending_with_us

STOP_WITHIN_S = 15.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
STABLE_AFTER_S = 30.0
_TAIL_BYTES = 8_000


@dataclass(frozen=True, slots=True)
class Child:
    """One process to keep running. `n` counts processes of one service from 0; `loses`: what a restart costs."""

    service: str
    n: int
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    loses: str = ""

    @property
    def name(self) -> str:
        return f"{self.service}-{self.n}"


@dataclass(slots=True)
class _Running:
    child: Child
    process: subprocess.Popen[bytes]
    started_at: float
    pause_s: float = FIRST_PAUSE_S
    restart_at: float | None = None
    restarts: int = 0
    resting: bool = False


class Supervisor:
    """Children with a pid file in `run_dir` and a log file in `log_dir` each; `say` gets what happens to them.

    held: the services that are to rest at present; asked with every `watch`.
    """

    def __init__(
        self,
        run_dir: Path,
        log_dir: Path,
        say: Callable[[str], None],
        *,
        held: Callable[[], Collection[str]] = frozenset,
        stop_within_s: float = STOP_WITHIN_S,
    ) -> None:
        self._run_dir, self._log_dir, self._say, self._held = run_dir, log_dir, say, held
        self._stop_within_s = stop_within_s
        self._running: dict[str, _Running] = {}
        run_dir.mkdir(parents=True, exist_ok=True)
        log_dir.mkdir(parents=True, exist_ok=True)

    def start(self, child: Child) -> None:
        """Run it until `stop`, with a fresh log; the log of the run before is kept beside it."""
        log = self.log_of(child)
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        self._running[child.name] = _Running(child, self._spawn(child), time.monotonic())

    def restarts(self, name: str | None = None) -> int:
        """How often a child (default: all together) had to be started again."""
        return sum(one.restarts for one in self._running.values() if name in (None, one.child.name))

    def pid(self, name: str) -> int:
        return self._running[name].process.pid

    def log_of(self, child: Child) -> Path:
        return self._log_dir / f"{child.name}.log"

    def last_words(self, child: Child, lines: int = 8) -> str:
        """The end of what a child wrote for people: structured log lines are left to its log file."""
        with self.log_of(child).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            written = log.read().decode("utf-8", "replace").splitlines()
        return "\n".join([line for line in written if line.strip() and not line.startswith("{")][-lines:])

    def watch(self) -> None:
        """Start again what has died, after a pause that grows while it keeps dying. Call this a few times a second."""
        self._let_rest(self._held())
        for one in self._running.values():
            if one.resting or one.process.poll() is None:
                continue
            now = time.monotonic()
            if one.restart_at is None:
                if now - one.started_at > STABLE_AFTER_S:
                    one.pause_s = FIRST_PAUSE_S
                one.restart_at = now + one.pause_s
                how, how_en = _ending(one.process.returncode)
                self._say(
                    f"{one.child.name} 意外退出（{how}），{one.pause_s:g} 秒后重启"
                    f" / ended ({how_en}), restart in {one.pause_s:g} s"
                )
            elif now >= one.restart_at:
                one.process, one.started_at, one.restart_at = self._spawn(one.child), now, None
                one.pause_s = min(one.pause_s * 2, LONGEST_PAUSE_S)
                one.restarts += 1
                self._say(f"{one.child.name} 已重启 / restarted" + (f"；{one.child.loses}" if one.child.loses else ""))

    def exited(self, name: str) -> int | None:
        """The exit code of a child that is not running now, else None."""
        return self._running[name].process.poll()

    def stop(self) -> None:
        """End all children, last started first, services before what they need; kill what does not end in time."""
        for name in list(reversed(self._running)):
            self.stop_together([name])

    def stop_together(self, names: Sequence[str]) -> None:
        """Ask several children to end at the same time, then wait for them: faster than one after the other."""
        chosen = [self._running[name] for name in names if name in self._running]
        self._end_together(chosen)
        for one in chosen:
            del self._running[one.child.name]

    def _end_together(self, chosen: Sequence[_Running]) -> None:
        for one in chosen:
            if one.process.poll() is None:
                one.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + self._stop_within_s
        for one in chosen:
            self._end(one, max(0.0, deadline - time.monotonic()))
            (self._run_dir / f"{one.child.name}.pid").unlink(missing_ok=True)

    def _let_rest(self, services: Collection[str]) -> None:
        """End the children of these services and leave them so; start those again that are no longer among them."""
        tired = [one for one in self._running.values() if one.child.service in services and not one.resting]
        self._end_together(tired)
        for one in tired:
            one.resting = True
            self._say(f"{one.child.name} 按要求停下 / at rest, as asked")
        for one in self._running.values():
            if one.resting and one.child.service not in services:
                one.process, one.started_at, one.restart_at = self._spawn(one.child), time.monotonic(), None
                one.resting = False
                self._say(f"{one.child.name} 重新启动 / started again")

    def _end(self, one: _Running, within_s: float) -> None:
        try:
            one.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self._say(f"{one.child.name} 没有按时退出，强制结束 / did not end in time, killed")
            one.process.kill()
            one.process.wait()

    def _spawn(self, child: Child) -> subprocess.Popen[bytes]:
        with self.log_of(child).open("ab") as log:
            process = subprocess.Popen(
                list(child.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **child.env},
                start_new_session=True,  # Ctrl-C is for the supervisor, which ends the children in order
                preexec_fn=ending_with_us(),  # noqa: PLW1509 - two system calls, no locks
            )
        (self._run_dir / f"{child.name}.pid").write_text(f"{process.pid}\n")
        return process


def _ending(code: int) -> tuple[str, str]:
    """How a process ended, in Chinese and in English."""
    return (f"退出码 {code}", f"exit {code}") if code >= 0 else (f"信号 {-code}", f"signal {-code}")
