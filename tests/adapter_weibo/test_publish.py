from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from schemas.events.placement import PlacementRecord, StepRecord
from services.adapter.contract.errors import NoAnswerError, PlatformError
from services.adapter.contract.publication import Live, NotFound, Removed, Undecidable
from services.adapter.placement.outcome_rules import OutcomeRules
from services.adapter_weibo import ADAPTER
from services.adapter_weibo.client import WeiboClient
from services.adapter_weibo.publish import SHARE
from services.adapter_weibo.wire_types import Status, Timeline
from services.simulator.http.server import SimulatorServer
from tests.adapter_weibo.samples import ACCOUNTS, NOW, Media, carry_on, content, picture, record

Connect = Callable[..., WeiboClient]
NOBODY: frozenset[str] = frozenset()
DECIDER = OutcomeRules(ADAPTER.publication, ADAPTER.timing, lambda: NOW, "w-1")
WAYS = [("open", 0), ("open", 1), ("commercial", 0), ("commercial", 1), ("commercial", 9)]
POSTING_ENDPOINT = {
    ("open", 0): "statuses/share",
    ("open", 1): "statuses/share",
    ("commercial", 0): "statuses/update/biz",
    ("commercial", 1): "statuses/upload/biz",
    ("commercial", 9): "statuses/upload_url_text/biz",
}


def intended(sim: SimulatorServer, way: str, pictures: int, **changes: Any) -> PlacementRecord:
    master = content(media=tuple(picture(n) for n in range(pictures)), **changes)
    return record(master, ACCOUNTS[way], sim.clock.now())


@pytest.mark.parametrize(("way", "pictures"), WAYS)
def test_each_way_makes_one_post_with_all_pictures(
    connect: Connect, sim: SimulatorServer, way: str, pictures: int
) -> None:
    placement, live = carry_on(connect(way), intended(sim, way, pictures))
    (post,) = sim.world("weibo").posts
    assert placement.draft is not None
    assert post.text == placement.draft.text
    assert len(post.media) == pictures
    assert post.native_id == live.post.native_id
    assert live.post.url is not None
    assert live.post.url.startswith(f"https://weibo.com/{ACCOUNTS[way].open_id}/")
    assert post.placement_hint == ("pl-1" if way == "commercial" else None)


def test_uploads_are_orphans_and_only_the_last_step_posts(sim: SimulatorServer) -> None:
    placement = intended(sim, "commercial", 3)
    step = ADAPTER.publication.next_step(placement)
    assert step is not None
    assert (step.name, step.effect) == ("upload_pic:1", "orphan")


def test_a_restart_goes_on_with_the_step_that_is_missing(connect: Connect, sim: SimulatorServer) -> None:
    client, placement = connect("commercial"), intended(sim, "commercial", 3)
    sim.set_fault("weibo", "statuses/upload_url_text/biz", "drop_before", count=1)
    step = ADAPTER.publication.next_step(placement)
    uploaded = 0
    while step is not None and step.effect == "orphan":
        outcome = ADAPTER.publication.perform(client, placement, step, Media())
        placement = _with(placement, step.name, getattr(outcome, "result", {}))
        uploaded += 1
        step = ADAPTER.publication.next_step(placement)
    assert uploaded == 3
    assert step is not None
    with pytest.raises(NoAnswerError):
        ADAPTER.publication.perform(client, placement, step, Media())
    assert ADAPTER.publication.next_step(placement) == step
    assert isinstance(ADAPTER.publication.find(client, placement, NOBODY), NotFound)
    carry_on(client, placement)
    assert len(sim.world("weibo").posts) == 1


def _with(placement: PlacementRecord, name: str, result: dict[str, str]) -> PlacementRecord:
    step = StepRecord(name=name, effect="orphan", finished_at=placement.since, result=result)
    return msgspec.structs.replace(placement, steps=(*placement.steps, step))


@pytest.mark.parametrize(("way", "pictures"), WAYS)
def test_a_post_whose_answer_was_lost_is_found(connect: Connect, sim: SimulatorServer, way: str, pictures: int) -> None:
    client, placement = connect(way), intended(sim, way, pictures)
    sim.set_fault("weibo", POSTING_ENDPOINT[way, pictures], "drop_after", count=1)
    with pytest.raises(NoAnswerError):
        carry_on(client, placement)
    found = ADAPTER.publication.find(client, placement, NOBODY)
    (post,) = sim.world("weibo").posts
    assert isinstance(found, Live)
    assert found.post.native_id == post.native_id
    assert found.post.url is not None


