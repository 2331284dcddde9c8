"""The C part of the fold reads what the contract's own types write, nothing that they refuse, and not a byte more."""

from __future__ import annotations

import ctypes
import mmap
import random
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events.feedback import (
    METRICS,
    CommentObserved,
    FeedbackEvent,
    FollowersObserved,
    MetricsObserved,
    ReplyPosted,
)
from schemas.internal.aggregate_state import ItemState, TableRow
from services.engagement_aggregator.fold import wire
from services.engagement_aggregator.fold.fold import Fold
from services.engagement_aggregator.fold.open_post import REASONS, identity_of
from services.engagement_aggregator.native import sections
from services.engagement_aggregator.native.library import ffi, lib
from services.engagement_aggregator.native.scanner import COMMENT, REPLY, Scanner
from services.engagement_aggregator.rows import event_time, keys
from tests.engagement_aggregator.audience import AUDIENCE, START, Table, as_sent, encoded, histories, records_of

_OTHER, _SNAPSHOT = 0, 1
_KINDS: dict[type[Any], int] = {wire.ReadSnapshot: _SNAPSHOT, wire.ReadComment: COMMENT, wire.ReadReply: REPLY}


def sent(events: Sequence[FeedbackEvent]) -> sections.Section:
    return as_sent(encoded(events))


def read(value: bytes) -> Any:
    event = ffi.new("tb_event *")
    lib.tb_read(value, len(value), event)
    return event


def spans(value: bytes, event: Any) -> list[str]:
    places = [(event.spans[2 * number], event.spans[2 * number + 1]) for number in range(8)]
    return [value[at : at + size].decode() for at, size in places]


def assert_same(value: bytes, found: Any) -> None:
    """What C read is what the fold's own types read."""
    event = wire.one.decode(value)
    assert not isinstance(event, wire.ReadFollowers)
    assert _KINDS[type(event)] == found.kind
    assert event_time.micros(event.occurred_at) == found.occurred
    assert event_time.micros(event.observed_at) == found.observed
    *names, item = spans(value, found)
    assert tuple(names) == identity_of(event)
    if isinstance(event, wire.ReadSnapshot):
        readings = [getattr(event.readings, metric) for metric in METRICS]
        assert event.sequence == found.sequence
        assert [one.value or 0 for one in readings] == list(found.values)
        assert [(one.value is None) != (one.reason is None) for one in readings] == [True] * 8
        assert [REASONS[one.reason] for one in readings] == [found.pattern >> 2 * metric & 3 for metric in range(8)]
        assert (event.comments_total is None) == bool(found.pattern >> 16)
        assert (event.comments_total or 0) == found.total
    elif isinstance(event, wire.ReadComment):
        assert (event.comment_id, event.version, event.deleted) == (item, found.version, bool(found.deleted))
    else:
        assert (event.reply_id, 1, False) == (item, found.version, bool(found.deleted))


@given(histories)
@settings(max_examples=60, deadline=None)
def test_every_event_of_a_post_that_the_types_write_is_read_as_it_is(events: list[FeedbackEvent]) -> None:
    for event in events:
        value = msgspec.json.encode(event)
        found = read(value)
        if isinstance(event, FollowersObserved):
            assert found.kind == _OTHER
        else:
            assert found.kind != _OTHER
            assert_same(value, found)


_SAMPLES: Sequence[MetricsObserved | CommentObserved | ReplyPosted] = (
    AUDIENCE.metrics(0, 7, 61, 3, views=10, likes=0, saves=10**15),
    AUDIENCE.metrics(3, 1, 0, None),
    AUDIENCE.comment(1, 5, 3, version=2, deleted=True, parent_comment_id='上一条"\\', likes=9),
    AUDIENCE.reply(2, 1, 1),
)
_BITS = st.sampled_from(
    [b"", b'"', b"\\", b"{", b"}", b",", b"0", b"-1", b"1e3", b"\x00", b"\xff", b"\xed\xa0\x80", b" "]
)
_BITS |= st.sampled_from([b"null", b"true", "好".encode(), b"\\u0041", b"9999999999999999", b".5", b"Z", b"2026-02-30"])


def mutated(value: bytes, at: int, cut: int, bit: bytes) -> bytes:
    place = at % (len(value) + 1)
    return value[:place] + bit + value[place + cut :]


