"""kill -9 of every adapter at every point around a call: one post, one final record."""

from __future__ import annotations

import pytest

from services.adapter.contract.registry import platforms
from tests.pipeline.stack import Stack, adapters_running, content

TARGETS = [("weibo", "qinghe-tea"), ("weibo", "qinghe-life"), ("wechat", "qinghe-tea"), ("douyin", "qinghe-tea")]

pytestmark = pytest.mark.kafka


def _publish_pictures(stack: Stack) -> None:
    media = [stack.picture("cover", "cover"), *(stack.picture(f"g{n}", "gallery") for n in range(2))]
    stack.publish(content("a1", TARGETS, kind="pictures", media=media))


def _restart_when_dead(stack: Stack) -> None:
    for platform in platforms():
        stack.wait_dead(f"adapter_{platform}")
        stack.start(f"adapter_{platform}")


def _each_exactly_once(stack: Stack) -> None:
    records = stack.wait("all placements final", lambda: stack.all_final(len(TARGETS)))
    assert {record.state for record in records.values()} == {"LIVE"}
    for platform, account in TARGETS:
        made = [post for post in stack.posts(platform) if post.account == account]
        assert len(made) == 1, f"{platform}/{account} has {len(made)} posts"
    claimed = {(record.platform, record.post.native_id) for record in records.values() if record.post}
    assert claimed == {(platform, post.native_id) for platform in platforms() for post in stack.posts(platform)}


@pytest.mark.parametrize("point", ["recorded:post", "answered:post", "recorded:orphan", "answered:orphan"])
def test_kill_9_around_a_call_never_posts_twice(stack: Stack, point: str) -> None:
    stack.start_kafka()
    adapters_running(stack, {"TONGBO_KILL_AT": point})
    _publish_pictures(stack)
    _restart_when_dead(stack)
    _each_exactly_once(stack)