@pytest.mark.parametrize(("way", "pictures"), WAYS)
def test_a_post_that_never_arrived_is_not_found(
    connect: Connect, sim: SimulatorServer, way: str, pictures: int
) -> None:
    client, placement = connect(way), intended(sim, way, pictures)
    sim.set_fault("weibo", POSTING_ENDPOINT[way, pictures], "drop_before", count=1)
    with pytest.raises(NoAnswerError):
        carry_on(client, placement)
    assert isinstance(ADAPTER.publication.find(client, placement, NOBODY), NotFound)


def test_a_slow_success_is_found_once_the_platform_shows_it(connect: Connect, sim: SimulatorServer) -> None:
    client, placement = connect("open"), intended(sim, "open", 1)
    sim.set_fault("weibo", "statuses/share", "slow_success", count=1)
    with pytest.raises(PlatformError) as caught:
        carry_on(client, placement)
    assert caught.value.outcome == "published"
    assert isinstance(ADAPTER.publication.find(client, placement, NOBODY), NotFound)
    sim.clock.advance(61)
    assert isinstance(ADAPTER.publication.find(client, placement, NOBODY), Live)


def test_a_repeat_refused_after_a_lost_answer_leads_to_the_first_post(connect: Connect, sim: SimulatorServer) -> None:
    client, placement = connect("open"), intended(sim, "open", 0)
    sim.set_fault("weibo", "statuses/share", "drop_after", count=1)
    with pytest.raises(NoAnswerError):
        carry_on(client, placement)
    with pytest.raises(PlatformError) as caught:
        carry_on(client, placement)
    assert caught.value.outcome == "already_posted"
    assert isinstance(ADAPTER.publication.find(client, placement, NOBODY), Live)
    assert len(sim.world("weibo").posts) == 1


@pytest.mark.parametrize("code", ["20015", "20022", "20031", "20507"])
def test_signs_of_risk_ask_for_a_person_and_are_not_tried_again(code: str) -> None:
    error = ADAPTER.errors.error(code, "")
    assert (error.error_class, error.retriable, error.outcome) == ("account_risk", False, "refused")


def test_a_captcha_stops_the_placement_for_a_person(connect: Connect, sim: SimulatorServer) -> None:
    placement = intended(sim, "open", 0)
    sim.set_fault("weibo", "statuses/share", "captcha", count=1)
    with pytest.raises(PlatformError) as caught:
        carry_on(connect("open"), placement)
    after = DECIDER.after_error(placement, SHARE, caught.value)
    assert (after.state, after.next_attempt_at) == ("NEEDS_HUMAN", None)
    assert "验证码" in after.waiting_on
    assert sim.world("weibo").posts == []


def test_a_repetition_refused_after_our_own_unknown_call_is_looked_for_and_otherwise_rejected(
    sim: SimulatorServer,
) -> None:
    first, repeated = intended(sim, "open", 0), ADAPTER.errors.error(20019, "repeat content!")
    assert DECIDER.after_error(first, SHARE, repeated).state == "REJECTED"
    unknown = DECIDER.after_error(first, SHARE, NoAnswerError("no answer"))
    after = DECIDER.after_error(unknown, SHARE, repeated)
    assert (after.state, after.surely_posted) == ("UNKNOWN", True)


def test_what_the_platform_calls_published_is_never_called_again(sim: SimulatorServer) -> None:
    after = DECIDER.after_error(intended(sim, "open", 0), SHARE, ADAPTER.errors.error(20032, "slow"))
    assert (after.state, after.surely_posted) == ("UNKNOWN", True)
    for _ in range(50):
        after = DECIDER.after_look(after, SHARE, NotFound())
    assert after.state == "NEEDS_HUMAN"
    assert not any(entry.state in ("INTENDED", "CALLING") for entry in after.history)


def test_a_post_of_another_placement_is_not_taken_for_ours(connect: Connect, sim: SimulatorServer) -> None:
    client, placement = connect("open"), intended(sim, "open", 0)
    _, live = carry_on(client, placement)
    assert isinstance(ADAPTER.publication.find(client, placement, frozenset({live.post.native_id})), NotFound)


def test_the_annotation_outweighs_the_words(connect: Connect, sim: SimulatorServer) -> None:
    client, placement = connect("commercial"), intended(sim, "commercial", 0)
    carry_on(client, placement)
    other = msgspec.structs.replace(placement, placement_id="pl-2")
    assert isinstance(ADAPTER.publication.find(client, placement, NOBODY), Live)
    assert isinstance(ADAPTER.publication.find(client, other, NOBODY), NotFound)


def test_the_same_words_of_last_week_are_not_taken_for_this_call(connect: Connect, sim: SimulatorServer) -> None:
    client, placement = connect("open"), intended(sim, "open", 0)
    carry_on(client, placement)
    later = msgspec.structs.replace(placement, first_called_at=sim.clock.now() + timedelta(days=7))
    assert isinstance(ADAPTER.publication.find(client, later, NOBODY), NotFound)


