"""Mass sending: the same clientmsgid for every attempt, so that a lost answer never sends twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from msgspec.structs import replace

from schemas.events.placement import PlacementRecord
from services.adapter.contract.errors import PlatformError
from services.adapter.contract.publication import Live, Pending, Removed, Undecidable
from services.adapter_wechat.client import WechatClient
from services.adapter_wechat.publish import client_msg_id
from services.simulator.http.server import SimulatorServer
from tests.adapter_wechat.samples import ACCOUNT, content, draft_of, intended
from tests.adapter_wechat.worker import Worker

MASS = replace(ACCOUNT, way="mass")
SENDALL = "message/mass/sendall"


@pytest.fixture
def worker(sim: SimulatorServer, client: WechatClient) -> Worker:
    return Worker(sim, client)


def to_send(sim: SimulatorServer, slot: str = "main") -> PlacementRecord:
    return replace(intended(content(), sim.clock.now(), slot=slot), draft=draft_of(content(), MASS))


def option(sim: SimulatorServer, **options: str) -> None:
    sim.world("wechat").accounts[ACCOUNT.account].options.update(options)


def act(sim: SimulatorServer, name: str) -> None:
    world = sim.world("wechat")
    with sim.simulation.instant():
        world.simulated.acts[name](world, world.accounts[ACCOUNT.account], {})  # type: ignore[attr-defined]


def sends(sim: SimulatorServer) -> int:
    return sum(1 for call in sim.simulation.calls if call.endpoint == SENDALL)


def until(worker: Worker, record: PlacementRecord, state: str) -> PlacementRecord:
    for _ in range(60):
        if record.state == state:
            return record
        record = worker.once(record)
    raise AssertionError(f"never {state}: {record.state}")


def test_an_article_is_sent_once_and_called_as_the_statistics_call_it(sim: SimulatorServer, worker: Worker) -> None:
    record = worker.run(to_send(sim))
    (post,) = sim.world("wechat").posts
    assert record.state == "LIVE"
    assert [step.name for step in record.steps] == ["inline:garden", "cover:cover", "draft", "sendall"]
    assert record.post is not None
    assert record.post.native_id == post.native_id == f"{post.ids['msg_data_id']}_1"
    assert record.post.ids == {**post.ids, "idx": "1"}
    assert "mass_send" not in post.data["article"]
    assert sends(sim) == 1


def test_the_key_fits_the_platform_and_does_not_know_the_version() -> None:
    assert len(client_msg_id("pl-0123456789abcdef01234567")) == 32
    assert client_msg_id("pl-1") == client_msg_id("pl-1") != client_msg_id("pl-2")


@pytest.mark.parametrize("fault", ["drop_after", "drop_before", "http_500"])
@pytest.mark.parametrize("endpoint", ["draft/add", SENDALL, "message/mass/get"])
def test_a_lost_answer_never_sends_twice(sim: SimulatorServer, worker: Worker, endpoint: str, fault: str) -> None:
    sim.set_fault("wechat", endpoint, fault, count=1)
    record = worker.run(to_send(sim))
    (post,) = sim.world("wechat").posts
    assert record.state == "LIVE"
    assert record.post is not None
    assert record.post.native_id == post.native_id


def test_a_send_that_arrived_is_told_by_its_key_even_when_it_is_too_late_to_send(
    sim: SimulatorServer, worker: Worker
) -> None:
    """The plan's latest hour has passed when somebody looks: it must be found, not called missed."""
    sim.set_fault("wechat", SENDALL, "drop_after", count=1)
    now = sim.clock.now()
    record = worker.run(replace(to_send(sim), late_until=now + timedelta(seconds=30)))
    assert record.state == "LIVE"
    assert len(sim.world("wechat").posts) == 1


