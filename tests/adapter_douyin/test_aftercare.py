"""After the post: answers to comments, tokens that stay alive, and an account whose trouble is seen in time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from services.adapter.accounts.budgets import BudgetLedger
from services.adapter.accounts.credentials import FileCredentials, InMemory
from services.adapter.contract.accounts import Account
from services.adapter.contract.errors import NoAnswerError, PlatformError
from services.adapter.contract.feedback import LivePost
from services.adapter.contract.shared import Shared, Tokens, Unlimited
from services.adapter_douyin import ADAPTER
from services.adapter_douyin.aftercare import DouyinCare, DouyinReplies
from services.adapter_douyin.client import DouyinClient
from services.adapter_douyin.feedback import DouyinFeedback
from services.simulator.contract import SimComment
from services.simulator.http.server import SimulatorServer

DAY = 86400


def calls(sim: SimulatorServer, endpoint: str) -> int:
    return sum(kept.endpoint == endpoint for kept in sim.simulation.calls)


@pytest.fixture
def timed(sim: SimulatorServer, client: DouyinClient) -> Iterator[Callable[..., DouyinClient]]:
    """Clients that live by the simulated clock."""
    built: list[DouyinClient] = []

    def make(credentials: Any = None, budget: Any = None, **changes: Any) -> DouyinClient:
        shared = Shared(credentials or InMemory(), budget or Unlimited())
        built.append(DouyinClient(replace(client.account, **changes), 60.0, shared, now=sim.clock.now))
        return built[-1]

    yield make
    for one in built:
        one.close()


@pytest.fixture
def files(sim: SimulatorServer, tmp_path: Path) -> Callable[[], FileCredentials]:
    """Each time the store of another process of the same machine."""
    return lambda: FileCredentials(tmp_path / "credentials", sim.clock.now)


@pytest.fixture
def post(sim: SimulatorServer, drive: Callable[..., Any], content: Callable[..., Any]) -> LivePost:
    """A live post that has been talked about."""
    driver = drive(content())
    driver.run()
    sim.clock.advance(25)
    assert driver.follow() == "Live"
    sim.clock.advance(7200)
    record = driver.record
    return LivePost(
        record.placement_id, record.content_id, record.brand_id, record.campaign_id, record.account, record.kind,
        "", record.post,
    )  # fmt: skip


def comments(sim: SimulatorServer) -> list[SimComment]:
    world = sim.world("douyin")
    with sim.simulation.instant():
        return list(world.comments(world.posts[0]))


def roots(sim: SimulatorServer) -> list[str]:
    return [comment.native_id for comment in comments(sim) if comment.parent is None]


def ours(sim: SimulatorServer, account: Account) -> list[SimComment]:
    return [comment for comment in comments(sim) if comment.author == account.open_id]


# --- answering -------------------------------------------------------------------------------------------------------


def test_a_reply_stands_below_the_comment_it_answers(
    sim: SimulatorServer, client: DouyinClient, post: LivePost
) -> None:
    answered = roots(sim)[0]
    reply_id = DouyinReplies().reply(client, post, answered, "谢谢支持 🍵")
    (reply,) = ours(sim, client.account)
    assert (reply.native_id, reply.parent, reply.text) == (reply_id, answered, "谢谢支持 🍵")


@pytest.mark.parametrize("fault", ["drop_after", "drop_before"])
def test_a_reply_whose_answer_is_lost_is_one_attempt_and_found_by_looking(
    sim: SimulatorServer, client: DouyinClient, post: LivePost, fault: str
) -> None:
    replies, answered, since = DouyinReplies(), roots(sim)[0], sim.clock.now()
    sim.set_fault("douyin", "item/comment/reply", fault, count=1)
    with pytest.raises(NoAnswerError):
        replies.reply(client, post, answered, "谢谢支持")
    assert calls(sim, "item/comment/reply") == 1
    written = [comment.native_id for comment in ours(sim, client.account)]
    found = replies.find_reply(client, post, answered, "谢谢支持", since)
    assert ([found] if found else []) == written
    assert bool(written) == (fault == "drop_after")


def test_the_same_words_below_another_comment_are_not_taken_for_the_reply(
    sim: SimulatorServer, client: DouyinClient, post: LivePost
) -> None:
    replies, since = DouyinReplies(), sim.clock.now()
    first, second = roots(sim)[:2]
    replies.reply(client, post, first, "谢谢支持")
    assert replies.find_reply(client, post, second, "谢谢支持", since) is None


def test_an_old_reply_with_the_same_words_is_not_taken_for_the_new_one(
    sim: SimulatorServer, client: DouyinClient, post: LivePost
) -> None:
    replies, answered = DouyinReplies(), roots(sim)[0]
    replies.reply(client, post, answered, "谢谢支持")
    sim.clock.advance(3600)
    assert replies.find_reply(client, post, answered, "谢谢支持", sim.clock.now()) is None


@pytest.mark.parametrize("pages", ["whole", "short_page"])
def test_a_reply_to_a_reply_is_found_in_its_thread(
    sim: SimulatorServer, client: DouyinClient, post: LivePost, pages: str
) -> None:
    replies, since, world = DouyinReplies(), sim.clock.now(), sim.world("douyin")
    root = roots(sim)[0]
    for number in range(8):
        world.add_comment(world.posts[0], SimComment(f"@n{number}", "某人", "在哪买", sim.clock.now(), root))
    reply_id = replies.reply(client, post, "@n7", "旗舰店")
    if pages == "short_page":
        for endpoint in ("item/comment/list", "item/comment/reply/list"):
            sim.set_fault("douyin", endpoint, "short_page")
    assert replies.find_reply(client, post, "@n7", "旗舰店", since) == reply_id
    assert replies.find_reply(client, post, "@n6", "旗舰店", since) is None


@pytest.mark.parametrize("text", ["", "  ", "茶" * 101, "🍵" * 51])
def test_a_reply_that_does_not_fit_is_never_sent(
    sim: SimulatorServer, client: DouyinClient, post: LivePost, text: str
) -> None:
    with pytest.raises(PlatformError) as caught:
        DouyinReplies().reply(client, post, "@x", text)
    assert (caught.value.sent, caught.value.error_class) == ("no", "content")
    assert calls(sim, "item/comment/reply") == 0


def test_what_the_platform_refuses_as_a_reply_has_its_class(
    sim: SimulatorServer, client: DouyinClient, post: LivePost
) -> None:
    for comment, text, code in (("@elsewhere", "谢谢", "2111007"), (roots(sim)[0], "敏感词示例", "2111001")):
        with pytest.raises(PlatformError) as caught:
            DouyinReplies().reply(client, post, comment, text)
        assert (caught.value.code, caught.value.outcome) == (code, "refused")
    assert ours(sim, client.account) == []


def test_a_reply_without_an_id_is_there_all_the_same(client: DouyinClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_post", lambda *_args, **_named: {"error_code": 0})
    with pytest.raises(PlatformError) as caught:
        client.reply("@i", "@c", "谢谢")
    assert caught.value.outcome == "published"


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
    assert [kept for kept in sim.simulation.calls if "28001008" in kept.answer] == []
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
    assert [kept for kept in sim.simulation.calls if "10010" in kept.answer] == []


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


# --- looking after an account ----------------------------------------------------------------------------------------


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


# --- figures where video_data is offline -----------------------------------------------------------------------------


def test_figures_come_a_day_late_where_video_data_is_offline(
    sim: SimulatorServer, client: DouyinClient, post: LivePost
) -> None:
    sim.set_fault("douyin", "video/video_data", "api_offline")
    found = DouyinFeedback().metrics(client, [post], sim.clock.now())[post.post.native_id]
    world = sim.world("douyin")
    assert found.views.value == world.true_counts(world.posts[0])["views"]
    assert (found.views.native, found.saves.reason) == ("total_play", "unsupported")


def test_zeros_of_a_young_post_are_no_figures_yet(
    client: DouyinClient, post: LivePost, monkeypatch: pytest.MonkeyPatch, sim: SimulatorServer
) -> None:
    sim.set_fault("douyin", "video/video_data", "api_offline")
    monkeypatch.setattr(client, "item_figures", lambda _item: {"total_play": 0, "total_like": 0})
    young: datetime = post.post.published_at + timedelta(hours=20)
    assert DouyinFeedback().metrics(client, [post], young)[post.post.native_id].views.reason == "not_yet"
    old = young + timedelta(days=2)
    assert DouyinFeedback().metrics(client, [post], old)[post.post.native_id].views.value == 0


def test_a_post_beyond_the_thirty_days_has_no_figures_and_no_zero(
    sim: SimulatorServer, client: DouyinClient, post: LivePost
) -> None:
    sim.clock.advance(31 * DAY)
    sim.world("douyin").accounts["qinghe-tea"].state["tokens"]["act.demoQingheTea"] = "2999-01-01T00:00:00+00:00"
    sim.set_fault("douyin", "video/video_data", "api_offline")
    found = DouyinFeedback().metrics(client, [post], sim.clock.now())[post.post.native_id]
    assert (found.views.value, found.views.reason) == (None, "failed")
