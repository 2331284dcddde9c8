"""Tokens of a user and of an app: refreshed and renewed early, fetched once for all threads and processes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from services.adapter.accounts.budgets import BudgetLedger
from services.adapter.accounts.credentials import FileCredentials, InMemory
from services.adapter.contract.accounts import Account
from services.adapter.contract.errors import PlatformError
from services.adapter.contract.shared import Tokens
from services.adapter_douyin import ADAPTER
from services.adapter_douyin.account import DouyinCare
from services.adapter_douyin.client import DouyinClient
from services.simulator.http.server import SimulatorServer

DAY = 86400


def calls(sim: SimulatorServer, endpoint: str) -> int:
    return sum(kept.endpoint == endpoint for kept in sim.simulation.calls)


# --- tokens of a user ------------------------------------------------------------------------------------------------


def test_the_refresh_token_is_renewed_before_it_ends_and_five_times_carry_an_account_far(
    sim: SimulatorServer, timed: Callable[..., DouyinClient]
) -> None:
    client = timed()
    sim.clock.advance(1)
    client.tokens.fresh("act.demoQingheTea")
    for _ in range(130):
        sim.clock.advance(DAY)
        client.video_list(0, 1)
    assert calls(sim, "oauth/renew_refresh_token") == 5
    assert [kept for kept in sim.simulation.calls if '"error_code":28001008' in kept.answer] == []
    assert client.tokens.held.refresh_token != "rft.demoQingheTea"


def test_renewals_used_up_stop_no_call_and_are_not_asked_for_again_and_again(
    sim: SimulatorServer, timed: Callable[..., DouyinClient]
) -> None:
    client = timed()
    client.tokens.fresh("act.demoQingheTea")
    sim.world("douyin").accounts["qinghe-tea"].state["renewals"] = 5
    sim.clock.advance(23 * DAY)
    for _ in range(5):
        client.video_list(0, 1)
    assert calls(sim, "oauth/renew_refresh_token") == 1
    assert calls(sim, "oauth/refresh_token") == 2
    health = DouyinCare().check(client, sim.clock.now())
    assert health.problem == ""
    assert health.refresh_expires_at is not None
    assert health.refresh_expires_at - sim.clock.now() < timedelta(days=7, hours=1)


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "http_500"])
def test_a_renewal_without_an_answer_stops_no_call_and_keeps_the_token(
    sim: SimulatorServer, timed: Callable[..., DouyinClient], fault: str
) -> None:
    client = timed()
    client.tokens.fresh("act.demoQingheTea")
    sim.clock.advance(14 * DAY)
    client.video_list(0, 1)
    sim.set_fault("douyin", "oauth/renew_refresh_token", fault, count=1)
    sim.clock.advance(9 * DAY)
    client.video_list(0, 1)
    assert client.tokens.held.refresh_token == "rft.demoQingheTea"
    sim.clock.advance(3601)
    client.video_list(0, 1)
    assert client.tokens.held.refresh_token != "rft.demoQingheTea"


def at_once(works: list[Callable[..., Any]], *arguments: Any) -> None:
    threads = [threading.Thread(target=work, args=arguments) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_what_one_process_refreshed_the_others_and_the_next_take_over(
    sim: SimulatorServer, timed: Callable[..., DouyinClient], files: Callable[[], FileCredentials]
) -> None:
    one, other = (timed(files(), access_token="act.forgotten") for _ in range(2))
    one.video_list(0, 1)
    other.video_list(0, 1)
    assert one.tokens.held == other.tokens.held
    timed(files(), access_token="act.forgotten").video_list(0, 1)
    assert calls(sim, "oauth/refresh_token") == 1


def test_processes_that_are_refused_at_once_refresh_once(
    sim: SimulatorServer, timed: Callable[..., DouyinClient], files: Callable[[], FileCredentials]
) -> None:
    at_once([timed(files(), access_token="act.forgotten").video_list for _ in range(4)], 0, 1)
    assert calls(sim, "oauth/refresh_token") == 1


def test_a_renewed_refresh_token_survives_a_restart(
    sim: SimulatorServer, timed: Callable[..., DouyinClient], files: Callable[[], FileCredentials]
) -> None:
    client = timed(files())
    client.tokens.fresh("act.demoQingheTea")
    for _ in range(2):
        sim.clock.advance(12 * DAY)
        client.video_list(0, 1)
    assert calls(sim, "oauth/renew_refresh_token") == 1
    restarted = timed(files())
    assert restarted.tokens.held.refresh_token not in ("", "rft.demoQingheTea")
    sim.clock.advance(20 * DAY)
    restarted.video_list(0, 1)
    assert [kept for kept in sim.simulation.calls if '"error_code":10010' in kept.answer] == []


def test_a_renewal_that_fails_forbids_no_refresh(
    sim: SimulatorServer, timed: Callable[..., DouyinClient], files: Callable[[], FileCredentials]
) -> None:
    client = timed(files())
    client.tokens.fresh("act.demoQingheTea")
    sim.world("douyin").accounts["qinghe-tea"].state["renewals"] = 5
    sim.clock.advance(23 * DAY)
    client.video_list(0, 1)
    assert (calls(sim, "oauth/renew_refresh_token"), calls(sim, "oauth/refresh_token")) == (1, 2)
    sim.set_fault("douyin", "video/video_list", "token_stolen", count=1)
    client.video_list(0, 1)
    assert calls(sim, "oauth/refresh_token") == 3


def test_a_token_that_somebody_else_put_is_not_overwritten(
    sim: SimulatorServer, timed: Callable[..., DouyinClient]
) -> None:
    class Overtaken(InMemory):
        def replace(self, account: Account, seen_revision: int, new: Tokens) -> Tokens:
            super().replace(account, seen_revision, Tokens("act.demoQingheTea", "rft.demoQingheTea"))
            return super().replace(account, seen_revision, new)

    client = timed(Overtaken(), access_token="act.forgotten")
    client.video_list(0, 1)
    assert client.tokens.held.access_token == "act.demoQingheTea"


def test_tokens_are_not_shown_by_accident() -> None:
    assert "act.secret" not in repr(Tokens("act.secret", "rft.secret"))
    assert "rft.secret" not in str(Tokens("act.secret", "rft.secret"))


def test_a_stolen_user_token_is_replaced_and_the_post_made_once(
    sim: SimulatorServer, drive: Callable[..., Any], content: Callable[..., Any]
) -> None:
    sim.set_fault("douyin", "video/create_image_text", "token_stolen", count=1)
    driver = drive(content())
    driver.run()
    assert driver.record.state == "ACCEPTED"
    assert len(sim.world("douyin").posts) == 1
    assert calls(sim, "oauth/refresh_token") == 1


def test_a_code_is_exchanged_once(sim: SimulatorServer, client: DouyinClient) -> None:
    act = {"platform": "douyin", "account": "qinghe-tea", "act": "authorize"}
    code = httpx.post(f"{sim.url}/_sim/acts", json=act).json()["code"]
    tokens = client.exchange_code(code).tokens
    assert tokens.refresh_token.startswith("rft.")
    renewed = DouyinClient(replace(client.account, access_token=tokens.access_token), 60.0)
    assert renewed.video_list(0, 1)["list"] == []
    renewed.close()
    with pytest.raises(PlatformError) as caught:
        client.exchange_code(code)
    assert (caught.value.code, caught.value.error_class) == ("10007", "auth")


# --- tokens of an app ------------------------------------------------------------------------------------------------


def test_an_app_token_is_changed_five_minutes_before_it_ends(
    sim: SimulatorServer, timed: Callable[..., DouyinClient]
) -> None:
    client = timed()
    for seconds, fetched in ((0, 1), (6890, 1), (20, 2)):
        sim.clock.advance(seconds)
        client.share_id()
        assert calls(sim, "oauth/client_token") == fetched


def test_threads_accounts_and_processes_of_an_app_fetch_one_token(
    sim: SimulatorServer, timed: Callable[..., DouyinClient], files: Callable[[], FileCredentials]
) -> None:
    clients = [timed(files(), account=f"account-{n}", open_id=f"user-{n}") for n in range(3)]
    at_once([one.share_id for one in clients for _ in range(3)])
    assert (calls(sim, "oauth/client_token"), calls(sim, "share-id")) == (1, 9)
    with pytest.raises(PlatformError, match="10003"):
        timed(files(), app_id="another").share_id()


def test_a_ticket_is_kept_while_half_of_its_life_is_left(
    sim: SimulatorServer, timed: Callable[..., DouyinClient]
) -> None:
    client = timed()
    for seconds, fetched in ((0, 1), (3590, 1), (20, 2)):
        sim.clock.advance(seconds)
        client.ticket()
        assert calls(sim, "open/getticket") == fetched


def test_a_stolen_client_token_is_fetched_anew_once(sim: SimulatorServer, timed: Callable[..., DouyinClient]) -> None:
    client = timed()
    client.share_id()
    sim.set_fault("douyin", "share-id", "token_stolen", count=1)
    client.share_id()
    assert calls(sim, "oauth/client_token") == 2
    sim.set_fault("douyin", "share-id", "token_stolen")
    with pytest.raises(PlatformError) as caught:
        client.share_id()
    assert caught.value.error_class == "auth"
    assert calls(sim, "oauth/client_token") == 3


def test_a_war_over_app_tokens_is_ended_by_us_long_before_the_platform_stops_everybody(
    sim: SimulatorServer, timed: Callable[..., DouyinClient], client: DouyinClient, tmp_path: Path
) -> None:
    ledger = BudgetLedger(tmp_path, sim.clock.now)
    warring = timed(budget=ledger.of(client.account, ADAPTER.limits.rates, "publishing"))
    sim.set_fault("douyin", "share-id", "token_stolen")
    for _ in range(60):
        with suppress(PlatformError):
            warring.share_id()
    with pytest.raises(PlatformError) as caught:
        warring.share_id()
    assert (caught.value.error_class, caught.value.sent) == ("quota", "no")
    assert calls(sim, "oauth/client_token") == 50
    ledger.close()


def test_10020_means_too_many_calls_here_and_used_up_renewals_there(
    sim: SimulatorServer, timed: Callable[..., DouyinClient], files: Callable[[], FileCredentials]
) -> None:
    client = timed(files())
    sim.world("douyin").state["client_token_calls"] = [sim.clock.now()] * 500
    for _ in range(2):
        with pytest.raises(PlatformError) as caught:
            client.share_id()
        assert caught.value.error_class == "quota"
        assert caught.value.retry_after_s == pytest.approx(300, abs=5)
    assert calls(sim, "oauth/client_token") == 1, "told to wait, we wait"
    sim.world("douyin").accounts["qinghe-tea"].state["renewals"] = 5
    with pytest.raises(PlatformError) as caught:
        client._renew("rft.demoQingheTea")
    assert (caught.value.error_class, caught.value.code) == ("auth", "10020")
