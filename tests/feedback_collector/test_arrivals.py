"""Comments that callbacks bring: each once, whichever of callback and poll was first, whatever breaks in between."""

from __future__ import annotations

from tests.feedback_collector.scripted import Bench, live


def test_a_comment_that_came_by_callback_is_not_told_again_by_the_poll(bench: Bench) -> None:
    bench.ledger(live("1"))
    bench.round()
    bench.platform.posts["1"].write("a", "b")
    bench.call_back("1", "a")
    bench.commit(bench.stage.drain())
    assert bench.comments() == ["a"], "it had to wait for the poll"
    bench.later(30)
    assert bench.comments() == ["a", "b"]


def test_a_comment_that_the_poll_found_is_not_told_again_by_the_callback(bench: Bench) -> None:
    bench.ledger(live("1"))
    bench.platform.posts["1"].write("a")
    bench.round()
    bench.call_back("1", "a", "a")
    bench.round()
    assert bench.comments() == ["a"]


def test_a_callback_while_a_poll_is_under_way_is_told_once(bench: Bench) -> None:
    bench.ledger(live("1"))
    bench.platform.posts["1"].write("a")
    bench.platform.gate.clear()
    bench.begin()
    assert bench.stage.in_flight()
    bench.call_back("1", "a")
    bench.commit(bench.stage.tick())
    bench.platform.gate.set()
    bench.until_idle(lambda: bench.commit(bench.stage.tick()))
    assert bench.comments() == ["a"]


def test_a_comment_that_comes_before_its_post_is_known_to_be_live_waits_for_it(bench: Bench) -> None:
    bench.call_back("1", "early")
    bench.round()
    bench.ledger(live("1"))
    bench.commit(bench.stage.drain())
    assert bench.comments() == ["early"]


def test_a_crash_before_the_commit_loses_no_callback_and_one_after_it_repeats_none(bench: Bench) -> None:
    bench.ledger(live("1"))
    bench.round()
    bench.call_back("1", "a")
    assert bench.stage.drain().records, "there was nothing to lose"
    bench.stage.lost()
    bench.stage.assigned([0])
    bench.commit(bench.stage.drain())
    assert bench.comments() == ["a"]
    bench.restart()
    bench.commit(bench.stage.drain())
    assert bench.comments() == ["a"]


def test_an_account_of_another_brand_tells_nothing_about_our_post(bench: Bench) -> None:
    """The address of one brand's account must not be a way into another brand's figures."""
    bench.ledger(live("1"))
    bench.round()
    bench.call_back("1", "forged", brand_id="another")
    bench.round()
    assert bench.comments() == []


def test_callbacks_of_posts_that_nobody_knows_do_not_fill_the_memory(bench: Bench) -> None:
    small = type(bench.arrivals)(most=2)
    bench.arrivals = small
    bench.call_back("1", "a", "b", "c")
    assert [one.comment_id for one in small.of("toy:1", "qinghe")] == ["b", "c"]
    bench.call_back("2", "d", "e")
    assert small.of("toy:1", "qinghe") == ()
