"""Much state: what it takes in memory, and how fast a worker that lost its disk has it back from the changelog."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

from benchmarks.broker.cluster import Cluster
from benchmarks.contenders import tongbo
from benchmarks.contenders.contract import Stage
from benchmarks.load.exactness import Claim, differences
from benchmarks.load.truth import Truth
from benchmarks.load.workload import PARTITIONS
from benchmarks.runs.contender_run import ContenderFailed, clear, last_words, processes
from benchmarks.runs.processes import ProcessTree

_WITHIN_S = 2_400.0
_LOOK_S = 0.2
# Posts are in the sums of their parents; holding a million rows here would only measure this process.
_CLAIM = Claim(scopes=("content", "campaign_platform", "campaign"), windows=False)


def measure(cluster: Cluster, stage: Stage, truth: Truth, posts: int) -> dict[str, Any]:
    """Fold one snapshot of each post, lose the disk, recover; raises ContenderFailed."""
    contender = tongbo.contender(1)
    clear(cluster, stage)
    cluster.create(contender.topics(stage), {"cleanup.policy": "compact"})
    folding = stage.folder / "folding"
    with processes(contender.commands(stage), folding) as started:
        tree = ProcessTree([started[0].pid])
        deadline = time.monotonic() + _WITHIN_S
        while cluster.committed(contender.group(stage), stage.feedback_topic) < stage.events:
            _look(deadline, started[0].poll(), folding)
            tree.peak_mb()
        folding_mb = tree.peak_mb()
    shutil.rmtree(stage.folder / "state")
    recovering = stage.folder / "recovering"
    began = time.monotonic()
    with processes(contender.commands(stage), recovering) as started:
        tree = ProcessTree([started[0].pid])
        while len(done := _recovered(recovering)) < PARTITIONS:
            _look(began + _WITHIN_S, started[0].poll(), recovering)
            tree.peak_mb()
        wall_s, cpu_s, recovering_mb = time.monotonic() - began, tree.cpu_s(), tree.peak_mb()
    rows, seconds = sum(int(one["rows"]) for one in done), max(float(one["seconds"]) for one in done)
    found = differences(_CLAIM, (truth.rows(), {}), (_parents(cluster, stage), {}))
    return {
        "posts": posts,
        "peak_mb_folding": round(folding_mb),
        "peak_mb_recovering": round(recovering_mb),
        "rows": rows,
        "seconds": round(seconds, 2),
        "rows_per_s": round(rows / seconds),
        "start_to_recovered_s": round(wall_s, 2),
        "cpu_s": round(cpu_s, 2),
        "exact": not found,
        "differences": [list(one) for one in found[:5]],
    }


def _look(deadline: float, ended: int | None, folder: Path) -> None:
    if ended is not None or time.monotonic() > deadline:
        raise ContenderFailed(f"自行结束或太慢 / ended by itself or too slow:\n{last_words(folder)}")
    time.sleep(_LOOK_S)


def _recovered(folder: Path) -> list[dict[str, Any]]:
    """What the worker's log says of each partition that is back."""
    log = folder / "process-0.log"
    lines = log.read_text("utf-8", "replace").splitlines() if log.exists() else []
    events = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
    last = {event["partition"]: event for event in events if event.get("event") == "recovered"}
    return list(last.values())


def _parents(cluster: Cluster, stage: Stage) -> dict[str, dict[str, int]]:
    rows = cluster.latest(tongbo.settings(stage).output_topic, skip=b"post:")
    return tongbo.rows(rows)
