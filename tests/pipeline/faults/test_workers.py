"""Two workers of one adapter: placements move over when one leaves, however it leaves, and none is posted twice."""

from __future__ import annotations

from collections import Counter

import pytest

from schemas.events.placement import PlacementRecord
from tests.pipeline.stack import Stack, content

pytestmark = pytest.mark.kafka

CONTENTS = 24
CAMPAIGNS = 8  # spread over the partitions, so that both workers have some


def _publish(stack: Stack) -> None:
    for n in range(CONTENTS):
        campaign = f"campaign-{n % CAMPAIGNS}"
        stack.publish(content(f"c{n}", [("douyin", "qinghe-tea")], kind="pictures", campaign_id=campaign,
                              media=[stack.picture(f"p{n}", "gallery")]))  # fmt: skip


def _workers(records: dict[str, PlacementRecord]) -> set[str]:
    return {entry.worker for record in records.values() for entry in record.history if entry.state == "CALLING"}


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_placements_move_to_the_other_worker_and_none_is_posted_twice(stack: Stack, how: str) -> None:
    stack.start_kafka()
    # So long that something is half done when we have seen both at work, and not so long that an answer is given up.
    stack.simulator.set_fault("douyin", "video/upload_image", "slow", rate=1.0, delay_s=2.0)
    for n in (0, 1):
        stack.start("adapter_douyin", n, {"TONGBO_CALL_TIMEOUT_S": "10"})
    stack.wait("both workers hold partitions", lambda: all(_assigned(stack, n) == 2 for n in (0, 1)))
    _publish(stack)
    stack.wait("both workers are at work", lambda: len(_workers(stack.ledger())) == 2)
    if how == "stopped":
        assert stack.stop("adapter_douyin", 1) == 0
    else:
        stack.kill("adapter_douyin", 1)
    records = stack.wait("all placements final", lambda: stack.all_final(CONTENTS))
    assert Counter(record.state for record in records.values()) == {"LIVE": CONTENTS}
    posts = stack.posts("douyin")
    assert len(posts) == CONTENTS
    assert {record.post.native_id for record in records.values() if record.post} == {post.native_id for post in posts}
    moved = [
        record
        for record in records.values()
        if {entry.worker for entry in record.history} >= {"adapter-douyin-0", "adapter-douyin-1"}
    ]
    assert moved, "no placement was half done when the worker left: the hazard did not happen"


def _assigned(stack: Stack, n: int) -> int:
    """Partitions the worker was given last, by its log."""
    lines = [line for line in stack.log_of(f"adapter_douyin-{n}").read_text().splitlines() if "ledger_rebuilt" in line]
    return lines[-1].split('"partitions":[')[1].split("]")[0].count(",") + 1 if lines else 0
