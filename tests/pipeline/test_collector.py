"""kill -9, hand-over and faults while comments pour in: every comment once, every figure in the end the true one."""

from __future__ import annotations

import json
import random
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from schemas.codec import decoder
from schemas.feedback import CommentObserved, FeedbackEvent, FollowersObserved, MetricsObserved
from services.adapter.registry import platforms
from services.runtime.kafka.reader import read_topic
from tests.pipeline.stack import Stack, adapters_running, content

TARGETS = [("weibo", "qinghe-tea"), ("weibo", "qinghe-life"), ("wechat", "qinghe-tea"), ("douyin", "qinghe-tea")]
SPEED = 200.0  # the first hour, in which four reactions in five happen, takes 18 seconds
AFTER_ALL = 3 * 86_400  # the audience of a post ends within a day; the slowest platform counts a day late
LISTENING = {  # endpoints of comments and of counters
    "weibo": ("comments/show", "statuses/count"),
    "wechat": ("/cgi-bin/comment/list", "/datacube/getarticletotaldetail"),
    "douyin": ("item/comment/list", "item/comment/reply/list", "video/video_data"),
}
decode = decoder("feedback-unified")

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Adapters that publish; the tests bring their own posts and collectors."""
    with Stack(tmp_path_factory.mktemp("busy"), speed=1.0) as stack:
        stack.start_kafka()
        adapters_running(stack)
        yield stack


def _start_collector(stack: Stack, n: int = 0) -> None:
    stack.start(
        "feedback_collector",
        n,
        env={"TONGBO_CLOCK": f"{stack.simulator.url}/_sim/clock", "TONGBO_SESSION_TIMEOUT_S": "2"},
    )


def _posts_go_live(stack: Stack, name: str, contents: int = 3) -> None:
    """New posts everywhere, then time begins to race."""
    stack.simulator.clock.set_speed(1.0)
    media = [stack.picture("cover", "cover"), *(stack.picture(f"g{n}", "gallery") for n in range(2))]
    before = len(stack.ledger())
    # campaigns of their own, so that the posts live in different partitions
    stack.publish(
        *(
            content(f"{name}{n}", TARGETS, kind="pictures", media=media, campaign_id=f"{name}-{n}")
            for n in range(contents)
        )
    )
    records = stack.wait("posts live", lambda: stack.all_final(before + contents * len(TARGETS)))
    assert {record.state for record in records.values()} == {"LIVE"}
    stack.simulator.clock.set_speed(SPEED)


def _feedback(stack: Stack) -> list[FeedbackEvent]:
    return [decode(record.value or b"") for record in read_topic(stack.kafka, "feedback-unified")]


def _comments(stack: Stack) -> int:
    return sum(isinstance(event, CommentObserved) for event in _feedback(stack))


def _truth(stack: Stack) -> dict[str, Any]:
    with urllib.request.urlopen(f"{stack.simulator.url}/_sim/truth") as answer:
        return {f"{post['platform']}:{post['native_id']}": post for post in json.load(answer)}


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


def _ends_exact(stack: Stack) -> None:
    """Once nobody reacts any more, everything is there, and nothing is there twice."""
    stack.simulator.clock.advance(AFTER_ALL)
    truth = _truth(stack)
    try:
        stack.wait("feedback equals the truth", lambda: not _differences(truth, _feedback(stack)), 40)
    except AssertionError as error:
        raise AssertionError("\n".join(_differences(truth, _feedback(stack)))) from error
    assert _truth(stack) == truth
    events = _feedback(stack)
    repeated = {event_id: n for event_id, n in Counter(event.event_id for event in events).items() if n > 1}
    assert repeated == {}
    sequences: dict[str, list[int]] = defaultdict(list)
    for event in events:
        if isinstance(event, MetricsObserved):
            sequences[event.post_key].append(event.sequence)
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in sequences.values())
    assert any(isinstance(event, FollowersObserved) for event in events)


def test_kill_9_at_any_moment_under_load_loses_and_repeats_no_comment(busy: Stack) -> None:
    seed = random.randrange(10**6)
    print("moments of death by seed", seed)
    moments = random.Random(seed)
    _posts_go_live(busy, "kill")
    counted = []
    for _ in range(4):
        before = _comments(busy)
        _start_collector(busy)
        busy.wait("comments come in again", lambda before=before: _comments(busy) > before)  # type: ignore[misc]
        time.sleep(moments.uniform(0, 1))  # the moment of death, not a wait for something
        busy.kill("feedback_collector")
        counted.append(_comments(busy))
    assert counted == sorted(set(counted)), "it was not under load"
    _start_collector(busy)
    _ends_exact(busy)
    assert busy.stop("feedback_collector") == 0


def test_a_collector_that_is_stopped_hands_over_without_a_gap_or_a_repetition(busy: Stack) -> None:
    _posts_go_live(busy, "pair", contents=4)
    before = _comments(busy)
    _start_collector(busy, 0)
    _start_collector(busy, 1)
    for n in (0, 1):
        busy.wait(
            f"collector {n} owns partitions",
            lambda n=n: "live_posts_rebuilt" in busy.log_of(f"feedback_collector-{n}").read_text(),  # type: ignore[misc]
        )
    busy.wait("comments come in", lambda: _comments(busy) > before)
    assert busy.stop("feedback_collector", 0) == 0
    _ends_exact(busy)
    assert busy.stop("feedback_collector", 1) == 0


def test_faults_while_listening_lose_and_repeat_nothing(busy: Stack) -> None:
    _posts_go_live(busy, "fault")
    for platform in platforms():
        for endpoint in LISTENING[platform]:
            for kind, rate, delay_s in (
                ("short_page", 0.3, None),
                ("slow", 0.1, 0.3),
                ("drop_before", 0.3, None),
                ("http_500", 0.3, None),
                ("rate_limit", 0.3, None),
            ):
                if kind == "short_page" and "comment" not in endpoint:
                    continue
                busy.simulator.set_fault(platform, endpoint, kind, rate=rate, delay_s=delay_s)
    before = _comments(busy)
    _start_collector(busy)
    busy.wait("comments come in all the same", lambda: _comments(busy) > before + 20)
    busy.wait("failures are noticed", lambda: "poll_failed" in busy.log_of("feedback_collector-0").read_text())
    busy.simulator.clear_faults()
    _ends_exact(busy)
    assert busy.stop("feedback_collector") == 0
