"""Newer versions and cancels that come at an awkward moment: in doubt, after a crash, during a call."""

from __future__ import annotations

import threading

import msgspec

from schemas.events.content import Target
from schemas.events.placement import PlacementRecord
from services.adapter.contract.errors import NotSentError
from services.adapter.contract.publication import (
    Accepted,
    Done,
    Rejected,
)
from tests.adapter.scripted import SUBMIT, UPLOAD, Loop, Platform, cancel, content, live
from tests.adapter.worker.test_hazards import _wait, held, in_doubt, refused


def crashed_while_uploading(platform: Platform) -> Loop:
    loop = Loop(platform)
    loop.take(content())
    loop.commit(loop.stage.tick(), call=False)
    loop.crash()
    return loop


def test_a_cancel_in_the_first_round_after_a_crash_is_not_overwritten_by_the_recovery() -> None:
    platform = Platform(steps=(UPLOAD, SUBMIT), answers={"upload": [Done({"id": "a"})], "submit": []})
    loop = crashed_while_uploading(platform)
    loop.take(cancel())
    assert loop.run().state == "CANCELLED"
    assert platform.calls == []


def test_a_new_version_in_the_first_round_after_a_crash_is_not_overwritten_by_the_recovery() -> None:
    platform = Platform(steps=(UPLOAD, SUBMIT), answers={"upload": [Done({"id": "a"})], "submit": []})
    loop = crashed_while_uploading(platform)
    loop.take(content(version=2, title="第二版"))
    record = loop.run()
    assert record.state == "LIVE"
    assert record.content_version == 2
    assert record.draft is not None
    assert record.draft.text == "第二版"


def found_absent(loop: Loop) -> PlacementRecord:
    for _ in range(3):
        loop.clock.advance(60)
        loop.run()
    return loop.record


def test_what_was_never_posted_is_replaced_by_the_version_that_came_meanwhile() -> None:
    loop = in_doubt(Platform())
    loop.take(content(version=2, title="价格更正"))
    assert loop.record.state == "UNKNOWN"
    loop.crash()
    record = found_absent(loop)
    assert record.state == "LIVE"
    assert record.content_version == 2
    assert record.draft is not None
    assert record.draft.text == "价格更正"


def test_what_was_posted_after_all_is_not_followed_by_the_version_that_came_meanwhile() -> None:
    platform = Platform(looks=[live("9")])
    loop = in_doubt(platform)
    loop.take(content(version=2, title="价格更正"))
    record = found_absent(loop)
    assert record.state == "LIVE"
    assert record.post is not None
    assert record.post.native_id == "9"
    assert platform.calls.count("submit") == 1


def test_a_post_that_was_found_and_refused_by_review_is_not_followed_by_the_version_that_came_meanwhile() -> None:
    platform = Platform(looks=[Accepted({"item_id": "9"}, "审核")], follows=[Rejected(refused("content"))])
    loop = in_doubt(platform)
    loop.take(content(version=2, title="第二版"))
    for _ in range(3):
        loop.clock.advance(60)
        loop.run(2)
    assert loop.record.state == "REJECTED"
    assert platform.calls.count("submit") == 1


def test_a_version_that_names_a_placement_again_outweighs_the_one_that_dropped_it() -> None:
    loop = in_doubt(Platform())
    dropping = msgspec.structs.replace(
        content(version=2), targets=(Target(platform="echo", account="tea", slot="second"),)
    )
    first = loop.record.placement_id
    loop.take(dropping)
    loop.take(content(version=3, title="第三版"))
    for _ in range(3):
        loop.clock.advance(60)
        loop.run()
    newest = {record.placement_id: record for record in loop.records}[first]
    assert newest.state == "LIVE"
    assert newest.draft is not None
    assert newest.draft.text == "第三版"


def test_a_cancel_of_the_version_that_came_meanwhile_posts_neither() -> None:
    platform = Platform()
    loop = in_doubt(platform)
    loop.take(content(version=2, title="第二版"))
    loop.take(cancel(version=2))
    assert found_absent(loop).state == "CANCELLED"
    assert platform.calls.count("submit") == 1


def test_a_version_that_does_not_fit_is_refused_once_however_often_it_is_delivered() -> None:
    loop = Loop(Platform())
    loop.take(content(due_in_s=100))
    loop.take(content(version=2, title="禁"))
    written = len(loop.topic)
    loop.take(content(version=2, title="禁"))
    assert loop.record.state == "REJECTED"
    assert loop.record.content_version == 2
    assert len(loop.topic) == written


def test_a_cancel_during_a_call_that_never_left_is_final_at_once_and_not_after_the_pause() -> None:
    platform = Platform(answers={"submit": [NotSentError("x")]})
    loop = Loop(platform)
    hold = held(platform)
    loop.take(content())
    loop.begin()
    loop.take(cancel())
    hold.set()
    loop.settle()
    loop.turn()
    assert loop.record.state == "CANCELLED"


