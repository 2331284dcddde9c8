"""What operators command, as the worker obeys it: nothing leaves against their word, and no command gets lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from schemas.events.commands import (
    BrakeReleased,
    BrakeScope,
    BrakeSet,
    CancelRequested,
    PlacementCommand,
    ReleaseRequested,
    RetryRequested,
    UnknownConfirmed,
    UnknownDenied,
)
from schemas.events.placement import PostRef
from services.adapter.contract.errors import HeldBackError, NoAnswerError, PlatformError
from services.adapter.contract.publication import Accepted, Done, NeedsHuman, Undecidable
from tests.adapter.scripted import PATIENCE_S, START, SUBMIT, UPLOAD, Loop, Platform, Retracting, cancel, content

COUNT = iter(range(10_000))


def facts(at: datetime = START) -> dict[str, Any]:
    number = next(COUNT)
    return {
        "event_id": f"k{number}", "command_id": f"k{number}", "occurred_at": at, "observed_at": at,
        "brand_id": "qinghe", "trace_id": "t", "actor": "li", "reason": "价格有误",
    }  # fmt: skip


def brake(scope: BrakeScope | None = None, **more: Any) -> BrakeSet:
    return BrakeSet(**facts(), scope=scope or BrakeScope(level="brand"), **more)


def released(what: BrakeSet) -> BrakeReleased:
    return BrakeReleased(**facts(), brake_id=what.command_id)


def about(loop: Loop, kind: Callable[..., PlacementCommand], at: datetime = START, **more: Any) -> PlacementCommand:
    placement = loop.record.placement_id
    return kind(**(facts(at) | {"campaign_id": "spring", "placement_id": placement} | more))


def taken(platform: Platform, **more: Any) -> Loop:
    loop = Loop(platform)
    loop.take(content(**more))
    return loop


def said(loop: Loop) -> str:
    return loop.record.history[-1].note


def refused(error_class: Any = "content", **more: Any) -> PlatformError:
    return PlatformError("平台拒绝", error_class=error_class, sent="yes", code="1", **more)


# --- brakes ---


def test_a_brake_parks_what_is_due_and_its_release_lets_it_go_on() -> None:
    platform = Platform()
    loop, stop = taken(platform), brake()
    loop.command(stop)
    record = loop.run()
    assert (record.state, record.parked_by, record.failure) == ("PARKED", stop.command_id, None)
    assert "价格有误" in record.waiting_on
    assert platform.calls == []
    loop.command(released(stop))
    assert loop.run().state == "LIVE"
    assert loop.record.parked_by is None


def test_a_brake_that_comes_after_the_record_and_before_the_request_parks_it() -> None:
    """The call has been recorded and its thread is about to start: the last moment at which a word can count."""
    platform = Platform(steps=(UPLOAD, SUBMIT), answers={"upload": [Done({"id": "a"})], "submit": []})
    loop = taken(platform)
    loop.turn()  # the upload
    due = loop.stage.tick()
    stop = brake(BrakeScope(level="account", platform="echo", account="tea"))
    loop.command(stop)
    loop.commit(due)
    loop.settle()
    record = loop.run(2)
    assert [entry.state for entry in record.history[-2:]] == ["CALLING", "PARKED"]
    assert (record.parked_by, record.failure) == (stop.command_id, None)
    assert platform.calls == ["upload"]
    loop.command(released(stop))
    assert loop.run().state == "LIVE"
    assert platform.calls == ["upload", "submit"], "the upload is not done again"


def test_a_brake_that_is_over_lets_go_by_itself_within_the_late_window() -> None:
    loop = taken(Platform(), late_s=600)
    loop.command(brake(until=START + timedelta(seconds=300)))
    assert loop.run(2).state == "PARKED"
    loop.clock.advance(299)
    assert loop.run(2).state == "PARKED"
    loop.clock.advance(2)
    assert loop.run().state == "LIVE"


def test_a_brake_that_lasts_longer_than_the_late_window_ends_in_missed() -> None:
    platform = Platform()
    loop = taken(platform, late_s=100)
    loop.command(brake(until=START + timedelta(seconds=300)))
    assert loop.run(2).state == "PARKED"
    loop.clock.advance(301)
    assert loop.run().state == "MISSED"
    assert platform.calls == []


def test_a_staged_release_gives_new_times_and_another_late_window() -> None:
    platform = Platform()
    loop, stop = taken(platform, late_s=100), brake()
    loop.command(stop)
    loop.run(2)
    loop.clock.advance(5000)
    assert loop.run(2).state == "PARKED", "what is parked stays listed, however late"
    loop.command(about(loop, ReleaseRequested, due_at=loop.clock.now() + timedelta(seconds=60)))
    loop.command(released(stop))
    record = loop.run(2)
    assert (record.state, record.late_until - record.due_at) == ("INTENDED", timedelta(seconds=100))
    loop.clock.advance(59)
    assert loop.run(2).state == "INTENDED"
    loop.clock.advance(1)
    assert loop.run().state == "LIVE"


def test_a_release_and_the_end_of_its_brake_may_be_heard_in_the_middle_of_a_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The feed is another thread: after a round has asked for commands and before it looks at brakes, both may come."""
    loop, stop = taken(Platform()), brake()
    loop.command(stop)
    assert loop.run(2).state == "PARKED"
    due = loop.clock.now() + timedelta(seconds=60)
    given: list[PlacementCommand | BrakeReleased] = [about(loop, ReleaseRequested, due_at=due), released(stop)]

    def news() -> list[str]:
        while given:
            loop.command(given.pop(0))
        return []

    monkeypatch.setattr(loop.commands, "take_new", news)
    record = loop.run(3)
    assert (record.state, record.due_at, given) == ("INTENDED", due, [])
    assert "放行" in said(loop)
    loop.clock.advance(60)
    assert loop.run().state == "LIVE"