def test_looking_for_a_send_that_never_arrived_does_not_send_it(sim: SimulatorServer, worker: Worker) -> None:
    """Too late by then: it is missed, and the look itself must not have made up for it."""
    sim.set_fault("wechat", SENDALL, "drop_before", count=1)
    record = worker.run(replace(to_send(sim), late_until=sim.clock.now() + timedelta(seconds=30)))
    assert record.state == "MISSED"
    assert sim.world("wechat").posts == []
    assert sends(sim) == 1


def test_two_lost_answers_in_a_row_still_send_once(sim: SimulatorServer, worker: Worker) -> None:
    sim.set_fault("wechat", SENDALL, "drop_after", count=2)
    assert worker.run(to_send(sim)).state == "LIVE"
    assert len(sim.world("wechat").posts) == 1


def test_a_used_key_gives_the_first_id_also_where_it_tells_no_msg_data_id(sim: SimulatorServer, worker: Worker) -> None:
    option(sim, mass_repeated="msg_id")
    sim.set_fault("wechat", SENDALL, "drop_after", count=1)
    record = worker.run(to_send(sim))
    (post,) = sim.world("wechat").posts
    assert record.state == "LIVE"
    assert record.post is not None
    assert record.post.native_id == f"msg_id:{post.ids['msg_id']}"


def test_a_repetition_within_the_minute_is_looked_for_and_not_taken_for_a_refusal(
    sim: SimulatorServer, worker: Worker
) -> None:
    record = until(worker, to_send(sim), "ACCEPTED")
    sim.world("wechat").accounts[ACCOUNT.account].state["mass_keys"][
        client_msg_id(record.placement_id)
    ].last_at = sim.clock.now()
    again = replace(record, steps=record.steps[:-1], state="INTENDED", next_attempt_at=None)
    called = worker.once(again)
    assert called.state == "UNKNOWN"
    assert called.failure is not None
    assert called.failure.code == "45066"
    assert worker.run(called).state == "LIVE"
    assert len(sim.world("wechat").posts) == 1


def test_a_send_of_which_nothing_can_be_told_any_more_goes_to_a_person(sim: SimulatorServer, worker: Worker) -> None:
    sim.set_fault("wechat", SENDALL, "drop_after", count=1)
    record = until(worker, to_send(sim), "UNKNOWN")
    sim.clock.advance(24 * 3600)
    look = worker.publication.find(worker.client, record, frozenset())
    assert isinstance(look, Undecidable)
    assert "clientmsgid" in look.reason
    assert sends(sim) == 1


def test_a_draft_that_somebody_deleted_meanwhile_is_no_proof_of_a_send(sim: SimulatorServer, worker: Worker) -> None:
    sim.set_fault("wechat", SENDALL, "drop_before", count=1)
    record = until(worker, to_send(sim), "UNKNOWN")
    sim.world("wechat").state["drafts"].clear()
    assert isinstance(worker.publication.find(worker.client, record, frozenset()), Undecidable)
    assert sim.world("wechat").posts == []


def test_a_used_up_quota_waits_for_the_next_period_and_sends_nothing(sim: SimulatorServer, worker: Worker) -> None:
    option(sim, mass_quota="1")
    worker.run(to_send(sim))
    record = worker.run(replace(to_send(sim, "second"), late_until=sim.clock.now() + timedelta(hours=1)))
    assert record.state == "MISSED"
    assert any(entry.failure is not None and entry.failure.code == "45028" for entry in record.history)
    assert len(sim.world("wechat").posts) == 1


def test_a_failed_send_is_rejected(sim: SimulatorServer, worker: Worker) -> None:
    sim.set_fault("wechat", SENDALL, "review_refused", count=1)
    record = worker.run(to_send(sim))
    assert record.state == "REJECTED"
    assert record.failure is not None
    assert record.failure.code == "msg_status_SEND_FAIL"


