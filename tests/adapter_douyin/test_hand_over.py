"""The H5 way: a signed link, a person who publishes with it, a webhook that says which post it became."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import segno
from msgspec.structs import replace

from schemas.events.content import MasterContent
from schemas.events.placement import PlacementRecord, StepRecord
from services.adapter.contract.accounts import Account
from services.adapter.contract.callbacks import PublicationChanged
from services.adapter.contract.publication import Accepted, Live, NotFound, Undecidable
from services.adapter.placement import transitions as to
from services.adapter_douyin.callbacks import DouyinCallbacks
from services.adapter_douyin.client import DouyinClient
from services.adapter_douyin.hand_over import qr_text
from services.adapter_douyin.localise import localise
from services.simulator.http.server import SimulatorServer
from services.simulator.http.webhooks import RetryRule
from tests.simulator.receiver import Receiver, receiving

Content = Callable[..., MasterContent]


@pytest.fixture
def account(account: Account) -> Account:
    return replace(account, way="h5")


@pytest.fixture
def receiver(sim: SimulatorServer) -> Iterator[Receiver]:
    sim.simulation.webhooks.rule = RetryRule(timeout_s=60)  # what is only slow must not be sent again
    with receiving() as running:
        sim.world("douyin").accounts["qinghe-tea"].options["callback_url"] = running.url
        yield running


@pytest.fixture
def handed_over(drive: Callable[..., Any], content: Content, library: Any) -> Callable[..., Any]:
    """A driver whose placement waits for a person."""

    def make(**changes: Any) -> Any:
        pictures = tuple(library.add(f"h{n}", b"x", uri=f"https://cdn.qinghe.example/春茶 {n}+.jpg") for n in range(2))
        driver = drive(content(**{"media": pictures, **changes}))
        assert driver.run() == ["share_link", "hand_over"]
        assert driver.record.state == "NEEDS_HUMAN"
        return driver

    return make


def publish(sim: SimulatorServer, link: str, **more: str) -> httpx.Response:
    """What the person does in the app."""
    said = {"platform": "douyin", "account": "qinghe-tea", "act": "publish_share", "with": {"link": link, **more}}
    return httpx.post(f"{sim.url}/_sim/acts", json=said)


def link_of(record: PlacementRecord) -> str:
    result = record.result_of("share_link")
    assert result is not None
    return result["link"]


def told(record: PlacementRecord, event: PublicationChanged) -> PlacementRecord:
    """As the record looks once what the webhook said was put into it."""
    said = StepRecord(name="told", effect="none", finished_at=record.occurred_at, result=event.ids)
    return replace(record, steps=(*record.steps, said))


def test_the_hand_over_says_where_to_tap_and_posts_nothing(
    sim: SimulatorServer, handed_over: Callable[..., Any]
) -> None:
    driver = handed_over()
    link = link_of(driver.record)
    assert link in driver.record.waiting_on
    assert link.startswith("snssdk1128://openplatform/share?share_type=h5&client_key=awdemo0000000001")
    assert "%E6%98%A5%E8%8C%B6%200%2B.jpg" in link
    assert sim.world("douyin").posts == []


def test_the_qr_code_in_the_record_is_the_link(handed_over: Callable[..., Any]) -> None:
    record = handed_over().record
    dark = {"█": (0, 0), "▀": (0, 1), "▄": (1, 0), " ": (1, 1)}
    lines = [[dark[sign] for sign in line] for line in record.result_of("share_link")["qr"].split("\n")]
    read = [tuple(pair[half] for pair in line) for line in lines for half in (0, 1)]
    expected = segno.make_qr(link_of(record), error="l", boost_error=False)
    wanted = [tuple(row) for row in expected.matrix_iter()]
    assert read[: len(wanted)] == wanted


def test_a_link_too_long_for_a_qr_code_is_handed_over_without() -> None:
    assert qr_text("x" * 2953)
    assert qr_text("x" * 2954) == ""


def test_a_published_link_is_found_by_its_share_id_whatever_the_person_made_of_the_words(
    sim: SimulatorServer, handed_over: Callable[..., Any], receiver: Receiver, account: Account
) -> None:
    driver = handed_over()
    item_id = publish(sim, link_of(driver.record), title="我自己改的标题").json()["item_id"]
    (request,) = receiver.wait_for(1)
    (event,) = DouyinCallbacks().receive(account, request, sim.clock.now()).events
    share_id = driver.record.result_of("share_link")["share_id"]
    assert event == PublicationChanged({"share_id": share_id, "item_id": item_id})
    assert driver.publication.find(driver.client, driver.record, frozenset()) == NotFound()
    driver.record = told(driver.record, event)
    assert driver.look() == "Accepted"
    assert driver.follow() == "Pending"
    sim.clock.advance(25)
    assert driver.follow() == "Live"
    assert driver.record.post.native_id == item_id
    assert driver.record.post.ids["share_id"] == share_id
    assert driver.publication.next_step(driver.record) is None


def test_a_lost_webhook_is_made_up_for_by_looking(sim: SimulatorServer, handed_over: Callable[..., Any]) -> None:
    driver = handed_over(topics=("春茶", "龙井"))
    assert driver.publication.find(driver.client, driver.record, frozenset()) == NotFound()
    publish(sim, link_of(driver.record))
    found = driver.publication.find(driver.client, driver.record, frozenset())
    assert isinstance(found, Accepted)
    assert found.result["item_id"] == sim.world("douyin").posts[0].native_id
    claimed = frozenset({sim.world("douyin").posts[0].native_id})
    assert driver.publication.find(driver.client, driver.record, claimed) == NotFound()


def test_the_word_of_another_link_is_not_taken_for_ours(handed_over: Callable[..., Any]) -> None:
    driver = handed_over()
    record = told(driver.record, PublicationChanged({"share_id": "another", "item_id": "@another=="}))
    assert driver.publication.find(driver.client, record, frozenset()) == NotFound()


def test_without_the_list_only_the_webhook_can_tell(sim: SimulatorServer, handed_over: Callable[..., Any]) -> None:
    driver = handed_over()
    for endpoint in ("video/video_list", "video/video_data"):
        sim.set_fault("douyin", endpoint, "api_offline")
    found = driver.publication.find(driver.client, driver.record, frozenset())
    assert isinstance(found, Undecidable)
    assert "28001056" in found.reason
    share_id = driver.record.result_of("share_link")["share_id"]
    record = told(driver.record, PublicationChanged({"share_id": share_id, "item_id": "@item=="}))
    live = driver.publication.find(driver.client, record, frozenset())
    assert isinstance(live, Live)
    assert (live.post.native_id, live.post.ids) == ("@item==", {"share_id": share_id})


def test_a_link_that_has_grown_old_is_made_anew_with_the_same_share_id(
    sim: SimulatorServer, handed_over: Callable[..., Any]
) -> None:
    driver = handed_over()
    old = link_of(driver.record)
    sim.clock.advance(2 * 3600 + 1)
    assert publish(sim, old).status_code == 400
    driver.clock.now += timedelta(hours=2)
    again = to.retry_later(driver.record, None, driver.clock.now, driver.clock.now, "人工重试", "test")
    driver.record = again
    driver.client = DouyinClient(driver.client.account, 60.0, now=sim.clock.now)
    assert driver.run() == ["share_link", "hand_over"]
    assert publish(sim, link_of(driver.record)).json()["share_id"] in old
    driver.client.close()


def test_a_retry_while_the_link_is_young_shows_the_same_link(handed_over: Callable[..., Any]) -> None:
    driver = handed_over()
    before = link_of(driver.record)
    driver.record = to.retry_later(driver.record, None, driver.clock.now, driver.clock.now, "人工重试", "test")
    assert driver.run() == ["hand_over"]
    assert link_of(driver.record) == before


@pytest.mark.parametrize(
    ("endpoint", "fault"),
    [
        *((name, fault) for name in ("open/getticket", "share-id") for fault in ("drop_before", "drop_after")),
        ("oauth/client_token", "drop_before"),
        ("oauth/client_token", "drop_after"),
        ("share-id", "rate_limit"),
    ],
)
def test_a_link_that_could_not_be_made_is_made_again(
    sim: SimulatorServer, drive: Callable[..., Any], content: Content, library: Any, endpoint: str, fault: str
) -> None:
    sim.set_fault("douyin", endpoint, fault, count=1)
    driver = drive(content(media=(library.add("h1", b"x", uri="https://cdn.qinghe.example/1.jpg"),)))
    assert driver.run() == ["share_link"]
    assert driver.record.state == "INTENDED"
    assert driver.run() == ["share_link", "hand_over"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("signature=", "signature=0"), "签名"),
        (("client_key=aw", "client_key=bw"), "应用"),
        (("state=", "state=9"), "share_id"),
        (("https%3A%2F%2F", "http%3A%2F%2F"), "https"),
        (("snssdk1128", "https"), "应用"),
    ],
)
def test_the_app_refuses_a_link_that_is_not_right(
    sim: SimulatorServer, handed_over: Callable[..., Any], change: tuple[str, str], what: str
) -> None:
    answer = publish(sim, link_of(handed_over().record).replace(*change))
    assert (answer.status_code, answer.json()["field"]) == (400, "link")
    assert what in answer.json()["error"]
    assert sim.world("douyin").posts == []


def test_a_draft_for_the_link_carries_no_words_for_the_server(account: Account, content: Content, library: Any) -> None:
    master = content(media=(library.add("h1", b"x", uri="https://cdn.qinghe.example/1.jpg"),))
    draft = localise(master, master.targets[0], account).draft
    assert draft is not None
    assert "text" not in draft.fields
