"""What every simulated platform of this repository must stand, whoever wrote it. Names no platform."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.adapter.contract.accounts import load_accounts
from services.simulator.discovery import discovered
from services.simulator.http.server import SimulatorServer
from services.simulator.world.faults import GENERIC

PLATFORMS, BROKEN = discovered()
NAMES = [simulated.platform for simulated in PLATFORMS]
ACCOUNTS = Path(__file__).parents[2] / "deploy" / "demo" / "accounts.yaml"

ODD_BODIES: list[dict[str, Any]] = [
    {},
    {"json": {}},
    {"json": []},
    {"json": [1, "x"]},
    {"json": None},
    {"json": "text"},
    {"json": {"articles": "x", "media_id": 5, "item_ids": {"a": 1}, "count": "many", "begin": None, "list": 3}},
    {"json": {"articles": [None], "filter": [], "image_list": [{}], "msg_data_id": [], "index": -1}},
    {"data": {"status": "", "id": "x", "cid": "-1", "count": "-5", "page": "0", "ids": ",,,", "access_token": "wrong"}},
    {"files": {"pic": ("x", b"")}},
    {"files": {"media": ("x.exe", b"MZ")}, "data": {"description": "{broken"}},
    {"files": {"video": ("v.mp4", b"not a video")}},
    {"content": b"\xff\xfe{", "headers": {"Content-Type": "application/json"}},
]
ODD_QUERIES: list[dict[str, str]] = [
    {},
    {"id": "0", "ids": "1,2,x", "count": "x", "page": "-1", "since_id": "x", "max_id": "", "uid": "x", "cursor": "x"},
    {"open_id": "nobody", "item_id": "@==", "cursor": "-1", "count": "99999999999999999999", "date_type": "soon"},
    {"type": "spaceship", "cids": ",", "part_number": "x", "upload_id": "x", "feature": "1e9"},
]


@pytest.fixture(scope="module")
def sim() -> Iterator[SimulatorServer]:
    with SimulatorServer(load_accounts(ACCOUNTS, {}), seed=5) as server:
        yield server


@pytest.fixture(autouse=True)
def _first_day(sim: SimulatorServer) -> None:
    httpx.post(f"{sim.url}/_sim/reset").raise_for_status()


def test_every_platform_that_has_a_simulator_loads() -> None:
    assert BROKEN == {}


@pytest.mark.parametrize("platform", NAMES)
def test_every_platform_has_an_account_to_try_it_with(sim: SimulatorServer, platform: str) -> None:
    assert httpx.get(f"{sim.url}/_sim/accounts", params={"platform": platform}).json()


@pytest.mark.parametrize("platform", NAMES)
def test_nonsense_is_answered_by_the_platform_and_is_never_a_bug_of_ours(sim: SimulatorServer, platform: str) -> None:
    for as_account in (False, True):
        tokens = _credentials(sim, platform) if as_account else {}
        with httpx.Client(base_url=f"{sim.url}/{platform}", timeout=60) as http:
            for endpoint in sim.simulation.mount(platform).simulated.endpoints():
                for query in ODD_QUERIES:
                    for body in ODD_BODIES if endpoint.method == "POST" else ODD_BODIES[:1]:
                        answer = http.request(
                            endpoint.method,
                            endpoint.path,
                            params=tokens | query,
                            **{**body, "headers": _headers(tokens) | body.get("headers", {})},
                        )
                        assert "simulator_bug" not in answer.text, f"{endpoint.name} {query} {body}: {answer.text}"
    assert sim.simulation.bugs == 0


@pytest.mark.parametrize("platform", NAMES)
def test_every_fault_that_a_platform_claims_to_have_can_be_set(sim: SimulatorServer, platform: str) -> None:
    simulated = sim.simulation.mount(platform).simulated
    for kind in (*GENERIC[1:], *getattr(simulated, "taken_faults", ())):
        assert sim.set_fault(platform, "*", kind, count=1).kind == kind
    for endpoint in simulated.endpoints():
        assert sim.set_fault(platform, endpoint.path, "http_500", count=1).endpoint == endpoint.name


@pytest.mark.parametrize("platform", NAMES)
def test_an_unknown_path_is_answered_in_the_platforms_words(sim: SimulatorServer, platform: str) -> None:
    answer = httpx.get(f"{sim.platform_url(platform)}/no/such/path")
    assert answer.headers["content-type"].startswith(("application/json", "text/"))
    assert "simulator_bug" not in answer.text
    assert answer.content


def _credentials(sim: SimulatorServer, platform: str) -> dict[str, str]:
    """A token that the platform takes: the account's own, or one that it gives for app id and secret."""
    (account, *_) = sim.world(platform).accounts.values()
    app = {"appid": account.app_id, "secret": account.app_secret, "grant_type": "client_credential"}
    token = account.access_token
    for endpoint in sim.simulation.mount(platform).simulated.endpoints():
        if not token and endpoint.method == "POST":
            told = httpx.post(f"{sim.url}/{platform}{endpoint.path}", json=app).json()
            token = told.get("access_token", "") if isinstance(told, dict) else ""
    assert token
    return {"access_token": token, "open_id": account.open_id}


def _headers(tokens: dict[str, str]) -> dict[str, str]:
    return {"access-token": tokens["access_token"]} if tokens else {}