@given(st.sampled_from(_SAMPLES), st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 3), _BITS), max_size=3))
@settings(max_examples=3_000, deadline=None)
def test_a_damaged_event_is_never_read_unless_the_types_read_the_same(
    event: FeedbackEvent, changes: list[tuple[int, int, bytes]]
) -> None:
    value = msgspec.json.encode(event)
    for change in changes:
        value = mutated(value, *change)
    found = read(value)
    if found.kind != _OTHER:
        assert_same(value, found)


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        (b'"views":{"value":10}', b'"views":{"value":010}'),
        (b'"views":{"value":10}', b'"views":{"value":1000000000000001}'),
        (b'"views":{"value":10}', b'"views":{"value":10,"reason":"failed"}'),
        (b'"views":{"value":10}', b'"views":{}'),
        (b'"sequence":7', b'"sequence":0'),
        (b"T02:01:01Z", b"T02:01:60Z"),
        (b"2025-03-08", b"2025-02-29"),
        (b'"trace_id":"t"', b'"trace_id":"\xed\xa0\x80"'),
    ],
)
def test_what_the_fold_has_to_look_at_closely_is_left_to_it(part: bytes, instead: bytes) -> None:
    value = msgspec.json.encode(_SAMPLES[0])
    assert part in value
    assert read(value).kind == _SNAPSHOT
    assert read(value.replace(part, instead)).kind == _OTHER


def test_text_that_is_no_utf8_is_left_to_the_fold_and_refused() -> None:
    value = msgspec.json.encode(AUDIENCE.comment(0, 1)).replace("好看".encode(), b"\xed\xa0\x80")
    assert read(value).kind == _OTHER
    assert [one.cause for one in Table().fold([*encoded([AUDIENCE.comment(0, 2)]), value]).refused] == ["undecodable"]


@given(st.lists(st.tuples(st.none() | st.binary(max_size=40), st.none() | st.binary(max_size=300)), min_size=1))
@settings(max_examples=100, deadline=None)
def test_records_of_a_batch_are_those_that_the_client_finds(rows: list[tuple[bytes | None, bytes | None]]) -> None:
    data = records_of(rows)
    section = sections.of_batch(memoryview(data), base_offset=0, count=len(rows), start=0)
    spans = [(record.key_at, record.key_size) for record in section.records]
    keys_found = [data[at : at + max(size, 0)] for at, size in spans]
    assert keys_found == [key or b"" for key, _ in rows]
    assert [section.value(number) for number in range(len(rows))] == [value for _, value in rows]
    assert len(sections.of_batch(memoryview(data), base_offset=5, count=len(rows), start=6)) == len(rows) - 1


def test_a_batch_that_holds_fewer_records_than_its_head_promises_is_refused() -> None:
    data = records_of([(b"k", b"v")])
    with pytest.raises(sections.CorruptBatchError):
        sections.of_batch(memoryview(data), base_offset=0, count=2, start=0)
    with pytest.raises(sections.CorruptBatchError):
        sections.of_batch(memoryview(data[:-1]), base_offset=0, count=1, start=0)


def test_a_comment_kept_in_c_has_the_row_that_python_would_write() -> None:
    event = AUDIENCE.comment(0, 1, version=3, deleted=True)
    fold = Fold({}, lambda _: True)
    fold.take_section(sent([AUDIENCE.metrics(0, 1, likes=1), event, AUDIENCE.reply(0, 4)]))
    rows = dict(fold.settle().items)
    minute = event_time.minute_of(event.occurred_at)
    assert rows == {
        keys.comment("weibo:500", "c1").encode(): msgspec.json.encode(ItemState(3, True, minute)),
        keys.reply("weibo:500", "r4").encode(): msgspec.json.encode(ItemState(1, False, minute)),
    }


@given(histories, st.lists(st.integers(0, 9)))
@settings(max_examples=100, deadline=None)
def test_the_key_of_a_record_is_only_a_guess(events: list[FeedbackEvent], wrong: list[int]) -> None:
    values = encoded(events)
    keys_of = [f"weibo:{500 + number}".encode() for number in (wrong or [0])]
    rows = [(keys_of[number % len(keys_of)], value) for number, value in enumerate(values)]
    right, guessed = Table(), Table()
    assert right.fold(values) == guessed.fold_sent(of_batch_of(rows))
    assert dict(right) == dict(guessed)


def of_batch_of(rows: Sequence[tuple[bytes, bytes | None]]) -> sections.Section:
    return sections.of_batch(memoryview(records_of(rows)), base_offset=0, count=len(rows), start=0)


def test_what_a_flush_has_under_way_is_counted_once_though_it_is_on_no_disk_yet() -> None:
    rows: dict[str, TableRow] = {}
    fold = Fold(rows, lambda _: True)
    fold.take_section(sent([AUDIENCE.metrics(0, 1, likes=1), AUDIENCE.comment(0, 1)]))
    assert len(fold.settle().items) == 1
    fold.take_section(sent([AUDIENCE.comment(0, 1), AUDIENCE.comment(0, 2)]))
    fold.written()
    fold.take_section(sent([AUDIENCE.comment(0, 2), AUDIENCE.comment(0, 2, deleted=True), AUDIENCE.comment(0, 2)]))
    settled = fold.settle()
    assert [key for key, _ in settled.items] == [keys.comment("weibo:500", "c2").encode()]
    assert rows[keys.comment("weibo:500", "c2")] == ItemState(
        1, True, event_time.minute_of(AUDIENCE.comment(0, 2).occurred_at)
    )
    post: Any = Table.written_by(settled, rows)[keys.post("weibo:500")]
    assert post.comments == 1


