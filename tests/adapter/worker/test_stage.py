"""The worker against every way in which a call can go wrong; no Kafka, no HTTP, a clock that the test turns."""

from __future__ import annotations

import threading
from collections import Counter

import msgspec
import pytest
from prometheus_client import REGISTRY

from services.adapter.contract.errors import NoAnswerError, NotSentError, Outcome, PlatformError
from services.adapter.contract.publication import Accepted, Done, Live, NotFound, Pending, Rejected, Undecidable
from services.adapter.placement.transitions import back_off_s
from services.runtime.consume import ToDeadLetter
from services.runtime.kafka.records import Outgoing, Record
from tests.adapter.scripted import PATIENCE_S, SUBMIT, UPLOAD, Loop, Platform, content, live


def refused(error_class: str = "content", outcome: Outcome = "refused", **more: object) -> PlatformError:
    return PlatformError("平台拒绝", error_class=error_class, sent="yes", outcome=outcome, code="1", **more)  # type: ignore[arg-type]


def test_the_ledger_says_calling_before_the_call_leaves() -> None:
    platform = Platform()
    loop = Loop(platform)
    loop.take(content())
    loop.commit(loop.stage.tick(), call=False)
    assert loop.record.state == "CALLING"
    assert loop.record.step == "submit"
    assert platform.calls == []


def test_a_post_goes_live_and_the_record_has_its_whole_life() -> None:
    platform = Platform(steps=(UPLOAD, SUBMIT))
    platform.answers = {"upload": [Done({"id": "m1"})], "submit": [live("77")]}
    loop = Loop(platform)
    loop.take(content())
    record = loop.run()
    assert record.state == "LIVE"
    assert record.post is not None
    assert record.post.native_id == "77"
    assert record.result_of("upload") == {"id": "m1"}
    assert [entry.state for entry in record.history] == ["INTENDED", "CALLING", "CALLING", "LIVE"]


def test_nothing_is_called_before_it_is_due() -> None:
    platform = Platform()
    loop = Loop(platform)
    loop.take(content(due_in_s=30))
    loop.run()
    assert platform.calls == []
    loop.clock.advance(30)
    assert loop.run().state == "LIVE"


def test_a_request_that_never_left_is_simply_sent_again() -> None:
    platform = Platform(answers={"submit": [NotSentError("x"), NotSentError("x"), live("1")]})
    loop = Loop(platform)
    loop.take(content())
    loop.run(2)
    assert loop.record.state == "INTENDED"
    loop.run()
    assert platform.calls == ["submit"], "not before the pause is over"
    loop.clock.advance(1.25)
    loop.run(2)
    loop.clock.advance(2.5)
    assert loop.run().state == "LIVE"
    assert platform.calls == ["submit"] * 3


def test_placements_that_fail_together_do_not_all_come_back_together() -> None:
    pauses = [back_off_s(attempt, f"pl-{number}") for number in range(1000) for attempt in (3,)]
    assert 8 <= min(pauses) < 8.1
    assert 9.9 < max(pauses) <= 10
    tenths = Counter(int(pause * 10) for pause in pauses)
    assert max(tenths.values()) < 100
    assert back_off_s(3, "pl-1") == back_off_s(3, "pl-1") != back_off_s(2, "pl-1") * 2, "explainable, and new each time"


def test_a_ledger_record_that_cannot_be_read_stops_its_own_placement_only() -> None:
    loop = Loop(Platform())
    loop.take(content())
    broken = loop.record.placement_id
    written = loop.topic.pop()
    loop.topic.append(Outgoing(written.topic, b'{"placement_id": 7', written.key, written.partition))
    loop.crash()
    assert loop.stage.ledger.unreadable == {broken: 0}
    loop.take(content(version=2))
    assert [one.cause for one in loop.refused] == ["ledger_unreadable"]
    assert broken in loop.refused[0].message
    loop.take(msgspec.structs.replace(content(), content_id="other", event_id="other"))
    assert loop.run().state == "LIVE"
    assert len(loop.platform.calls) == 1, "nobody knows whether the first was posted"
    loop.stage.revoked([0])
    assert loop.stage.ledger.unreadable == {}


def test_the_number_of_unknown_outcomes_is_a_metric_that_rises_and_falls() -> None:
    def shown() -> float | None:
        return REGISTRY.get_sample_value("tongbo_unknown_outcomes", {"platform": "echo"})

    platform = Platform(answers={"submit": [NoAnswerError("x")]}, looks=[live("9")])
    loop = Loop(platform)
    assert shown() == 0
    loop.take(content())
    loop.run()
    assert (loop.record.state, shown()) == ("UNKNOWN", 1)
    loop.clock.advance(60)
    loop.run()
    assert (loop.record.state, shown()) == ("LIVE", 0)