def test_a_call_held_back_by_a_brake_that_has_gone_meanwhile_goes_on() -> None:
    """The brake's end is heard before the answer that it held the call back: nobody would look at it again."""
    platform, stop = Platform(), brake()
    loop = taken(platform)
    platform.answers["submit"] = [HeldBackError("刹车", held_by=stop)]
    loop.command(stop)
    loop.command(released(stop))
    record = loop.run()
    assert "PARKED" in [entry.state for entry in record.history], "the hazard happened"
    assert record.state == "LIVE"


@pytest.mark.parametrize(
    "scope",
    [
        BrakeScope(level="campaign", campaign_id="autumn"),
        BrakeScope(level="platform", platform="other"),
        BrakeScope(level="account", platform="echo", account="coffee"),
    ],
)
def test_a_brake_on_something_else_holds_nothing_here(scope: BrakeScope) -> None:
    loop = taken(Platform())
    loop.command(brake(scope))
    loop.command(replace(brake(), brand_id="other"))
    assert loop.run().state == "LIVE"


def test_a_parked_placement_is_still_parked_after_a_restart() -> None:
    loop = taken(Platform())
    loop.command(brake())
    loop.run(2)
    loop.crash()
    assert loop.run().state == "PARKED"


def test_repeated_risk_answers_really_pause_the_account_until_a_person_releases_it() -> None:
    risk = refused("account_risk", scope="account")
    platform = Platform(answers={"submit": [risk] * 3})
    loop = Loop(platform)
    for n in range(3):
        loop.take(replace(content(), content_id=f"c{n}", event_id=f"c{n}:1"))
    loop.run(4)
    loop.take(replace(content(), content_id="c9", event_id="c9:1"))
    record = loop.run()
    assert (record.state, platform.calls) == ("PARKED", ["submit"] * 3)
    assert "风险" in record.waiting_on
    assert record.parked_by is not None
    loop.command(BrakeReleased(**facts(), brake_id=record.parked_by))
    assert loop.run().state == "LIVE"


# --- a view that may be old ---


# --- cancel ---


def test_a_cancel_of_a_placement_counts_until_the_request_leaves() -> None:
    platform = Platform()
    loop = taken(platform)
    due = loop.stage.tick()
    loop.command(about(loop, CancelRequested))
    loop.commit(due)
    loop.settle()
    assert loop.run().state == "CANCELLED"
    assert platform.calls == []


def test_a_cancel_of_the_content_that_comes_before_the_request_leaves_is_obeyed() -> None:
    platform = Platform()
    loop = taken(platform)
    due = loop.stage.tick()
    loop.take(cancel())
    loop.commit(due)
    loop.settle()
    assert loop.run().state == "CANCELLED"
    assert platform.calls == []


def test_a_newer_version_that_comes_before_the_request_leaves_is_what_is_posted() -> None:
    platform = Platform()
    loop = taken(platform)
    due = loop.stage.tick()
    loop.take(content(version=2, title="价格更正"))
    loop.commit(due)
    loop.settle()
    record = loop.run()
    assert (record.state, record.draft and record.draft.text) == ("LIVE", "价格更正")
    assert platform.calls == ["submit"]


