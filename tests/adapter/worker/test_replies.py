"""An answer to a comment is public: written at most once, looked for where its fate is unknown, held by a brake."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from schemas.events.commands import BrakeSet, ReplyRequested, RetractRequested
from schemas.events.placement import ReplyRecord
from services.adapter.contract.errors import NoAnswerError, NotSentError
from services.runtime.clock import ManualClock
from tests.adapter.scripted import START, Loop, Platform, Replying, Retracting, content
from tests.adapter.worker.test_commands import about, brake, refused, released, said


def out(replies: Replying | None) -> Loop:
    """A live post."""
    loop = Loop(Platform(), replies=replies)
    loop.take(content())
    assert loop.run().state == "LIVE"
    return loop


def asked(loop: Loop, text: str = "谢谢", comment: str = "c9") -> ReplyRequested:
    command = about(loop, ReplyRequested, comment_id=comment, text=text, post_key="echo:1")
    assert isinstance(command, ReplyRequested)
    loop.command(command)
    return command


def the_reply(loop: Loop) -> ReplyRecord:
    return loop.record.replies[-1]


def pass_time(loop: Loop, times: int = 5) -> None:
    for _ in range(times):
        loop.clock.advance(100)
        loop.run(3)


def test_the_ledger_says_calling_before_the_answer_leaves_and_done_after() -> None:
    loop = out(replies := Replying())
    command = asked(loop)
    due = loop.stage.tick()
    loop.commit(due, call=False)
    assert (the_reply(loop).state, replies.said) == ("CALLING", [])
    for callback in due.after_commit:
        callback()
    loop.settle()
    loop.run()
    reply = the_reply(loop)
    assert (reply.state, reply.reply_id, reply.actor) == ("DONE", "r1", "li")
    assert reply.at == loop.record.occurred_at, "by which the collector knows that this revision tells of it"
    assert loop.record.commands == (command.command_id,)


class MovingClock(ManualClock):
    """As clocks are: no two looks at it show the same time."""

    def now(self) -> datetime:
        self.advance(0.000_01)
        return super().now()


def test_what_is_commanded_is_done_also_by_a_clock_that_goes_on_between_two_looks() -> None:
    loop = Loop(Platform(), replies=Replying(), retraction=Retracting(), clock=MovingClock(START))
    loop.take(content())
    assert loop.run().state == "LIVE"
    asked(loop)
    loop.run()
    assert the_reply(loop).state == "DONE"
    loop.command(about(loop, RetractRequested))
    assert loop.run().state == "REMOVED"


def test_the_same_command_never_answers_twice_however_often_it_comes() -> None:
    loop = out(replies := Replying())
    command = asked(loop)
    loop.run()
    loop.command(command)
    loop.run()
    loop.crash()
    loop.run()
    assert replies.said == ["c9:谢谢"]


@pytest.mark.parametrize("finds", [["r7"], [None, "r7"]])
def test_a_lost_answer_is_looked_for_and_never_repeated(finds: list[Any]) -> None:
    loop = out(replies := Replying(answers=[NoAnswerError("x")], finds=finds))
    asked(loop)
    loop.run()
    assert the_reply(loop).state == "UNKNOWN"
    pass_time(loop)
    assert (the_reply(loop).state, the_reply(loop).reply_id, len(replies.said)) == ("DONE", "r7", 1)


def test_an_answer_that_is_not_found_is_given_up_and_not_repeated() -> None:
    loop = out(replies := Replying(answers=[NoAnswerError("x")]))
    asked(loop)
    loop.run()
    pass_time(loop)
    assert (the_reply(loop).state, len(replies.said), replies.looked) == ("FAILED", 1, 2)
    assert "没有再发" in said(loop)


def test_a_crash_while_answering_is_looked_for() -> None:
    loop = out(replies := Replying(finds=["r7"]))
    asked(loop)
    loop.commit(loop.stage.tick(), call=False)
    loop.crash()
    loop.run()
    assert the_reply(loop).state == "UNKNOWN"
    pass_time(loop)
    assert (the_reply(loop).state, replies.said) == ("DONE", [])


def test_what_was_never_sent_is_sent_again() -> None:
    loop = out(replies := Replying(answers=[NotSentError("x")]))
    asked(loop)
    loop.run()
    pass_time(loop, 2)
    assert (the_reply(loop).state, len(replies.said)) == ("DONE", 2)


def test_a_refused_answer_says_why() -> None:
    loop = out(Replying(answers=[refused()]))
    asked(loop)
    loop.run()
    assert the_reply(loop).state == "FAILED"
    assert "平台拒绝" in said(loop)


def test_a_brake_holds_answers_too_and_they_go_out_after_it() -> None:
    loop = out(replies := Replying())
    stop: BrakeSet = brake()
    loop.command(stop)
    asked(loop)
    loop.run()
    assert (loop.record.replies, replies.said) == ((), [])
    loop.command(released(stop))
    loop.run()
    assert the_reply(loop).state == "DONE"


def test_a_brake_at_the_last_moment_stops_the_answer() -> None:
    loop = out(replies := Replying())
    asked(loop)
    due = loop.stage.tick()
    loop.command(brake())
    loop.commit(due)
    loop.settle()
    loop.run()
    assert (the_reply(loop).state, replies.said) == ("FAILED", [])
    assert "被拦下" in said(loop)


def test_an_answer_that_is_too_long_or_impossible_is_refused_visibly() -> None:
    loop = out(replies := Replying())
    asked(loop, "长" * 21)
    loop.run()
    assert "最多 20 字" in said(loop)
    assert replies.said == []
    other = out(None)
    asked(other)
    other.run()
    assert "没有提供回复接口" in said(other)


def test_two_answers_go_out_one_after_the_other() -> None:
    loop = out(replies := Replying(answers=[NoAnswerError("x")], finds=["r1"]))
    asked(loop, comment="a")
    asked(loop, comment="b")
    loop.run()
    assert [reply.state for reply in loop.record.replies] == ["UNKNOWN"], "the second is not even recorded"
    pass_time(loop)
    assert [reply.state for reply in loop.record.replies] == ["DONE", "DONE"]
    assert replies.said == ["a:谢谢", "b:谢谢"]
