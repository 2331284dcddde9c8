"""A ledger record stays small whatever is done to its placement, and decisions do not change by what it drops."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.events.commands import (
    BrakeReleased,
    BrakeScope,
    BrakeSet,
    CancelRequested,
    PlacementCommand,
    ReleaseRequested,
    ReplyRequested,
    RetractRequested,
    RetryRequested,
    UnknownDenied,
)
from schemas.events.placement import PlacementRecord
from services.adapter.contract.errors import PlatformError
from services.adapter.placement.command_rules import surely_not_posted
from services.adapter.placement.outcome_rules import has_been_there
from services.adapter.placement.record_bounds import bounded, doubts
from tests.adapter.scripted import START, Loop, Platform, Replying, content

SMALL = 64_000  # bytes, beside the draft, which is a few hundred here
LONG_REASON, LONG_NAME = "因" * 500, "某" * 100
_numbers = count(1)


def give(loop: Loop, kind: type[PlacementCommand], **more: Any) -> None:
    """A command about the loop's placement, with the longest words that the publisher lets through."""
    number = next(_numbers)
    record = loop.record
    facts: dict[str, Any] = {
        "event_id": f"e{number}", "occurred_at": START, "observed_at": START, "brand_id": "qinghe", "trace_id": "t",
        "campaign_id": "spring", "command_id": f"command-{number}", "actor": LONG_NAME, "reason": LONG_REASON,
        "placement_id": record.placement_id,
    }  # fmt: skip
    loop.command(kind(**(facts | more)))


def test_six_hundred_refused_commands_leave_a_small_record_and_a_worker_that_goes_on() -> None:
    loop = Loop(Platform())
    loop.take(content())
    assert loop.run().state == "LIVE"
    for _ in range(600):
        give(loop, RetryRequested)
        loop.turn()
    assert max(len(one.value or b"") for one in loop.topic) < SMALL
    assert loop.record.earlier is not None
    assert loop.record.earlier.lines > 400
    assert loop.commands.pending_for(loop.record) == []
    assert len(loop.record.commands) <= 65
    other = Loop(Platform())
    other.take(replace(content(), content_id="c2"))
    assert other.run().state == "LIVE"


def test_a_command_that_was_refused_long_ago_is_not_carried_out_after_a_restart() -> None:
    loop = Loop(Platform())
    loop.take(content())
    loop.run()
    for _ in range(200):
        give(loop, RetryRequested)
    loop.turn()
    before = loop.record
    loop.crash()
    loop.run()
    assert (loop.record.revision, loop.record.commands_to) == (before.revision, before.commands_to)
    give(loop, RetryRequested)
    loop.turn()
    assert loop.record.revision == before.revision + 1


def test_a_thousand_answers_to_comments_leave_a_small_record() -> None:
    loop = Loop(Platform(), replies=(replying := Replying()))
    loop.take(content())
    loop.run()
    for number in range(1_000):
        give(loop, ReplyRequested, comment_id=f"comment-{number}", text="谢谢您的支持", post_key="echo:1")
        loop.turn()
        loop.turn()
    assert len(replying.said) == 1_000
    assert max(len(one.value or b"") for one in loop.topic) < SMALL
    assert loop.record.earlier is not None
    assert loop.record.earlier.replies + len(loop.record.replies) == 1_000


def test_a_thousand_attempts_leave_a_small_record() -> None:
    errors = [PlatformError("平台拒绝" * 3_000, error_class=kind, sent="yes", code="1", retriable=True)
              for _ in range(600) for kind in ("quota", "platform_down")]  # fmt: skip
    loop = Loop(Platform(answers={"submit": list(errors)}))
    loop.take(content(late_s=365 * 24 * 3600))
    for _ in range(1_000):
        loop.clock.advance(376)
        loop.turn()
    assert loop.record.state == "INTENDED"
    assert max(len(one.value or b"") for one in loop.topic) < SMALL


