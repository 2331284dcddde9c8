"""The simulator as a process, and how it finds its platforms."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import services
from services.simulator.discovery import discovered
from services.simulator.run import run
from services.simulator.settings import SimulatorSettings

ACCOUNTS = """
accounts:
  - {platform: throwaway, account: main, brand_id: b, way: only, app_id: app-1, app_secret: geheim, open_id: o-1}
"""
GOOD = (
    "from tests.simulator.toy_platform import ToyPlatform\n\nSIMULATOR = ToyPlatform()\nSIMULATOR.platform = {name!r}\n"
)


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A second place where adapter folders lie, and nothing else there."""
    monkeypatch.setattr(services, "__path__", [*services.__path__, str(tmp_path)])
    monkeypatch.setattr("services.simulator.discovery._roots", lambda: [tmp_path])
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("services.adapter_throwaway")]:
        del sys.modules[name]


def folder(root: Path, name: str, simulator: str | None) -> None:
    made = root / f"adapter_{name}"
    made.mkdir()
    (made / "__init__.py").write_text("")
    if simulator is not None:
        (made / "simulator.py").write_text(simulator)


def test_a_new_adapter_folder_is_simulated_without_a_change_elsewhere(folders: Path) -> None:
    folder(folders, "throwaway", GOOD.format(name="throwaway"))
    folder(folders, "throwaway_silent", None)
    found, broken = discovered()
    assert [simulated.platform for simulated in found] == ["throwaway"]
    assert broken == {}


def test_a_simulated_platform_may_be_a_package(folders: Path) -> None:
    folder(folders, "throwaway", None)
    package = folders / "adapter_throwaway" / "simulator"
    package.mkdir()
    (package / "__init__.py").write_text("from services.adapter_throwaway.simulator.board import SIMULATOR\n")
    (package / "board.py").write_text(GOOD.format(name="throwaway"))
    found, broken = discovered()
    assert ([simulated.platform for simulated in found], broken) == (["throwaway"], {})


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def broken(:\n", "SyntaxError"),
        ("import not_installed_anywhere\n", "not_installed_anywhere"),
        ("OTHER = 1\n", "SIMULATOR"),
        (GOOD.format(name="another"), "another"),
    ],
)
def test_a_platform_that_does_not_load_is_named_and_hides_no_other(folders: Path, source: str, reason: str) -> None:
    folder(folders, "throwaway", source)
    folder(folders, "throwaway_two", GOOD.format(name="throwaway_two"))
    found, broken = discovered()
    assert [simulated.platform for simulated in found] == ["throwaway_two"]
    assert reason in broken["throwaway"]


def test_run_says_where_it_is_and_whom_it_accepts(folders: Path, tmp_path: Path) -> None:
    folder(folders, "throwaway", GOOD.format(name="throwaway"))
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text(ACCOUNTS)
    said: list[str] = []
    stop = threading.Event()
    stop.set()
    assert run(SimulatorSettings(port=0, accounts=accounts), say=said.append, stop=stop) == 0
    assert "app_id=app-1  app_secret=geheim  open_id=o-1" in said[0]
    assert "http://127.0.0.1:" in said[0]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"accounts": Path("/nowhere/accounts.yaml")}, "accounts file not found"),
        ({"audience": Path("/nowhere/cascades.jsonl")}, "cannot read the file of cascades"),
        ({"speed": -1.0}, "speed"),
        ({"port": 99_999}, "--port"),
    ],
)
def test_wrong_settings_are_told_and_end_with_code_2(
    folders: Path, tmp_path: Path, settings: dict[str, Any], told: str
) -> None:
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text(ACCOUNTS)
    said: list[str] = []
    wrong: dict[str, Any] = {"port": 0, "accounts": accounts} | settings
    assert run(SimulatorSettings(**wrong), say=said.append) == 2
    assert told in said[-1]


def test_a_platform_that_does_not_load_stops_the_process(folders: Path, tmp_path: Path) -> None:
    folder(folders, "throwaway", "raise RuntimeError('half written')\n")
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text(ACCOUNTS)
    said: list[str] = []
    assert run(SimulatorSettings(port=0, accounts=accounts), say=said.append) == 2
    assert "half written" in said[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_ends_cleanly_when_told_to(tmp_path: Path, number: signal.Signals) -> None:
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text("accounts: []\n")
    command = [sys.executable, "-m", "services.simulator", "--port", "0", "--speed", "60", "--accounts", str(accounts)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        url = child.stdout.readline().split()[3]
        assert httpx.get(f"{url}/_sim/clock").json()["speed"] == 60
        child.send_signal(number)
        _, errors = child.communicate(timeout=60)
    assert child.returncode == 0
    assert "Traceback" not in errors
