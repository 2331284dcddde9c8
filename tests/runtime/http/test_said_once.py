"""Who sends rubbish fills no disk: few lines, short ones, and none lost without being counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.runtime.http.said_once import EVERY_S, LONGEST_PATH, SaidOnce, shown_path


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0, 4)), max_size=200), st.integers(1, 6))
def test_a_kind_is_said_once_in_ten_seconds_and_what_goes_unsaid_is_counted(
    refusals: list[tuple[int, float]], most: int
) -> None:
    seconds = Seconds()
    said, lines = SaidOnce(most=most, monotonic=seconds), list[tuple[float, int, int]]()
    for kind, pause_s in refusals:
        seconds.now += pause_s
        unsaid = said.unsaid(kind)
        if unsaid is not None:
            lines.append((seconds.now, kind, unsaid))
    for at, kind, _ in lines:
        assert [1 for other, same, _ in lines if same == kind and at <= other < at + EVERY_S] == [1]
        assert len([1 for other, _, _ in lines if at <= other < at + EVERY_S]) <= most
    assert len(lines) + sum(unsaid for _, _, unsaid in lines) <= len(refusals)
    seconds.now += EVERY_S
    told = [unsaid for kind in range(10) if (unsaid := said.unsaid(kind)) is not None]
    assert len(lines) + sum(unsaid for _, _, unsaid in lines) + sum(told) == len(refusals) or most < 10


@given(st.text(max_size=1_000))
def test_a_path_is_cut(path: str) -> None:
    assert len(shown_path(path)) <= LONGEST_PATH + 10
    assert shown_path(path).startswith(path[:LONGEST_PATH])
