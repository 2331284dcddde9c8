"""`tongbo` as somebody at a terminal has it: commands by name, answers as text, and what is left of it afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil

from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]


class Terminal:
    """Commands on one data folder; `close` ends what a failed test would leave."""

    def __init__(self, home: Path, env: Mapping[str, str] | None = None) -> None:
        self.home = home
        outside = {name: value for name, value in os.environ.items() if name != "KAFKA_BOOTSTRAP"}
        self._env = {**outside, "TONGBO_HOME": str(home), **(env or {})}
        home.mkdir(parents=True, exist_ok=True)

    def run(self, *arguments: str, within_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(arguments), cwd=ROOT, env=self._env, capture_output=True, text=True, timeout=within_s,
            check=False,
        )  # fmt: skip

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """In the background, what it says goes to `output()`."""
        with self._output.open("wb") as out:
            return subprocess.Popen(
                self._command(arguments), cwd=ROOT, env=self._env, stdout=out, stderr=out, start_new_session=True
            )

    def output(self) -> str:
        return self._output.read_text(errors="replace")

    def pid(self, name: str) -> int:
        return int((self.home / "run" / f"{name}.pid").read_text())

    def kill(self, name: str) -> None:
        os.kill(self.pid(name), signal.SIGKILL)

    def pid_files(self) -> list[str]:
        return sorted(file.name for file in (self.home / "run").glob("*.pid"))

    def address(self, part: str) -> str:
        return str(json.loads((self.home / "run" / "addresses.json").read_bytes())[part])

    def simulator(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.address("simulator") + path, data, {"Content-Type": "application/json"})
        with urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def processes(self) -> list[psutil.Process]:
        """Everything that runs for this folder, whoever is its parent."""
        return [one for one in psutil.process_iter() if self._is_ours(one)]

    def wait_for_words(self, process: subprocess.Popen[bytes], words: str, within_s: float = 90.0) -> None:
        wait_for(lambda: words in self.output() or process.poll() is not None, words, within_s)
        assert words in self.output(), self.output()

    def close(self) -> None:
        for process in self.processes():
            process.kill()

    @property
    def _output(self) -> Path:
        return self.home / "output"

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "services.cli.main", *arguments]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                return False
            return process.environ().get("TONGBO_HOME") == str(self.home)
        except psutil.Error:
            return False
