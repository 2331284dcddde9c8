"""A chaos run: carries out a plan on the real broker and real processes, lets everything settle, and judges."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from schemas.events.aggregate import EngagementAggregate
from schemas.events.feedback import CommentObserved, FeedbackEvent
from schemas.events.placement import PlacementRecord
from services.adapter.contract.registry import adapter
from services.publisher.access.token_store import TokensFile
from services.runtime.embedded_broker import EmbeddedBroker, EmbeddedCluster
from services.runtime.kafka.errors import KafkaProblem
from services.runtime.kafka.reader import read_topic
from services.simulator.http.webhooks import callback_address
from tests.chaos.flow import Flow
from tests.chaos.plan import SERVICES, ChaosPlan, Fault
from tests.chaos.verdict import SeenPost, Verdict, judged, places
from tests.engagement_aggregator.recount.posts import Difference, differences, recount
from tests.pipeline.stack import ACCOUNTS, ROOT, Stack

SPEED, SETTLING_SPEED = 60.0, 300.0
AFTER_ALL_S = 3 * 86_400  # the audience of a post ends within a day; the slowest platform counts a day late
MET_BY_S, STRUCK_BY_S = 90.0, 60.0
SETTLED_BY_S, STILL_S = 300.0, 75.0
LOOK_EVERY_S = 3.0
BROKER_UP_WITHIN_S = 240.0  # seconds on an idle machine; that it takes longer is no finding about the pipeline
SETTINGS = {
    "TONGBO_POLL_SCALE": "1",
    "TONGBO_SESSION_TIMEOUT_S": "6",
    "TONGBO_FLUSH_INTERVAL_S": "0.5",
    "TONGBO_CARE_EVERY_S": "5",
}
_event = msgspec.json.Decoder(FeedbackEvent).decode
_row = msgspec.json.Decoder(EngagementAggregate).decode
Say = Callable[[str], None]


class Run:
    """One run in one folder. `say` gets a line for each fault, `shown` the share of the plan that is done."""

    def __init__(
        self,
        plan: ChaosPlan,
        folder: Path,
        say: Say,
        shown: Callable[[int, str], None] = lambda *_: None,
        *,
        root: Path = ROOT,
        nodes: int = 1,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.plan, self.folder, self._say, self._shown = plan, folder, say, shown
        self._stack = Stack(folder, speed=SPEED, root=root, nodes=nodes)
        self._began = time.monotonic()
        self._log = (folder / "faults.log").open("a", encoding="utf-8")
        self._back_at: dict[str, float] = {}
        self._thaw_at: dict[str, float] = {}
        self._doomed: set[str] = set()
        self._port, self._calls_port = _free_port(), _free_port()
        self._accounts = _without_hourly_limits(folder)
        self.done: Counter[str] = Counter()
        self.not_met: Counter[str] = Counter()
        self.died_by_itself: Counter[str] = Counter()

    def carry_out(self) -> Verdict:
        """Everything from the first process to the verdict; logs and data stay in the folder."""
        try:
            with self._stack, _kept_alive(self._stack):
                return self._carry_out()
        finally:
            self._log.close()

    def _carry_out(self) -> Verdict:
        self._shown(0, "启动 / starting")
        self._stack.broker.start(BROKER_UP_WITHIN_S)
        self._stack.start_kafka()
        self._be_called_back()
        token = TokensFile(self.folder / "state").renewed("chaos", datetime.now(UTC))
        for name in SERVICES:
            self._start(name)
        with Flow(self._stack, f"http://127.0.0.1:{self._port}", token) as flow:
            for step in self.plan.steps:
                self._pass(step.after_s)
                if isinstance(step.what, Fault):
                    self._strike(step.what)
                    self._shown(step.what.number + 1, str(step.what))
                else:
                    flow.put(step.what)
            self._wait(lambda: self._met(flow), MET_BY_S, "等待故障发生 / faults being met", LOOK_EVERY_S)
            self._calm_down()
            self._wait(lambda: not flow.waiting, SETTLED_BY_S, "等待发布服务受理 / contents being accepted")
            refused = flow.refused
        return self._settled(refused)

    def _met(self, flow: Flow) -> bool:
        """Whether every fault has met a call of the kind it was meant for, or nothing is left to be published."""
        if not self._stack.simulator.simulation.faults.left():
            return True
        return not flow.waiting and self._all_decided(places(self.plan.publications))

    # --- faults ---

    def _strike(self, fault: Fault) -> None:
        self._note(str(fault))
        self.done[fault.kind] += 1
        match fault.kind:
            case "kill_9" | "terminate":
                self._end(fault.where, signal.SIGKILL if fault.kind == "kill_9" else signal.SIGTERM)
                self._back_at[fault.where] = time.monotonic() + fault.for_s
            case "kill_9_at_point":
                self._end(fault.where, signal.SIGKILL)
                self._start(fault.where, {"TONGBO_KILL_AT": fault.at})
                self._doomed.add(fault.where)
            case "freeze":
                self._signal(fault.where, signal.SIGSTOP)
                self._thaw_at[fault.where] = time.monotonic() + fault.for_s
            case "broker_kill_9" | "broker_restart":
                self._stack.broker.kill() if fault.kind == "broker_kill_9" else self._stack.broker.stop()
                self._pass(fault.for_s)
                self._stack.broker.start(BROKER_UP_WITHIN_S)
            case "node_kill_9":
                self._nodes[int(fault.at) - 1].kill()  # and it stays away: the others must do
            case _:
                delay_s = fault.for_s or None
                count = None if fault.kind == "refuse_connection" else fault.count
                self._stack.simulator.set_fault(fault.where, fault.at, fault.kind, count=count, delay_s=delay_s)

    @property
    def _nodes(self) -> list[EmbeddedBroker]:
        broker = self._stack.broker
        return broker.nodes if isinstance(broker, EmbeddedCluster) else [broker]

    def _end(self, name: str, how: signal.Signals) -> None:
        """Nothing of it is left when this returns; one that does not end on SIGTERM in time is a finding."""
        process = self._stack.process(name)
        self._back_at.pop(name, None)
        self._doomed.discard(name)
        if process is None:
            return
        if self._thaw_at.pop(name, None) is not None:
            self._signal(name, signal.SIGCONT)
        self._signal(name, how)
        self._stack.forget(name, 30)

    def _signal(self, name: str, number: signal.Signals) -> None:
        process = self._stack.process(name)
        if process is not None and process.poll() is None:
            os.kill(process.pid, number)

    def _start(self, name: str, more: dict[str, str] | None = None) -> None:
        service, _, n = name.rpartition("-")
        env = {**SETTINGS, "TONGBO_ACCOUNTS": str(self._accounts), **(more or {})}
        if service == "publisher":
            env["TONGBO_PUBLISHER_PORT"] = str(self._port)
        if service == "feedback_collector":
            env["TONGBO_CALLBACK_PORT"] = str(self._calls_port)
            env["TONGBO_CLOCK"] = f"{self._stack.simulator.url}/_sim/clock"
        self._stack.start(service, int(n), env)

    def _be_called_back(self) -> None:
        """Every platform is told where the collector listens."""
        for mounted in self._stack.simulator.simulation.mounts.values():
            for name, account in mounted.world.accounts.items():
                base = f"http://127.0.0.1:{self._calls_port}"
                account.options["callback_url"] = callback_address(base, mounted.world.platform, name)

    def _pass(self, seconds: float) -> None:
        """Let time go by, looking after the processes as a supervisor does."""
        until = time.monotonic() + seconds
        while True:
            self._look_after()
            if time.monotonic() >= until:
                return
            time.sleep(0.05)

    def _look_after(self) -> None:
        now = time.monotonic()
        for name in [name for name, at in self._thaw_at.items() if now >= at]:
            del self._thaw_at[name]
            self._signal(name, signal.SIGCONT)
        for name in [name for name, at in self._back_at.items() if now >= at]:
            del self._back_at[name]
            self._start(name)
        for name in SERVICES:
            process = self._stack.process(name)
            if process is None or process.poll() is None or name in self._back_at:
                continue
            self._stack.forget(name, 1)
            if name in self._doomed and process.returncode == -signal.SIGKILL:
                self._note(f"{name} died at its point")
            else:
                self._note(f"{name} ended by itself with {process.returncode}")
                self.died_by_itself[name] += 1
            self._doomed.discard(name)
            self._back_at[name] = now + 0.5

    def _calm_down(self) -> None:
        """A fault that met nobody may strike anywhere; one that still does not is not counted. Then nothing breaks."""
        faults = self._stack.simulator.simulation.faults
        for fault in faults.left():
            if fault.left and not fault.used:
                self._note(f"{fault.kind} not met at {fault.endpoint}, now anywhere")
                fault.endpoint = "*"
        self._wait(
            lambda: not [f for f in faults.left() if f.left and not f.used], STRUCK_BY_S, "最后的故障 / last faults"
        )
        self.not_met = Counter(f.kind for f in faults.left() if f.left and not f.used)
        self.done -= self.not_met
        self._stack.simulator.clear_faults()
        for name in sorted(self._doomed):
            self._note(f"{name} never came to its point and is killed now")
            self._end(name, signal.SIGKILL)
            self._back_at[name] = 0.0
        for name in self._thaw_at:
            self._thaw_at[name] = 0.0
        self._look_after()
        self._note("calm")

    # --- the end ---

    def _settled(self, refused: dict[str, str]) -> Verdict:
        """Wait for the last placement, let the audience finish, and judge until all is right or nothing moves."""
        expected = places([one for one in self.plan.publications if one.content_id not in refused])
        self._wait(lambda: self._all_decided(expected), SETTLED_BY_S, "等待发布完成 / placements becoming final")
        self._stack.simulator.clock.set_speed(SETTLING_SPEED)
        self._stack.simulator.clock.advance(AFTER_ALL_S)
        verdict, last, moved_at = Verdict(), "", time.monotonic()

        def right() -> bool:
            nonlocal verdict, last, moved_at
            verdict = self._judged(expected)
            if (now := repr(verdict.shown())) != last:
                last, moved_at = now, time.monotonic()
            return verdict.ok or time.monotonic() - moved_at > STILL_S

        self._wait(
            lambda: right() or not verdict.missing, SETTLED_BY_S, "等待评论收齐 / comments coming in", LOOK_EVERY_S
        )
        # Time stands still, so nobody asks the platforms any more: what is written last can be counted and compared.
        self._stack.simulator.clock.set_speed(0)
        last = ""
        self._wait(right, SETTLED_BY_S, "等待汇总追平 / aggregates settling", LOOK_EVERY_S)
        verdict.reasons += [f"content {name}: refused: {why}" for name, why in refused.items()]
        bugs = self._stack.simulator.simulation.bugs
        if bugs:
            verdict.reasons.append(f"the simulator itself had {bugs} bugs, see its log")
        return verdict

    def _all_decided(self, expected: dict[str, Any]) -> bool:
        records = self._records()
        return all(
            (record := records.get(name)) is not None and (record.is_final or record.state == "NEEDS_HUMAN")
            for name in expected
        )

    def _judged(self, expected: dict[str, Any]) -> Verdict:
        records, posts = self._records(), self._posts()
        feedback = [(raw.partition, raw.value) for raw in read_topic(self._stack.kafka, "feedback-unified")]
        events = [_event(value or b"") for _, value in feedback]
        comments = [event for event in events if isinstance(event, CommentObserved) and event.version == 1]
        return judged(expected, records, posts, comments, self._wrong_rows(feedback))

    def _wrong_rows(self, feedback: list[tuple[int, bytes | None]]) -> list[Difference]:
        rows: dict[str, EngagementAggregate] = {}
        partition_of: dict[str, int] = {}
        astray: list[Difference] = []
        for raw in read_topic(self._stack.kafka, "engagement-aggregate"):
            row = _row(raw.value or b"")
            if partition_of.setdefault(row.key, raw.partition) != raw.partition:
                astray.append(Difference(row.key, "partition", partition_of[row.key], raw.partition))
            rows[row.key] = row
        return astray + differences(recount(feedback), rows)

    def _records(self) -> dict[str, PlacementRecord]:
        return self._stack.ledger()

    def _posts(self) -> list[SeenPost]:
        comments = {
            (one["platform"], one["native_id"]): frozenset(one["comment_ids"]) for one in self._simulator("/_sim/truth")
        }
        return [
            SeenPost(
                one["platform"], one["account"], one["native_id"], one["state"], f"{one['title']}\n{one['text']}",
                comments.get((one["platform"], one["native_id"]), frozenset()),
            )
            for one in self._simulator("/_sim/posts")
        ]  # fmt: skip

    def _simulator(self, path: str) -> Any:
        with urllib.request.urlopen(self._stack.simulator.url + path, timeout=60) as answer:
            return json.load(answer)

    def _wait(self, until: Callable[[], bool], within_s: float, what: str, every_s: float = 0.5) -> None:
        """Until it is so or time is over: what is missing then is the verdict's to say."""
        self._shown(len(self.plan.faults), what)
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            try:
                if until():
                    self._note(f"done: {what}")
                    return
            except KafkaProblem as problem:
                self._note(f"looking on: {problem}")
            self._pass(every_s)
        self._note(f"not within {within_s:g} s: {what}")

    def _note(self, line: str) -> None:
        stamped = f"{datetime.now(UTC):%H:%M:%S.%f} +{time.monotonic() - self._began:6.1f} {line}"
        self._log.write(stamped + "\n")
        self._log.flush()
        self._say(stamped)