def test_a_cancel_during_an_upload_is_final_also_where_the_worker_hands_over() -> None:
    platform = Platform(steps=(UPLOAD, SUBMIT), answers={"upload": [Done({"id": "a"})]})
    loop = Loop(platform)
    hold = held(platform)
    loop.take(content())
    loop.begin()
    loop.take(cancel())
    hold.set()
    loop.settle()
    loop.commit(loop.stage.drain())
    assert loop.record.state == "CANCELLED"


def test_a_cancel_while_the_call_of_an_outdated_version_ends_cancels_the_new_one() -> None:
    platform = Platform(steps=(UPLOAD, SUBMIT), answers={"upload": [Done({"id": "a"})], "submit": []})
    loop = Loop(platform)
    hold = held(platform)
    loop.take(content())
    loop.begin()
    loop.take(content(version=2, title="第二版"))
    loop.take(cancel(version=2))
    hold.set()
    loop.settle()
    assert loop.run().state == "CANCELLED"
    assert platform.calls == ["upload"]


def test_the_new_version_starts_only_when_the_call_of_the_outdated_one_has_come_back() -> None:
    platform = Platform(
        steps=(UPLOAD, SUBMIT), answers={"upload": [Done({"id": "a"}), Done({"id": "b"})], "submit": []}
    )
    loop = Loop(platform)
    hold = held(platform)
    loop.take(content())
    loop.begin()
    loop.take(content(version=2, title="第二版"))
    loop.commit(loop.stage.tick())
    assert loop.stage.calls.under_way == 1
    hold.set()
    loop.settle()
    assert loop.run().state == "LIVE"


def test_a_cancel_of_an_older_version_leaves_the_newer_one_alone() -> None:
    loop = Loop(Platform())
    loop.take(content(due_in_s=10))
    loop.take(content(version=2, title="第二版", due_in_s=10))
    loop.take(cancel(version=1))
    loop.clock.advance(10)
    assert loop.run().state == "LIVE"


def test_a_placement_that_a_newer_version_no_longer_names_is_not_posted() -> None:
    platform = Platform()
    loop = Loop(platform)
    loop.take(content(due_in_s=10))
    loop.take(msgspec.structs.replace(content(version=2), targets=()))
    loop.clock.advance(10)
    assert loop.run().state == "CANCELLED"
    assert platform.calls == []


def test_a_new_version_of_something_that_review_took_down_is_no_second_post() -> None:
    platform = Platform(answers={"submit": [Accepted({}, "审核中")]}, follows=[Rejected(refused("content"))])
    loop = Loop(platform)
    loop.take(content())
    loop.run()
    loop.clock.advance(6)
    loop.run()
    loop.take(content(version=2, title="改"))
    assert loop.run().state == "REJECTED"
    assert platform.calls.count("submit") == 1


def test_a_cancel_before_the_call_posts_nothing() -> None:
    platform = Platform()
    loop = Loop(platform)
    loop.take(content(due_in_s=10))
    loop.take(cancel())
    loop.clock.advance(20)
    loop.run()
    assert loop.record.state == "CANCELLED"
    assert platform.calls == []


def test_a_cancel_between_two_steps_stops_before_the_post() -> None:
    platform = Platform(steps=(UPLOAD, SUBMIT), answers={"upload": [Done({"id": "a"})], "submit": []})
    loop = Loop(platform)
    hold = threading.Event()
    platform.before_answer = lambda: _wait(hold)
    loop.take(content())
    loop.begin()
    loop.take(cancel())
    hold.set()
    loop.settle()
    assert loop.run().state == "CANCELLED"
    assert platform.calls == ["upload"]


def test_a_new_version_before_the_call_replaces_the_old_one() -> None:
    loop = Loop(Platform())
    loop.take(content(due_in_s=10))
    loop.take(content(version=2, title="新茶上市（更正）", due_in_s=10))
    loop.clock.advance(20)
    record = loop.run()
    assert record.state == "LIVE"
    assert record.draft is not None
    assert record.draft.text == "新茶上市（更正）"


def test_a_new_version_of_something_posted_is_never_a_second_post() -> None:
    platform = Platform()
    loop = Loop(platform)
    loop.take(content())
    loop.run()
    loop.take(content(version=2, title="改"))
    loop.run()
    assert loop.record.state == "LIVE"
    assert platform.calls == ["submit"]


def test_a_new_version_while_uploading_starts_over_with_the_new_words() -> None:
    platform = Platform(
        steps=(UPLOAD, SUBMIT), answers={"upload": [Done({"id": "old"}), Done({"id": "new"})], "submit": []}
    )
    loop = Loop(platform)
    hold = threading.Event()
    platform.before_answer = lambda: _wait(hold)
    loop.take(content())
    loop.begin()
    loop.take(content(version=2, title="第二版"))
    hold.set()
    loop.settle()
    record = loop.run()
    assert record.state == "LIVE"
    assert record.result_of("upload") == {"id": "new"}
    assert record.content_version == 2
