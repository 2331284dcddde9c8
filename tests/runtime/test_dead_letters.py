"""Dead letters carry everything needed to understand and to replay; nothing is lost on the way."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.runtime.dead_letters import OriginalOmitted, dead_letter, decode, replay_of
from services.runtime.kafka.producer import MAX_RECORD_BYTES
from services.runtime.kafka.records import Headers, Outgoing, Record

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def original(value: bytes | None, key: bytes | None = b"k", headers: Headers = ()) -> Record:
    return Record("源".encode().hex(), 3, 41, key, value, headers, NOW)


def stored(letter: Outgoing) -> Record:
    return Record(letter.topic, letter.partition, 0, letter.key, letter.value, letter.headers, NOW)


def refuse(record: Record, message: str = "原因 / cause", partitions: int = 4) -> Outgoing:
    return dead_letter(
        "service", record, cause="undecodable", message=message, first_seen_at=NOW, partitions=partitions
    )


@given(
    some.none() | some.binary(max_size=200),
    some.none() | some.binary(max_size=20),
    some.lists(some.tuples(some.text("abc题", min_size=1), some.binary(max_size=9)), max_size=3),
)
def test_any_record_comes_back_byte_for_byte(
    value: bytes | None, key: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    record = original(value, key, tuple(headers))
    assert replay_of(stored(refuse(record))) == Outgoing(record.topic, value, key, 3, tuple(headers))


def test_refusing_the_same_record_twice_is_the_same_dead_letter() -> None:
    assert refuse(original(b"v")) == refuse(original(b"v"))
    assert decode(stored(refuse(original(b"v")))).event_id.endswith(":3:41")


def test_a_dead_letter_refused_again_does_not_pile_up_headers() -> None:
    once = refuse(original(b"v", headers=(("trace", b"1"),)))
    again = refuse(stored(once))
    assert len(again.headers) == len(once.headers)


def test_a_narrower_dead_letter_topic_still_gets_the_record() -> None:
    assert refuse(original(b"v"), partitions=1).partition == 0
    assert refuse(original(b"v"), partitions=4).partition == 3


def test_a_record_near_the_size_limit_is_refused_without_its_bytes_but_with_its_coordinates() -> None:
    letter = refuse(original(b"x" * (MAX_RECORD_BYTES - 10)), message="太大" * 50_000)
    assert len(letter.value or b"") < MAX_RECORD_BYTES
    event = decode(stored(letter))
    assert event.value_omitted
    assert (event.value, event.offset) == (None, 41)
    with pytest.raises(OriginalOmitted, match="41"):
        replay_of(stored(letter))
