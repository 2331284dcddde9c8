"""A worker frozen around a call and woken after another one has done its work: one post, one final record."""

from __future__ import annotations

import os
import signal

import pytest

from tests.pipeline.stack import Stack, content

pytestmark = pytest.mark.kafka


def _frozen(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None


@pytest.mark.parametrize("point", ["deciding:post", "recorded:post", "starting:post"])
@pytest.mark.timeout(200)
def test_a_worker_that_wakes_up_after_its_heir_has_posted_does_not_post(stack: Stack, point: str) -> None:
    stack.start_kafka()
    zombie = stack.start("adapter_douyin", 0, {"TONGBO_FREEZE_AT": point})
    stack.publish(content("z1", [("douyin", "qinghe-tea")], kind="pictures", media=[stack.picture("p", "gallery")]))
    stack.wait("the worker is frozen", lambda: _frozen(zombie.pid))
    stack.start("adapter_douyin", 1)
    stack.wait("the heir has published", lambda: stack.all_final(1))
    os.kill(zombie.pid, signal.SIGCONT)
    stack.publish(content("z2", [("douyin", "qinghe-tea")], kind="pictures", media=[stack.picture("q", "gallery")]))
    records = stack.wait("both are final", lambda: stack.all_final(2))
    stack.wait("the zombie is a member again", lambda: _begun_anew(stack))
    assert zombie.poll() is None, "it goes on working"
    assert {record.state for record in records.values()} == {"LIVE"}
    posts = stack.posts("douyin")
    assert len(posts) == 2, [post.native_id for post in posts]
    assert {record.post.native_id for record in records.values() if record.post} == {post.native_id for post in posts}
    (first,) = (record for record in records.values() if record.content_id == "z1")
    assert "adapter-douyin-1" in {entry.worker for entry in first.history if entry.state in ("LIVE", "ACCEPTED")}


def _begun_anew(stack: Stack) -> bool:
    """Whether the zombie has noticed that its partitions were given away, and has been given some again."""
    lines = stack.log_of("adapter_douyin-0").read_text().splitlines()
    lost = [n for n, line in enumerate(lines) if "consume_loop_begins_anew" in line]
    return bool(lost) and any("ledger_rebuilt" in line for line in lines[lost[0] :])
