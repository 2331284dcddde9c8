"""Posts that are out, on the real broker: what was removed is noticed, what is commanded is done once and told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from schemas.events.commands import ReplyRequested, RetractRequested
from schemas.events.feedback import CommentObserved, FeedbackEvent, ReplyPosted
from schemas.events.placement import PlacementRecord
from services.adapter.contract.registry import adapter, platforms
from services.runtime.kafka.producer import Producer
from services.runtime.kafka.reader import read_topic
from services.runtime.kafka.records import Outgoing
from tests.pipeline.stack import Stack, adapters_running, content

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]
decode = msgspec.json.Decoder(FeedbackEvent).decode
WATCHING = {"TONGBO_WATCH_EVERY_S": "0.5"}


def order(stack: Stack, kind: Callable[..., Any], record: PlacementRecord, **more: Any) -> str:
    """A command about the placement, acknowledged."""
    now, name = datetime.now(UTC), f"{kind.__name__}-{record.placement_id}"
    command = kind(
        event_id=name, command_id=name, occurred_at=now, observed_at=now, brand_id=record.brand_id, trace_id=name,
        actor="li", reason="图片用错", campaign_id=record.campaign_id, placement_id=record.placement_id, **more,
    )  # fmt: skip
    producer = Producer(stack.kafka, "operator")
    producer.send(Outgoing("operator-command", msgspec.json.encode(command), name.encode(), 0))
    producer.close()
    return name


def feedback(stack: Stack, kind: type[Any]) -> list[Any]:
    return [
        one for raw in read_topic(stack.kafka, "feedback-unified") if isinstance(one := decode(raw.value or b""), kind)
    ]


def of(stack: Stack, name: str) -> dict[str, PlacementRecord]:
    """By platform: where the placements of a content stand."""
    return {one.platform: one for one in stack.ledger().values() if one.content_id == name}


def in_state(stack: Stack, name: str, state: str) -> dict[str, PlacementRecord] | None:
    found = of(stack, name)
    return found if len(found) == len(platforms()) and {one.state for one in found.values()} == {state} else None


def test_what_is_out_is_watched_withdrawn_and_answered(stack: Stack) -> None:
    stack.start_kafka()
    adapters_running(stack, WATCHING)
    stack.start("feedback_collector", env={"TONGBO_CLOCK": f"{stack.simulator.url}/_sim/clock"})
    targets = [(platform, "qinghe-tea") for platform in platforms()]
    pictures = [stack.picture("cover", "cover"), stack.picture("g", "gallery")]
    stack.publish(*(content(name, targets, kind="pictures", media=pictures) for name in ("gone", "wrong")))
    gone = stack.wait("all live", lambda: in_state(stack, "gone", "LIVE"))
    wrong = stack.wait("all live", lambda: in_state(stack, "wrong", "LIVE"))

    answered = wrong["weibo"]
    comment = stack.wait("a comment", lambda: _first_comment(stack, answered))
    asked = order(
        stack, ReplyRequested, answered, post_key=comment.post_key, comment_id=comment.comment_id, text="谢谢"
    )
    reply = stack.wait("the reply is told", lambda: feedback(stack, ReplyPosted))[0]
    assert (reply.comment_id, reply.actor, reply.placement_id) == (comment.comment_id, "li", answered.placement_id)
    told = of(stack, "wrong")["weibo"]
    assert (asked in told.commands, [one.state for one in told.replies]) == (True, ["DONE"])

    for platform, record in gone.items():
        assert record.post is not None
        _remove(stack, platform, record.post.native_id)
    removed = stack.wait("what was removed is noticed", lambda: in_state(stack, "gone", "REMOVED"), patience_s=60)
    assert all("不在平台上" in one.history[-1].note for one in removed.values())

    commands = {platform: order(stack, RetractRequested, record) for platform, record in wrong.items()}
    after = stack.wait("all commands are answered", lambda: _answered(stack, "wrong", commands))
    for platform, record in after.items():
        can = adapter(platform).retraction is not None
        assert record.state == ("REMOVED" if can else "LIVE"), platform
        assert "图片用错" in record.history[-1].note
    assert len(feedback(stack, ReplyPosted)) == 1


def _first_comment(stack: Stack, record: PlacementRecord) -> CommentObserved | None:
    found = [one for one in feedback(stack, CommentObserved) if one.placement_id == record.placement_id]
    return found[0] if found else None


def _remove(stack: Stack, platform: str, native_id: str) -> None:
    """The platform, or somebody in its app, takes the post down."""
    post = next(one for one in stack.posts(platform) if native_id in (one.native_id, *one.ids.values()))
    post.state = "removed"


def _answered(stack: Stack, name: str, commands: dict[str, str]) -> dict[str, PlacementRecord] | None:
    found = of(stack, name)
    return found if all(commands[platform] in one.commands for platform, one in found.items()) else None
