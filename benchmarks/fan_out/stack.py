"""The processes of the fan-out benchmark: broker, simulator, one adapter, and the publisher where it is asked for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.request import urlopen

import httpx
import msgspec
import psutil

from benchmarks.fan_out.load import ACCOUNTS, CAMPAIGNS, SILENCE, master
from schemas.topics import load_topics
from services.cli.local.pipeline import dead_letter_services
from services.runtime.embedded_broker import EmbeddedBroker
from services.runtime.kafka.admin import ensure_topics
from services.runtime.kafka.partitions import partition_of
from services.runtime.kafka.producer import Producer
from services.runtime.kafka.reader import read_topic
from services.runtime.kafka.records import Outgoing
from services.runtime.settings import KafkaSettings

ENDPOINT = "statuses/update/biz"  # a post of text alone on Weibo: one call is one placement
ROOT = Path(__file__).resolve().parents[2]
PARTITIONS = 4
PATIENCE_S = 180.0
_ASK_S = 1.0  # the simulator has other things to do than to show its call log
_NUMBER = re.compile(r"fan(\d+)out")


class FanOutStack:
    """A context manager; what it started ends with it. Logs stay in `folder`."""

    def __init__(self, folder: Path, *, publisher: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._with_publisher = folder, publisher
        self._broker = EmbeddedBroker(folder / "kafka", log_dir=folder / "kafka-log")
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._accounts = folder / "accounts.yaml"
        self._accounts.write_text(ACCOUNTS, "utf-8")
        self._simulator = self._publisher = self._token = ""
        self._http = httpx.Client(timeout=60, trust_env=False)
        self._expected = 0

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()
        for child in self._children.values():
            child.kill()
            child.wait()
        if self._broker.running:
            self._broker.kill()

    # --- what is asked of it ---

    def define_campaigns(self, http: httpx.Client) -> None:
        for number in range(CAMPAIGNS):
            campaign = {
                "campaign_id": f"campaign-{number}",
                "brand_id": "bench",
                "name": "压测",
                "objective": "awareness",
            }
            http.post("/campaigns", json=campaign).raise_for_status()

    def append(self, count: int, due: datetime) -> None:
        """Contents straight on the log, as the publisher would write them."""
        producer = Producer(self.kafka, "fan-out")
        for start in range(0, count, 500):
            contents = [master(number, due) for number in range(start, min(start + 500, count))]
            producer.send_many(
                [
                    Outgoing(
                        "master-content",
                        msgspec.json.encode(one),
                        one.content_id.encode(),
                        partition_of(one.campaign_id, PARTITIONS),
                    )
                    for one in contents
                ]
            )
        producer.close()

    def wait_taken_in(self, count: int) -> None:
        """Until the ledger has a record of each content."""
        self._wait("intake", lambda: len({raw.key for raw in read_topic(self.kafka, "placement-ledger")}) >= count)

    def wait_for_calls(self, numbers: set[int]) -> dict[int, float]:
        """When the platform answered the call of each content, in seconds since the epoch; each exactly one.

        The log of calls is asked for at the end only: to show it takes the simulator longer than a hundred calls.
        """
        calls: dict[int, float] = {}
        self._expected += len(numbers)
        self._wait("calls", lambda: self._struck() >= self._expected)

        def all_there() -> bool:
            calls.update(self._calls())
            return numbers <= calls.keys()

        self._wait("calls", all_there)
        return calls

    def calls_so_far(self) -> dict[int, float]:
        """Those that the platform has answered by now, which may be fewer than were published."""
        return self._calls()

    def slow(self, delay_s: float) -> None:
        """From now on each answer takes so long; the simulator counts those calls, which is how their end is told."""
        body = {"platform": "weibo", "endpoint": ENDPOINT, "kind": "slow", "rate": 1, "delay_s": delay_s}
        self._http.post(f"{self._simulator}/_sim/faults", json=body).raise_for_status()

    def _struck(self) -> int:
        faults = self._http.get(f"{self._simulator}/_sim/faults", params={"platform": "weibo"}).json()
        return sum(int(fault["used"]) for fault in faults)

    def cpu_s(self) -> dict[str, float]:
        """User and system seconds so far of each process, by its name."""
        pids = {name: child.pid for name, child in self._children.items()} | {"broker": self._broker.pid}
        times = {name: psutil.Process(pid).cpu_times() for name, pid in pids.items()}
        return {name: float(one.user + one.system) for name, one in times.items()}

    def transactions(self) -> int:
        """How many the adapter has committed."""
        port = json.loads(self._log("adapter_weibo").splitlines()[0])["http_port"]
        shown = self._http.get(f"http://127.0.0.1:{port}/metrics").text
        found = re.search(r'^tongbo_transactions_total\{result="committed".*\} ([0-9.e+]+)$', shown, re.MULTILINE)
        return int(float(found.group(1))) if found else 0

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        headers = {"Authorization": f"Bearer {self._token}"}
        with httpx.Client(base_url=self._publisher, headers=headers, timeout=30, trust_env=False) as http:
            yield http

    @property
    def kafka(self) -> KafkaSettings:
        return KafkaSettings(bootstrap=self._broker.bootstrap, partitions=PARTITIONS)

    # --- processes ---

    def _start(self) -> None:
        self._broker.start()
        ensure_topics(self.kafka, load_topics(dead_letter_services()))
        silence = self._folder / "silence.jsonl"
        silence.write_text(SILENCE, "utf-8")
        quiet = ("--audience", str(silence), "--hide-secrets")
        self._run("simulator", arguments=("--port", "0", "--accounts", str(self._accounts), *quiet))
        self._simulator = self._said("simulator", r"simulator: (http://\S+)")
        self._run("adapter_weibo", {"TONGBO_SIMULATOR_URL": self._simulator, "TONGBO_HTTP_PORT": "0"})
        if self._with_publisher:
            self._token = self._make_token()
            self._run("publisher", {"TONGBO_PUBLISHER_PORT": "0"})
            self._publisher = self._said(
                "publisher", r'"event":"publisher_listening".*?"url":"([^"]+)"|"url":"([^"]+)"'
            )
            self._wait("publisher", lambda: _ready(self._publisher))
        self._wait("adapter", lambda: b"ledger_rebuilt" in self._log("adapter_weibo"))

    def _run(self, service: str, env: Mapping[str, str] | None = None, arguments: tuple[str, ...] = ()) -> None:
        with (self._folder / f"{service}.log").open("ab") as log:
            self._children[service] = subprocess.Popen(
                [sys.executable, "-m", f"services.{service}", *arguments],
                env={**self._env, **(env or {})}, cwd=ROOT, stdout=log, stderr=log,
            )  # fmt: skip

    @property
    def _env(self) -> dict[str, str]:
        return {
            **os.environ,
            "KAFKA_BOOTSTRAP": self._broker.bootstrap,
            "TONGBO_PARTITIONS": str(PARTITIONS),
            "TONGBO_ACCOUNTS": str(self._accounts),
            "TONGBO_STATE_DIR": str(self._folder / "state"),
            "TONGBO_MEDIA_DIR": str(self._folder / "media"),
        }

    def _make_token(self) -> str:
        command = [
            sys.executable,
            "-m",
            "services.publisher.access.token_cli",
            "new",
            "--name",
            "bench",
            "--brand",
            "*",
            "--role",
            "publish",
            "--role",
            "operate",
        ]
        return subprocess.run(
            command, env=self._env, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()

    def _log(self, service: str) -> bytes:
        return (self._folder / f"{service}.log").read_bytes()

    def _said(self, service: str, pattern: str) -> str:
        found: list[str] = []

        def said() -> bool:
            match = re.search(pattern, self._log(service).decode("utf-8", "replace"))
            found.extend(group for group in (match.groups() if match else ()) if group)
            return bool(found)

        self._wait(service, said)
        return found[0]

    def _wait(self, what: str, until: Any) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not until():
            for name, child in self._children.items():
                if child.poll() is not None:
                    raise RuntimeError(f"{name} 已退出，见 / has ended, see {self._folder}/{name}.log")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{PATIENCE_S:g} 秒内没有完成 / not within that time: {what}, see {self._folder}")
            time.sleep(_ASK_S)

    def _calls(self) -> dict[int, float]:
        calls = self._http.get(f"{self._simulator}/_sim/calls", params={"platform": "weibo"}).json()
        found: dict[int, float] = {}
        for call in calls["calls"] if isinstance(calls, dict) else calls:
            match = _NUMBER.search(call["answer"]) if call["endpoint"] == ENDPOINT else None
            if match:
                number = int(match.group(1))
                if number in found:
                    raise RuntimeError(f"内容 {number} 发了两次 / content {number} was posted twice")
                found[number] = datetime.fromisoformat(call["real_time"]).timestamp()
        return found


def _ready(url: str) -> bool:
    try:
        with urlopen(f"{url}/health/ready", timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False