def test_more_comments_than_c_remembers_are_still_counted_once_each() -> None:
    many, table = 540_000, Table()
    first, *_ = encoded([AUDIENCE.comment(0, 7_000_000)])
    assert first is not None
    values: list[bytes | None] = [first.replace(b"7000000", b"%d" % (7_000_000 + number)) for number in range(many)]
    table.fold(encoded([AUDIENCE.metrics(1, 1, likes=1), AUDIENCE.comment(1, 9)]))
    table.fold(values[:300_000])
    table.fold(values[200_000:])
    table.fold([*encoded([AUDIENCE.comment(0, 1)]), *values[:50_000]])
    table.fold([*encoded([AUDIENCE.comment(0, 2)]), *values[-5_000:]])
    assert table.rows()["post:weibo:500"].comments_collected == many + 2
    table.fold(encoded([AUDIENCE.comment(1, 9)]))  # of a post that had room all the time
    assert table.rows()["post:wechat:501"].comments_collected == 1


def test_orderly_snapshots_across_an_age_of_the_post_leave_its_value_behind() -> None:
    """Its first hour ends between two minutes, or within one."""
    for edge in (3_600, 3_660 - 30):
        shift = timedelta(seconds=3_600 - edge)
        events = [
            msgspec.structs.replace(
                AUDIENCE.metrics(0, number, at, views=10 * number), published_at=START - shift if shift else START
            )
            for number, at in enumerate((edge - 8, edge - 5, edge, edge + 1, edge + 7), 1)
        ]
        table = Table()
        table.fold(encoded(events))
        assert [(point.age_h, point.views) for point in table.rows()["post:weibo:500"].curve] == [(1, 30)]


_HUNT = """
import random, sys
from tests.engagement_aggregator.native.test_native import hunt
hunt(random.Random(int(sys.argv[1])), int(sys.argv[2]))
"""


def test_no_byte_beyond_a_record_or_a_batch_is_ever_read() -> None:
    """Damaged and cut off, each right before a page that may not be touched; a read beyond ends the process."""
    subprocess.run([sys.executable, "-c", _HUNT, "11", "60000"], check=True, timeout=120)


def hunt(chance: random.Random, rounds: int) -> None:
    page, fence = mmap.PAGESIZE, mmap.mmap(-1, 3 * mmap.PAGESIZE)
    base = ctypes.addressof(ctypes.c_char.from_buffer(fence))
    if ctypes.CDLL(None, use_errno=True).mprotect(ctypes.c_void_p(base + 2 * page), page, mmap.PROT_READ & 0) != 0:
        raise OSError(ctypes.get_errno())
    values = [msgspec.json.encode(event) for event in _SAMPLES]
    batch = records_of([(b"key", value) for value in values[:3]])
    bits = [b"", b'"', b"\\", b"\xe4", b"\xf0\x9f", b"9", b"\x80\x80\x80", b"\xff\xff\xff\xff\x0f", b"2199-"]
    event, into = ffi.new("tb_event *"), ffi.new("tb_record[]", 3)
    scanner, record, asked = Scanner(), ffi.new("tb_record *"), ffi.new("tb_asked[]", 1)
    for known in _SAMPLES:
        scanner.add(identity_of(known), is_new=False)
    for number in range(rounds):
        value = chance.choice(values) if number % 2 else batch
        for _ in range(chance.randrange(3)):
            value = mutated(value, chance.randrange(2_000), chance.randrange(3), chance.choice(bits))
        value = value[: chance.randrange(len(value) + 1)] if chance.random() < 0.7 else value
        fence[2 * page - len(value) : 2 * page] = value
        start = ffi.cast("uint8_t *", base + 2 * page - len(value))
        if number % 2:
            lib.tb_read(start, len(value), event)
            # Under its post's key, so that most of it is held against what came before.
            record.key_at, record.value_at, record.value_size = -9, 0, len(value)
            record.key_size = 9 if len(value) < page - 9 else -1
            fence[2 * page - len(value) - 9 : 2 * page - len(value)] = b"weibo:500"
            scanner.state.turn, scanner.state.next = 2**62, 0
            lib.tb_scan(scanner.posts, start, record, 1, scanner.state, asked, 1)
        elif lib.tb_records(start, len(value), 0, 3, into) == 3:
            for one in into:
                assert 0 <= one.value_at <= len(value)
                assert one.value_at + max(one.value_size, 0) <= len(value)
                assert one.key_at + max(one.key_size, 0) <= len(value)