@pytest.mark.parametrize("how", ["command", "content"])
def test_a_cancel_that_comes_after_the_call_takes_the_post_down_again(how: str) -> None:
    hold = threading.Event()
    platform = Platform(before_answer=lambda: _wait(hold))
    loop = Loop(platform, retraction=(taking := Retracting()))
    loop.take(content())
    loop.begin()
    if how == "command":
        loop.command(about(loop, CancelRequested))
    else:
        loop.take(cancel())
    loop.commit(loop.stage.tick())
    hold.set()
    loop.settle()
    record = loop.run()
    assert (record.state, record.cancel_requested) == ("REMOVED", False)
    assert taking.taken_down == ["1"]


def test_a_cancel_that_comes_too_late_where_nothing_can_be_taken_down_says_so() -> None:
    hold = threading.Event()
    platform = Platform(before_answer=lambda: _wait(hold))
    loop = taken(platform)
    loop.begin()
    loop.command(about(loop, CancelRequested))
    loop.commit(loop.stage.tick())
    hold.set()
    loop.settle()
    record = loop.run()
    assert record.state == "LIVE"
    assert "没有提供撤回接口" in said(loop)


def _wait(event: threading.Event) -> None:
    assert event.wait(PATIENCE_S)


# --- retract ---


# --- retry, confirm, deny ---


def test_a_refused_post_is_called_again_once_a_person_asks() -> None:
    platform = Platform(answers={"submit": [refused()]})
    loop = taken(platform)
    assert loop.run().state == "REJECTED"
    loop.command(command := about(loop, RetryRequested))
    record = loop.run()
    assert (record.state, record.commands) == ("LIVE", (command.command_id,))
    assert platform.calls == ["submit", "submit"]


@pytest.mark.parametrize(
    "platform",
    [
        Platform(answers={"submit": [NoAnswerError("x")]}, looks=[Undecidable("看不到")]),
        Platform(answers={"submit": [NeedsHuman("请扫码")]}),
        Platform(answers={"submit": [Accepted({"item_id": "9"}, "审核")]}, follows=[refused("needs_human")]),
        Platform(),
    ],
    ids=["undecidable", "handed over", "accepted once", "live"],
)
def test_a_retry_is_refused_where_a_post_may_exist(platform: Platform) -> None:
    loop = taken(platform)
    loop.run()
    loop.clock.advance(60)
    state, posts = loop.run(3).state, platform.calls.count("submit")
    loop.command(command := about(loop, RetryRequested))
    record = loop.run()
    assert (record.state, record.commands) == (state, (command.command_id,))
    assert "没有执行" in said(loop)
    assert platform.calls.count("submit") == posts


def in_doubt(platform: Platform) -> Loop:
    platform.answers["submit"].insert(0, NoAnswerError("x"))
    platform.looks = [Undecidable("看不到")]
    loop = taken(platform)
    loop.run()
    loop.clock.advance(60)
    assert loop.run(2).state == "NEEDS_HUMAN"
    return loop


def test_a_confirmed_post_is_live_and_another_placement_s_is_not_taken() -> None:
    loop = in_doubt(Platform())
    post = PostRef(native_id="77", url="https://echo.example/77", published_at=START)
    loop.command(about(loop, UnknownConfirmed, post=post))
    assert (loop.run().state, loop.record.post) == ("LIVE", post)
    first = loop.record
    loop.take(replace(content(), content_id="c2", event_id="c2:1"))
    loop.platform.answers["submit"] = [NoAnswerError("x")]
    loop.platform.looks = [Undecidable("看不到")]
    loop.run(2)
    loop.clock.advance(60)
    assert loop.run(2).state == "NEEDS_HUMAN"
    assert loop.record.placement_id != first.placement_id
    loop.command(about(loop, UnknownConfirmed, post=post))
    assert loop.run().state == "NEEDS_HUMAN"
    assert "属于另一个发布位" in said(loop)


def test_a_denial_after_the_call_was_over_posts_again_and_an_earlier_one_is_refused() -> None:
    platform = Platform()
    loop = in_doubt(platform)
    loop.command(about(loop, UnknownDenied, at=START + timedelta(seconds=1)))
    assert loop.run().state == "NEEDS_HUMAN"
    assert "否认得太早" in said(loop)
    loop.command(about(loop, UnknownDenied, at=loop.clock.now()))
    assert loop.run().state == "LIVE"
    assert platform.calls.count("submit") == 2


def test_a_command_of_another_brand_is_not_obeyed() -> None:
    loop = taken(Platform(answers={"submit": [refused()]}))
    loop.run()
    loop.command(about(loop, RetryRequested, brand_id="other"))
    assert loop.run().state == "REJECTED"
    assert "别的品牌" in said(loop)
