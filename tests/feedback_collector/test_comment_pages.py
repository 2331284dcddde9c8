"""Pages of comments: each comment is collected once, and what breaks a walk costs only itself."""

from __future__ import annotations

import pytest

from services.adapter.contract.feedback import Comment
from services.runtime.kafka.records import Outgoing
from tests.feedback_collector.scripted import START, Bench, live, refusal

CURSOR = "collector-cursor"


def test_a_walk_that_breaks_keeps_its_pages_and_goes_on_where_it_was(bench: Bench) -> None:
    bench.ledger(live("1"))
    bench.platform.posts["1"].write(*(f"c{n}" for n in range(9)))

    def break_at_the_second_page(native_id: str, number: int) -> None:
        if number == 2:
            bench.platform.before_page = lambda *_: None
            raise refusal()

    bench.platform.before_page = break_at_the_second_page
    bench.round()
    assert bench.comments() == ["c6", "c7", "c8"]
    bench.restart()
    bench.later(6)
    assert sorted(bench.comments()) == [f"c{n}" for n in range(9)]
    assert len(bench.platform.asked("page")) == 4, "the first page was read again"


def test_comments_that_arrive_between_pages_are_collected_once(bench: Bench) -> None:
    bench.ledger(live("1"))
    post = bench.platform.posts["1"]
    post.write(*(f"c{n}" for n in range(7)))
    fresh = iter(f"new{n}" for n in range(100))
    bench.platform.before_page = lambda *_: post.write(next(fresh))
    bench.round()
    bench.platform.before_page = lambda *_: None
    bench.later(30)
    bench.later(30)
    assert sorted(bench.comments()) == sorted(comment.comment_id for comment in post.comments)


def test_a_comment_that_turns_up_below_known_ones_is_found_because_the_total_says_so(bench: Bench) -> None:
    bench.ledger(live("1"))
    post = bench.platform.posts["1"]
    post.write(*(f"c{n}" for n in range(9)))
    bench.round()
    post.comments.insert(0, Comment("late", "u2", "审核后放出", START))
    bench.later(30)
    assert "late" not in bench.comments(), "the plain walk stops above it"
    bench.later(30)
    assert bench.comments().count("late") == 1


def test_comments_never_shown_are_not_searched_for_at_every_poll(bench: Bench) -> None:
    bench.ledger(live("1"))
    post = bench.platform.posts["1"]
    post.write(*(f"c{n}" for n in range(30)))
    post.hidden = 2
    for _ in range(40):
        bench.later(60)
    whole_walk = 10
    assert len(bench.platform.asked("page")) < 40 + 5 * whole_walk
    newest = bench.snapshots()[-1]
    assert (newest.comments_collected, newest.comments_total) == (30, 32)


def test_a_comment_nobody_could_read_harms_only_itself_and_stays_missing(bench: Bench) -> None:
    bench.ledger(live("1"))
    post = bench.platform.posts["1"]
    post.write("a")
    post.write("b", at=START.replace(tzinfo=None))
    post.write("x" * 400, "c")
    post.comments.sort(key=lambda comment: comment.written_at.tzinfo is None)
    bench.round()
    assert bench.comments() == ["a", "c"]
    assert (bench.snapshots()[-1].comments_collected, bench.snapshots()[-1].comments_total) == (2, 4)


def test_a_post_with_more_comments_than_a_record_holds_is_taken_up_whole(bench: Bench) -> None:
    bench.platform.page_size = 500
    bench.ledger(live("1"))
    bench.platform.posts["1"].write(*(f"c{n}" for n in range(10_000)))
    bench.round()
    cursors = bench.log[CURSOR, 0]
    assert {record.key for record in cursors} >= {b"toy:1", b"toy:1#1", b"toy:1#2"}
    assert max(len(record.value or b"") for record in cursors) < 50_000
    bench.restart()
    bench.platform.posts["1"].write("one more")
    bench.later(30)
    bench.restart()
    bench.later(30)
    assert len(bench.comments()) == 10_001 == len(set(bench.comments()))


def test_more_comments_than_the_pages_of_a_poll_are_collected_in_turns(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.feedback_collector.polling.polls.MOST_PAGES", 2)
    bench.ledger(live("1"))
    bench.platform.posts["1"].write(*(f"c{n}" for n in range(20)))
    bench.round()
    assert sorted(bench.comments()) == sorted(f"c{n}" for n in range(20))


def test_a_cursor_that_cannot_be_read_stops_its_post_instead_of_repeating_it(bench: Bench) -> None:
    for name in ("1", "2"):
        bench.ledger(live(name))
        bench.platform.posts[name].write(f"c{name}")
    bench.round()
    bench.append(Outgoing(CURSOR, b"{broken", b"toy:1", 0))
    bench.restart()
    bench.platform.posts["1"].write("d1")
    bench.platform.posts["2"].write("d2")
    bench.later(60)
    assert sorted(bench.comments()) == ["c1", "c2", "d2"]
