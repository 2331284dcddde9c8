"""The answer to every mutating call of every platform is lost once: the post is there once, and we know it."""

from __future__ import annotations

from collections import Counter

import pytest

from services.adapter.contract.registry import platforms
from services.simulator.discovery import discovered
from tests.pipeline.stack import Stack, adapters_running, content

pytestmark = pytest.mark.kafka

# Mutating endpoints that no publication here calls: removal, answers, token care, parts, which only large videos need,
# and mass sending, for which there is no account here (tests/adapter_wechat/test_mass.py loses its answers).
BESIDE_PUBLISHING = {
    ("douyin", "oauth/refresh_token"),
    ("douyin", "oauth/renew_refresh_token"),
    ("douyin", "oauth/access_token"),
    ("douyin", "oauth/client_token"),
    ("douyin", "event/status/update"),
    ("douyin", "item/comment/reply"),
    ("douyin", "video/init_video_part_upload"),
    ("douyin", "video/upload_video_part"),
    ("douyin", "video/complete_video_part_upload"),
    ("wechat", "comment/reply/add"),
    ("wechat", "comment/reply/delete"),
    ("wechat", "draft/delete"),
    ("wechat", "freepublish/delete"),
    ("wechat", "message/mass/delete"),
    ("wechat", "message/mass/sendall"),
    ("weibo", "comments/create"),
    ("weibo", "comments/reply"),
    ("weibo", "statuses/destroy"),
}
EVERYWHERE = [("weibo", "qinghe-tea"), ("weibo", "qinghe-life"), ("wechat", "qinghe-tea"), ("douyin", "qinghe-tea")]


def mutating() -> list[tuple[str, str]]:
    """(platform, endpoint) of everything that changes anything, as the platforms themselves declare it."""
    found, broken = discovered()
    assert not broken
    return [(one.platform, endpoint.name) for one in found for endpoint in one.endpoints() if endpoint.mutating]


def _publish_everything(stack: Stack) -> int:
    """Contents that between them use every mutating endpoint of publishing."""
    pictures = [stack.picture("cover", "cover"), *(stack.picture(f"g{n}", "gallery") for n in range(2))]
    article = [stack.picture("only", "cover"), stack.picture("leaf", "inline")]
    film = [stack.picture("poster", "cover", (720, 1280)), stack.video("film")]
    contents = [
        content("pictures", EVERYWHERE, kind="pictures", media=pictures),
        content("film", [("weibo", "qinghe-tea"), ("wechat", "qinghe-tea"), ("douyin", "qinghe-tea")], kind="video",
                media=film),
        content("notice", [("weibo", "qinghe-tea"), ("weibo", "qinghe-life")]),
        content("article", [("wechat", "qinghe-tea"), ("weibo", "qinghe-tea")], kind="article", media=article,
                body="![茶叶](media:leaf)"),
        content("picture", [("weibo", "qinghe-tea")], kind="pictures", media=[stack.picture("single", "gallery")]),
    ]  # fmt: skip
    stack.publish(*contents)
    return sum(len(one.targets) for one in contents)


@pytest.mark.timeout(240)
def test_drop_after_on_every_mutating_endpoint_never_makes_a_second_post(stack: Stack) -> None:
    for platform, endpoint in mutating():
        stack.simulator.set_fault(platform, endpoint, "drop_after", count=1)
    stack.start_kafka()
    adapters_running(stack)
    expected = _publish_everything(stack)
    records = stack.wait("all placements final", lambda: stack.all_final(expected), patience_s=150)
    assert Counter(record.state for record in records.values()) == {"LIVE": expected}
    claimed = Counter((record.platform, record.post.native_id) for record in records.values() if record.post)
    made = Counter((platform, post.native_id) for platform in platforms() for post in stack.posts(platform))
    assert claimed == made
    assert max(made.values()) == 1
    assert any(entry.state == "UNKNOWN" for record in records.values() for entry in record.history), "no fault struck"
    unused = {(str(fault["platform"]), str(fault["endpoint"])) for fault in _left(stack)}
    assert unused == BESIDE_PUBLISHING, "what is not in this list was to be called, so that something is shown about it"


def _left(stack: Stack) -> list[dict[str, object]]:
    return [fault.shown() for fault in stack.simulator.simulation.faults.left()]
