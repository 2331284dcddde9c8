"""One brand's requests keep neither another brand's nor anybody's brakes waiting, and fill no memory."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.publisher.access.roles import Granted
from services.publisher.api.problems import RequestRefusedError
from services.publisher.desks.contents import ContentHandler
from services.publisher.http.turns import LANES, MOST_AT_ONCE, THREADS, FairThreads, Turns
from tests.publisher.conftest import Running, content
from tests.waiting import wait_for

MOST, MOST_OF_ONE = THREADS["ordinary"]
QINGHE = Granted("t", frozenset({"publish"}), frozenset({"qinghe"}))
ACME = Granted("u", frozenset({"publish"}), frozenset({"acme"}))


def brake(brand: str) -> dict[str, Any]:
    why = {"reason": "停", "actor": "li", "command_id": f"b-{uuid.uuid4().hex}"}
    return {"kind": "brake_set", "brand_id": brand, "scope": {"level": "brand"}} | why


@pytest.mark.kafka
def test_another_brand_publishes_and_brakes_while_every_check_of_one_brand_hangs(
    publisher: Running, campaign: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, busy = threading.Event(), threading.Semaphore(0)
    check = ContentHandler.check

    def slow(self: ContentHandler, *arguments: Any) -> Any:
        busy.release()
        assert go_on.wait(120)
        return check(self, *arguments)

    monkeypatch.setattr(ContentHandler, "check", slow)
    body = content(campaign["campaign_id"], targets=[{"platform": "toy", "account": "tea"}])
    flooding = publisher.holding("publish", "operate", brands=("qinghe",))
    acme = publisher.holding("publish", "operate", brands=("acme",))
    with ThreadPoolExecutor(MOST_AT_ONCE["ordinary"]) as clients:
        checks = [
            clients.submit(flooding.post, "/contents/check", json=body, timeout=200)
            for _ in range(MOST_AT_ONCE["ordinary"])
        ]
        try:
            for _ in range(MOST_OF_ONE):
                assert busy.acquire(timeout=60)
            own = {"campaign_id": f"c-{uuid.uuid4().hex[:8]}", "brand_id": "acme", "name": "n", "objective": "launch"}
            assert acme.post("/campaigns", json=own).status_code == 202
            theirs = content(own["campaign_id"], targets=[{"platform": "toy", "account": "rival"}])
            assert acme.post("/contents", json=theirs).status_code == 202
            for client, brand in ((acme, "acme"), (flooding, "qinghe")):  # its own brakes do not wait either
                given = client.post("/commands", json=brake(brand))
                assert given.status_code == 202, given.text
                brake_id = given.json()["command_id"]
                wait_for(lambda: brake_id in client.get("/brakes").text, "the brake is listed")  # noqa: B023
                release = {"kind": "brake_release", "reason": "好", "actor": "li", "brake_id": brake_id}
                told = client.post("/commands", json=release | {"command_id": f"r-{brake_id}"})
                assert told.status_code == 202, told.text
            assert not any(one.done() for one in checks)
            refused = flooding.post("/contents/check", json=body)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert refused.json()["type"] == "urn:tongbo:problem:too_many_at_once"
        finally:
            go_on.set()
        assert {one.result().status_code for one in checks} == {200}
    assert flooding.post("/contents/check", json=body).status_code == 200, "the refusal ends with its cause"


def test_requests_are_counted_by_brand_and_lane_and_let_go_again() -> None:
    turns = Turns()
    for lane in LANES:
        ends = [turns.begin(lane, QINGHE) for _ in range(MOST_AT_ONCE[lane])]
        with pytest.raises(RequestRefusedError, match="too_many_at_once"):
            turns.begin(lane, QINGHE)
        turns.begin(lane, ACME)()
        ends.pop()()
        turns.begin(lane, QINGHE)()
        for end in ends:
            end()


@given(st.lists(st.sampled_from("aaaaab"), max_size=30), st.integers(1, 4), st.integers(1, 3))
def test_an_owner_never_has_more_threads_than_its_share_and_everybody_is_served(
    owners: list[str], most: int, most_of_one: int
) -> None:
    guard, running, highest = threading.Lock(), Counter[str](), Counter[str]()

    def work(owner: str) -> str:
        with guard:
            running[owner] += 1
            highest[owner] = max(highest[owner], running[owner])
            highest["all"] = max(highest["all"], running.total())
        with guard:
            running[owner] -= 1
        return owner

    async def all_of_them() -> list[str]:
        threads = FairThreads("t", most, most_of_one)
        return await asyncio.gather(*(threads.run(owner, work, owner) for owner in owners))

    assert asyncio.run(all_of_them()) == owners
    assert highest["all"] <= most
    assert all(highest[owner] <= most_of_one for owner in "ab")


def served_in_order(asked: list[str]) -> list[str]:
    """One thread, held until everybody has asked: in which order it serves them."""
    order: list[str] = []
    hold = threading.Event()

    async def ask() -> None:
        threads = FairThreads("t", 1, 1)
        first = asyncio.create_task(threads.run("first", hold.wait, 30))
        await asyncio.sleep(0)
        rest = [asyncio.create_task(threads.run(owner, order.append, owner)) for owner in asked]
        await asyncio.sleep(0)
        hold.set()
        await asyncio.gather(first, *rest)

    asyncio.run(ask())
    return order


def test_who_asks_once_is_served_after_one_of_each_other_and_not_after_all() -> None:
    assert served_in_order(["a", "a", "a", "a", "b"]).index("b") == 1


def test_what_a_call_raises_is_raised_and_a_turn_nobody_waits_for_any_more_is_given_back() -> None:
    async def ask() -> None:
        threads, hold = FairThreads("t", 1, 1), threading.Event()
        busy = asyncio.create_task(threads.run("a", hold.wait, 30))
        await asyncio.sleep(0)
        given_up = [asyncio.create_task(threads.run("b", _nothing)) for _ in range(3)]
        await asyncio.sleep(0)
        for one in given_up:
            one.cancel()
        hold.set()
        await busy
        with pytest.raises(ZeroDivisionError):
            await threads.run("c", _divide)
        assert await threads.run("b", lambda: 7) == 7

    asyncio.run(ask())


def _nothing() -> None: ...


def _divide() -> float:
    return 1 / 0
