"""The aggregator as real processes on a real broker: topics of one test, feedback put on them, rows compared."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.events.aggregate import EngagementAggregate
from schemas.events.feedback import FeedbackEvent, Reading
from schemas.events.window import EngagementWindows
from services.bi.recount import FeedbackRecord, recounted
from services.engagement_aggregator.settings import AggregatorSettings
from services.runtime.kafka.admin import ensure_topics, lag
from services.runtime.kafka.partitions import partition_of
from services.runtime.kafka.producer import TransactionalProducer
from services.runtime.kafka.reader import read_topic
from services.runtime.kafka.records import Outgoing, Record
from services.runtime.settings import KafkaSettings
from tests.conftest import Layout
from tests.engagement_aggregator.audience import AUDIENCE
from tests.engagement_aggregator.recount.posts import Difference, differences, recount
from tests.engagement_aggregator.recount.windows import differing_windows, recount_windows
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
_row = msgspec.json.Decoder(EngagementAggregate)
_windows = msgspec.json.Decoder(EngagementWindows)


def before(folder: Path) -> str:
    """PYTHONPATH with which a sitecustomize.py in `folder` runs first and changes the services beside these tests."""
    return f"{folder}{os.pathsep}{ROOT}"


class Worker:
    """One aggregator process; its log is kept to look into."""

    def __init__(self, env: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.engagement_aggregator"],
                cwd=ROOT,
                env={**os.environ, **env},
                stderr=errors,
                stdout=errors,
            )

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [event for event in found if event["event"] == name]

    def await_event(self, name: str, timeout_s: float = 60.0) -> dict[str, Any]:
        wait_for(lambda: bool(self.events(name)), f"{name} in the log", timeout_s)
        return self.events(name)[-1]

    def ready(self) -> bool:
        port = self.await_event("service_started")["http_port"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=10) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def folded(self) -> int:
        """Feedback records folded since the start, by its own metrics."""
        port = self.await_event("service_started")["http_port"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        counted = [line for line in lines if line.startswith("tongbo_records_total") and "feedback-unified" in line]
        return int(sum(float(line.rpartition(" ")[2]) for line in counted))

    def await_killed(self, timeout_s: float = 60.0) -> None:
        assert self.process.wait(timeout_s) == -signal.SIGKILL, "it ended otherwise than at the named point"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(60)


class Pipeline:
    """Topics with a prefix of their own, seeded traffic, workers, and the comparison with the recount."""

    def __init__(self, kafka: KafkaSettings, prefix: str, folder: Path) -> None:
        self.kafka, self.folder = kafka, folder
        self.settings = AggregatorSettings(kafka=kafka, topic_prefix=f"{prefix}-")
        self.workers: list[Worker] = []
        self._random = random.Random(prefix)
        self._sequence = 0
        self._producer: TransactionalProducer | None = None

    def create_topics(self) -> None:
        compacted = (
            self.settings.campaign_topic,
            self.settings.output_topic,
            self.settings.window_topic,
            self.settings.changelog_topic,
        )
        ensure_topics(
            self.kafka,
            [
                *(Layout(name, cleanup_policy="compact") for name in compacted),
                Layout(self.settings.feedback_topic),
                Layout(self.settings.dead_letter_topic),
            ],
        )

    def start(self, instance: str = "0", *, kill_at: str = "", flush_s: float = 0.2, **env: str) -> Worker:
        values = {
            "KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "TONGBO_INSTANCE": instance,
            "TONGBO_TOPIC_PREFIX": self.settings.topic_prefix,
            "TONGBO_STATE_DIR": str(self.folder / "state"),
            "TONGBO_FLUSH_INTERVAL_S": str(flush_s),
            "TONGBO_SESSION_TIMEOUT_S": "6",
            "TONGBO_KILL_AT": kill_at,
        }
        self.workers.append(Worker(values | env, self.folder / f"worker-{len(self.workers)}.log"))
        return self.workers[-1]

    def put(self, events: Sequence[FeedbackEvent]) -> None:
        """Write events as the collector does: in one transaction, each in the partition of its campaign."""
        topic = self.settings.feedback_topic
        self.put_records(
            [
                Outgoing(
                    topic,
                    msgspec.json.encode(event),
                    getattr(event, "post_key", event.event_id).encode(),
                    partition_of(event.campaign_id, self.kafka.partitions),
                )
                for event in events
            ]
        )

    def put_records(self, records: Sequence[Outgoing]) -> None:
        if self._producer is None:
            self._producer = TransactionalProducer(self.kafka, f"{self.settings.topic_prefix}collector")
        self._producer.commit(records)

    def traffic(self, rounds: int, until: Callable[[], bool] = lambda: False) -> None:
        """Seeded feedback: snapshots (some late or backwards), comments (some again, edited, deleted), followers."""
        for _ in range(rounds):
            if until():
                return
            self._sequence += 1
            self.put([event for number in range(8) for event in self._about(number)])

    def _about(self, number: int) -> list[FeedbackEvent]:
        chance, at = self._random, self._sequence
        late = max(1, at - chance.randrange(3))
        likes = (
            Reading(reason="failed") if chance.random() < 0.1 else Reading(value=at * 10 - chance.randrange(15) + 15)
        )
        events: list[FeedbackEvent] = [
            AUDIENCE.metrics(number, late, at, at, likes=likes, comments=at, shares=chance.randrange(50)),
            AUDIENCE.comment(number, chance.randrange(40), at, version=chance.randrange(1, 3)),
        ]
        if chance.random() < 0.2:
            events.append(AUDIENCE.comment(number, chance.randrange(40), at, version=3, deleted=True))
        if chance.random() < 0.2:
            events.append(AUDIENCE.followers(number, Reading(value=1_000 + at), at))
        return events

    def rows(self) -> dict[str, EngagementAggregate]:
        """The newest published row of each key; a key in two partitions is an error."""
        places: dict[bytes, int] = {}
        rows: dict[str, EngagementAggregate] = {}
        for record in read_topic(self.kafka, self.settings.output_topic):
            assert record.key is not None
            assert places.setdefault(record.key, record.partition) == record.partition, record.key
            if record.value is None:
                rows.pop(record.key.decode(), None)
            else:
                rows[record.key.decode()] = _row.decode(record.value)
        return rows

    def differences(self) -> list[Difference]:
        read = read_topic(self.kafka, self.settings.feedback_topic)
        records = [(record.partition, record.value) for record in read]
        expected = recount(records)
        assert expected
        return differences(expected, self.rows()) or differing_windows(recount_windows(records), self.windows())

    def windows(self) -> dict[str, EngagementWindows]:
        """The newest published windows of each key."""
        rows = {record.key: record.value for record in read_topic(self.kafka, self.settings.window_topic)}
        return {key.decode(): _windows.decode(row) for key, row in rows.items() if key and row}

    def await_exact(self, timeout_s: float = 60.0) -> None:
        """Every published figure equals the recount, within the deadline."""
        found: list[Difference] = []

        def exact() -> bool:
            found[:] = self.differences()
            return not found

        try:
            wait_for(exact, "every published figure equals the recount", timeout_s)
        except AssertionError:
            raise AssertionError(f"{len(found)} figures differ, such as {found[:5]}") from None
        assert self.differences_in_sql() == []

    def differences_in_sql(self) -> list[str]:
        """The same question to another witness: the recount in SQL, over raw records and raw rows."""
        feedback = read_topic(self.kafka, self.settings.feedback_topic)
        topics = (self.settings.output_topic, self.settings.window_topic)
        rows = {record.key: record.value for name in topics for record in read_topic(self.kafka, name)}
        records = (FeedbackRecord(one.partition, one.offset, one.value) for one in feedback)
        with recounted(records, self.kafka.partitions) as sql:
            live = [(k.decode(), v) for k, v in rows.items() if k and v]
            return [str(one) for one in (*sql.differences(live), *sql.window_differences(live))]

    def feedback_count(self) -> int:
        return sum(1 for _ in read_topic(self.kafka, self.settings.feedback_topic))

    def repeat_feedback(self) -> None:
        """Put every record of the feedback topic on it a second time."""
        records = list(read_topic(self.kafka, self.settings.feedback_topic))
        self.put_records([Outgoing(r.topic, r.value, r.key, r.partition, r.headers) for r in records])

    def await_lag_gone(self) -> None:
        """Everything on the source topics is covered by committed offsets of the group."""

        def gone() -> bool:
            behind = lag(self.kafka, self.settings.application)
            return len(behind) == 2 * self.kafka.partitions and not any(behind.values())

        wait_for(gone, "no lag")

    def dead_letters(self) -> list[Record]:
        return list(read_topic(self.kafka, self.settings.dead_letter_topic))

    def aborted(self, topic: str) -> int:
        """How many records of a topic stand in aborted or open transactions: proof that a hazard really happened."""
        committed = sum(1 for _ in read_topic(self.kafka, topic))
        return asyncio.run(self._count_all(topic)) - committed

    async def _count_all(self, topic: str) -> int:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.kafka.bootstrap, isolation_level="read_uncommitted")
        async with consumer:
            where = [TopicPartition(topic, number) for number in range(self.kafka.partitions)]
            consumer.assign(where)
            await consumer.seek_to_beginning(*where)
            ends, count = await consumer.end_offsets(where), 0
            while any([await consumer.position(one) < ends[one] for one in where]):
                count += sum(len(batch) for batch in (await consumer.getmany(timeout_ms=200)).values())
            return count

    def close(self) -> None:
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.process.send_signal(signal.SIGCONT)
                worker.kill()
        if self._producer is not None:
            self._producer.close()
