"""What `tongbo up` and `tongbo demo` start, in which order, with which settings, and how each says that it is ready."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import msgspec

from schemas.topics import load_topics
from services.adapter.contract.registry import platforms
from services.cli.local.callback_addresses import check_addresses
from services.cli.local.holds import held
from services.cli.local.layout import Layout
from services.cli.local.local_token import local_token
from services.cli.local.ports import NoPortError, Ports
from services.cli.local.supervisor import Child, Supervisor
from services.publisher.access.token_store import TokensError
from services.runtime.embedded_broker.jars import JarsUnavailable, fetch_jars
from services.runtime.kafka.admin import ensure_topics, partition_count, wait_for_kafka
from services.runtime.kafka.connection import reachable
from services.runtime.kafka.errors import KafkaProblem
from services.runtime.logging import get_logger
from services.runtime.settings import KafkaSettings, read_settings

READY_WITHIN_S = 90.0
FOREIGN_WITHIN_S = 30.0
FOREIGN_HINT = "请检查 KAFKA_BOOTSTRAP 与网络，或去掉它使用内置 Kafka / check KAFKA_BOOTSTRAP, or unset it"
CONTENT_TOPIC = "master-content"
GIVE_UP_AFTER = 4
WRONG_SETTINGS = 2
FORGETFUL = "它的帖子与数据只在内存里，已经清空 / its posts and figures lived in memory and are gone"
CONSUMER_SERVICES = ("feedback_collector", "engagement_aggregator", "webhooks")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run. workers: processes per adapter; speed and audience: the simulator's; seed: of its audience."""

    accounts: Path
    partitions: int = 12
    speed: float = 1.0
    seed: int = 20261111
    audience: Path | None = None
    adapter_workers: int = 1
    aggregator_workers: int = 1
    publisher_port: int = 8800
    simulator_port: int = 8900
    callback_port: int = 8820
    kafka_port: int = 9092
    simulator: bool = True
    env: Mapping[str, str] = field(default_factory=dict)


class NotReadyError(Exception):
    """Raised when something does not become ready; says what it said itself and where its log is."""


class StoppedError(Exception):
    """Raised out of `start` when it is asked to stop before everything is ready."""


def python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def dead_letter_services() -> tuple[str, ...]:
    """Every service that may refuse a record, by the name in front of `-dlq`."""
    return (*(f"adapter-{p}" for p in platforms()), *(name.replace("_", "-") for name in CONSUMER_SERVICES))