def test_a_status_nobody_knows_is_loud(sim: SimulatorServer, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    record = until(worker, to_send(sim), "ACCEPTED")
    monkeypatch.setattr(WechatClient, "mass_status", lambda *_: "SEND_PERHAPS")
    with pytest.raises(PlatformError) as caught:
        worker.publication.follow(worker.client, record)
    assert not caught.value.recognised


@pytest.mark.parametrize("lost", [False, True])
def test_a_send_that_the_administrator_confirms_goes_live(sim: SimulatorServer, worker: Worker, lost: bool) -> None:
    option(sim, mass_approval="required")
    if lost:
        sim.set_fault("wechat", SENDALL, "drop_after", count=1)
    record = until(worker, to_send(sim), "ACCEPTED")
    assert "管理员" in record.waiting_on
    followed = worker.publication.follow(worker.client, record)
    assert isinstance(followed, Pending)
    assert sim.world("wechat").posts == []
    act(sim, "confirm_mass")
    done = worker.run(record)
    assert done.state == "LIVE"
    assert done.post is not None
    assert done.post.ids["msg_id"] == sim.world("wechat").posts[0].ids["msg_id"]
    assert isinstance(worker.publication.follow(worker.client, done), Live)
    assert len(sim.world("wechat").posts) == 1


@pytest.mark.parametrize("refused", [True, False])
def test_a_send_that_the_administrator_does_not_confirm_ends_with_a_person(
    sim: SimulatorServer, worker: Worker, refused: bool
) -> None:
    option(sim, mass_approval="required")
    record = until(worker, to_send(sim), "ACCEPTED")
    if refused:
        act(sim, "refuse_mass")
    record = _patiently(worker, record)
    assert record.state == "NEEDS_HUMAN"
    assert "管理员" in record.waiting_on
    assert sends(sim) == 1
    assert sim.world("wechat").posts == []


def _patiently(worker: Worker, record: PlacementRecord) -> PlacementRecord:
    for _ in range(1000):
        if record.state != "ACCEPTED":
            return record
        record = worker.once(record)
    raise AssertionError("waits for ever")


def test_a_send_taken_down_later_is_seen_as_removed(sim: SimulatorServer, worker: Worker) -> None:
    live = worker.run(to_send(sim))
    (post,) = sim.world("wechat").posts
    post.state = "removed"
    assert isinstance(worker.publication.follow(worker.client, live), Removed)


def test_a_draft_whose_answer_got_lost_is_used_and_its_copies_are_cleared_away(
    sim: SimulatorServer, worker: Worker
) -> None:
    sim.set_fault("wechat", "draft/add", "drop_after", count=1)
    record = worker.run(to_send(sim))
    assert record.state == "LIVE"
    assert sum(1 for call in sim.simulation.calls if call.endpoint == "draft/add") == 1
    assert sim.world("wechat").state["drafts"] == {}


def test_copies_of_a_lost_draft_are_cleared_away_and_drafts_of_others_stay(
    sim: SimulatorServer, worker: Worker
) -> None:
    record = to_send(sim)
    while worker.publication.next_step(record).name != "draft":  # type: ignore[union-attr]
        record = worker.once(record)
    step = worker.publication.next_step(record)
    assert step is not None
    for _ in range(3):
        worker.publication.perform(worker.client, record, step, None)  # type: ignore[arg-type]
    world = sim.world("wechat")
    theirs = dict(next(iter(world.state["drafts"].values())).articles[0], thumb_media_id="another")
    world.state["drafts"]["theirs"] = type(next(iter(world.state["drafts"].values())))(
        ACCOUNT.account, [theirs], sim.clock.now()
    )
    worker.publication.perform(worker.client, replace(record, attempt=2), step, None)  # type: ignore[arg-type]
    assert len(world.state["drafts"]) == 2
    assert "theirs" in world.state["drafts"]


def test_a_box_that_cannot_be_read_does_not_stop_the_publication(
    sim: SimulatorServer, connect: Callable[..., WechatClient]
) -> None:
    sim.set_fault("wechat", "draft/add", "drop_after", count=1)
    sim.set_fault("wechat", "draft/batchget", "rate_limit")
    assert Worker(sim, connect()).run(to_send(sim)).state == "LIVE"
    assert len(sim.world("wechat").posts) == 1
