"""The check of an account: what is wrong with its authorisation is reported, never raised."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest

from services.adapter_douyin import ADAPTER
from services.adapter_douyin.account import DouyinCare
from services.adapter_douyin.client import DouyinClient
from services.simulator.http.server import SimulatorServer

DAY = 86400


def test_a_sound_account_has_no_problem_and_tells_when_its_tokens_end(
    sim: SimulatorServer, timed: Callable[..., DouyinClient]
) -> None:
    client = timed()
    assert DouyinCare().check(client, sim.clock.now()).problem == ""
    client.tokens.fresh("act.demoQingheTea")
    health = DouyinCare().check(client, sim.clock.now())
    assert (health.problem, health.error, health.quotas) == ("", None, ())
    for until, days in ((health.token_expires_at, 15), (health.refresh_expires_at, 30)):
        assert until is not None
        assert abs(until - sim.clock.now() - timedelta(days=days)) < timedelta(minutes=1)


def revoked(sim: SimulatorServer, _client: DouyinClient) -> None:
    said = {"platform": "douyin", "account": "qinghe-tea", "act": "unauthorize"}
    assert httpx.post(f"{sim.url}/_sim/acts", json=said).status_code == 200


def ended(sim: SimulatorServer, client: DouyinClient) -> None:
    client.video_list(0, 1)
    sim.clock.advance(31 * DAY)


def down(sim: SimulatorServer, _client: DouyinClient) -> None:
    sim.set_fault("douyin", "*", "drop_before")


@pytest.mark.parametrize(
    ("happens", "changes", "error_class", "said"),
    [
        (revoked, {}, "auth", "重新授权"),
        (ended, {}, "auth", "10010"),
        (down, {}, "network_unknown", "没有答复"),
        (None, {"open_id": "other"}, "bug", "open_id"),
        (None, {"access_token": "", "refresh_token": ""}, None, "授权"),
        (None, {"way": "h5", "app_secret": "wrong"}, "needs_human", "10013"),
        (None, {"way": "h5", "app_id": "unknown"}, "needs_human", "10003"),
    ],
)
def test_the_trouble_of_an_account_is_said_and_never_raised(
    sim: SimulatorServer,
    timed: Callable[..., DouyinClient],
    happens: Callable[[SimulatorServer, DouyinClient], None] | None,
    changes: dict[str, str],
    error_class: str | None,
    said: str,
) -> None:
    client = timed(**changes)
    if happens:
        happens(sim, client)
    health = DouyinCare().check(client, sim.clock.now())
    assert said in health.problem
    assert (health.error.error_class if health.error else None) == error_class


def test_an_h5_account_whose_webhook_is_switched_off_is_in_trouble(
    sim: SimulatorServer, timed: Callable[..., DouyinClient]
) -> None:
    client = timed(way="h5")
    assert DouyinCare().check(client, sim.clock.now()).problem == ""
    sim.world("douyin").state["events"]["create_video"] = 0
    assert "create_video" in DouyinCare().check(client, sim.clock.now()).problem


def test_a_post_cannot_be_taken_down_by_the_api_and_the_adapter_says_so() -> None:
    assert ADAPTER.retraction is None
    assert not ADAPTER.limits.can_delete
