"""The platforms' calls to their customers, as a customer meets them over a real connection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

import httpx
import pytest

from services.simulator.contract import OutgoingCallback, SimAccount, World
from services.simulator.http.refusal import AdminError
from services.simulator.http.server import SimulatorServer
from services.simulator.http.webhooks import RetryRule
from tests.simulator.receiver import Receiver, receiving
from tests.simulator.toy_platform import TOY_ACCOUNTS, ToyPlatform
from tests.waiting import wait_for


def wave(world: World, account: SimAccount, details: Mapping[str, str]) -> Mapping[str, str]:
    if "to" not in details:
        raise AdminError("to", "required")
    world.call_back(account, _call("waved", details["to"].encode()))
    return {"waved": "yes"}


def _call(name: str, body: bytes) -> OutgoingCallback:
    return OutgoingCallback("POST", body, {"X-Toy": name}, {"sign": "a+b"}, name=name)


class CallingToy(ToyPlatform):
    taken_faults = ("webhook_lost", "webhook_thrice")
    callbacks = ("waved", "reviewed")
    acts = {"wave": wave}

    def tick(self, world: World) -> None:
        waiting = [post for post in world.posts if post.state == "in_review"]
        super().tick(world)
        for post in waiting:
            if post.state == "live":
                world.call_back(world.accounts[post.account], _call("reviewed", post.native_id.encode()))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def sim(receiver: Receiver) -> Iterator[SimulatorServer]:
    with SimulatorServer(TOY_ACCOUNTS, platforms=[CallingToy()], seed=7) as server:
        server.simulation.webhooks.rule = RetryRule(tries=3, timeout_s=60, pause_s=0.01)
        server.world("toy").accounts["main"].options["callback_url"] = f"{receiver.url}?who=main"
        yield server


def act(http: httpx.Client, **said: object) -> httpx.Response:
    return http.post("/_sim/acts", json={"platform": "toy", "account": "main", "act": "wave", **said})


def attempts(sim: SimulatorServer) -> list[int | None]:
    wait_for(sim.simulation.webhooks.idle, "all calls are over")
    (delivery,) = sim.simulation.webhooks.sent("toy")
    return delivery.attempts


def test_a_call_arrives_as_it_was_signed(sim: SimulatorServer, http: httpx.Client, receiver: Receiver) -> None:
    assert act(http, **{"with": {"to": "青禾 茶"}}).json() == {"waved": "yes"}
    (got,) = receiver.wait_for(1)
    assert got.body.decode() == "青禾 茶"
    assert got.headers["x-toy"] == "waved"
    assert got.query == {"who": "main", "sign": "a+b"}
    assert attempts(sim) == [200]
    (shown,) = http.get("/_sim/callbacks", params={"platform": "toy"}).json()
    assert (shown["name"], shown["attempts"], shown["delivered"]) == ("waved", [200], True)
    assert "青禾" not in str(shown)


@pytest.mark.parametrize(("status", "tried"), [(500, [500, 500, 500]), (302, [302, 302, 302]), (0, [None, None, None])])
def test_a_call_nobody_takes_is_tried_three_times_and_no_more(
    sim: SimulatorServer, http: httpx.Client, receiver: Receiver, status: int, tried: list[int | None]
) -> None:
    receiver.answer = lambda _request: (status, b"")
    act(http, **{"with": {"to": "x"}})
    assert attempts(sim) == tried
    assert len(receiver.got) == 3


def test_a_second_try_that_is_taken_ends_it(sim: SimulatorServer, http: httpx.Client, receiver: Receiver) -> None:
    receiver.answer = lambda _request: (500 if len(receiver.got) == 1 else 200, b"")
    act(http, **{"with": {"to": "x"}})
    assert attempts(sim) == [500, 200]


def test_nobody_listening_stops_nothing(sim: SimulatorServer, http: httpx.Client) -> None:
    sim.world("toy").accounts["main"].options["callback_url"] = "http://127.0.0.1:9/"
    assert act(http, **{"with": {"to": "x"}}).status_code == 200
    assert attempts(sim) == [None, None, None]


def test_a_lost_call_is_never_sent_and_one_sent_thrice_arrives_three_times(
    sim: SimulatorServer, http: httpx.Client, receiver: Receiver
) -> None:
    sim.set_fault("toy", "waved", "webhook_lost", count=1)
    sim.set_fault("toy", "*", "webhook_thrice", count=1)
    act(http, **{"with": {"to": "lost"}})
    act(http, **{"with": {"to": "thrice"}})
    act(http, **{"with": {"to": "once"}})
    wait_for(sim.simulation.webhooks.idle, "all calls are over")
    assert sorted(got.body.decode() for got in receiver.got) == ["once", "thrice", "thrice", "thrice"]
    shown = http.get("/_sim/callbacks").json()
    assert [one["fault"] for one in shown] == ["webhook_lost", "webhook_thrice", None]
    assert shown[0]["delivered"] is False


def test_a_review_that_ends_while_nobody_asks_is_told_all_the_same(
    sim: SimulatorServer, http: httpx.Client, receiver: Receiver
) -> None:
    http.post("/toy/post", data={"text": "一", "review": "1"})
    sim.clock.advance(61)
    (got,) = receiver.wait_for(1)
    assert got.body == b"t1"
    (post,) = sim.world("toy").posts
    assert post.live_at == post.created_at + timedelta(seconds=60)


def test_an_account_without_an_address_is_not_called_and_gets_one_by_the_admin_api(
    sim: SimulatorServer, http: httpx.Client, receiver: Receiver
) -> None:
    act(http, account="second", **{"with": {"to": "nobody"}})
    assert sim.simulation.webhooks.sent() == []
    told = http.post("/_sim/callbacks", json={"platform": "toy", "account": "second", "url": receiver.url})
    assert told.status_code == 200
    act(http, account="second", **{"with": {"to": "second"}})
    assert receiver.wait_for(1)[0].body == b"second"


@pytest.mark.parametrize(
    ("path", "said", "field"),
    [
        ("/_sim/acts", {"act": "sing"}, "act"),
        ("/_sim/acts", {"account": "nobody"}, "account"),
        ("/_sim/acts", {"platform": "myspace"}, "platform"),
        ("/_sim/acts", {"with": {"to": 5}}, "with"),
        ("/_sim/acts", {"with": ["to"]}, "with"),
        ("/_sim/acts", {"with": {}}, "to"),
        ("/_sim/acts", {"colour": "red"}, "colour"),
        ("/_sim/callbacks", {"url": "ftp://x"}, "url"),
        ("/_sim/callbacks", {"url": None}, "url"),
        ("/_sim/callbacks", {"url": "http://x", "account": None}, "account"),
    ],
)
def test_a_wrong_wish_is_refused_and_the_field_named(
    sim: SimulatorServer, http: httpx.Client, path: str, said: dict[str, object], field: str
) -> None:
    base = {"platform": "toy", "account": "main"} | ({"act": "wave"} if path.endswith("acts") else {})
    answer = http.post(path, json={**base, **said})
    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_a_webhook_fault_is_refused_where_the_platform_never_calls_back(http: httpx.Client) -> None:
    with (
        SimulatorServer(TOY_ACCOUNTS, platforms=[ToyPlatform()]) as silent,
        pytest.raises(AdminError, match="webhook_lost"),
    ):
        silent.set_fault("toy", "*", "webhook_lost")


def test_a_reset_forgets_what_was_to_be_sent(sim: SimulatorServer, http: httpx.Client, receiver: Receiver) -> None:
    receiver.answer = lambda _request: (500, b"")
    act(http, **{"with": {"to": "x"}})
    assert http.post("/_sim/reset").status_code == 200
    assert http.get("/_sim/callbacks").json() == []
