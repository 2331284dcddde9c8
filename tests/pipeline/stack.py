"""A pipeline of a test's own: a real broker, the simulator over real HTTP, services as processes that can be killed."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec
from PIL import Image

from schemas.events.aggregate import EngagementAggregate
from schemas.events.content import ContentKind, MasterContent, MediaRef, MediaRole, Schedule, Target
from schemas.events.placement import PlacementRecord
from schemas.topics import load_topics
from services.adapter.contract.accounts import load_accounts
from services.adapter.contract.registry import platforms
from services.cli.local.pipeline import dead_letter_services
from services.runtime.embedded_broker import EmbeddedBroker, EmbeddedCluster
from services.runtime.kafka.admin import ensure_topics
from services.runtime.kafka.errors import KafkaUnavailable
from services.runtime.kafka.partitions import partition_of
from services.runtime.kafka.producer import Producer
from services.runtime.kafka.reader import read_topic
from services.runtime.kafka.records import Outgoing
from services.runtime.settings import KafkaSettings
from services.simulator.contract import SimPost
from services.simulator.http.server import SimulatorServer
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
ACCOUNTS = ROOT / "deploy/demo/accounts.yaml"
PARTITIONS = 4
PATIENCE_S = 110.0
BROKER_UP_WITHIN_S = 150.0  # seconds on an idle machine
# Impatient, so that what takes minutes in life takes seconds here; the order of things is the same.
IMPATIENT = {
    "TONGBO_LOOK_AFTER_S": "1",
    "TONGBO_LOOK_EVERY_S": "0.5",
    "TONGBO_FOLLOW_EVERY_S": "0.5",
    "TONGBO_CALL_TIMEOUT_S": "3",
    "TONGBO_POLL_SCALE": "0.02",
}
T = TypeVar("T")


class Stack:
    """A context manager; everything it started ends with it, and the logs of services are shown where a wait fails."""

    def __init__(self, folder: Path, *, speed: float = 20.0, root: Path = ROOT, nodes: int = 1) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self._root, self._nodes = folder, root, nodes
        self.broker: EmbeddedBroker | EmbeddedCluster = (
            EmbeddedBroker(folder / "kafka", log_dir=folder / "kafka-log")
            if nodes == 1
            else EmbeddedCluster(folder / "kafka", nodes, log_dir=folder / "kafka-log")
        )
        self.simulator = SimulatorServer(load_accounts(ACCOUNTS, {}), speed=speed)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._producer: Producer | None = None

    def __enter__(self) -> Self:
        self.simulator.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._producer:
            self._producer.close()
        for process in self._running.values():
            process.kill()
            process.wait()
        self.simulator.__exit__(kind, error, trace)
        if self.broker.running:
            self.broker.kill()
        if error is not None:
            self._show_logs()

    @property
    def kafka(self) -> KafkaSettings:
        return KafkaSettings(
            bootstrap=self.broker.bootstrap, partitions=PARTITIONS, replication_factor=min(self._nodes, 3)
        )

    def start_kafka(self) -> None:
        self.broker.start(BROKER_UP_WITHIN_S)
        ensure_topics(self.kafka, load_topics(dead_letter_services()))

    # --- services ---

    def start(
        self, service: str, n: int = 0, env: Mapping[str, str] | None = None, arguments: Sequence[str] = ()
    ) -> subprocess.Popen[bytes]:
        name = f"{service}-{n}"
        settings = {
            **os.environ,
            **IMPATIENT,
            "PYTHONPATH": str(self._root),
            "KAFKA_BOOTSTRAP": self.broker.bootstrap,
            "TONGBO_PARTITIONS": str(PARTITIONS),
            "TONGBO_INSTANCE": str(n),
            "TONGBO_STATE_DIR": str(self.folder / "state"),
            "TONGBO_MEDIA_DIR": str(self.folder / "media"),
            "TONGBO_ACCOUNTS": str(ACCOUNTS),
            "TONGBO_SIMULATOR_URL": self.simulator.url,
            **(env or {}),
        }
        with self.log_of(name).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"services.{service}", *arguments],
                env=settings, cwd=self._root, stdout=log, stderr=log,
            )  # fmt: skip
        self._running[name] = process
        return process

    def log_of(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def kill(self, service: str, n: int = 0) -> None:
        """kill -9, and gone."""
        process = self._running.pop(f"{service}-{n}")
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self, service: str, n: int = 0) -> int:
        """SIGTERM, and its exit code."""
        process = self._running.pop(f"{service}-{n}")
        process.send_signal(signal.SIGTERM)
        return process.wait(90)

    def wait_dead(self, service: str, n: int = 0) -> None:
        self.wait(f"{service}-{n} dies where it was told to", lambda: self.died(service, n))

    def died(self, service: str, n: int = 0) -> bool:
        """Whether the process has ended by SIGKILL on its own."""
        code = self._running[f"{service}-{n}"].poll()
        if code is not None:
            assert code == -signal.SIGKILL, f"{service}-{n} ended with {code}, not by the kill that was ordered"
            self._running.pop(f"{service}-{n}")
        return code is not None

    # --- content ---

    def publish(self, *contents: MasterContent) -> None:
        if self._producer is None:
            self._producer = Producer(self.kafka, "test")
        for content in contents:
            partition = partition_of(content.campaign_id, PARTITIONS)
            value = msgspec.json.encode(content)
            self._producer.send(Outgoing("master-content", value, content.content_id.encode(), partition))

    def picture(self, name: str, role: MediaRole, size: tuple[int, int] = (900, 500)) -> MediaRef:
        """A real JPEG in the media folder, its colour decided by its name."""
        colour = tuple(hashlib.sha256(name.encode()).digest()[:3])
        out = BytesIO()
        Image.new("RGB", size, colour).save(out, "JPEG")
        return self._media(name, role, out.getvalue(), "image/jpeg", ".jpg", size)

    def video(self, name: str) -> MediaRef:
        data = (ROOT / "deploy/demo/media/film.mp4").read_bytes()
        return self._media(name, "video", data, "video/mp4", ".mp4", (720, 1280), duration_s=6.0)

    def _media(
        self, name: str, role: MediaRole, data: bytes, kind: str, ending: str, size: tuple[int, int],
        duration_s: float | None = None,
    ) -> MediaRef:  # fmt: skip
        digest = hashlib.sha256(data).hexdigest()
        file = self.folder / "media" / f"{digest}{ending}"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)
        return MediaRef(
            media_id=name, role=role, uri=file.as_uri(), sha256=digest, content_type=kind, size_bytes=len(data),
            width=size[0], height=size[1], duration_s=duration_s,
        )  # fmt: skip

    # --- what came of it ---

    def ledger(self) -> dict[str, PlacementRecord]:
        """The newest committed record of each placement."""
        found = {}
        for raw in read_topic(self.kafka, "placement-ledger"):
            record = msgspec.json.decode(raw.value or b"", type=PlacementRecord)
            found[record.placement_id] = record
        return found

    def aggregates(self) -> dict[str, EngagementAggregate]:
        """The newest committed row of each key."""
        found = {}
        for raw in read_topic(self.kafka, "engagement-aggregate"):
            row = msgspec.json.decode(raw.value or b"", type=EngagementAggregate)
            found[row.key] = row
        return found

    def running(self) -> list[subprocess.Popen[bytes]]:
        return list(self._running.values())

    def process(self, name: str) -> subprocess.Popen[bytes] | None:
        """A process by its name (`publisher-0`), dead or alive; None where it is not there or was forgotten."""
        return self._running.get(name)

    def forget(self, name: str, within_s: float) -> None:
        """Wait until it has ended, by force if it takes longer, and be ready to start another of that name."""
        process = self._running.pop(name)
        try:
            process.wait(within_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{name} did not end within {within_s:g} s") from None

    def posts(self, platform: str) -> list[SimPost]:
        """Every post ever made there, live or not."""
        return list(self.simulator.world(platform).posts)

    def wait(self, what: str, until: Callable[[], T | None], patience_s: float = PATIENCE_S) -> T:
        """Ask until the answer is truthy; fails naming `what`. A broker that is away for a moment has no answer yet."""

        def answer() -> T | None:
            with suppress(KafkaUnavailable):
                return until()
            return None

        try:
            return wait_for(answer, what, patience_s)
        except AssertionError:
            self._show_logs()
            raise

    def all_final(self, count: int) -> dict[str, PlacementRecord] | None:
        records = self.ledger()
        final = all(record.is_final for record in records.values())
        return records if len(records) >= count and final else None

    def _show_logs(self) -> None:
        for log in sorted(self.folder.glob("*.log")):
            lines = log.read_text(errors="replace").splitlines()
            print(f"--- {log.name}: last of {len(lines)} lines", *lines[-25:], sep="\n")


def content(
    content_id: str,
    targets: Sequence[tuple[str, str]],
    *,
    kind: ContentKind = "notice",
    campaign_id: str = "spring",
    media: Sequence[MediaRef] = (),
    version: int = 1,
    due_in_s: float = 0,
    title: str | None = None,
    body: str = "",
) -> MasterContent:
    """A content that every platform takes as far as its kind goes; words differ by content so that posts do."""
    now = datetime.now(UTC)
    schedule = Schedule(due_at=now + timedelta(seconds=due_in_s), wall_clock="2026-11-11T10:00") if due_in_s else None
    return MasterContent(
        event_id=f"{content_id}:{version}", occurred_at=now, observed_at=now, brand_id="qinghe",
        campaign_id=campaign_id, trace_id=content_id, content_id=content_id, version=version, kind=kind,
        title=title or f"青禾冷泡茶第{content_id}号", key_message="冷水三分钟，一杯好茶",
        summary=f"夏天的新喝法 {content_id}",
        body=f"冷水三分钟，一杯好茶。\n\n这是第 {content_id} 篇。\n\n{body}", topics=("冷泡茶",), link="https://qinghe.example/new",
        author="青禾", media=tuple(media),
        targets=tuple(Target(platform=p, account=a, schedule=schedule) for p, a in targets),
    )  # fmt: skip


def adapters_running(stack: Stack, env: Mapping[str, str] | None = None) -> None:
    for platform in platforms():
        stack.start(f"adapter_{platform}", env=env)
