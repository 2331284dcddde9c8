"""Live posts are taken down on command: repeated after a lost answer, refused where the platform cannot."""

from __future__ import annotations

from schemas.events.commands import (
    RetractRequested,
)
from services.adapter.contract.errors import NoAnswerError, NotSentError
from tests.adapter.scripted import Loop, Platform, Retracting, content
from tests.adapter.worker.test_commands import about, refused, said, taken


def test_a_live_post_is_taken_down_and_says_why() -> None:
    loop = Loop(Platform(), retraction=(taking := Retracting()))
    loop.take(content())
    loop.run()
    command = about(loop, RetractRequested)
    loop.command(command)
    record = loop.run()
    assert (record.state, record.commands) == ("REMOVED", (command.command_id,))
    assert "li：价格有误" in said(loop)
    loop.command(command)
    loop.crash()
    loop.run()
    assert taking.taken_down == ["1"]


def test_taking_down_is_tried_again_after_a_lost_answer_and_after_a_crash() -> None:
    loop = Loop(Platform(), retraction=(taking := Retracting(answers=[NoAnswerError("x"), NotSentError("y")])))
    loop.take(content())
    loop.run()
    loop.command(about(loop, RetractRequested))
    loop.commit(loop.stage.tick(), call=False)
    loop.crash()
    for _ in range(3):
        loop.run(2)
        loop.clock.advance(10)
    assert loop.run().state == "REMOVED"
    assert taking.tried == 3


def test_a_platform_that_refuses_to_take_down_leaves_the_post_live_and_says_so() -> None:
    loop = Loop(Platform(), retraction=Retracting(answers=[refused()]))
    loop.take(content())
    loop.run()
    command = about(loop, RetractRequested)
    loop.command(command)
    record = loop.run()
    assert (record.state, record.commands) == ("LIVE", (command.command_id,))
    assert "平台拒绝" in said(loop)


def test_where_the_platform_cannot_take_down_the_command_is_refused_visibly() -> None:
    loop = taken(Platform())
    loop.run()
    command = about(loop, RetractRequested)
    loop.command(command)
    record = loop.run()
    assert (record.state, record.commands) == ("LIVE", (command.command_id,))
    assert "没有提供撤回接口" in said(loop)
