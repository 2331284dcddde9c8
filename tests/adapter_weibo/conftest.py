from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from services.adapter_weibo.client import WeiboClient
from services.adapter_weibo.simulator import SIMULATOR
from services.simulator.http.server import SimulatorServer
from tests.adapter_weibo.samples import ACCOUNTS, COMMERCIAL, OPEN


@pytest.fixture
def sim() -> Iterator[SimulatorServer]:
    with SimulatorServer([OPEN, COMMERCIAL], platforms=[SIMULATOR], seed=7) as server:
        yield server


@pytest.fixture
def connect(sim: SimulatorServer) -> Iterator[Callable[..., WeiboClient]]:
    """A client of the account of one way, on the simulator."""
    clients: list[WeiboClient] = []

    def client(way: str, **changes: Any) -> WeiboClient:
        account = msgspec.structs.replace(ACCOUNTS[way], **{"base_url": f"{sim.url}/weibo", **changes})
        clients.append(WeiboClient(account, 60.0))
        return clients[-1]

    yield client
    for one in clients:
        one.close()
