"""The order of a whole benchmark: workloads, contenders on each, latency, recovery, fan-out; kept run by run."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import latency, recovery
from benchmarks.broker.cluster import Cluster
from benchmarks.broker.leftovers import LeftBehind
from benchmarks.contenders import kafka_streams, python, tongbo
from benchmarks.contenders.contract import PRODUCT_PYTHON, ROOT, Contender, Stage
from benchmarks.load.truth import Truth
from benchmarks.load.workload import Shape, feedback, truth_of
from benchmarks.results.results import Outcome, Results, failed, middle_of_fan_outs, summary
from benchmarks.runs.contender_run import ContenderFailed, Expected, run

LATENCY_RATE = 5_000.0
LATENCY_VARIANTS = (("tongbo", 1.0), ("tongbo", 0.075), ("kafka-streams-eos", 1.0), ("kafka-streams-eos", 0.075))
_SLOWEST_PER_S, _SLOWEST_OF_SLOW_PER_S = 2_500.0, 200.0
console = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class Plan:
    """How much is measured. only: names of contenders and parts, empty = everything; without: of contenders."""

    events: int
    slow_events: int
    posts: int
    runs: int
    growth: tuple[int, ...]
    workers_events: int
    sparse_events: int
    latency_s: float
    recovery_posts: int
    only: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    full: bool = True

    def wants(self, *names: str) -> bool:
        return not self.only or any(name in self.only for name in names)

    def contenders(self) -> list[Contender]:
        """Those that may take part; in which part, `wants` says."""
        return [one for one in contenders() if one.name not in self.without - self.only]

    @property
    def has_teams(self) -> bool:
        """Whether a group of several members is measured."""
        return any(one.members > 1 for one in self.contenders())


FULL = Plan(
    events=3_000_000, slow_events=30_000, posts=5_000, runs=3, growth=(20_000, 500_000), workers_events=9_000_000,
    sparse_events=1_000_000, latency_s=40.0, recovery_posts=1_000_000,
)  # fmt: skip
QUICK = Plan(
    events=400_000, slow_events=12_000, posts=5_000, runs=1, growth=(), workers_events=0, sparse_events=0,
    latency_s=3.0, recovery_posts=0, without=frozenset({"tongbo-2-workers", "kafka-streams-alos"}), full=False,
)  # fmt: skip


def contenders() -> list[Contender]:
    return [
        tongbo.contender(1),
        tongbo.contender(2),
        kafka_streams.contender("exactly_once_v2", "kafka-streams-eos"),
        kafka_streams.contender("at_least_once", "kafka-streams-alos"),
        python.librdkafka(),
        python.quix(),
        python.faust_agent(),
    ]


class Suite:
    """One broker, one results file. `exact` turns false with the first contender whose totals are wrong."""

    def __init__(self, plan: Plan, results: Results, cluster: Cluster, folder: Path) -> None:
        self._plan, self._results, self._cluster, self._folder = plan, results, cluster, folder
        self.exact = True

    def run(self) -> None:
        plan = self._plan
        everyone = plan.contenders()
        fast = [one for one in everyone if not one.slow and plan.wants("aggregate", one.name)]
        slow = [one for one in everyone if one.slow and plan.wants("aggregate", one.name)]
        if fast:
            self._compare("main", Shape(plan.events, plan.posts), fast, plan.runs, "aggregate")
        if slow:
            self._compare("slow", Shape(plan.slow_events, plan.posts), slow, plan.runs, "aggregate")
        pair = [one for one in everyone if one.name in {"tongbo", "kafka-streams-eos"}]
        for posts in plan.growth if plan.wants("growth") else ():
            self._compare(f"posts-{posts}", Shape(plan.events, posts), pair, 1, "growth", str(posts))
        if plan.workers_events and plan.wants("workers"):
            # More events: of so few as above two workers spend a third of the time with their first and last flushes.
            team = [one for one in everyone if one.name.startswith("tongbo")]
            self._compare("workers", Shape(plan.workers_events, plan.posts), team, plan.runs, "workers")
        if plan.sparse_events and plan.wants("sparse"):
            # Each post is read about once a minute, as polling does: no window row has more than one snapshot.
            shape = Shape(plan.sparse_events, plan.posts, rate=plan.posts / 60)
            self._compare("sparse", shape, pair, 1, "sparse")
        if plan.latency_s and plan.wants("latency"):
            self._latency(everyone)
        if plan.recovery_posts and plan.wants("recovery"):
            self._recovery()
        self._fan_out()
        self._at_rest()

    def _latency(self, everyone: list[Contender]) -> None:
        """The first variant is the product as shipped; what a shorter flush gives and costs is in the others."""
        variants: list[dict[str, Any]] = []
        for name, flush_s in LATENCY_VARIANTS if self._plan.full else LATENCY_VARIANTS[:1]:
            one = next(contender for contender in everyone if contender.name == name)
            if one.missing() is not None:
                continue
            events = int(LATENCY_RATE * 5)  # what a warm pass reads first
            stage = Stage(
                self._cluster.bootstrap, f"bench-latency-{len(variants)}-", self._folder / "latency", events, flush_s
            )
            try:
                with bar(f"latency {name}, flush {flush_s * 1000:.0f} ms", 1):
                    found = latency.measure(
                        self._cluster,
                        one,
                        stage,
                        rate=LATENCY_RATE,
                        posts=self._plan.posts,
                        seconds=self._plan.latency_s,
                    )
            except (ContenderFailed, LeftBehind) as problem:
                self._failed(str(problem))
                found = {"contender": name, "flush_ms": round(flush_s * 1000), "failed": str(problem)}
            finally:
                self._cluster.remove(stage.prefix)
            variants.append(found)
            console.print(f"  latency {name}: {found}")
            self._results.put({**variants[0], "variants": variants}, "latency")

    def _recovery(self) -> None:
        posts = self._plan.recovery_posts
        shape = Shape(posts, posts, comments=0, replies=0, followers=0, disorder=0, sweep=True)
        with self._workload("recovery", shape) as (stage, truth):
            try:
                with bar(f"recovery: {posts:,} posts", 1):
                    found = recovery.measure(self._cluster, stage, truth, posts)
            except (ContenderFailed, LeftBehind) as problem:
                self._failed(f"recovery: {problem}")
                self._results.put({"posts": posts, "exact": False, "failed": str(problem)}, "recovery")
                return
            console.print(f"  recovery: {found}")
            self.exact = self.exact and found["exact"]
            self._results.put(found, "recovery")

    def _fan_out(self) -> None:
        """The fan-out benchmark has a broker and processes of its own, so it is one: in the product's environment."""
        if not self._plan.wants("fan_out"):
            return
        command = [str(PRODUCT_PYTHON), "-m", "benchmarks.fan_out.measure", *([] if self._plan.full else ["--quick"])]
        measured: list[dict[str, Any]] = []
        for number in range(1, self._plan.runs + 1):
            with bar(f"fan_out {number}/{self._plan.runs}", 1):
                done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            if done.returncode:
                self._failed(f"fan_out: {done.stderr[-2_000:]}")
                return
            measured.append(json.loads(done.stdout[f"\n{done.stdout}".rindex("\n{\n") :]))
            self._results.put(middle_of_fan_outs(measured), "fan_out")
            console.print(f"  fan_out {number}/{self._plan.runs}: {measured[-1]}")

    def _at_rest(self) -> None:
        """The pipeline runs alone, with a broker of its own; the benchmark's broker idles beside it."""
        if not self._plan.wants("at_rest"):
            return
        file = self._folder / "at_rest.json"
        command = [str(PRODUCT_PYTHON), "-m", "benchmarks.at_rest", "--json", str(file)]
        with bar("at rest", 1):
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            self._failed(f"at_rest: {done.stderr[-2_000:]}")
            return
        found = json.loads(file.read_text("utf-8"))
        self._results.put(found, "at_rest")
        console.print(f"  at rest: {found['totals']}")

    def _compare(self, name: str, shape: Shape, who: list[Contender], runs: int, *path: str) -> None:
        present = []
        for one in who:
            if (why := one.missing()) is not None:
                console.print(f"[yellow]{one.name}: {why}[/yellow]")
                self._results.put({**failed(why), "missing": True}, *path, one.name)
            else:
                present.append(one)
        with self._workload(name, shape) as (stage, truth):
            expected = truth.rows(), truth.windows()
            outcomes: dict[str, list[Outcome]] = {one.name: [] for one in present}
            for number in range(1, runs + 1):  # in turns, so that a slow minute of the machine hits everyone
                for one in (one for one in present if one.name in outcomes):  # what failed once is not run again
                    self._once(one, stage, expected, f"{name} {number}/{runs} {one.name}", outcomes, shape, path)

    def _once(
        self,
        one: Contender,
        stage: Stage,
        expected: Expected,
        title: str,
        outcomes: dict[str, list[Outcome]],
        shape: Shape,
        path: tuple[str, ...],
    ) -> None:
        timeout_s = 120 + stage.events / (_SLOWEST_OF_SLOW_PER_S if one.slow else _SLOWEST_PER_S)
        try:
            with bar(title, stage.events) as progress:
                outcome = run(self._cluster, one, stage, expected, progress, timeout_s)
        except (ContenderFailed, LeftBehind) as problem:
            self._failed(f"{title}: {problem}")
            self._results.put(failed(str(problem)), *path, one.name)
            del outcomes[one.name]
            return
        outcomes[one.name].append(outcome)
        entry = summary(outcomes[one.name], one.what, shape.events, shape.posts)
        self.exact = self.exact and entry["exact"]
        self._results.put(entry, *path, one.name)
        verdict = "[green]exact[/green]" if outcome.exact else f"[red]NOT EXACT: {outcome.differences[:2]}[/red]"
        console.print(f"  {title}: {_told(outcome)}, {outcome.peak_mb:.0f} MB, {verdict}")

    def _failed(self, why: str) -> None:
        console.print(why, style="red", markup=False)  # a log may hold what reads as markup
        self.exact = False

    @contextmanager
    def _workload(self, name: str, shape: Shape) -> Iterator[tuple[Stage, Truth]]:
        """The topic with the events on it, and what their totals must be; removed at the end."""
        stage = Stage(self._cluster.bootstrap, f"bench-{name}-", self._folder / name, shape.events, posts=shape.posts)
        truth = truth_of(shape)
        self._cluster.create([stage.feedback_topic])
        try:
            with bar(f"{name}: {shape.events:,} events over {shape.posts:,} posts", shape.events) as progress:
                self._cluster.write(stage.feedback_topic, feedback(shape, truth), progress)
            yield stage, truth
        finally:
            self._cluster.remove(stage.prefix)
            shutil.rmtree(stage.folder, ignore_errors=True)


def _told(outcome: Outcome) -> str:
    if (figures := outcome.figures) is None:
        return "事件太少，测不出速度 / too few events for a rate"
    return (
        f"{figures.events_per_s:,.0f} events/s, {figures.cpu_s_per_million:.2f} CPU s/M, "
        f"broker {figures.broker_cpu_s_per_million:.2f}"
    )


@contextmanager
def bar(title: str, total: int) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    if not console.is_terminal:
        console.print(f"{title} …")
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda done: progress.update(task, completed=done)


def narrowed(plan: Plan, *, events: int | None, posts: int | None, runs: int | None, only: list[str]) -> Plan:
    """The plan with what was asked for on the command line."""
    return replace(
        plan,
        events=events or plan.events,
        workers_events=plan.workers_events and 3 * (events or plan.events),
        slow_events=min(plan.slow_events, events or plan.slow_events),
        posts=posts or plan.posts,
        recovery_posts=plan.recovery_posts and (posts or plan.recovery_posts),
        runs=runs or plan.runs,
        only=frozenset(only),
    )
