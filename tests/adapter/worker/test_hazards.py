"""Sequences of events that once ended in a second post, a lost or stuck placement, or a record without bound."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from schemas.events.content import Target
from schemas.events.placement import PlacementRecord
from services.adapter.contract.errors import ErrorTable, NoAnswerError, NotSentError, Outcome, PlatformError
from services.adapter.contract.publication import Accepted, Done, Live, NotFound, Pending, Rejected, Removed, Step
from services.adapter.wire.send_guard import boot_seconds, past_send_deadline
from services.runtime.consume import Emit
from services.runtime.kafka.producer import MAX_RECORD_BYTES
from services.runtime.kafka.records import Outgoing, Record
from tests.adapter.scripted import BROKEN_SLOT, PATIENCE_S, START, SUBMIT, UPLOAD, Loop, Platform, cancel, content, live


def refused(error_class: str = "content", outcome: Outcome = "refused", **more: object) -> PlatformError:
    return PlatformError("平台拒绝", error_class=error_class, sent="yes", outcome=outcome, code="1", **more)  # type: ignore[arg-type]


def held(platform: Platform) -> threading.Event:
    """Every call of the platform waits until the event is set."""
    hold = threading.Event()
    platform.before_answer = lambda: _wait(hold)
    return hold


def _wait(event: threading.Event) -> None:
    assert event.wait(PATIENCE_S)


def crashed_while_uploading(platform: Platform) -> Loop:
    loop = Loop(platform)
    loop.take(content())
    loop.commit(loop.stage.tick(), call=False)
    loop.crash()
    return loop


# --- what comes in while a crash is being recovered from ---


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


def test_a_crash_in_a_step_that_today_s_code_no_longer_knows_is_looked_for() -> None:
    """A new release names its steps anew while the old one's call is on its way."""
    platform = Platform()
    loop = Loop(platform)
    loop.take(content())
    loop.commit(loop.stage.tick(), call=False)
    platform.steps = (UPLOAD, Step("share", "post", "发布"))
    loop.crash()
    loop.turn()
    assert loop.record.state == "UNKNOWN"
    assert platform.calls == []


# --- versions and cancels while the outcome is unknown ---


def in_doubt(platform: Platform) -> Loop:
    platform.answers["submit"].insert(0, NoAnswerError("x"))
    loop = Loop(platform)
    loop.take(content())
    loop.run()
    assert loop.record.state == "UNKNOWN"
    return loop


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


def test_a_bug_in_localising_one_placement_harms_no_other_and_forgets_no_call() -> None:
    platform = Platform(steps=(UPLOAD, SUBMIT), answers={"upload": [Done({"id": "a"})] * 2, "submit": []})
    loop = Loop(platform)
    hold = held(platform)
    loop.take(content())
    loop.begin()
    second = content(version=2, title="第二版")
    broken = msgspec.structs.replace(second.targets[0], slot=BROKEN_SLOT)
    loop.take(msgspec.structs.replace(second, targets=(*second.targets, broken)))
    hold.set()
    loop.settle()
    loop.run()
    assert {record.slot: record.state for record in loop.records} == {"main": "LIVE", BROKEN_SLOT: "REJECTED"}
    assert not loop.refused, "what is wrong with the broken one stands in its record"


# --- answers that steer the worker ---


def test_an_error_that_says_sent_but_unanswered_is_never_a_refusal() -> None:
    """`sent` decides, also where an adapter forgot to say `outcome`."""
    silent = PlatformError("没有答复", error_class="platform_down", sent="unknown", retriable=True)
    platform = Platform(answers={"submit": [silent]})
    loop = Loop(platform)
    loop.take(content())
    assert loop.run(2).state == "UNKNOWN"
    assert platform.calls == ["submit"]


def test_a_bug_before_anything_was_sent_is_refused_at_once_and_not_tried_until_the_window_closes() -> None:
    broken = PlatformError("记录里没有草稿", error_class="bug", sent="no")
    loop = Loop(Platform(answers={"submit": [broken]}))
    loop.take(content())
    record = loop.run(2)
    assert record.state == "REJECTED"
    assert record.failure is not None
    assert record.failure.error_class == "bug"


