"""When everything is walked again because the platform counts more."""

from __future__ import annotations

from services.feedback_collector.polling.coverage import FIRST_PAUSE, LONGEST_PAUSE, Shortfall


def _polls_until_again(shortfall: Shortfall, missing: int) -> int:
    polls = 0
    while not shortfall.walk_again:
        shortfall.after_walk(missing, 0, again=False)
        polls += 1
    return polls


def test_the_first_shortfall_is_looked_for_at_once() -> None:
    shortfall = Shortfall()
    assert not shortfall.walk_again
    assert shortfall.after_walk(2, 0, again=False), "it is news"
    assert shortfall.walk_again


def test_a_walk_in_vain_makes_the_pauses_grow_to_an_end() -> None:
    shortfall, waits = Shortfall(), []
    shortfall.after_walk(1, 0, again=False)
    for _ in range(9):
        assert not shortfall.after_walk(1, 0, again=True), "the same shortfall is no news"
        waits.append(_polls_until_again(shortfall, 1))
    assert waits[:3] == [2 * FIRST_PAUSE, 4 * FIRST_PAUSE, 8 * FIRST_PAUSE]
    assert waits[-1] == LONGEST_PAUSE


def test_a_walk_that_brought_something_keeps_the_pause_short() -> None:
    shortfall = Shortfall(missing=5)
    shortfall.after_walk(2, 3, again=True)
    assert _polls_until_again(shortfall, 2) == FIRST_PAUSE


def test_nothing_is_walked_again_where_more_was_collected_than_is_counted() -> None:
    """Deleted comments are not counted any more."""
    shortfall = Shortfall(missing=1)
    shortfall.after_walk(-3, 0, again=True)
    assert not shortfall.walk_again
    assert shortfall.missing == 0


def test_a_walk_that_was_cut_off_goes_on_from_its_position_instead_of_beginning_again() -> None:
    shortfall = Shortfall(missing=1)
    assert shortfall.walk_again
    shortfall.after_part(again=True)
    assert not shortfall.walk_again
