"""kill -9, hand-over and faults while comments pour in: every comment once, every figure in the end the true one."""

from __future__ import annotations

import json
import random
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.codec import decoder
from schemas.events.feedback import CommentObserved, FeedbackEvent, FollowersObserved, MetricsObserved
from services.runtime.kafka.reader import Tail
from tests.pipeline.stack import Stack, adapters_running, content

TARGETS = [("weibo", "qinghe-tea"), ("weibo", "qinghe-life"), ("wechat", "qinghe-tea"), ("douyin", "qinghe-tea")]
# A refusal for a minute ("next minute" is what WeChat says) is waited out before the numbers can be equal.
PATIENCE_S = 150.0
SPEED, HARDLY = 200.0, 1.0  # the first hour, in which four reactions in five happen, takes 18 seconds
AFTER_ALL = 3 * 86_400  # the audience of a post ends within a day; the slowest platform counts a day late
LISTENING = {  # endpoints of comments and of counters
    "weibo": ("comments/show", "statuses/count"),
    "wechat": ("/cgi-bin/comment/list", "/datacube/getarticletotaldetail"),
    "douyin": ("item/comment/list", "item/comment/reply/list", "video/video_data"),
}
FAULTS = ("short_page", "slow", "drop_before", "http_500", "rate_limit")
decode = decoder("feedback-unified")

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]


class Listening:
    """A stack with adapters that publish, and everything that was committed to the feedback topic so far."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._tail = Tail(stack.kafka, ["feedback-unified"])
        self._events: list[FeedbackEvent] = []
        self._collectors: set[int] = set()

    @property
    def events(self) -> list[FeedbackEvent]:
        while records := self._tail.poll(0.05):
            self._events += [decode(record.value or b"") for record in records]
        return self._events

    def comments(self) -> int:
        return sum(isinstance(event, CommentObserved) for event in self.events)

    def calm_down(self) -> None:
        """No collector outlives its test, and no fault."""
        self.stack.simulator.clear_faults()
        for n in sorted(self._collectors):
            self.kill_collector(n)

    def close(self) -> None:
        self._tail.close()

    def start_collector(self, n: int = 0) -> None:
        clock = f"{self.stack.simulator.url}/_sim/clock"
        self.stack.start("feedback_collector", n, env={"TONGBO_CLOCK": clock, "TONGBO_SESSION_TIMEOUT_S": "2"})
        self._collectors.add(n)

    def listen_again(self) -> None:
        """A new collector. Hardly any time passes until it has its posts: the audience must not have gone by then."""
        log = self.stack.log_of("feedback_collector-0")
        before = _rebuilt(log)
        self.stack.simulator.clock.set_speed(HARDLY)
        self.start_collector()
        self.stack.wait("it has its posts", lambda: _rebuilt(log) > before)
        self.stack.simulator.clock.set_speed(SPEED)

    def kill_collector(self, n: int = 0) -> None:
        self._collectors.remove(n)
        self.stack.kill("feedback_collector", n)

    def stop_collector(self, n: int = 0) -> None:
        self._collectors.remove(n)
        assert self.stack.stop("feedback_collector", n) == 0

    def posts_go_live(self, name: str, contents: int = 3) -> None:
        """New posts everywhere, in campaigns and so in partitions of their own; then time begins to race."""
        self.stack.simulator.clock.set_speed(20.0)  # reviews take their time, too
        media = [self.stack.picture("cover", "cover"), *(self.stack.picture(f"g{n}", "gallery") for n in range(2))]
        expected = len(self.stack.ledger()) + contents * len(TARGETS)
        for n in range(contents):
            campaign = f"{name}-{n}"
            self.stack.publish(content(campaign, TARGETS, kind="pictures", media=media, campaign_id=campaign))
        records = self.stack.wait("posts live", lambda: self.stack.all_final(expected))
        assert {record.state for record in records.values()} == {"LIVE"}
        self.stack.simulator.clock.set_speed(SPEED)

    def truth(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.stack.simulator.url}/_sim/truth") as answer:
            return {f"{post['platform']}:{post['native_id']}": post for post in json.load(answer)}

    def ends_exact(self) -> None:
        """Once nobody reacts any more, everything is there, and nothing is there twice."""
        self.stack.simulator.clock.advance(AFTER_ALL)
        truth = self.truth()
        try:
            self.stack.wait("feedback equals the truth", lambda: not _differences(truth, self.events), PATIENCE_S)
        except AssertionError as error:
            raise AssertionError("\n".join(_differences(truth, self.events))) from error
        assert self.truth() == truth
        times = Counter(event.event_id for event in self.events)
        assert {event_id: n for event_id, n in times.items() if n > 1} == {}
        sequences: dict[str, list[int]] = defaultdict(list)
        for event in self.events:
            if isinstance(event, MetricsObserved):
                sequences[event.post_key].append(event.sequence)
        assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in sequences.values())


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    """The tests bring their own posts and collectors."""
    with Stack(tmp_path_factory.mktemp("busy"), speed=20.0) as stack:
        stack.start_kafka()
        adapters_running(stack)
        listening = Listening(stack)
        yield listening
        listening.close()


@pytest.fixture(autouse=True)
def calm(busy: Listening) -> Iterator[None]:
    yield
    busy.calm_down()


def _rebuilt(log: Path) -> int:
    """How often collectors have been given partitions and rebuilt the posts of these."""
    return log.read_text().count("live_posts_rebuilt") if log.exists() else 0


def _differences(truth: dict[str, Any], events: list[FeedbackEvent]) -> list[str]:
    """What the newest snapshots and the comments say otherwise than the platforms' own truth."""
    newest: dict[str, MetricsObserved] = {}
    collected: dict[str, set[str]] = defaultdict(set)
    for event in events:
        if isinstance(event, MetricsObserved) and event.sequence > (
            s.sequence if (s := newest.get(event.post_key)) else 0
        ):
            newest[event.post_key] = event
        if isinstance(event, CommentObserved):
            collected[event.post_key].add(event.comment_id)
    found = []
    for key, post in truth.items():
        if collected[key] != (true := set(post["comment_ids"])):
            found.append(f"{key}: {len(true - collected[key])} comments missing, {len(collected[key] - true)} invented")
        if key not in newest:
            found.append(f"{key}: no metrics")
            continue
        told = {metric: getattr(newest[key].readings, metric).value for metric in post["metrics"]}
        if told != post["metrics"]:
            found.append(f"{key}: {told} instead of {post['metrics']}")
        if newest[key].comments_collected != len(true):
            found.append(f"{key}: says {newest[key].comments_collected} of {len(true)} collected")
    return found


