"""The health of a Weibo account: token, owner, calls left."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from services.adapter.contract.account import AccountCare
from services.adapter.contract.after_posting import Replies
from services.adapter.contract.errors import PlatformError
from services.adapter_weibo import ADAPTER
from services.adapter_weibo.account import WeiboCare
from services.adapter_weibo.after_posting import WeiboReplies, WeiboRetraction
from services.adapter_weibo.callbacks import WeiboCallbacks
from services.adapter_weibo.client import WeiboClient
from services.adapter_weibo.wire_types import HitLimits, Hits, TokenInfo
from services.simulator.http.server import SimulatorServer
from tests.adapter_weibo.published import paths, published
from tests.adapter_weibo.samples import ACCOUNTS, NOW

Connect = Callable[..., WeiboClient]
REPLIES: Replies = WeiboReplies()
CARE: AccountCare = WeiboCare()
THANKS = "谢谢喜欢，春茶三月二十日开采🍵"


def test_the_adapter_offers_what_the_platform_has() -> None:
    assert isinstance(ADAPTER.retraction, WeiboRetraction)
    assert isinstance(ADAPTER.replies, WeiboReplies)
    assert isinstance(ADAPTER.care, WeiboCare)
    assert isinstance(ADAPTER.callbacks, WeiboCallbacks)


def test_a_healthy_account_says_when_its_token_ends_and_what_is_left(connect: Connect, sim: SimulatorServer) -> None:
    options = sim.world("weibo").accounts["qinghe-tea"].options
    options |= {"token_life_s": "86400", "hits_per_hour": "150", "posts_per_hour": "30", "comments_per_hour": "60"}
    sim.clock.set_speed(0)
    client, now = connect("commercial"), sim.clock.now()
    _, post = published(client, sim)
    REPLIES.reply(client, post, "", THANKS)
    health = CARE.check(client, now)
    assert (health.problem, health.error) == ("", None)
    assert health.token_expires_at is not None
    assert abs(health.token_expires_at - now - timedelta(days=1)) < timedelta(seconds=10)
    left = {quota.endpoint: (quota.limit, quota.remaining) for quota in health.quotas}
    assert left["*"] == (150, 148)
    assert left["update"] == left["share"] == (30, 29)
    assert left["comments/reply"] == (60, 59)
    assert {quota.endpoint for quota in health.quotas} <= {rate.endpoint for rate in ADAPTER.limits.rates}
    next_hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    for quota in health.quotas:
        assert quota.resets_at is not None
        assert abs(quota.resets_at - next_hour) < timedelta(seconds=1)


@pytest.mark.parametrize(
    ("trouble", "code"), [("token_expired", "21327"), ("token_stolen", "21332"), ("cancelled", "21319")]
)
def test_a_dead_token_is_a_problem_and_no_exception(
    connect: Connect, sim: SimulatorServer, trouble: str, code: str
) -> None:
    client = connect("open")
    if trouble == "cancelled":
        acts, world = sim.simulation.mount("weibo").simulated, sim.world("weibo")
        acts.acts["cancel_authorisation"](world, world.accounts["qinghe-life"], {})  # type: ignore[attr-defined]  # optional in the contract
    else:
        sim.set_fault("weibo", "oauth2/get_token_info", trouble, count=1)
    health = CARE.check(client, sim.clock.now())
    assert health.error is not None
    assert (health.error.error_class, health.error.code) == ("auth", code)
    assert "授权" in health.problem


def test_a_token_past_its_end_is_refused_everywhere(connect: Connect, sim: SimulatorServer) -> None:
    sim.world("weibo").accounts["qinghe-life"].options["token_life_s"] = "3600"
    client = connect("open")
    assert CARE.check(client, sim.clock.now()).problem == ""
    sim.clock.advance(3601)
    assert CARE.check(client, sim.clock.now()).problem
    with pytest.raises(PlatformError) as caught:
        client.user_timeline()
    assert caught.value.code == "21327"


def test_a_stolen_token_is_dead_for_us_until_a_new_one_is_fetched(connect: Connect, sim: SimulatorServer) -> None:
    sim.set_fault("weibo", "*", "token_stolen", count=1)
    ordinary = connect("open")
    for _ in range(2):
        with pytest.raises(PlatformError) as caught:
            ordinary.user_timeline()
        assert caught.value.code == "21332"
    sim.set_fault("weibo", "*", "token_stolen", count=1)
    with_refresh_token = connect("commercial")
    assert with_refresh_token.user_timeline().rows == ()
    assert paths(sim).count("/oauth2/access_token") == 1


def test_the_token_of_another_user_is_a_problem_though_it_works(connect: Connect, sim: SimulatorServer) -> None:
    client = connect("open", open_id="1900000009")
    health = CARE.check(client, sim.clock.now())
    assert "1900000002" in health.problem
    assert health.error is not None
    assert health.error.error_class == "auth"


def test_an_account_without_calls_left_says_until_when(connect: Connect, sim: SimulatorServer) -> None:
    sim.clock.set_speed(0)
    sim.world("weibo").accounts["qinghe-life"].options["hits_per_hour"] = "1"
    client = connect("open")
    client.user_timeline()
    with pytest.raises(PlatformError) as caught:
        client.user_timeline()
    assert caught.value.code == "10023"
    health = CARE.check(client, sim.clock.now())
    assert "用完" in health.problem
    assert health.error is not None
    assert health.error.retry_after_s is not None
    assert 0 <= health.error.retry_after_s <= 3600
    sim.clock.advance(3600)
    assert CARE.check(client, sim.clock.now()).problem == ""


def test_limits_that_cannot_be_read_are_no_problem_of_the_account(connect: Connect, sim: SimulatorServer) -> None:
    sim.set_fault("weibo", "account/rate_limit_status", "http_500")
    health = CARE.check(connect("open"), sim.clock.now())
    assert (health.problem, health.quotas) == ("", ())
    assert health.token_expires_at is not None


def test_a_platform_out_of_reach_is_told_as_such(connect: Connect, sim: SimulatorServer) -> None:
    health = CARE.check(connect("open", base_url="http://127.0.0.1:9"), sim.clock.now())
    assert health.error is not None
    assert (health.error.error_class, health.error.sent) == ("platform_down", "no")


class Told:
    """What the platform says about an account, in whatever figures."""

    account = ACCOUNTS["open"]

    def __init__(self, expires_in_s: int | None, *rows: Hits, resets_in_s: int | None = 60) -> None:
        self.info, self.limits = TokenInfo("", expires_in_s), HitLimits(rows, resets_in_s)

    def token_info(self) -> TokenInfo:
        return self.info

    def hit_limits(self) -> HitLimits:
        return self.limits


@pytest.mark.parametrize("expires_in_s", [0, -5])
def test_a_token_that_is_over_by_its_own_word_is_a_problem(expires_in_s: int) -> None:
    assert "过期" in CARE.check(Told(expires_in_s), NOW).problem


@pytest.mark.parametrize("expires_in_s", [None, 10**18])
def test_an_end_that_nobody_can_tell_is_left_out(expires_in_s: int | None) -> None:
    assert CARE.check(Told(expires_in_s), NOW).token_expires_at is None


def test_of_two_figures_for_all_calls_the_tighter_one_counts() -> None:
    told = Told(60, Hits("", 1000, 800), Hits("", 10_000, 3), Hits("/statuses/upload/biz", 30, 5), Hits("/x/y", 9, 8))
    quotas = {quota.endpoint: quota.remaining for quota in CARE.check(told, NOW).quotas}
    assert quotas == {"*": 3, "upload": 5, "x/y": 8}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"user_limit": "many", "remaining_user_hits": None, "api_rate_limits": None},
        {"api_rate_limits": [None, 7, {"api": "/a"}, {"api": "/b", "limit": 1, "remaining_hits": "x"}]},
    ],
)
def test_figures_that_cannot_be_read_are_missing_not_zero(connect: Connect, body: dict[str, object]) -> None:
    client = connect("open")
    client._get = lambda path, query: body  # type: ignore[method-assign]  # an answer that no simulator gives
    assert client.hit_limits().rows == ()
