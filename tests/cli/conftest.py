"""The command line in this process, and campaign files to break."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.main import application

DEMO = Path("deploy/demo")


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def tongbo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """`tongbo("status")` without anything that runs on this machine."""
    monkeypatch.setenv("TONGBO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("KAFKA_BOOTSTRAP", "TONGBO_PUBLISHER_URL", "TONGBO_TOKEN", "TONGBO_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> Outcome:
        result = CliRunner().invoke(application(), list(arguments))
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """A copy of the sample campaign that may be damaged."""
    shutil.copytree(DEMO, tmp_path / "demo")
    return tmp_path / "demo" / "campaign.yaml"