def test_calls_that_come_to_nothing_again_and_again_end_with_a_human() -> None:
    platform = Platform(answers={"submit": [NoAnswerError("x")] * 100})
    loop = Loop(platform)
    loop.take(content(late_s=30 * 24 * 3600))
    for _ in range(400):
        loop.clock.advance(60)
        loop.run(2)
    assert loop.record.state == "NEEDS_HUMAN"
    assert platform.calls.count("submit") <= 20


def test_a_look_that_cannot_work_is_handed_to_a_human_instead_of_repeated_for_ever() -> None:
    platform = Platform(looks=[RuntimeError("boom")] * 5)
    loop = in_doubt(platform)
    loop.clock.advance(60)
    assert loop.run().state == "NEEDS_HUMAN"
    assert platform.calls.count("submit") == 1


@pytest.mark.parametrize("error_class", ["quota", "platform_down", "auth"])
def test_a_status_poll_that_fails_for_now_does_not_end_the_following(error_class: str) -> None:
    platform = Platform(
        answers={"submit": [Accepted({}, "审核中")]}, follows=[refused(error_class), Pending("审核中"), live("8")]
    )
    loop = Loop(platform)
    loop.take(content())
    loop.run()
    for _ in range(20):
        loop.clock.advance(30)
        loop.run(2)
    assert loop.record.state == "LIVE"


def test_a_failing_status_poll_is_not_repeated_faster_than_a_working_one() -> None:
    platform = Platform(answers={"submit": [Accepted({}, "审核中")]}, follows=[NotSentError("x")] * 50)
    loop = Loop(platform)
    loop.take(content())
    loop.run()
    for _ in range(10):
        loop.clock.advance(1)
        loop.run(2)
    assert platform.calls.count("follow") <= 2


def test_a_step_that_cannot_be_worked_out_stops_its_placement_and_no_other() -> None:
    platform = Platform()
    loop = Loop(platform)
    loop.take(content(title="坏"))
    working = platform.next_step

    def next_step(record: PlacementRecord) -> Step | None:
        if record.draft and record.draft.text == "坏":
            raise KeyError("way")
        return working(record)

    platform.next_step = next_step  # type: ignore[method-assign]
    loop.take(msgspec.structs.replace(content(title="好"), content_id="c2"))
    loop.run()
    assert {record.content_id: record.state for record in loop.records} == {"c1": "NEEDS_HUMAN", "c2": "LIVE"}


# --- posts that two placements could claim ---


def two_alike(platform: Platform) -> Loop:
    loop = Loop(platform)
    one = content()
    loop.take(msgspec.structs.replace(one, targets=(one.targets[0], msgspec.structs.replace(one.targets[0], slot="b"))))
    return loop


def owners(loop: Loop) -> dict[str, str | None]:
    newest = {record.slot: record for record in loop.records}
    return {slot: record.post.native_id if record.post else None for slot, record in newest.items()}


def test_two_lost_answers_with_equal_words_never_share_the_one_post_that_was_made() -> None:
    platform = Platform(answers={"submit": [NoAnswerError("x"), NoAnswerError("x")]}, looks=[live("77"), live("77")])
    loop = two_alike(platform)
    for _ in range(8):
        loop.clock.advance(60)
        loop.run(3)
    found = owners(loop)
    assert len(set(found.values())) == 2
    assert "77" in found.values()
    assert platform.calls.count("submit") == 3


def test_a_post_that_is_still_under_review_belongs_to_the_placement_that_made_it() -> None:
    platform = Platform(answers={"submit": [Accepted({"item_id": "5"}, "审核"), NoAnswerError("x")]})
    seen: list[frozenset[str]] = []
    find: Callable[..., object] = platform.find

    def looking(client: object, record: PlacementRecord, claimed: frozenset[str]) -> object:
        seen.append(claimed)
        return find(client, record, claimed)

    platform.find = looking  # type: ignore[method-assign, assignment]
    loop = Loop(platform)
    loop.stage.calls._most = 1  # one after the other, so that it is known which of them is accepted
    one = content()
    loop.take(msgspec.structs.replace(one, targets=(one.targets[0], msgspec.structs.replace(one.targets[0], slot="b"))))
    for _ in range(2):
        loop.clock.advance(60)
        loop.run(4)
    assert seen
    assert all("5" in claimed for claimed in seen)


