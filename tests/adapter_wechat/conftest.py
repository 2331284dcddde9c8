from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from services.adapter.contract.accounts import Account
from services.adapter_wechat.client import WechatClient
from services.adapter_wechat.feedback import BEIJING
from services.adapter_wechat.settings import TokenSettings
from services.adapter_wechat.simulator import SIMULATOR
from services.simulator.http.server import SimulatorServer
from tests.adapter_wechat.samples import ACCOUNT, OTHER


@pytest.fixture
def sim() -> Iterator[SimulatorServer]:
    """The simulator with a clock that moves only when it is told to; from a morning on, for quotas end at midnight."""
    with SimulatorServer([ACCOUNT, OTHER], platforms=[SIMULATOR], seed=7, speed=0.0) as server:
        now = server.clock.now().astimezone(BEIJING)
        morning = (now + timedelta(days=1)).replace(hour=10, minute=0, second=0, microsecond=0)
        server.clock.advance((morning - now).total_seconds())
        yield server


@pytest.fixture
def connect(sim: SimulatorServer) -> Iterator[Callable[..., WechatClient]]:
    clients: list[WechatClient] = []

    def client(account: Account = ACCOUNT, tokens: TokenSettings | None = None, **changes: Any) -> WechatClient:
        here = replace(account, base_url=f"{sim.url}/wechat", **changes)
        clients.append(WechatClient(here, 60.0, tokens=tokens))
        return clients[-1]

    yield client
    for one in clients:
        one.close()


@pytest.fixture
def client(connect: Callable[..., WechatClient]) -> WechatClient:
    return connect()