def test_a_platform_clock_behind_ours_does_not_hide_the_post(connect: Connect, sim: SimulatorServer) -> None:
    client, placement = connect("open"), intended(sim, "open", 0)
    carry_on(client, placement)
    ahead = msgspec.structs.replace(placement, first_called_at=sim.clock.now() + timedelta(minutes=4))
    assert isinstance(ADAPTER.publication.find(client, ahead, NOBODY), Live)


def test_when_newer_posts_pushed_ours_out_of_sight_nobody_guesses(connect: Connect, sim: SimulatorServer) -> None:
    client, placement = connect("commercial"), intended(sim, "commercial", 0)
    sim.set_fault("weibo", "statuses/update/biz", "drop_after", count=1)
    with pytest.raises(NoAnswerError):
        carry_on(client, placement)
    for number in range(5):
        client.update(f"别人发的第 {number} 条", "0", "[]")
    look = ADAPTER.publication.find(client, placement, NOBODY)
    assert isinstance(look, Undecidable)
    assert "5" in look.reason


@pytest.mark.parametrize("visible", [150, 1000])
def test_where_the_app_may_see_more_the_look_goes_on_to_older_pages(
    connect: Connect, sim: SimulatorServer, visible: int
) -> None:
    sim.world("weibo").accounts["qinghe-tea"].options["timeline_rows"] = str(visible)
    client, placement = connect("commercial"), intended(sim, "commercial", 0)
    sim.set_fault("weibo", "statuses/update/biz", "drop_after", count=1)
    with pytest.raises(NoAnswerError):
        carry_on(client, placement)
    for number in range(120):
        client.update(f"别人发的第 {number} 条", "0", "[]")
    found = ADAPTER.publication.find(client, placement, NOBODY)
    assert isinstance(found, Live)
    assert found.post.native_id == sim.world("weibo").posts[0].native_id
    asked = [kept for kept in sim.simulation.calls if kept.path == "/2/statuses/user_timeline.json"]
    assert len(asked) == 2


def test_looking_back_ends_where_the_platform_shows_no_more(connect: Connect, sim: SimulatorServer) -> None:
    sim.world("weibo").accounts["qinghe-tea"].options["timeline_rows"] = "110"
    client, placement = connect("commercial"), intended(sim, "commercial", 0)
    for number in range(120):
        client.update(f"别人发的第 {number} 条", "0", "[]")
    look = ADAPTER.publication.find(client, placement, NOBODY)
    assert isinstance(look, Undecidable)
    assert "110" in look.reason
    asked = [kept for kept in sim.simulation.calls if kept.path == "/2/statuses/user_timeline.json"]
    assert len(asked) == 3


def test_a_pinned_old_post_is_no_proof_that_the_window_reaches_back(sim: SimulatorServer) -> None:
    placement = intended(sim, "open", 0)
    called = placement.first_called_at
    assert called is not None

    def row(number: int, age: timedelta) -> Status:
        return Status(str(number), str(number), "1", f"第 {number} 条", called - age, None, False)

    class Pinned:
        def user_timeline(self, max_id: int = 0) -> Timeline:
            if max_id:
                return Timeline((), 300)
            newer = [row(number, timedelta(seconds=-number)) for number in range(9, 5, -1)]
            return Timeline((row(1, timedelta(days=90)), *newer), 300)

    assert isinstance(ADAPTER.publication.find(Pinned(), placement, NOBODY), Undecidable)


def test_a_removed_post_is_noticed(connect: Connect, sim: SimulatorServer) -> None:
    client, placement = connect("open"), intended(sim, "open", 0)
    placement, live = carry_on(client, placement)
    placement = msgspec.structs.replace(placement, post=live.post)
    assert ADAPTER.publication.follow(client, placement) == live
    sim.world("weibo").posts[0].state = "removed"
    assert isinstance(ADAPTER.publication.follow(client, placement), Removed)


def test_a_post_that_was_taken_down_before_it_was_found_is_not_put_up_again(
    connect: Connect, sim: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, placement = connect("open"), intended(sim, "open", 0)
    called, _ = carry_on(client, placement)
    shown = client.user_timeline()
    gone = tuple(dataclasses.replace(status, deleted=True) for status in shown.rows)
    monkeypatch.setattr(client, "user_timeline", lambda *_: dataclasses.replace(shown, rows=gone))
    asked = msgspec.structs.replace(called, first_called_at=sim.clock.now() - timedelta(minutes=1))
    assert isinstance(ADAPTER.publication.find(client, asked, NOBODY), Undecidable)
    assert isinstance(ADAPTER.publication.find(client, asked, frozenset({gone[0].id})), NotFound)
