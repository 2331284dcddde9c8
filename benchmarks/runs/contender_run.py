"""One run of one contender: started on fresh topics, watched until its commits cover every event, then checked."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.broker.cluster import Cluster
from benchmarks.contenders.contract import ROOT, Command, Contender, Latest, Stage
from benchmarks.load.exactness import Difference, differences
from benchmarks.load.truth import Row, WindowKey
from benchmarks.results.measure import Sample, TooCoarse, figures
from benchmarks.results.results import Outcome
from benchmarks.runs.liveness import STALL_S, Liveness
from benchmarks.runs.processes import ProcessTree

_SAMPLE_S = 0.1
_SETTLE_S = 20.0
_STOP_S = 20.0
Expected = tuple[Mapping[str, Row], Mapping[WindowKey, Row]]


class ContenderFailed(Exception):  # noqa: N818 - says what is the case
    """Raised when a process of a contender ends by itself, stands still or is too slow; carries the end of its log."""


@contextmanager
def processes(commands: list[Command], folder: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The processes of a contender, ended when the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    started: list[subprocess.Popen[bytes]] = []
    try:
        for number, command in enumerate(commands):
            with (folder / f"process-{number}.log").open("wb") as log:
                started.append(
                    subprocess.Popen(
                        command.arguments,
                        cwd=ROOT,
                        env={**os.environ, "PYTHONPATH": str(ROOT), **command.environment},
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                    )
                )
        yield started
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
        for process in started:
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def run(
    cluster: Cluster,
    contender: Contender,
    stage: Stage,
    expected: Expected,
    progress: Callable[[int], None],
    timeout_s: float,
) -> Outcome:
    """Run once and check; raises ContenderFailed, or LeftBehind where the run before could not be cleared away."""
    clear(cluster, stage)
    cluster.create(contender.topics(stage), {"cleanup.policy": "compact"})
    with processes(contender.commands(stage), stage.folder) as started:
        began = time.monotonic()
        tree = ProcessTree([process.pid for process in started])
        broker = ProcessTree([cluster.pid])
        samples = list(_samples(cluster, contender, stage, tree, broker, started, timeout_s, progress))
        wall_s, peak_mb = time.monotonic() - began, tree.peak_mb()
        found = _settled(cluster, contender, stage, expected)
    try:
        found_figures = figures(samples, stage.events)
    except TooCoarse:
        found_figures = None  # its totals are checked all the same
    return Outcome(
        figures=found_figures,
        peak_mb=peak_mb,
        wall_s=wall_s,
        output_records=cluster.count(stage.output_topic),
        differences=found[:5],
        different=len(found),
    )


def clear(cluster: Cluster, stage: Stage) -> None:
    """Nothing of an earlier run may be left but the workload; raises LeftBehind."""
    cluster.forget_groups(stage.prefix)
    cluster.remove(stage.prefix, keep=[stage.feedback_topic])
    shutil.rmtree(stage.folder, ignore_errors=True)


def _samples(
    cluster: Cluster,
    contender: Contender,
    stage: Stage,
    tree: ProcessTree,
    broker: ProcessTree,
    started: list[subprocess.Popen[bytes]],
    timeout_s: float,
    progress: Callable[[int], None],
) -> Iterator[Sample]:
    """A sample whenever the commits have moved on, up to the one that covers everything."""
    group, known, deadline = contender.group(stage), -1, time.monotonic() + timeout_s
    liveness = Liveness(time.monotonic(), tree.cpu_s())
    while known < stage.events:
        committed, at = cluster.committed(group, stage.feedback_topic), time.monotonic()
        if committed != known:
            known, cpu_s = committed, tree.cpu_s()
            liveness.moved(at, cpu_s)
            yield Sample(at, committed, cpu_s, broker.cpu_s())
            progress(min(committed, stage.events))
        tree.peak_mb()
        if any(process.poll() is not None for process in started):
            raise ContenderFailed(f"{contender.name} 自行结束 / ended by itself:\n{last_words(stage.folder)}")
        if liveness.stalled(at, tree.cpu_s):
            raise _given_up(contender, stage, f"{STALL_S:.0f} 秒没有进展 / no progress for {STALL_S:.0f} s", known)
        if at > deadline:
            raise _given_up(contender, stage, "超时 / too slow", known)
        time.sleep(_SAMPLE_S)


def _given_up(contender: Contender, stage: Stage, why: str, known: int) -> ContenderFailed:
    return ContenderFailed(
        f"{contender.name} {why}: {known:,} of {stage.events:,} events committed\n{last_words(stage.folder)}"
    )


def _settled(cluster: Cluster, contender: Contender, stage: Stage, expected: Expected) -> list[Difference]:
    """What differs once the last rows have arrived; where there is no transaction they may come after the commit."""
    deadline = time.monotonic() + _SETTLE_S

    def latest(topic: str) -> Latest:
        return cluster.latest(topic)

    while True:
        found = differences(contender.claim, expected, contender.read(stage, latest), stage.window_scopes)
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(1.0)


def last_words(folder: Path) -> str:
    return "\n".join(
        f"--- {log}\n" + "\n".join(log.read_text("utf-8", "replace").splitlines()[-15:])
        for log in sorted(folder.glob("process-*.log"))
    )
