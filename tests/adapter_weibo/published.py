"""A published Weibo post on the simulator, and what the simulator knows of it."""

from __future__ import annotations

import msgspec

from schemas.events.placement import PlacementRecord
from services.adapter.contract.feedback import LivePost
from services.adapter_weibo.client import WeiboClient
from services.simulator.contract import SimComment, SimPost
from services.simulator.http.server import SimulatorServer
from tests.adapter_weibo.samples import ACCOUNTS, carry_on, content, record


def paths(sim: SimulatorServer) -> list[str]:
    return [kept.path for kept in sim.simulation.calls]


def published(client: WeiboClient, sim: SimulatorServer, way: str = "commercial") -> tuple[PlacementRecord, LivePost]:
    placement, live = carry_on(client, record(content(), ACCOUNTS[way], sim.clock.now()))
    post = LivePost("pl-1", "c-1", "qinghe", "spring", ACCOUNTS[way].account, "notice", "", live.post)
    return msgspec.structs.replace(placement, state="LIVE", post=live.post), post


def some_comment(sim: SimulatorServer) -> SimComment:
    """One of the audience, an hour after the post."""
    sim.clock.advance(3600)
    return comments(sim)[0]


def the_post(sim: SimulatorServer) -> SimPost:
    return sim.world("weibo").posts[0]


def comments(sim: SimulatorServer) -> list[SimComment]:
    with sim.simulation.instant():
        return sim.world("weibo").comments(the_post(sim))


def ours(sim: SimulatorServer) -> list[SimComment]:
    accounts = {account.open_id for account in sim.world("weibo").accounts.values()}
    return [comment for comment in comments(sim) if comment.author in accounts]
