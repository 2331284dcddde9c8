"""Sequences of events that once ended in a second post, a lost or stuck placement, or a record without bound."""

from __future__ import annotations

import threading
from datetime import timedelta

import msgspec
import pytest

from schemas.events.placement import PlacementRecord
from services.adapter.contract.errors import ErrorTable, NoAnswerError, NotSentError, Outcome, PlatformError
from services.adapter.contract.publication import Accepted, Done, Live, NotFound, Pending, Removed, Step
from services.adapter.wire.send_guard import boot_seconds, past_send_deadline
from services.runtime.consume import Emit
from services.runtime.kafka.producer import MAX_RECORD_BYTES
from services.runtime.kafka.records import Outgoing, Record
from tests.adapter.scripted import BROKEN_SLOT, PATIENCE_S, START, SUBMIT, UPLOAD, Loop, Platform, content, live
from tests.adapter.worker.test_claimed_posts import two_alike


def refused(error_class: str = "content", outcome: Outcome = "refused", **more: object) -> PlatformError:
    return PlatformError("平台拒绝", error_class=error_class, sent="yes", outcome=outcome, code="1", **more)  # type: ignore[arg-type]


def held(platform: Platform) -> threading.Event:
    """Every call of the platform waits until the event is set."""
    hold = threading.Event()
    platform.before_answer = lambda: _wait(hold)
    return hold


def _wait(event: threading.Event) -> None:
    assert event.wait(PATIENCE_S)


# --- what comes in while a crash is being recovered from ---


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


# --- records that grow, and records that do not fit ---


def test_days_of_failing_calls_do_not_make_a_record_that_no_broker_takes() -> None:
    platform = Platform(answers={"submit": [NotSentError("连不上" * 20)] * 3_000})
    loop = Loop(platform)
    loop.take(content(late_s=30 * 24 * 3600))
    for _ in range(200):
        loop.clock.advance(376)
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
        loop.clock.advance(376)
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


def test_a_worker_leaves_the_interrupted_placements_of_other_platforms_alone() -> None:
    loop = Loop(Platform())
    loop.take(content())
    loop.commit(loop.stage.tick(), call=False)
    theirs = msgspec.structs.replace(loop.record, platform="other", placement_id="pl-theirs")
    loop.topic = [Outgoing("placement-ledger", msgspec.json.encode(theirs), b"pl-theirs", 0)]
    loop.crash()
    loop.run()
    assert loop.record == theirs


def test_a_brand_cannot_post_to_the_account_of_another() -> None:
    platform = Platform()
    loop = Loop(platform)
    loop.take(msgspec.structs.replace(content(), brand_id="somebody-else"))
    record = loop.run()
    assert record.state == "REJECTED"
    assert record.failure is not None
    assert record.failure.code == "unknown_account"
    assert platform.calls == []
