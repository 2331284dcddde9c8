"""The collector between ledger and feedback topic: nothing lost, nothing repeated, whatever comes in between."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from schemas.codec import decoder
from schemas.events.feedback import Reading, ReplyPosted
from schemas.events.placement import ReplyRecord
from services.runtime.consume import Drop, Emit, InFlight, ToDeadLetter
from services.runtime.kafka.records import Outgoing
from tests.feedback_collector.scripted import START, Bench, Platform, live, refusal

CURSOR = "collector-cursor"


def test_comments_metrics_and_cursor_leave_in_one_transaction(bench: Bench) -> None:
    bench.ledger(live("1"))
    bench.platform.posts["1"].write("a", "b")
    written = bench.uncommitted_round()
    by_key = [(record.topic, record.key) for record in written if record.key == b"toy:1"]
    assert by_key == [("feedback-unified", b"toy:1")] * 3 + [(CURSOR, b"toy:1")]


def test_a_crash_between_poll_and_commit_loses_and_repeats_nothing(bench: Bench) -> None:
    bench.ledger(live("1"))
    bench.platform.posts["1"].write("a", "b")
    bench.round()
    bench.platform.posts["1"].write("c")
    bench.clock.advance(30)
    lost = bench.uncommitted_round()
    assert any(record.topic == "feedback-unified" for record in lost), "there was nothing to lose"
    bench.stage.lost()
    assert bench.stage.posts.by_key == {}
    bench.stage.assigned([0])
    bench.round()
    assert bench.comments() == ["a", "b", "c"]
    assert [one.sequence for one in bench.snapshots()] == [1, 2]


def test_a_crash_after_the_commit_repeats_nothing(bench: Bench) -> None:
    bench.ledger(live("1"))
    bench.platform.posts["1"].write("a", "b")
    bench.round()
    bench.restart()
    bench.later(60)
    bench.platform.posts["1"].write("c")
    bench.later(60)
    assert bench.comments() == ["a", "b", "c"]
    numbers = [one.sequence for one in bench.snapshots()]
    assert numbers == list(range(1, len(numbers) + 1))
    ids = [event.event_id for event in bench.events()]
    assert len(ids) == len(set(ids)), "followers were told twice in one hour"


def test_a_result_for_a_partition_given_away_is_dropped(bench: Bench) -> None:
    bench.ledger(live("1"), partition=0)
    bench.ledger(live("2", campaign="autumn"), partition=1)
    bench.platform.posts["1"].write("a")
    bench.platform.posts["2"].write("b")
    bench.platform.gate.clear()
    bench.begin()
    bench.stage.revoked([0])
    bench.platform.gate.set()
    bench.until_idle(lambda: bench.commit(bench.stage.tick()))
    assert bench.comments(0) == []
    assert bench.comments(1) == ["b"]


def test_a_result_from_before_the_partition_came_back_is_dropped(bench: Bench) -> None:
    """It was found with a cursor that another owner may have moved meanwhile."""
    bench.ledger(live("1"))
    bench.platform.posts["1"].write("a")
    bench.platform.gate.clear()
    bench.begin()
    bench.stage.revoked([0])
    bench.stage.assigned([0])
    bench.commit(bench.stage.tick())
    bench.platform.gate.set()
    bench.until_idle(lambda: bench.commit(bench.stage.tick()))
    assert bench.comments() == ["a"]
    assert [one.sequence for one in bench.snapshots()] == [1]


def test_draining_calls_polls_off_at_the_next_page_and_keeps_what_they_have(bench: Bench) -> None:
    bench.ledger(live("1"))
    bench.platform.posts["1"].write(*(f"c{n}" for n in range(9)))
    bench.platform.gate.clear()
    bench.begin()
    bench.commit(bench.stage.drain())
    bench.platform.gate.set()
    bench.until_idle(lambda: bench.commit(bench.stage.drain()))
    assert bench.comments() == ["c6", "c7", "c8"]
    bench.stage.revoked([0])
    bench.restart()
    bench.round()
    assert sorted(bench.comments()) == [f"c{n}" for n in range(9)]


def test_posts_a_called_off_poll_did_not_reach_are_polled_at_the_next_turn(bench: Bench) -> None:
    """A rebalance that takes other partitions must not cost these an interval."""
    for name in ("1", "2"):
        bench.ledger(live(name))
        bench.platform.posts[name].write(*(f"{name}-{n}" for n in range(6)))
    bench.platform.gate.clear()
    bench.begin()
    bench.commit(bench.stage.drain())
    bench.platform.gate.set()
    bench.until_idle(lambda: bench.commit(bench.stage.drain()))
    assert set(bench.platform.asked("page")) == {"1"}
    bench.round()
    assert len(bench.comments()) == 12
    assert len(bench.platform.asked("metrics")) == 2, "the second poll was called off as well"


def test_a_clock_jump_polls_everything_that_is_overdue_at_once(bench: Bench) -> None:
    for n in range(50):
        bench.ledger(live(str(n)))
    bench.round()
    asked = len(bench.platform.asked("page"))
    bench.round()
    assert len(bench.platform.asked("page")) == asked, "nothing was due"
    bench.later(3 * 86_400)
    assert sorted(bench.platform.asked("page")[asked:]) == sorted(map(str, range(50)))


def test_a_racing_clock_never_polls_a_post_faster_than_the_real_pause() -> None:
    bench = Bench(least_s=0.3)
    bench.ledger(live("1"))
    bench.round()
    bench.machine = 0.2
    bench.later(86_400)
    assert len(bench.platform.asked("page")) == 1
    bench.machine = 0.4
    bench.later(86_400)
    assert len(bench.platform.asked("page")) == 2


def test_a_removed_post_is_not_polled_any_more(bench: Bench) -> None:
    bench.ledger(live("1"))
    bench.round()
    bench.ledger(live("1", state="REMOVED"))
    asked = len(bench.platform.calls)
    bench.later(86_400)
    assert len(bench.platform.calls) == asked
    bench.restart()
    bench.later(86_400)
    assert len(bench.platform.calls) == asked


def test_an_overtaken_record_consumed_again_does_not_begin_anew_and_repeat_everything(bench: Bench) -> None:
    """The offset lags behind what the rebuild has read: LIVE comes again although REMOVED is known."""
    record = bench.on_ledger(live("1"))
    bench.stage.handle(record)
    bench.platform.posts["1"].write("a")
    bench.round()
    removed = bench.on_ledger(live("1", state="REMOVED"))
    bench.restart()
    assert bench.stage.handle(record) == Drop("known_from_rebuild")
    bench.later(60)
    assert bench.stage.handle(removed) == Drop("known_from_rebuild")
    assert bench.comments() == ["a"]


def test_the_accounts_of_removed_posts_are_not_asked_for_followers(bench: Bench) -> None:
    bench.ledger(live("1"))
    bench.ledger(live("2", account="life"))
    bench.round()
    bench.ledger(live("1", state="REMOVED"))
    bench.later(3601)
    assert sorted(bench.platform.asked("followers")) == ["life", "life", "tea"]


def test_followers_are_told_to_each_campaign_once_an_hour_by_one_call(bench: Bench) -> None:
    bench.ledger(live("1", campaign="spring"))
    bench.ledger(live("2", campaign="autumn"))
    bench.round()
    assert bench.platform.asked("followers") == ["tea"]
    bench.later(1800)
    bench.restart()
    bench.later(10)
    assert bench.platform.asked("followers") == ["tea"], "a restart asked again within the hour"
    bench.later(1800)
    told = [(one.campaign_id, one.followers.value) for one in bench.followers()]
    assert sorted(told) == [("autumn", 1000), ("autumn", 1000), ("spring", 1000), ("spring", 1000)]
    assert len({one.event_id for one in bench.followers()}) == 4


def test_followers_that_cannot_be_read_are_failed_and_no_zero(bench: Bench) -> None:
    bench.platform.followers_error = refusal("account")
    bench.ledger(live("1"))
    bench.platform.posts["1"].write("a")
    bench.round()
    assert [one.followers for one in bench.followers()] == [Reading(reason="failed")]
    assert bench.comments() == ["a"]
    assert bench.snapshots()[0].readings.likes.value == 0, "a true 0 is a value"


def test_an_account_that_nobody_declared_fails_loudly_and_reads_nothing_as_zero(bench: Bench) -> None:
    bench.client_error = refusal("account")
    bench.ledger(live("1"))
    bench.round()
    assert bench.comments() == []
    assert bench.snapshots()[0].readings.likes == Reading(reason="failed", native="attitudes")
    assert [one.failures for one in bench.stage.posts.by_key.values()] == [1]


@pytest.mark.parametrize("error", [refusal("post"), RuntimeError("a row without an id")])
def test_one_broken_post_leaves_the_others_of_the_account_alone(bench: Bench, error: Exception) -> None:
    for name in ("1", "2", "3"):
        bench.ledger(live(name))
        bench.platform.posts[name].write(f"c{name}")
    bench.platform.posts["2"].error = error
    bench.round()
    assert sorted(bench.comments()) == ["c1", "c3"]
    failures = {one.post.post.native_id: one.failures for one in bench.stage.posts.by_key.values()}
    assert failures == {"1": 0, "2": 1, "3": 0}
    bench.platform.posts["2"].error = None
    bench.later(60)
    assert sorted(bench.comments()) == ["c1", "c2", "c3"]


def test_metrics_refused_because_of_one_post_are_read_one_by_one() -> None:
    class Picky(Platform):
        def metrics(self, client, posts, now):  # type: ignore[no-untyped-def]
            if any(post.post.native_id == "2" for post in posts):
                raise refusal("post")
            return super().metrics(client, posts, now)

    bench = Bench(Picky())
    for name in ("1", "2", "3"):
        bench.platform.posts[name].likes = 7
        bench.ledger(live(name))
    bench.round()
    assert {one.native_id: one.readings.likes.value for one in bench.snapshots()} == {"1": 7, "2": None, "3": 7}


def test_a_refused_account_is_not_asked_on_for_every_post(bench: Bench) -> None:
    for n in range(10):
        bench.ledger(live(str(n)))
    bench.platform.metrics_error = refusal("account", retry_after_s=300)
    bench.round()
    assert bench.platform.asked("page") == []
    bench.later(299)
    assert len(bench.platform.asked("metrics")) == 1, "asked again before the platform's own time"
    bench.platform.metrics_error = None
    bench.later(2)
    assert len(bench.platform.asked("page")) == 10


def test_figures_that_took_a_night_to_come_are_asked_for_again_at_once() -> None:
    class Slow(Platform):
        def metrics(self, client, posts, now):  # type: ignore[no-untyped-def]
            figures = super().metrics(client, posts, now)
            if len(self.asked("metrics")) == 1:
                self.posts["1"].likes = 7
                bench.clock.advance(6 * 3600)
            return figures

    bench = Bench(Slow())
    bench.ledger(live("1"))
    bench.round()
    bench.round()
    assert [one.readings.likes.value for one in bench.snapshots()] == [0, 7]


def test_failures_pause_longer_and_longer(bench: Bench) -> None:
    bench.ledger(live("1"))
    bench.platform.posts["1"].error = refusal()
    waits = []
    for _ in range(4):
        bench.round()
        (one,) = bench.stage.posts.by_key.values()
        assert one.next_poll_at is not None
        waits.append((one.next_poll_at - bench.clock.now()).total_seconds())
        bench.clock.advance(waits[-1])
    assert waits == [5, 10, 20, 40]


def test_the_pause_of_a_failing_post_survives_a_restart(bench: Bench) -> None:
    bench.ledger(live("1"))
    bench.platform.posts["1"].error = refusal(retry_after_s=600)
    bench.round()
    bench.restart()
    asked = len(bench.platform.asked("page"))
    bench.later(500)
    assert len(bench.platform.asked("page")) == asked
    bench.later(101)
    assert len(bench.platform.asked("page")) == asked + 1


def test_a_pause_that_grew_while_nothing_else_changed_survives_a_restart_too(bench: Bench) -> None:
    bench.ledger(live("1"))
    bench.platform.posts["1"].error = refusal()
    bench.round()
    bench.platform.posts["1"].error = refusal(retry_after_s=600)
    bench.later(6)
    bench.restart()
    asked = len(bench.platform.asked("page"))
    bench.later(500)
    assert len(bench.platform.asked("page")) == asked


def test_an_unreadable_ledger_record_is_a_dead_letter_and_never_stops_the_rebuild(bench: Bench) -> None:
    broken = bench.append(Outgoing("placement-ledger", b'{"type": "PlacementRecord"}', b"pl-x", 0))
    outcome = bench.stage.handle(broken)
    assert isinstance(outcome, ToDeadLetter)
    assert "event_id" in outcome.message
    bench.ledger(live("1"))
    bench.restart()
    assert list(bench.stage.posts.by_key) == ["toy:1"]


@pytest.mark.parametrize("state", ["INTENDED", "CALLING", "ACCEPTED", "UNKNOWN", "REJECTED"])
def test_only_live_posts_are_listened_to(bench: Bench, state: str) -> None:
    assert bench.ledger(live("1", state=state)) == Drop("not_live")
    assert bench.stage.posts.by_key == {}
    assert bench.ledger(live("1")) == Emit()


def test_a_bug_in_one_posts_result_stops_that_post_only(bench: Bench) -> None:
    for name in ("1", "2"):
        bench.ledger(live(name))
    bench.platform.posts["1"].write("a")
    bench.platform.posts["2"].comments.append(None)  # type: ignore[arg-type]  # what an adapter must not give
    bench.round()
    bench.platform.posts["1"].write("b")
    bench.later(30)
    assert bench.comments() == ["a", "b"]


def test_feedback_is_counted_when_it_is_committed_and_not_before(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[tuple[str, ...]] = []

    class Counter:
        def labels(self, *labels: str) -> Counter:
            self.of = labels
            return self

        def inc(self, number: int) -> None:
            counted.append((*self.of, str(number)))

    monkeypatch.setattr("services.feedback_collector.stage.metrics.COLLECTED", Counter())
    bench.ledger(live("1"))
    bench.platform.posts["1"].write("a", "b")
    bench.uncommitted_round()
    assert counted == []
    bench.restart()
    bench.round()
    assert ("toy", "CommentObserved", "2") in counted


def test_no_more_polls_run_at_once_than_allowed(bench: Bench) -> None:
    for n in range(40):
        bench.ledger(live(str(n), account=f"account{n}"))
    bench.round()
    assert len(set(bench.platform.asked("page"))) == 40
    bench.platform.gate.clear()
    bench.clock.advance(3600)
    for _ in range(3):
        bench.commit(bench.stage.tick())
    assert bench.stage.in_flight() == 16
    bench.platform.gate.set()
    bench.round()


def test_the_stage_is_what_the_loop_waits_for(bench: Bench) -> None:
    assert isinstance(bench.stage, InFlight)
    bench.platform.gate.clear()
    bench.ledger(live("1"))
    bench.commit(bench.stage.tick())
    assert bench.stage.in_flight() == 2, "the post and its account"
    bench.platform.gate.set()
    bench.until_idle(lambda: bench.commit(bench.stage.drain()))


def test_an_answer_of_the_brand_is_told_once_also_by_a_record_that_the_rebuild_has_overtaken(bench: Bench) -> None:
    """The worker wrote DONE, then another revision; a collector that starts later consumes both after its rebuild."""
    done = ReplyRecord(command_id="k1", comment_id="c9", text="谢谢", state="DONE", at=START, reply_id="r1", actor="li")
    calling = replace(live("1"), replies=(replace(done, state="CALLING", reply_id=None),))
    told = replace(live("1"), revision=2, replies=(done,))
    later = replace(live("1"), revision=3, occurred_at=START + timedelta(seconds=9), replies=(done,))
    records = [bench.on_ledger(one) for one in (calling, told, later)]
    bench.restart()
    written = [
        outgoing for one in records if isinstance(out := bench.stage.handle(one), Emit) for outgoing in out.records
    ]
    [event] = [decoder("feedback-unified")(one.value or b"") for one in written]
    assert isinstance(event, ReplyPosted)
    assert (event.event_id, event.comment_id, event.actor, event.post_key) == ("toy:reply:r1", "c9", "li", "toy:1")