def test_a_timeout_after_sending_is_looked_for_and_never_posted_twice() -> None:
    platform = Platform(answers={"submit": [NoAnswerError("x")]}, looks=[NotFound(), live("9")])
    loop = Loop(platform)
    loop.take(content())
    loop.run()
    assert loop.record.state == "UNKNOWN"
    loop.clock.advance(59)
    loop.run()
    assert platform.calls == ["submit"], "the platform's own delay is waited out"
    loop.clock.advance(1)
    loop.run()
    loop.clock.advance(30)
    assert loop.run().state == "LIVE"
    assert platform.calls == ["submit", "find", "find"]


def test_only_a_post_that_was_not_found_twice_is_called_again() -> None:
    platform = Platform(answers={"submit": [NoAnswerError("x"), live("2")]}, looks=[NotFound(), NotFound()])
    loop = Loop(platform)
    loop.take(content())
    loop.run()
    for seconds in (60, 30):
        loop.clock.advance(seconds)
        loop.run()
    assert loop.run().state == "LIVE"
    assert platform.calls == ["submit", "find", "find", "submit"]


def test_a_failing_look_is_no_proof_of_absence() -> None:
    platform = Platform(answers={"submit": [NoAnswerError("x")]}, looks=[NotFound(), *[NoAnswerError("y")] * 5])
    loop = Loop(platform)
    loop.take(content())
    loop.run()
    for _ in range(6):
        loop.clock.advance(60)
        loop.run()
    assert loop.record.state == "UNKNOWN"
    assert platform.calls.count("submit") == 1


def test_what_looking_cannot_tell_goes_to_a_human() -> None:
    platform = Platform(answers={"submit": [NoAnswerError("x")]}, looks=[Undecidable("时间线太短")])
    loop = Loop(platform)
    loop.take(content())
    loop.run()
    loop.clock.advance(60)
    record = loop.run()
    assert record.state == "NEEDS_HUMAN"
    assert "时间线太短" in record.history[-1].note


def test_published_without_an_id_is_looked_for_but_never_called_again() -> None:
    platform = Platform(answers={"submit": [refused("platform_down", "published")]})
    loop = Loop(platform)
    loop.take(content(late_s=100_000))
    loop.run()
    for _ in range(25):
        loop.clock.advance(60)
        loop.run()
    assert loop.record.state == "NEEDS_HUMAN"
    assert platform.calls.count("submit") == 1


def test_repeated_content_after_an_unknown_call_means_it_is_there() -> None:
    platform = Platform(
        answers={"submit": [NoAnswerError("x"), refused(outcome="already_posted")]},
        looks=[NotFound(), NotFound(), live("4")],
    )
    loop = Loop(platform)
    loop.take(content())
    loop.run()
    for _ in range(4):
        loop.clock.advance(60)
        loop.run()
    assert loop.record.state == "LIVE"
    assert platform.calls.count("submit") == 2


def test_repeated_content_out_of_the_blue_is_a_refusal() -> None:
    loop = Loop(Platform(answers={"submit": [refused(outcome="already_posted")]}))
    loop.take(content())
    assert loop.run().state == "REJECTED"


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (refused("content"), "REJECTED"),
        (refused("media"), "REJECTED"),
        (refused("account_risk"), "NEEDS_HUMAN"),
        (refused("needs_human"), "NEEDS_HUMAN"),
        (refused("quota", retriable=True, retry_after_s=60), "INTENDED"),
        (refused("auth"), "INTENDED"),
        (refused("needs_human", "unknown", recognised=False), "UNKNOWN"),
    ],
)
def test_each_class_of_refusal_has_its_own_way_on(error: PlatformError, state: str) -> None:
    loop = Loop(Platform(answers={"submit": [error]}))
    loop.take(content())
    record = loop.run(2)
    assert record.state == state
    assert record.failure is not None
    assert record.failure.message == "平台拒绝"


def test_a_crash_during_the_call_leaves_unknown_not_a_second_call() -> None:
    platform = Platform()
    loop = Loop(platform)
    loop.take(content())
    loop.turn()
    assert platform.calls == ["submit"]
    loop.crash()
    loop.turn()
    assert loop.record.state == "UNKNOWN"
    assert loop.record.next_attempt_at is not None
    assert loop.record.call_deadline is not None
    assert loop.record.next_attempt_at > loop.record.call_deadline, "the dead worker's call may still be on its way"
    platform.looks = [live("1")]
    loop.clock.advance(120)
    assert loop.run().state == "LIVE"
    assert platform.calls == ["submit", "find"]


def test_a_crash_after_the_record_and_before_the_call_is_looked_for_first() -> None:
    platform = Platform(looks=[NotFound(), NotFound()])
    loop = Loop(platform)
    loop.take(content())
    loop.commit(loop.stage.tick(), call=False)
    loop.crash()
    for _ in range(4):
        loop.clock.advance(100)
        loop.run()
    assert loop.record.state == "LIVE"
    assert platform.calls == ["find", "find", "submit"]


