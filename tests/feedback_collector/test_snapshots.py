"""Snapshots: written when they say something new, and a number that is not known is never a number."""

from __future__ import annotations

from schemas.events.feedback import METRICS, Reading
from tests.feedback_collector.scripted import NATIVE, Bench, live, refusal


def _listening(bench: Bench) -> None:
    bench.ledger(live("1"))
    bench.platform.posts["1"].likes = 5
    bench.platform.posts["1"].write("a")
    bench.round()


def test_an_unchanged_post_is_told_once_until_the_heartbeat(bench: Bench) -> None:
    _listening(bench)
    for _ in range(29):
        bench.later(60)
    assert len(bench.platform.asked("metrics")) == 30
    assert len(bench.snapshots()) == 1
    bench.later(60)
    assert len(bench.snapshots()) == 2
    assert bench.snapshots()[1].observed_at == bench.clock.now()


def test_any_change_is_told_at_once_with_the_next_sequence(bench: Bench) -> None:
    _listening(bench)
    bench.platform.posts["1"].likes = 4
    bench.later(30)
    bench.platform.posts["1"].write("b")
    bench.later(30)
    told = [(one.sequence, one.readings.likes.value, one.comments_collected) for one in bench.snapshots()]
    assert told == [(1, 5, 1), (2, 4, 1), (3, 4, 2)]


def test_a_new_total_is_told_although_no_figure_changed(bench: Bench) -> None:
    _listening(bench)
    bench.platform.posts["1"].hidden = 3
    bench.later(30)
    assert [(one.comments_collected, one.comments_total) for one in bench.snapshots()] == [(1, 1), (1, 4)]


def test_a_failed_reading_is_told_once_and_never_as_zero(bench: Bench) -> None:
    _listening(bench)
    bench.platform.metrics_error = refusal()
    for _ in range(20):
        bench.later(3600)
    failed = bench.snapshots()[1:]
    assert len(failed) == 1
    for metric in METRICS:
        reading = getattr(failed[0].readings, metric)
        expected = (
            Reading(reason="failed", native=NATIVE[metric]) if metric in NATIVE else Reading(reason="unsupported")
        )
        assert reading == expected
    bench.platform.metrics_error = None
    bench.later(3600)
    assert [one.readings.likes.value for one in bench.snapshots()] == [5, None, 5]


def test_comments_are_collected_although_the_metrics_fail(bench: Bench) -> None:
    bench.platform.metrics_error = refusal()
    _listening(bench)
    assert bench.comments() == ["a"]
    assert (bench.snapshots()[0].comments_collected, bench.snapshots()[0].comments_total) == (1, 1)


def test_metrics_are_told_although_the_comments_fail(bench: Bench) -> None:
    bench.platform.posts["1"].error = refusal()
    _listening(bench)
    (told,) = bench.snapshots()
    assert told.readings.likes.value == 5
    assert told.comments_total is None, "nobody knows how many there are"


def test_a_total_once_known_is_not_forgotten_while_comments_fail(bench: Bench) -> None:
    _listening(bench)
    bench.platform.posts["1"].error = refusal()
    bench.platform.posts["1"].likes = 6
    bench.later(30)
    assert bench.snapshots()[-1].comments_total == 1


def test_a_quiet_post_writes_neither_events_nor_cursors(bench: Bench) -> None:
    _listening(bench)
    written = sum(map(len, bench.log.values()))
    for _ in range(10):
        bench.later(60)
    assert sum(map(len, bench.log.values())) == written


def test_a_comment_tells_nobody_who_wrote_it(bench: Bench) -> None:
    bench.ledger(live("1"))
    bench.platform.posts["1"].write("a", author="user-4711")
    bench.round()
    assert all(b"user-4711" not in (record.value or b"") for record in bench.log["feedback-unified", 0])