def test_what_is_no_id_in_a_result_claims_nothing() -> None:
    """A platform that leaves an id empty, or names a kind beside it, does so for every post."""
    first = Accepted({"item_id": "5", "video_id": "", "publish_id_type": "text"}, "审核")
    second = Accepted({"item_id": "6", "video_id": "", "publish_id_type": "text"}, "审核")
    platform = Platform(answers={"submit": [first, NoAnswerError("x")]}, looks=[second, second])
    loop = two_alike(platform)
    for _ in range(3):
        loop.clock.advance(60)
        loop.run(2)
    assert {record.slot: record.state for record in loop.records} == {"main": "ACCEPTED", "b": "ACCEPTED"}


def test_a_followed_post_that_another_placement_has_is_not_claimed_twice() -> None:
    platform = Platform(
        answers={"submit": [Accepted({}, "等待"), Accepted({}, "等待")]}, follows=[live("3"), live("3")]
    )
    loop = two_alike(platform)
    for _ in range(3):
        loop.clock.advance(6)
        loop.run(3)
    states = sorted({record.slot: record.state for record in loop.records}.values())
    assert states == ["LIVE", "NEEDS_HUMAN"]


# --- records that grow, and records that do not fit ---


def test_days_of_failing_calls_do_not_make_a_record_that_no_broker_takes() -> None:
    platform = Platform(answers={"submit": [NotSentError("连不上" * 20)] * 3_000})
    loop = Loop(platform)
    loop.take(content(late_s=30 * 24 * 3600))
    for _ in range(200):
        loop.clock.advance(301)
        loop.run(2)
    assert loop.record.state == "INTENDED"
    assert platform.calls.count("submit") > 190
    assert len(loop.record.history) < 20
    assert loop.record.history[1].state == "CALLING", "the first failure stays, with its time"
    assert loop.record.attempt > 190


def test_a_record_of_a_placement_that_is_refused_in_long_words_stays_small_and_goes_on() -> None:
    errors = [refused("quota", retriable=True), refused("platform_down", retriable=True)] * 3_000
    for error in errors[::2]:
        error.code = "2"
    platform = Platform(answers={"submit": list(errors)})
    for error in errors:
        error.message = "平台拒绝" * 3_000
    loop = Loop(platform)
    loop.take(content(late_s=30 * 24 * 3600))
    for _ in range(60):
        loop.clock.advance(301)
        loop.run(2)
    assert loop.record.state == "INTENDED"
    assert max(len(one.value or b"") for one in loop.topic) < 64_000


def test_a_draft_too_large_for_the_ledger_is_refused_and_blocks_nobody() -> None:
    loop = Loop(Platform())
    large = content(title="茶" * 320_000)
    outcome = loop.stage.handle(Record("master-content", 0, 0, b"c1", msgspec.json.encode(large), (), START))
    assert isinstance(outcome, Emit)
    loop.topic.extend(outcome.records)
    record = loop.run()
    assert record.state == "REJECTED"
    assert record.failure is not None
    assert record.failure.code == "draft_too_large"
    assert all(len(one.value or b"") < MAX_RECORD_BYTES for one in loop.topic)


# --- time ---


def test_a_call_whose_record_took_too_long_to_commit_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others count the deadline from the record's time, so the call must, too."""
    platform = Platform()
    loop = Loop(platform)
    loop.take(content())
    due = loop.stage.tick()
    monkeypatch.setattr("services.adapter.worker.caller.boot_seconds", lambda: boot_seconds() + 8.0)
    loop.commit(due)
    loop.settle()
    monkeypatch.undo()
    assert platform.calls == []
    assert loop.run(1).state == "INTENDED"


def test_the_first_look_after_a_crash_waits_until_the_dead_worker_s_call_is_over_and_shown() -> None:
    loop = Loop(Platform())
    loop.take(content())
    loop.turn()
    deadline = loop.record.call_deadline
    assert deadline is not None
    loop.crash()
    loop.turn()
    assert loop.record.next_attempt_at == deadline + timedelta(seconds=loop.stage._outcome_rules.timing.look_after_s)


# --- what the loop is told ---


def test_capabilities_whose_transaction_failed_are_announced_again() -> None:
    announcement = Outgoing("platform-capability", b"{}", b"echo/tea", 0)
    loop = Loop(Platform(), announcements=(announcement,))
    assert announcement in loop.stage.tick().records
    loop.stage.lost()
    loop.stage.assigned([0])
    assert announcement in loop.stage.tick().records
    assert announcement not in loop.stage.tick().records


