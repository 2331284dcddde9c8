"""Tests wait through `tests/waiting.py`: with a deadline, and a failure says what did not come."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path

import pytest

from tests.waiting import wait_for

TESTS = Path(__file__).parent
# What sleeps in a loop for another reason than to wait for a condition.
NO_WAIT = {
    "adapter/accounts/hammer.py": "a process that calls a platform for some seconds, with a pause after each call",
    "chaos/run.py": "lets time pass and meanwhile brings back what it has killed, as a supervisor does",
    "engagement_aggregator/fetch/test_frames.py": "gives the event loop its turns; both ends are in it",
    "pipeline/test_collector.py": "kills again and again, each time at a random moment",
    "runtime/test_at_rest.py": "measures how long a loop rests",
    "waiting.py": "the one place that waits",
}


def _polls(tree: ast.AST) -> bool:
    """Whether a loop sleeps."""
    return any(
        isinstance(inner, ast.Call) and ast.unparse(inner.func).split(".")[-1] == "sleep"
        for outer in ast.walk(tree)
        if isinstance(outer, (ast.While, ast.For))
        for inner in ast.walk(outer)
    )


def test_no_other_file_of_the_tests_polls() -> None:
    polling = {
        path.relative_to(TESTS).as_posix()
        for path in TESTS.rglob("*.py")
        if _polls(ast.parse(path.read_text("utf-8")))
    }  # fmt: skip
    assert polling == NO_WAIT.keys(), "use tests/waiting.py, or take the name off NO_WAIT"


@pytest.mark.parametrize(
    ("text", "polls"),
    [
        ("while not done():\n    time.sleep(0.1)", True),
        ("while True:\n    if done():\n        break\n    sleep(0.1)", True),
        ("for _ in range(9):\n    await asyncio.sleep(0.1)", True),
        ("time.sleep(0.1)\nwhile not done():\n    work()", False),
    ],
)
def test_a_loop_that_sleeps_is_noticed(text: str, *, polls: bool) -> None:
    assert _polls(ast.parse(text)) is polls


def test_the_first_truthy_answer_comes_back() -> None:
    answers = iter(list[object]([None, 0, [], "here", "too late"]))
    assert wait_for(lambda: next(answers), "an answer") == "here"


def test_a_wait_that_ends_says_for_what_and_what_was_there_last() -> None:
    counted = itertools.count(1)

    def too_few() -> list[int]:
        next(counted)
        return []

    with pytest.raises(AssertionError, match=r"not within 0\.01 s: three posts \(last: \[\]\)"):
        wait_for(too_few, "three posts", 0.01)
    assert next(counted) > 2, "it was asked once more after the first answer"


def test_an_error_of_the_condition_ends_the_wait_at_once() -> None:
    asked = []

    def broken() -> bool:
        asked.append(1)
        raise LookupError("no such topic")

    with pytest.raises(LookupError, match="no such topic"):
        wait_for(broken, "never")
    assert asked == [1]