def test_a_post_that_was_live_once_is_never_called_again_though_its_history_has_gone() -> None:
    loop = Loop(Platform())
    loop.take(content())
    loop.run()
    for version in range(2, 300):
        loop.take(content(version=version, title=f"第 {version} 版"))
    assert "LIVE" not in {entry.state for entry in loop.record.history[:1]}
    assert has_been_there(loop.record)
    give(loop, RetryRequested)
    loop.run()
    assert len(loop.platform.calls) == 1


def test_doubtful_calls_are_counted_though_their_lines_have_gone() -> None:
    loop = Loop(Platform())
    loop.take(content())
    record = loop.run()
    lines = tuple(
        replace(record.history[0], at=START + timedelta(seconds=number), state=state, note=f"{number}")
        for number in range(200)
        for state in ("CALLING", "UNKNOWN", "INTENDED")
    )
    long = replace(record, history=lines)
    short = bounded(long)
    assert len(short.history) < 100
    assert doubts(short) == doubts(long) == 200
    assert doubts(bounded(replace(short, history=(*short.history, *lines[:2])))) == 201


KINDS = st.sampled_from(
    [CancelRequested, RetractRequested, RetryRequested, UnknownDenied, ReleaseRequested, "version", "brake", "time"]
)
ANSWERS = st.sampled_from(["live", "unknown", "refused", "quota", "risk"])


@settings(max_examples=25)
@given(st.lists(st.tuples(KINDS, ANSWERS), min_size=20, max_size=120))
def test_whatever_people_and_platforms_do_the_record_stays_small_and_says_the_same(
    steps: list[tuple[Any, str]],
) -> None:
    loop = Loop(Platform(answers={"submit": list(_answers(answer for _, answer in steps))}))
    loop.take(content(late_s=30 * 24 * 3600))
    version = 1
    brake: BrakeSet | None = None
    for kind, _ in steps:
        match kind:
            case "version":
                version += 1
                loop.take(content(version=version, title="新" * 200))
            case "brake":
                held, brake = brake, None if brake else _brake()
                loop.command(brake or _release(held or _brake()))
            case "time":
                loop.clock.advance(376)
            case _:
                give(loop, kind)
        loop.turn()
    for record in loop.records:
        assert len(msgspec.json.encode(record)) < SMALL
    _says_the_same(loop.record)


def _says_the_same(record: PlacementRecord) -> None:
    """What a bounded record answers is what it answered before notes made it too long."""
    note = replace(record.history[-1], note="什么都没有改变", failure=None, state=record.state)
    long = replace(record, history=(*record.history, *([note] * 300)))
    short = bounded(long)
    assert len(short.history) <= 80
    assert has_been_there(short) == has_been_there(long)
    assert surely_not_posted(short) == surely_not_posted(long)
    assert doubts(short) == doubts(long)


def _answers(names: Iterator[str]) -> Iterator[Any]:
    for name in names:
        if name != "live":
            sent, kind = ("unknown", "network_unknown") if name == "unknown" else ("yes", "content")
            kind = {"quota": "quota", "risk": "account_risk"}.get(name, kind)
            yield PlatformError("平台的话" * 500, error_class=kind, sent=sent, code="7", retriable=name == "quota")  # type: ignore[arg-type]


def _brake() -> BrakeSet:
    number = next(_numbers)
    return BrakeSet(
        event_id=f"b{number}", occurred_at=START, observed_at=START, brand_id="qinghe", trace_id="t",
        command_id=f"b{number}", actor=LONG_NAME, reason=LONG_REASON, scope=BrakeScope(level="brand"),
    )  # fmt: skip


def _release(brake: BrakeSet) -> BrakeReleased:
    return BrakeReleased(
        event_id=f"r{brake.command_id}", occurred_at=START, observed_at=START, brand_id="qinghe", trace_id="t",
        command_id=f"r{brake.command_id}", actor=LONG_NAME, reason=LONG_REASON, brake_id=brake.command_id,
    )  # fmt: skip
