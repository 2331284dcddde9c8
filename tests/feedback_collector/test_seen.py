"""The set of collected comments: it survives being written, and says neither too much nor too little."""

from __future__ import annotations

import pytest

from services.feedback_collector.posts.seen_comments import SEGMENT, SeenComments


def _with(*ids: str) -> SeenComments:
    seen = SeenComments()
    for one in ids:
        seen.add(one)
    return seen


def test_the_order_of_collecting_does_not_change_a_byte() -> None:
    assert _with("a", "b", "评论").packed() == _with("评论", "b", "a", "a").packed()


def test_what_was_collected_is_known_after_being_written_and_read() -> None:
    read = SeenComments(_with("501", "502").packed())
    assert "501" in read
    assert "503" not in read
    assert len(read) == 2


def test_a_comment_collected_twice_counts_once() -> None:
    assert len(_with("a", "a")) == 1


def test_full_segments_are_sealed_once_and_known_for_ever() -> None:
    ids = [f"c{n}" for n in range(2 * SEGMENT + 10)]
    seen = _with(*ids)
    sealed = dict(seen.seal())
    assert list(sealed) == [1, 2]
    assert list(seen.seal()) == []
    read = SeenComments(seen.packed(), sealed.values())
    assert all(one in read for one in ids)
    assert len(read) == len(ids)
    read.add("c1")
    assert len(read) == len(ids)
    for n in range(SEGMENT):
        read.add(f"d{n}")
    assert [number for number, _ in read.seal()] == [3]


@pytest.mark.parametrize("packed", ["AAAA", "not base64!", "A"])
def test_bytes_that_are_no_set_are_refused(packed: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        SeenComments(packed)
