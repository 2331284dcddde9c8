"""The platforms' calls against real processes: lost, tripled, between two deaths by kill -9; each comment once."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from schemas.codec import decoder
from schemas.feedback import CommentObserved
from services.runtime.kafka.reader import Tail, read_topic
from services.simulator.webhooks import RetryRule, callback_address
from tests.pipeline.stack import Stack, content

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(200)]
TALKATIVE = ("douyin", "qinghe-tea")  # a platform that calls for each comment
RARELY = "1000"  # times the cadence table: a post is polled when it is taken up, and then not for eight hours
DAYS = 3 * 86_400.0
SPEED = 200.0


@dataclass
class Called:
    """A stack whose platform calls back the collector; comments: everything on the feedback topic so far."""

    stack: Stack
    port: int
    comments: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._tail = Tail(self.stack.kafka, ["feedback-unified"])
        self.stack.simulator.simulation.webhooks.rule = RetryRule(tries=100, timeout_s=5.0, pause_s=0.3)
        platform, account = TALKATIVE
        options = self.stack.simulator.world(platform).accounts[account].options
        options["callback_url"] = callback_address(f"http://127.0.0.1:{self.port}", platform, account)

    def collector(self, scale: str, **env: str) -> None:
        clock = f"{self.stack.simulator.url}/_sim/clock"
        settings = {"TONGBO_CLOCK": clock, "TONGBO_CALLBACK_PORT": str(self.port), "TONGBO_POLL_SCALE": scale}
        self.stack.start("feedback_collector", env=settings | {"TONGBO_SESSION_TIMEOUT_S": "2"} | env)

    def collected(self) -> Counter[str]:
        """How often each comment was told."""
        decode = decoder("feedback-unified")
        while records := self._tail.poll(0.05):
            events = [decode(record.value or b"") for record in records]
            self.comments.update(event.comment_id for event in events if isinstance(event, CommentObserved))
        return self.comments

    def told(self, fault: str | None = None) -> set[str]:
        """Comments of which the platform called, or was to call."""
        sent = self.stack.simulator.simulation.webhooks.sent(TALKATIVE[0])
        bodies = [one.request.body for one in sent if one.request.name == "item_comment_reply" and one.fault == fault]
        contents = [json.loads(body)["content"] for body in bodies]
        return {(json.loads(one) if isinstance(one, str) else one)["comment_id"] for one in contents}

    def true(self) -> set[str]:
        world = self.stack.simulator.world(TALKATIVE[0])
        with self.stack.simulator.simulation.instant():
            return {comment.native_id for post in world.posts for comment in world.comments(post)}

    def wait_for(self, comments: int) -> None:
        before = len(self.collected())
        self.stack.wait(f"{comments} more comments", lambda: len(self.collected()) >= before + comments)

    def quiet(self) -> None:
        self.stack.wait("all calls are over", self.stack.simulator.simulation.webhooks.idle)


@pytest.fixture
def called(stack: Stack) -> Iterator[Called]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    stack.start_kafka()
    stack.start(f"adapter_{TALKATIVE[0]}")
    called = Called(stack, port)
    media = [stack.picture("cover", "cover"), *(stack.picture(f"g{n}", "gallery") for n in range(2))]
    stack.publish(*(content(f"c{n}", [TALKATIVE], kind="pictures", media=media) for n in range(2)))
    called.collector(RARELY)
    stack.wait("posts live", lambda: stack.all_final(2))
    yield called
    called._tail.close()


def test_comments_by_callback_are_each_told_once_through_kills_repetitions_and_losses(called: Called) -> None:
    stack, simulator = called.stack, called.stack.simulator
    listener = stack.log_of("feedback_collector-0")
    stack.wait("it listens", lambda: "callbacks_listening" in listener.read_text())
    simulator.clock.set_speed(SPEED)
    called.wait_for(5)

    simulator.set_fault(TALKATIVE[0], "item_comment_reply", "webhook_thrice", count=5)
    called.wait_for(8)
    assert called.told("webhook_thrice"), "nothing was said three times"

    for point in ("callback:arrived", "callback:written"):
        stack.kill("feedback_collector")
        called.collector(RARELY, TONGBO_KILL_AT=point)
        stack.wait_dead("feedback_collector")
        called.collector(RARELY)
        called.wait_for(3)
    stack.kill("feedback_collector")  # after some were acknowledged and not yet taken up, perhaps
    called.collector(RARELY)
    simulator.set_fault(TALKATIVE[0], "item_comment_reply", "webhook_lost", count=3)
    stack.wait("some are lost", lambda: len(called.told("webhook_lost")) >= 3)
    simulator.simulation.mount(TALKATIVE[0]).world.stop_audience()
    called.quiet()
    lost = called.told("webhook_lost")
    stack.wait("all but the lost ones", lambda: called.true() - lost <= set(called.collected()))
    assert lost - set(called.collected()), "the polls were at work: nothing was shown about the callbacks"

    stack.kill("feedback_collector")
    called.collector("0.02")
    simulator.clock.advance(DAYS)
    stack.wait("the poll finds what was lost", lambda: set(called.collected()) == called.true())
    assert {comment: n for comment, n in called.collected().items() if n > 1} == {}
    authors = {comment.author for post in simulator.world(TALKATIVE[0]).posts
               for comment in simulator.world(TALKATIVE[0]).comments(post)}  # fmt: skip
    log = b"\n".join(record.value or b"" for record in read_topic(stack.kafka, "platform-callback"))
    assert len(authors) > 3
    assert not any(author.encode() in log for author in authors)
