"""Where the files of one pipeline lie: data, logs, process ids, addresses, all below one folder."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where things lie below one folder (`.tongbo`)."""

    home: Path

    @property
    def run(self) -> Path:
        return self.home / "run"

    @property
    def log(self) -> Path:
        return self.home / "log"

    @property
    def addresses(self) -> Path:
        return self.run / "addresses.json"

    @property
    def lock(self) -> Path:
        return self.run / "lock"

    @property
    def ready(self) -> Path:
        """Exists while everything that was started is ready."""
        return self.run / "ready"

    @property
    def supervisor_pid(self) -> Path:
        return self.run / "supervisor.pid"

    @property
    def broker_pid(self) -> Path:
        """Written by the embedded broker itself."""
        return self.home / "kafka" / "broker.pid"

    def clear_data(self) -> None:
        """Forget what an earlier run left: log of Kafka, state, media. Never touches a cluster that is not ours."""
        for folder in ("kafka", "state", "media"):
            shutil.rmtree(self.home / folder, ignore_errors=True)