def test_kill_9_at_any_moment_under_load_loses_and_repeats_no_comment(busy: Listening) -> None:
    seed = random.randrange(10**6)
    print("moments of death by seed", seed)
    moments = random.Random(seed)
    busy.posts_go_live("kill")
    counted = [busy.comments()]
    for _ in range(4):
        busy.listen_again()
        busy.stack.wait("comments come in again", lambda: busy.comments() > counted[-1])
        time.sleep(moments.uniform(0, 1))  # the moment of death, not a wait for something
        busy.kill_collector()
        counted.append(busy.comments())
    assert len(busy.events) > 0
    busy.start_collector()
    busy.ends_exact()
    assert busy.comments() > counted[-1], "the last kill came after all had been collected"
    busy.stack.wait("followers are told", lambda: any(isinstance(one, FollowersObserved) for one in busy.events))
    busy.stop_collector()


def test_a_collector_that_is_stopped_hands_over_without_a_gap_or_a_repetition(busy: Listening) -> None:
    busy.start_collector(0)
    busy.start_collector(1)
    busy.posts_go_live("pair", contents=4)
    for n in (0, 1):
        log = busy.stack.log_of(f"feedback_collector-{n}")
        busy.stack.wait(f"collector {n} has partitions", lambda log=log: "live_posts_rebuilt" in log.read_text())  # type: ignore[misc]
    before = busy.comments()
    busy.stack.wait("comments come in", lambda: busy.comments() > before)
    busy.stop_collector(0)
    busy.ends_exact()
    busy.stop_collector(1)


def test_faults_while_listening_lose_and_repeat_nothing(busy: Listening) -> None:
    for platform, endpoints in LISTENING.items():
        for endpoint in endpoints:
            for kind in FAULTS:
                if kind != "short_page" or "comment" in endpoint:
                    delay_s = 0.3 if kind == "slow" else None
                    busy.stack.simulator.set_fault(platform, endpoint, kind, rate=0.3, delay_s=delay_s)
    busy.start_collector()
    busy.posts_go_live("fault")
    before = busy.comments()
    log = busy.stack.log_of("feedback_collector-0")
    busy.stack.wait("comments come in all the same", lambda: busy.comments() > before + 20)
    busy.stack.wait("failures are noticed", lambda: "poll_failed" in log.read_text())
    busy.stack.simulator.clear_faults()
    busy.ends_exact()
    busy.stop_collector()