def test_no_more_calls_start_than_there_are_threads_also_when_steps_follow_each_other() -> None:
    platform = Platform(steps=(UPLOAD, SUBMIT), answers={"upload": [Done({"id": "a"})] * 2, "submit": []})
    loop = two_alike(platform)
    loop.stage.calls._most = 1
    loop.turn()
    due = loop.stage.tick()
    assert len(due.after_commit) == 1


def test_an_unrecognised_answer_to_a_post_is_looked_for() -> None:
    unheard_of = ErrorTable("echo", {}).error(999_999, "?")
    platform = Platform(answers={"submit": [unheard_of]}, looks=[Live(live("4").post)])
    loop = Loop(platform)
    loop.take(content())
    loop.run(2)
    assert loop.record.state == "UNKNOWN"
    loop.clock.advance(60)
    assert loop.run().state == "LIVE"
    assert platform.calls.count("submit") == 1


def test_a_result_that_comes_back_after_the_partition_left_and_returned_changes_nothing() -> None:
    platform = Platform(looks=[NotFound(), live("1")])
    loop = Loop(platform)
    hold = held(platform)
    loop.take(content())
    loop.begin()
    loop.stage.revoked([0])
    loop.stage.assigned([0])
    hold.set()
    loop.settle()
    loop.turn()
    assert "LIVE" not in {record.state for record in loop.records}
    for _ in range(3):
        loop.clock.advance(60)
        loop.run(2)
    assert loop.record.state == "LIVE"
    assert platform.calls.count("submit") == 1


# --- what a second look at the protections asked for ---


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


def test_an_account_without_authorisation_until_the_window_closes_says_so_and_not_that_it_was_missed() -> None:
    platform = Platform(answers={"submit": [refused("auth")] * 20})
    loop = Loop(platform)
    loop.take(content(late_s=300))
    for _ in range(20):
        loop.clock.advance(60)
        loop.run(2)
    assert loop.record.state == "REJECTED"
    assert loop.record.failure is not None
    assert loop.record.failure.error_class == "auth"


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


@pytest.mark.parametrize(("followed", "state"), [(Removed("被删除"), "REMOVED"), (refused("media"), "NEEDS_HUMAN")])
def test_what_a_status_poll_finds_for_good_ends_the_polling(followed: object, state: str) -> None:
    platform = Platform(answers={"submit": [Accepted({}, "审核中")]}, follows=[followed])
    loop = Loop(platform)
    loop.take(content())
    loop.run()
    for _ in range(3):
        loop.clock.advance(6)
        loop.run(2)
    assert loop.record.state == state
    assert platform.calls.count("follow") == 1


def test_a_call_that_posts_has_a_last_moment_to_leave_and_an_upload_may_take_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    platform = Platform(steps=(UPLOAD, SUBMIT), answers={"upload": [Done({"id": "a"})], "submit": []})
    late: list[bool] = []

    def frozen_for_a_minute() -> None:
        with monkeypatch.context() as patch:
            patch.setattr("services.adapter.wire.send_guard.boot_seconds", lambda: boot_seconds() + 60.0)
            late.append(past_send_deadline())

    platform.before_answer = frozen_for_a_minute
    loop = Loop(platform)
    loop.take(content())
    loop.run()
    assert platform.calls == ["upload", "submit"]
    assert late == [False, True]


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


def test_a_worker_leaves_the_interrupted_placements_of_other_platforms_alone() -> None:
    loop = Loop(Platform())
    loop.take(content())
    loop.commit(loop.stage.tick(), call=False)
    theirs = msgspec.structs.replace(loop.record, platform="other", placement_id="pl-theirs")
    loop.topic = [Outgoing("placement-ledger", msgspec.json.encode(theirs), b"pl-theirs", 0)]
    loop.crash()
    loop.run()
    assert loop.record == theirs


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


def test_a_brand_cannot_post_to_the_account_of_another() -> None:
    platform = Platform()
    loop = Loop(platform)
    loop.take(msgspec.structs.replace(content(), brand_id="somebody-else"))
    record = loop.run()
    assert record.state == "REJECTED"
    assert record.failure is not None
    assert record.failure.code == "unknown_account"
    assert platform.calls == []