class Pipeline:
    """Starts and stops all processes of the pipeline on this machine. `say` gets progress, Chinese first.

    `stop` ends a start under way. Where a start fails the caller calls `stop()`.
    """

    def __init__(self, layout: Layout, plan: Plan, say: Callable[[str], None], stop: threading.Event) -> None:
        self.layout, self.plan, self._say, self._stop = layout, plan, say, stop
        self.supervisor = Supervisor(layout.run, layout.log, say, held=lambda: held(layout))
        self.addresses: dict[str, str] = {}
        self.token = ""
        self._health: dict[str, int] = {}
        self._together: list[str] = []
        self._ports = Ports()
        self._partitions = plan.partitions

    def start(self) -> None:
        """Start everything and return when all are ready; raises NotReadyError or StoppedError."""
        try:
            port = self._port(self.plan.callback_port, "平台回调 / callbacks")
            self.addresses["callbacks"] = f"http://{_reached_at('TONGBO_CALLBACK_HOST')}:{port}"
            if self.plan.simulator:
                self._start_simulator()  # first: it refuses a wrong audience or accounts file at once
            self._start_kafka()
            self._make_topics()
        except (JarsUnavailable, KafkaProblem, NoPortError) as problem:
            if self._stop.is_set():
                raise StoppedError from None
            raise NotReadyError(str(problem)) from problem
        try:
            self.token = local_token(self.layout.home, self._say)
        except TokensError as problem:
            raise NotReadyError(str(problem)) from problem
        children = [self._publisher(), *self._workers()]
        for child in children:
            self._together.append(child.name)
            self.supervisor.start(child)
        self._write_addresses()
        for child in children:
            self._await_http(child, f"{self._health_of(child.name)}/health/ready")
            self._say(f"{child.name} 就绪 / ready")
        self._await_http(children[0], self.addresses["publisher"] + "/health/ready")
        if self.plan.simulator:
            check_addresses(self.addresses["simulator"])

    def stop(self) -> None:
        """End the services together, then Kafka and the simulator: what others need goes last."""
        self.supervisor.stop_together(self._together)
        self.supervisor.stop()
        self.layout.addresses.unlink(missing_ok=True)

    # --- the parts ---

    def _start_kafka(self) -> None:
        child: Child | None = None
        own = os.environ.get("KAFKA_BOOTSTRAP")
        if own:
            self._say(f"使用已有 Kafka：{own} / using the Kafka cluster at KAFKA_BOOTSTRAP")
            self.addresses["kafka"] = own
        else:
            self._fetch_jars()
            port = self._port(self.plan.kafka_port, "Kafka")
            data, logs = self.layout.home / "kafka", self.layout.log / "kafka"
            command = python(
                "services.runtime.embedded_broker",
                "--data-dir", str(data), "--port", str(port), "--log-dir", str(logs),
            )  # fmt: skip
            child = Child("kafka", 0, command)
            self.supervisor.start(child)
            self.addresses["kafka"] = f"127.0.0.1:{port}"
        self._await(child, lambda: reachable(self.kafka), f"Kafka（{self.addresses['kafka']}）")
        wait_for_kafka(self.kafka, self._stop, log, timeout_s=READY_WITHIN_S if child else FOREIGN_WITHIN_S)
        self._say(f"kafka 就绪 / ready：{self.addresses['kafka']}")

    def _make_topics(self) -> None:
        """Create what is missing. Topics that are there stay as they are, so the services go by their partitions."""
        for report in ensure_topics(self.kafka, load_topics(dead_letter_services())):
            if report.differences:
                found = "; ".join(report.differences)
                self._say(f"主题 {report.topic} 与约定不同，照用 / topic differs, used as it is：{found}")
        self._partitions = partition_count(self.kafka, CONTENT_TOPIC)

    def _fetch_jars(self) -> None:
        """On a thread that may be left behind: a download under way cannot be ended otherwise."""
        fetched: Future[None] = Future()

        def fetch() -> None:
            try:
                fetch_jars(self._say)
            except Exception as problem:
                fetched.set_exception(problem)  # raised again by result(), in the thread that waits
            else:
                fetched.set_result(None)

        threading.Thread(target=fetch, name="jars", daemon=True).start()
        while not fetched.done():
            self._pause()
        fetched.result()

    @property
    def kafka(self) -> KafkaSettings:
        env = {**os.environ, "KAFKA_BOOTSTRAP": self.addresses["kafka"], "TONGBO_PARTITIONS": str(self._partitions)}
        return read_settings(KafkaSettings, env)

    def _start_simulator(self) -> None:
        port = self._port(self.plan.simulator_port, "模拟器 / simulator")
        arguments = ["--port", str(port), "--speed", str(self.plan.speed), "--seed", str(self.plan.seed)]
        arguments += ["--accounts", str(self.plan.accounts), "--hide-secrets"]
        arguments += ["--callbacks", self.addresses["callbacks"]]
        if self.plan.audience:
            arguments += ["--audience", str(self.plan.audience)]
        child = Child("simulator", 0, python("services.simulator", *arguments), self.plan.env, FORGETFUL)
        self.supervisor.start(child)
        self.addresses["simulator"] = f"http://127.0.0.1:{port}"
        self._await_http(child, self.addresses["simulator"] + "/_sim/info")
        self._say("simulator-0 就绪 / ready")

    def _publisher(self) -> Child:
        port = self._port(self.plan.publisher_port, "发布服务 / publisher")
        self.addresses["publisher"] = f"http://{_reached_at('TONGBO_PUBLISHER_HOST')}:{port}"
        return self._service("publisher", 0, {"TONGBO_PUBLISHER_PORT": str(port)})

    def _workers(self) -> list[Child]:
        adapters = [
            self._service(f"adapter_{platform}", n)
            for platform in platforms()
            for n in range(self.plan.adapter_workers)
        ]
        clock = {"TONGBO_CLOCK": self.addresses["simulator"] + "/_sim/clock"} if self.plan.simulator else {}
        listening = {"TONGBO_CALLBACK_PORT": self.addresses["callbacks"].rpartition(":")[2]}
        collector = self._service("feedback_collector", 0, clock | listening)
        aggregators = [self._service("engagement_aggregator", n) for n in range(self.plan.aggregator_workers)]
        return [*adapters, collector, *aggregators, self._service("watchdog", 0, clock), self._service("webhooks", 0)]

    def _service(self, service: str, n: int, more: Mapping[str, str] | None = None) -> Child:
        name = f"{service}-{n}"
        if name not in self._health:
            self._health[name] = self._port(0)
        env = {
            "KAFKA_BOOTSTRAP": self.addresses["kafka"],
            "TONGBO_PARTITIONS": str(self._partitions),
            "TONGBO_INSTANCE": str(n),
            "TONGBO_HTTP_PORT": str(self._health[name]),
            "TONGBO_STATE_DIR": str(self.layout.home / "state"),
            "TONGBO_MEDIA_DIR": str(self.layout.home / "media"),
            "TONGBO_ACCOUNTS": str(self.plan.accounts),
            **({"TONGBO_SIMULATOR_URL": self.addresses["simulator"]} if self.plan.simulator else {}),
            **(more or {}),
            **self.plan.env,
        }
        return Child(service, n, python(f"services.{service}"), env)

    # --- readiness and addresses ---

    def _await_http(self, child: Child, url: str) -> None:
        self._await(child, lambda: _answers(url), child.name)

    def _await(self, child: Child | None, ready: Callable[[], bool], what: str) -> None:
        """Until `ready`; raises NotReadyError where the child (None: not ours) cannot start or time is over."""
        deadline = time.monotonic() + (READY_WITHIN_S if child else FOREIGN_WITHIN_S)
        while not ready():
            self._pause()
            code = None if child is None else self.supervisor.exited(child.name)
            hopeless = code == WRONG_SETTINGS or (child and self.supervisor.restarts(child.name) >= GIVE_UP_AFTER)
            if hopeless or time.monotonic() > deadline:
                said = (
                    f"{self.supervisor.last_words(child)}\n日志 / log：{self.supervisor.log_of(child)}"
                    if child
                    else FOREIGN_HINT
                )
                raise NotReadyError(f"{what} 没有就绪 / not ready\n{said}".rstrip())

    def _pause(self) -> None:
        self.supervisor.watch()
        if self._stop.wait(0.1):
            raise StoppedError

    def _write_addresses(self) -> None:
        health = {name: self._health_of(name) for name in sorted(self._health)}
        text = msgspec.json.format(msgspec.json.encode({**self.addresses, "health": health}), indent=2)
        self.layout.addresses.write_bytes(text)

    def _health_of(self, name: str) -> str:
        return f"http://{_reached_at('TONGBO_HTTP_HOST')}:{self._health[name]}"

    def _port(self, wanted: int, what: str = "") -> int:
        found = self._ports.claim(wanted)
        if wanted and found != wanted:
            self._say(f"{what}：端口 {wanted} 已被占用，改用 {found} / port taken, using {found}")
        return found


def _reached_at(variable: str) -> str:
    """Where this machine finds a service that listens at the address in `variable`."""
    host = os.environ.get(variable, "").strip()
    if host in ("", "0.0.0.0", "::"):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as response:  # noqa: S310 - an address of this machine that we made ourselves
            return bool(response.status == 200)
    except (URLError, OSError):
        return False