@contextmanager
def _kept_alive(stack: Stack) -> Iterator[None]:
    """A stopped process would not end on the stack's own way out."""
    try:
        yield
    finally:
        for process in stack.running():
            if process.poll() is None:
                os.kill(process.pid, signal.SIGCONT)


def _without_hourly_limits(folder: Path) -> Path:
    """The demo accounts; thirty posts an hour would leave most of a run waiting for the next hour."""
    declared = msgspec.yaml.decode(ACCOUNTS.read_bytes())
    for account in declared["accounts"]:
        limits = {f"budget.{rate.endpoint}": "1000000/3600" for rate in adapter(account["platform"]).limits.rates}
        account["options"] = {**account.get("options", {}), **limits}
    path = folder / "accounts.yaml"
    path.write_bytes(msgspec.yaml.encode(declared))
    return path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def report(run: Run, verdict: Verdict) -> dict[str, Any]:
    """What `--json` writes; the first keys are a promise."""
    shown = verdict.shown()
    return {
        "ok": verdict.ok,
        "seed": run.plan.seed,
        "faults": dict(sorted(run.done.items())),
        **{name: shown.pop(name) for name in ("placements", "doubled", "not_final", "comments", "aggregates_wrong")},
        **shown,
        "faults_not_met": dict(run.not_met),
        "ended_by_themselves": dict(run.died_by_itself),
        "folder": str(run.folder),
    }
