"""The processes of the fan-out benchmark: broker, simulator, one adapter, and the publisher where it is asked for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.request import urlopen

import httpx
import msgspec
import psutil

from schemas.content import MasterContent, Schedule, Target
from schemas.topics import load_topics
from services.cli.running.pipeline import dead_letter_services
from services.runtime.embedded_broker import EmbeddedBroker
from services.runtime.kafka.admin import ensure_topics
from services.runtime.kafka.partitions import partition_of
from services.runtime.kafka.producer import Producer
from services.runtime.kafka.reader import read_topic
from services.runtime.kafka.records import Outgoing
from services.runtime.settings import KafkaSettings

ENDPOINT = "statuses/update/biz"  # a post of text alone on Weibo: one call is one placement
ROOT = Path(__file__).resolve().parents[1]
PARTITIONS, CAMPAIGNS = 4, 16
PATIENCE_S = 180.0
_ASK_S = 1.0  # the simulator has other things to do than to show its call log
# An audience that stays away: the simulator's own work shall not be what is measured.
_SILENCE = (
    '{"post_id":"quiet","posted_at":"2026-11-11T10:00:00+08:00","interactions":[],'
    '"final":{"reposts":0,"comments":0,"likes":0}}'
)
_NUMBER = re.compile(r"fan(\d+)out")
_ACCOUNTS = """\
accounts:
  - platform: weibo
    account: bench
    brand_id: bench
    display_name: 压测
    way: commercial
    app_id: "3100000001"
    app_secret: bench-secret
    open_id: "1900000001"
    access_token: 2.00bench
    options: {safe_domain: bench.example, "budget.*": 100000000/3600, budget.update: 100000000/3600}
"""


class FanOutStack:
    """A context manager; what it started ends with it. Logs stay in `folder`."""

    def __init__(self, folder: Path, *, publisher: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._with_publisher = folder, publisher
        self._broker = EmbeddedBroker(folder / "kafka", log_dir=folder / "kafka-log")
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._accounts = folder / "accounts.yaml"
        self._accounts.write_text(_ACCOUNTS, "utf-8")
        self._simulator = self._publisher = self._token = ""

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

    def request(self, number: int) -> dict[str, Any]:
        """What a client posts; due at once."""
        made = msgspec.to_builtins(_master(number, None))
        wanted = (
            "campaign_id",
            "content_id",
            "version",
            "kind",
            "title",
            "key_message",
            "summary",
            "body",
            "targets",
            "declarations",
        )
        declared = {"origin": "original", "ai_generated": False, "advertisement": False}
        return {name: made[name] for name in wanted} | {"declarations": declared}

    def append(self, count: int, due: datetime) -> None:
        """Contents straight on the log, as the publisher would write them."""
        producer = Producer(self.kafka, "fan-out")
        for start in range(0, count, 500):
            contents = [_master(number, due) for number in range(start, min(start + 500, count))]
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
        """When the platform answered the call of each content, in seconds since the epoch; each exactly one."""
        calls: dict[int, float] = {}

        def all_there() -> bool:
            calls.update(self._calls())
            return numbers <= calls.keys()

        self._wait("calls", all_there)
        return calls

    def slow(self, delay_s: float) -> None:
        body = {"platform": "weibo", "endpoint": ENDPOINT, "kind": "slow", "rate": 1, "delay_s": delay_s}
        httpx.post(f"{self._simulator}/_sim/faults", json=body).raise_for_status()

    def adapter_cpu_s(self) -> float:
        times = psutil.Process(self._children["adapter_weibo"].pid).cpu_times()
        return float(times.user + times.system)

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
        silence.write_text(_SILENCE, "utf-8")
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
            "services.publisher.tokens",
            "new",
            "--name",
            "bench",
            "--brand",
            "*",
            "--role",
            "publish",
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
        calls = httpx.get(f"{self._simulator}/_sim/calls", params={"platform": "weibo"}, timeout=60).json()
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


def _master(number: int, due: datetime | None) -> MasterContent:
    now = datetime.now(UTC)
    schedule = Schedule(due_at=due, wall_clock=f"{due:%Y-%m-%dT%H:%M}") if due else None
    return MasterContent(
        event_id=f"c{number}:1", occurred_at=now, observed_at=now, brand_id="bench",
        campaign_id=f"campaign-{number % CAMPAIGNS}",
        trace_id=f"c{number}", content_id=f"c{number}", version=1, kind="notice", title=f"冷泡茶 fan{number}out",
        key_message="冷水三分钟，一杯好茶", summary=f"fan{number}out 冷水三分钟，一杯好茶",
        body=f"冷水三分钟，一杯好茶。这是第 {number} 篇。",
        targets=(Target(platform="weibo", account="bench", schedule=schedule),),
    )  # fmt: skip
