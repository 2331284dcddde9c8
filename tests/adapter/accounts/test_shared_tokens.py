"""Three real processes with one account hammer a platform: tokens are fetched once, and failures make no storm."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from services.adapter.contract.accounts import load_accounts
from services.simulator.http.server import SimulatorServer

ROOT = Path(__file__).resolve().parents[3]
HAMMER = Path(__file__).with_name("hammer.py")
ACCOUNTS = ROOT / "deploy/demo/accounts.yaml"
TEA = "qinghe-tea"
READING = {"douyin": "video/video_list", "wechat": "freepublish/batchget"}
FETCHING = {"douyin": "oauth/refresh_token", "wechat": "stable_token"}
START_IN_S = 2.5

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def sim() -> Iterator[SimulatorServer]:
    with SimulatorServer(load_accounts(ACCOUNTS, {})) as running:
        yield running


def _forgotten(folder: Path) -> Path:
    """The same accounts with calls enough, and an access token that the platform does not know (any more)."""
    declared = msgspec.yaml.decode(ACCOUNTS.read_bytes())
    for account in declared["accounts"]:
        account.setdefault("options", {})["budget.*"] = "100000/60"
        if account["platform"] == "douyin":
            account["access_token"] = "act.forgotten"
    path = folder / "accounts.yaml"
    path.write_bytes(msgspec.yaml.encode(declared))
    return path


def _hammer(sim: SimulatorServer, folder: Path, platform: str, seconds: float) -> list[dict[str, int]]:
    """What each of three processes got."""
    start_at = time.time() + START_IN_S
    arguments = [_forgotten(folder), sim.url, folder / "state", platform, TEA, start_at, seconds]
    processes = [
        subprocess.Popen(
            [sys.executable, str(HAMMER), *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    said = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    return [{name: int(count) for name, count in (one.split("=") for one in line.split())} for line in said]


def _fetched(sim: SimulatorServer, platform: str) -> int:
    return sum(kept.endpoint == FETCHING[platform] for kept in sim.simulation.calls)


@pytest.mark.parametrize("platform", ["douyin", "wechat"])
def test_three_processes_fetch_one_token(sim: SimulatorServer, tmp_path: Path, platform: str) -> None:
    got = _hammer(sim, tmp_path, platform, 2)
    assert all(one.get("ok", 0) > 5 and set(one) == {"ok"} for one in got), got
    assert _fetched(sim, platform) == 1


@pytest.mark.parametrize("platform", ["douyin", "wechat"])
@pytest.mark.parametrize("fault", ["token_expired", "token_stolen"])
def test_a_token_that_died_is_fetched_anew_by_one_of_them(
    sim: SimulatorServer, tmp_path: Path, platform: str, fault: str
) -> None:
    assert all(set(one) == {"ok"} for one in _hammer(sim, tmp_path, platform, 1))
    before = _fetched(sim, platform)
    sim.set_fault(platform, READING[platform], fault, count=1)
    got = _hammer(sim, tmp_path, platform, 2)
    assert all(set(one) == {"ok"} for one in got), got
    # Where the platform gives the dead token once more, a renewal by force follows.
    assert 1 <= _fetched(sim, platform) - before <= 2


@pytest.mark.parametrize("platform", ["douyin", "wechat"])
def test_a_token_endpoint_that_is_down_is_asked_less_and_less(
    sim: SimulatorServer, tmp_path: Path, platform: str
) -> None:
    sim.set_fault(platform, FETCHING[platform], "http_500")
    got = _hammer(sim, tmp_path, platform, 5)
    assert all("ok" not in one and sum(one.values()) > 20 for one in got), got
    assert all(set(one) == {"platform_down"} or "network_unknown" in one for one in got), got
    assert 2 <= _fetched(sim, platform) <= 4  # at 0, 1, 3 s, however many ask


def test_a_used_up_quota_of_tokens_is_asked_once(sim: SimulatorServer, tmp_path: Path) -> None:
    sim.set_fault("wechat", "stable_token", "rate_limit")
    got = _hammer(sim, tmp_path, "wechat", 3)
    assert all(set(one) == {"quota"} for one in got), got
    assert _fetched(sim, "wechat") == 1
