"""Three brokers, three replicas, two in sync: one of them is killed while campaigns flow, and nobody notices."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.plan import ChaosPlan, Fault, Step, planned
from tests.chaos.run import Run, report

SEED = 3


def _plan() -> ChaosPlan:
    """Contents before, while and after one node dies; the worker that was writing to it dies with it."""
    contents = [Step(0.7, content) for content in planned(SEED, 1).publications]
    node = Step(1.0, Fault(number=0, kind="node_kill_9", where="kafka", at="1"))
    worker = Step(0.2, Fault(number=1, kind="kill_9", where="adapter_weibo-0"))
    return ChaosPlan(SEED, (*contents[:4], node, worker, *contents[4:]))


@pytest.mark.kafka
@pytest.mark.timeout(900)
def test_a_broker_of_three_killed_under_load_loses_nothing_and_posts_nothing_twice(tmp_path: Path) -> None:
    run = Run(_plan(), tmp_path / "cluster", print, nodes=3)
    told = report(run, run.carry_out())
    assert told["reasons"] == []
    assert told["faults"] == {"node_kill_9": 1, "kill_9": 1}
    assert told["comments"]["true"] > 0
    assert (told["doubled"], told["not_final"], told["aggregates_wrong"]) == (0, 0, 0)
