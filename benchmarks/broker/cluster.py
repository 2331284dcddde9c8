"""The broker all contenders share: the product's embedded one, with topics made and removed around each run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition
from kafka import KafkaAdminClient
from kafka.errors import GroupIdNotFoundError, KafkaError

from benchmarks.broker.leftovers import forget_groups, remove_topics
from benchmarks.load.workload import PARTITIONS, Feedback
from services.runtime.embedded_broker import EmbeddedBroker, layout

_DEADLINE_S = 60.0
_JOIN_TOGETHER_MS = 3_000
_HEAP = ("-Xms512m", "-Xmn320m")  # as in service; in the heap of a demo a collection of 10 ms comes four times a second


class Cluster:
    """One broker on an empty folder.

    with_teams: members of a group that start together are assigned together, within 3 s; without, nobody waits.
    """

    def __init__(self, folder: Path, *, with_teams: bool = True) -> None:
        wait_ms = _JOIN_TOGETHER_MS if with_teams else 0
        layout._FIXED["group.initial.rebalance.delay.ms"] = str(wait_ms)  # read when the broker starts
        self._broker = EmbeddedBroker(folder / "data", log_dir=folder / "log", java_options=_HEAP)

    def __enter__(self) -> Cluster:
        self._broker.start()
        # Not librdkafka's: asked for a group's offsets again and again, it ended with a segmentation fault.
        self._admin: Any = KafkaAdminClient(bootstrap_servers=[self.bootstrap], request_timeout_ms=60_000)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._admin.close()
        self._broker.stop()

    @property
    def bootstrap(self) -> str:
        return self._broker.bootstrap

    @property
    def pid(self) -> int:
        return self._broker.pid

    def create(self, names: Iterable[str], config: Mapping[str, str] | None = None) -> None:
        layout = {"num_partitions": PARTITIONS, "replication_factor": 1, "configs": dict(config or {})}
        wanted = dict.fromkeys(names, layout)
        self._admin.create_topics(wanted)
        self._admin.wait_for_topics(sorted(wanted), timeout_ms=60_000)

    def remove(self, prefix: str, keep: Iterable[str] = ()) -> None:
        """Remove the topics whose names contain this, and return when they are gone; raises LeftBehind."""
        remove_topics(self._admin, prefix, keep, _DEADLINE_S)

    def forget_groups(self, prefix: str) -> None:
        """Remove the groups whose names begin with this, and their offsets; raises LeftBehind."""
        forget_groups(self._admin, prefix, _DEADLINE_S)

    def committed(self, group: str, topic: str) -> int:
        """How many records of the topic the group's committed offsets cover."""
        try:
            found = self._admin.list_group_offsets(group).get(group, {})
        except GroupIdNotFoundError:
            return 0
        except KafkaError as error:
            if error.retriable:
                return 0  # the coordinator is not there yet
            raise
        return sum(max(0, place.offset) for where, place in found.items() if where[0] == topic)

    def write(self, topic: str, records: Iterable[Feedback], progress: Callable[[int], None]) -> None:
        """Put records on a topic, every partition in order; returns when all are acknowledged."""
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "enable.idempotence": True,
                "log_level": 3,
                "linger.ms": 50,
                "batch.size": 512 * 1024,
                "queue.buffering.max.messages": 200_000,
                "queue.buffering.max.kbytes": 256 * 1024,
            }
        )
        for number, record in enumerate(records):
            while True:
                try:
                    producer.produce(topic, record.value, record.key, record.partition)
                    break
                except BufferError:
                    producer.poll(0.05)
            if number % 10_000 == 0:
                producer.poll(0)
                progress(number)
        if left := producer.flush(_DEADLINE_S):
            raise RuntimeError(f"{left} records were not acknowledged")

    def latest(self, topic: str, skip: bytes = b"\0") -> dict[bytes, bytes]:
        """The last committed value of every key of a topic, without the keys that begin with `skip`."""
        reader = self.reader()
        ends = self._ends(reader, topic)
        reader.assign([TopicPartition(topic, number, 0) for number in ends])
        found: dict[bytes, bytes] = {}
        try:
            while any(_position(reader, topic, number) < end for number, end in ends.items()):
                for message in reader.consume(20_000, 0.2):
                    if message.error() is None and not message.key().startswith(skip):
                        found[message.key()] = message.value()
        finally:
            reader.close()
        return found

    def count(self, topic: str) -> int:
        """How many offsets a topic holds, transaction markers included."""
        reader = self.reader()
        try:
            return sum(self._ends(reader, topic).values())
        finally:
            reader.close()

    def reader(self) -> Consumer:
        """A reader of committed records outside any group."""
        return Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "benchmark-reader",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 10,
            }
        )

    def _ends(self, reader: Consumer, topic: str) -> dict[int, int]:
        ends = {}
        for number in range(PARTITIONS):
            _, end = reader.get_watermark_offsets(TopicPartition(topic, number), _DEADLINE_S)
            if end:
                ends[number] = end
        return ends


def _position(reader: Consumer, topic: str, partition: int) -> int:
    return max(0, int(reader.position([TopicPartition(topic, partition)])[0].offset))
