"""Dead letters on the real broker: seen by cause, mended, sent again, and never past what the ledger knows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from schemas.codec import decoder, encode
from services.adapter.placement.transitions import intended
from services.cli.main import application
from services.runtime.dead_letters import dead_letter
from services.runtime.kafka.producer import Producer
from services.runtime.kafka.reader import read_topic
from services.runtime.kafka.records import Record
from tests.pipeline.stack import Stack, content

pytestmark = pytest.mark.kafka

NOW = datetime(2026, 11, 11, 2, 0, tzinfo=UTC)
BROKEN = '{"type":"MasterContent","content_id":"c-坏"}'.encode()


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path) as running:
        running.start_kafka()
        yield running


def refuse(
    stack: Stack, value: bytes, *, offset: int, cause: str = "undecodable", topic: str = "master-content"
) -> str:
    """What a worker would leave on its dead letter topic for such a record; the letter's id."""
    record = Record(topic, 1, offset, "键".encode(), value, (("trace", "追踪".encode()),), NOW)
    letter = dead_letter(
        "adapter-weibo", record, cause=cause, message="无法解析 / cannot decode", first_seen_at=NOW, partitions=4
    )
    producer = Producer(stack.kafka, "test")
    producer.send(letter)
    producer.close()
    return f"adapter-weibo:dlq:{topic}:1:{offset}"


def dlq(stack: Stack, *arguments: str) -> tuple[int, str]:
    options = ["--kafka", stack.kafka.bootstrap]
    command, rest = (arguments[:1], arguments[1:]) if arguments and arguments[0].isalpha() else ((), arguments)
    result = CliRunner().invoke(application(), ["dlq", *command, *options, *rest])
    return result.exit_code, result.output


def sent(stack: Stack) -> list[Record]:
    return list(read_topic(stack.kafka, "master-content"))


def test_a_rehearsal_sends_nothing_and_a_record_that_is_still_broken_stays(stack: Stack) -> None:
    letter = refuse(stack, BROKEN, offset=7)
    code, text = dlq(stack)
    assert code == 0
    assert "undecodable" in text
    code, text = dlq(stack, "resend", "--cause", "undecodable", "--yes")
    assert code == 1
    assert "content_id：格式不符" in text
    assert sent(stack) == []
    assert dlq(stack, "show", letter)[0] == 0
    assert "没有待处理" not in dlq(stack)[1]


def test_a_mended_record_keeps_key_and_headers_and_is_noted_as_done(stack: Stack, tmp_path: Path) -> None:
    letter = refuse(stack, BROKEN, offset=7)
    mended = tmp_path / "mended.json"
    good = content("c1", [("weibo", "qinghe-tea")])
    mended.write_bytes(encode(good))
    assert dlq(stack, "resend", letter, "--edit", str(mended))[0] == 0
    assert sent(stack) == [], "a rehearsal sends nothing"
    assert dlq(stack, "resend", letter, "--edit", str(mended), "--yes")[0] == 0
    (record,) = sent(stack)
    assert (record.key, record.partition, record.headers) == ("键".encode(), 1, (("trace", "追踪".encode()),))
    assert decoder("master-content")(record.value or b"") == good
    assert "没有待处理" in dlq(stack)[1]
    assert dlq(stack, "resend", letter, "--yes")[0] == 1, "what is done is not done again by accident"


def test_a_discard_needs_a_reason_and_is_noted(stack: Stack) -> None:
    letter = refuse(stack, BROKEN, offset=9)
    assert dlq(stack, "discard", letter, "--yes")[0] == 2
    assert dlq(stack, "discard", letter, "--reason", "测试数据", "--yes")[0] == 0
    assert "没有待处理" in dlq(stack)[1]


def test_a_ledger_record_is_never_sent_again_however_it_was_edited(stack: Stack, tmp_path: Path) -> None:
    """An old INTENDED behind the LIVE of a post would have it posted a second time after the next restart."""
    master = content("c1", [("weibo", "qinghe-tea")])
    old = encode(intended(master, master.targets[0], None, None, NOW, "worker"))
    letter = refuse(stack, old, offset=13, cause="bug", topic="placement-ledger")
    edited = tmp_path / "edited.json"
    edited.write_bytes(old)
    for arguments in ((letter,), (letter, "--edit", str(edited)), ("--cause", "bug")):
        code, text = dlq(stack, "resend", *arguments, "--yes")
        assert code == 1
        assert "a topic of state" in text.replace("\n", " ")
    assert not list(read_topic(stack.kafka, "placement-ledger"))
    assert dlq(stack, "discard", letter, "--reason", "台账以新记录为准", "--yes")[0] == 0


def test_a_resent_intent_of_a_live_post_is_never_posted_again(stack: Stack) -> None:
    stack.start("adapter_weibo")
    good = content("c1", [("weibo", "qinghe-tea")])
    stack.publish(good)
    stack.wait("live", lambda: stack.all_final(1))
    letter = refuse(stack, encode(good), offset=11, cause="bug")
    assert dlq(stack, "resend", letter, "--yes")[0] == 0
    stack.publish(content("c2", [("weibo", "qinghe-tea")]))
    stack.wait("a later content is live, so the resent one has been judged", lambda: stack.all_final(2))
    assert [post.state for post in stack.posts("weibo")] == ["live", "live"]
    assert len(stack.ledger()) == 2
