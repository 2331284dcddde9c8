"""Taking a Weibo post down."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.adapter.contract.after_posting import Retraction
from services.adapter.contract.errors import NoAnswerError, PlatformError
from services.adapter_weibo.after_posting import WeiboRetraction
from services.adapter_weibo.client import WeiboClient
from services.simulator.http.server import SimulatorServer
from tests.adapter_weibo.published import paths, published, the_post
from tests.adapter_weibo.samples import ACCOUNTS, content, record

Connect = Callable[..., WeiboClient]
RETRACTION: Retraction = WeiboRetraction()


@pytest.mark.parametrize("way", ["open", "commercial"])
def test_a_retracted_post_is_gone(connect: Connect, sim: SimulatorServer, way: str) -> None:
    client = connect(way)
    placement, _ = published(client, sim, way)
    RETRACTION.retract(client, placement)
    assert the_post(sim).state == "removed"


def test_retracting_what_is_gone_already_is_a_success(connect: Connect, sim: SimulatorServer) -> None:
    client = connect("open")
    placement, _ = published(client, sim, "open")
    RETRACTION.retract(client, placement)
    RETRACTION.retract(client, placement)
    assert paths(sim).count("/2/statuses/destroy.json") == 2


def test_a_retraction_without_an_answer_is_one_attempt_and_may_be_repeated(
    connect: Connect, sim: SimulatorServer
) -> None:
    client = connect("open")
    placement, _ = published(client, sim, "open")
    sim.set_fault("weibo", "statuses/destroy", "drop_after", count=1)
    with pytest.raises(NoAnswerError):
        RETRACTION.retract(client, placement)
    assert paths(sim).count("/2/statuses/destroy.json") == 1
    RETRACTION.retract(client, placement)


def test_a_post_of_another_account_is_not_reported_as_retracted(connect: Connect, sim: SimulatorServer) -> None:
    placement, _ = published(connect("commercial"), sim)
    with pytest.raises(PlatformError) as caught:
        RETRACTION.retract(connect("open"), placement)
    assert caught.value.code == "20102"
    assert the_post(sim).state == "live"


def test_a_record_without_a_post_sends_nothing(connect: Connect, sim: SimulatorServer) -> None:
    with pytest.raises(PlatformError) as caught:
        RETRACTION.retract(connect("open"), record(content(), ACCOUNTS["open"], sim.clock.now()))
    assert (caught.value.error_class, caught.value.sent) == ("bug", "no")
    assert paths(sim) == []
