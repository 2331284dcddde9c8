from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from services.simulator.http.server import SimulatorServer
from tests.simulator.toy_platform import TOY_ACCOUNTS, OtherPlatform, ToyPlatform


@pytest.fixture
def sim() -> Iterator[SimulatorServer]:
    with SimulatorServer(TOY_ACCOUNTS, platforms=[ToyPlatform(), OtherPlatform()], seed=7) as server:
        yield server


@pytest.fixture
def http(sim: SimulatorServer) -> Iterator[httpx.Client]:
    """A client of the shared port."""
    with httpx.Client(base_url=sim.url, timeout=60) as client:
        yield client
