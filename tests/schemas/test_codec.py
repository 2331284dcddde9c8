"""Bytes to events: nothing is repaired, every refusal names its field in two languages."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from schemas.codec import DecodeError, decoder, encode
from schemas.contract.topic_files import TopicFileError
from schemas.events.feedback import CommentObserved

EXAMPLES = Path(__file__).parents[2] / "schemas/examples"
COMMENT = (EXAMPLES / "feedback-unified/comment-emoji.json").read_bytes()


def comment() -> CommentObserved:
    event = decoder("feedback-unified")(COMMENT)
    assert isinstance(event, CommentObserved)
    return event


@pytest.mark.parametrize(
    ("value", "zh"),
    [
        (b"", "数据不完整"),
        (b"{", "数据不完整"),
        (b"not json", "不是合法的 JSON"),
        (b"[]", "须为 object"),
        (b"null", "须为 object"),
        (b"\xff\xfe{}", "不是合法的 JSON"),
        (b'{"type":"CommentObserved","event_id":"\xff"}', "不是 UTF-8"),
    ],
)
def test_bytes_that_are_no_record_are_refused_and_never_crash_the_reader(value: bytes, zh: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decoder("feedback-unified")(value)
    assert caught.value.field == "$"
    assert zh in caught.value.message


def test_a_refusal_speaks_chinese_first_and_english_second() -> None:
    with pytest.raises(DecodeError) as caught:
        decoder("feedback-unified")(b'{"type":"CommentObserved"}')
    assert str(caught.value).startswith("event_id：缺少必填字段 event_id / Object missing")


def test_the_event_types_own_checks_are_not_translated_twice() -> None:
    broken = (EXAMPLES / "feedback-unified/invalid/readings.views__value-and-reason.json").read_bytes()
    with pytest.raises(DecodeError) as caught:
        decoder("feedback-unified")(broken)
    assert caught.value.message_en == "a reading has a value or a reason, and not both"
    assert "指标要么有数值" in caught.value.message


def test_chinese_and_emoji_are_written_as_utf8_and_not_as_escapes() -> None:
    written = encode(comment())
    assert "👨‍👩‍👧‍👦🇨🇳 已回购".encode() in written
    assert rb"\u" not in written


def test_an_event_nobody_could_read_is_not_written() -> None:
    naive = datetime(2026, 3, 21, 10, 5)  # noqa: DTZ001 - the hazard itself
    with pytest.raises(DecodeError) as caught:
        encode(msgspec.structs.replace(comment(), occurred_at=naive))
    assert caught.value.field == "occurred_at"


def test_an_event_without_an_id_is_not_written() -> None:
    with pytest.raises(DecodeError) as caught:
        encode(msgspec.structs.replace(comment(), event_id=""))
    assert caught.value.field == "event_id"


def test_a_local_offset_is_the_same_instant() -> None:
    event = decoder("feedback-unified")((EXAMPLES / "feedback-unified/comment-local-offset.json").read_bytes())
    assert event.occurred_at == datetime(2026, 3, 21, 2, 5, tzinfo=UTC)


def test_a_record_of_another_topic_is_refused() -> None:
    with pytest.raises(DecodeError) as caught:
        decoder("placement-ledger")(COMMENT)
    assert caught.value.field == "type"


def test_the_base_types_are_no_events_of_their_own() -> None:
    raw = msgspec.json.decode(COMMENT)
    with pytest.raises(DecodeError) as caught:
        decoder("feedback-unified")(msgspec.json.encode({**raw, "type": "PostEvent"}))
    assert caught.value.field == "type"


def test_a_decoder_of_an_unknown_topic_is_refused_at_once() -> None:
    with pytest.raises(TopicFileError, match="no-such"):
        decoder("no-such")


def test_dead_letters_of_any_service_are_read_alike() -> None:
    value = (EXAMPLES / "service-dlq/undecodable.json").read_bytes()
    assert decoder("publisher-dlq")(value) == decoder("adapter-bilibili-dlq")(value)