def test_a_restart_resumes_at_the_step_and_does_not_upload_again() -> None:
    platform = Platform(steps=(UPLOAD, SUBMIT), answers={"upload": [Done({"id": "m"})], "submit": []})
    loop = Loop(platform)
    loop.take(content())
    loop.turn()
    loop.commit(loop.stage.tick(), call=False)  # the upload is recorded, submit is announced
    loop.crash()
    platform.looks = [NotFound(), NotFound()]
    for _ in range(4):
        loop.clock.advance(100)
        loop.run()
    assert loop.record.state == "LIVE"
    assert platform.calls.count("upload") == 1


def test_a_crash_during_an_upload_repeats_only_the_upload() -> None:
    platform = Platform(
        steps=(UPLOAD, SUBMIT), answers={"upload": [Done({"id": "a"}), Done({"id": "b"})], "submit": []}
    )
    loop = Loop(platform)
    loop.take(content())
    loop.turn()
    loop.crash()
    record = loop.run()
    assert record.state == "LIVE"
    assert record.result_of("upload") == {"id": "b"}
    assert platform.calls == ["upload", "upload", "submit"]


def test_an_accepted_post_is_followed_to_its_end() -> None:
    platform = Platform(
        answers={"submit": [Accepted({"publish_id": "5"}, "审核中")]},
        follows=[Pending("审核中"), NoAnswerError("x"), Pending("审核中"), live("8")],
    )
    loop = Loop(platform)
    loop.take(content())
    loop.run()
    written = len(loop.topic)
    for _ in range(5):
        loop.clock.advance(6)
        loop.run()
    assert loop.record.state == "LIVE"
    assert len(loop.topic) == written + 1, "a poll that brings nothing new is not written down"


def test_a_refused_review_is_final_with_its_reason() -> None:
    platform = Platform(answers={"submit": [Accepted({}, "审核中")]}, follows=[Rejected(refused("content"))])
    loop = Loop(platform)
    loop.take(content())
    loop.run()
    loop.clock.advance(6)
    assert loop.run().state == "REJECTED"


def test_too_late_is_missed_and_never_sent() -> None:
    platform = Platform()
    loop = Loop(platform)
    loop.take(content(late_s=60))
    loop.clock.advance(61)
    assert loop.run().state == "MISSED"
    assert platform.calls == []


def test_a_platform_that_stays_away_ends_in_missed_not_in_silence() -> None:
    platform = Platform(answers={"submit": [NotSentError("x")] * 50})
    loop = Loop(platform)
    loop.take(content(late_s=300))
    for _ in range(30):
        loop.run(2)
        loop.clock.advance(30)
    assert loop.record.state == "MISSED"
    assert loop.record.failure is not None


def _wait(event: threading.Event) -> None:
    assert event.wait(PATIENCE_S)


def test_the_same_event_delivered_twice_changes_nothing() -> None:
    platform = Platform()
    loop = Loop(platform)
    loop.take(content())
    loop.take(content())
    loop.run()
    loop.take(content())
    loop.run()
    assert platform.calls == ["submit"]


def test_content_that_does_not_fit_is_rejected_with_field_and_way_out() -> None:
    loop = Loop(Platform())
    loop.take(content(title="禁"))
    record = loop.run()
    assert record.state == "REJECTED"
    assert record.failure is not None
    assert "title" in record.failure.message
    assert "请修改标题" in record.failure.message


def test_a_corrected_version_after_a_refusal_is_posted() -> None:
    loop = Loop(Platform())
    loop.take(content(title="禁"))
    loop.take(content(version=2, title="好茶"))
    assert loop.run().state == "LIVE"


def test_a_draining_worker_starts_no_further_step() -> None:
    platform = Platform(steps=(UPLOAD, SUBMIT), answers={"upload": [Done({"id": "a"})], "submit": []})
    loop = Loop(platform)
    loop.take(content())
    loop.turn()
    loop.commit(loop.stage.drain())
    assert loop.record.state == "INTENDED"
    assert platform.calls == ["upload"]
    loop.crash()
    assert loop.run().state == "LIVE"
    assert platform.calls == ["upload", "submit"]


def test_a_bug_in_a_posting_step_is_looked_for_like_a_timeout() -> None:
    platform = Platform(answers={"submit": [RuntimeError("boom")]}, looks=[Live(live("3").post)])
    loop = Loop(platform)
    loop.take(content())
    loop.run()
    assert loop.record.state == "UNKNOWN"
    loop.clock.advance(60)
    assert loop.run().state == "LIVE"


def test_an_undecodable_event_is_a_dead_letter() -> None:
    loop = Loop(Platform())
    outcome = loop.stage.handle(Record("master-content", 0, 1, b"k", b"{not json", (), loop.clock.now()))
    assert isinstance(outcome, ToDeadLetter)
    assert outcome.cause == "undecodable"
