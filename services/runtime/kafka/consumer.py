"""Reading as a member of a group: read-committed, offsets committed only by the caller's transactions.

Assignment is *Range*, eager: it gives one member the same partition numbers of every subscribed topic (a campaign's
records meet), follows the order of the client ids, so two workers get the same halves again after every rebalance,
and takes everything back before it gives anything, so positions are still known while revoked work is finished.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from kafka import AsyncConsumerRebalanceListener, KafkaConsumer
from kafka import errors as client
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.structs import TopicPartition as ClientTopicPartition

from services.runtime.kafka.connection import client_options
from services.runtime.kafka.errors import Fenced, KafkaUnavailable
from services.runtime.kafka.records import GroupMetadata, Record, TopicPartition
from services.runtime.kafka.translation import translated
from services.runtime.kafka.waiting import connected
from services.runtime.logging import get_logger
from services.runtime.settings import KafkaSettings

Start = Literal["earliest", "latest"]
PartitionsCallback = Callable[[list[TopicPartition]], None]
FETCH_WAIT_MS = 2_000  # a broker answers at once when a record comes; without one it is asked every two seconds
_MAX_FETCH_BYTES = 8 * 1024 * 1024
_SHORT_WAIT_S, _LOOK_S = 0.05, 0.25

log = get_logger(__name__)


def reading_options(settings: KafkaSettings, client_id: str, start: Start) -> dict[str, Any]:
    """Options of every reader: committed records only, nothing committed or created by itself."""
    return client_options(settings) | {
        "client_id": client_id,
        "isolation_level": "read_committed",
        "enable_auto_commit": False,
        "auto_offset_reset": start,
        "allow_auto_create_topics": False,
        "max_partition_fetch_bytes": 2 * 1024 * 1024,
        "fetch_max_bytes": _MAX_FETCH_BYTES,
        "fetch_max_wait_ms": FETCH_WAIT_MS,
        "request_timeout_ms": 15_000,
        "metadata_max_age_ms": 30_000,
        "retry_backoff_ms": 50,
        "metrics_enabled": False,
    }


def to_record(raw: Any) -> Record:
    """Our record from the client library's."""
    return Record(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        key=raw.key,
        value=raw.value,
        headers=tuple((name, value if value is not None else b"") for name, value in raw.headers or ()),
        timestamp=datetime.fromtimestamp(max(raw.timestamp, 0) / 1000, UTC),
    )


def wait_for_topics(
    consumer: Any,
    topics: Sequence[str],
    stop: threading.Event,
    on_waiting: Callable[[str], None] | None = None,
) -> None:
    """Return once every topic exists; a group joined before would be given nothing and notice late."""
    delay = 0.1
    while missing := [topic for topic in topics if not _partitions(consumer, topic)]:
        if stop.is_set():
            raise KafkaUnavailable(f"stopped while waiting for topics {missing}")
        reason = f"topics do not exist yet: {', '.join(missing)}"
        if on_waiting is not None:
            on_waiting(reason)
        log.warning("kafka_topics_missing", topics=missing)
        stop.wait(delay)
        delay = min(delay * 1.5, 3.0)


def _partitions(consumer: Any, topic: str) -> set[int]:
    try:
        return set(consumer.partitions_for_topic(topic))
    except client.KafkaError:
        return set()


class _Listener(AsyncConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python ships no annotations
    """Runs the owner's callbacks in a thread of their own, while `poll` of the owner is blocked on them.

    On the client's I/O loop they would stop heartbeats and could not ask the consumer for positions.
    """

    def __init__(self, owner: GroupConsumer, sleep: Callable[[float], Any]) -> None:
        self._owner, self._sleep = owner, sleep

    async def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        await self._call(self._owner._give_back, revoked)

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        await self._call(self._owner._take, assigned)

    async def on_partitions_lost(self, lost: Iterable[Any]) -> None:
        await self._call(self._owner._lose, lost)

    async def _call(self, callback: PartitionsCallback, partitions: Iterable[Any]) -> None:
        where = sorted(TopicPartition(*one) for one in partitions)
        if not where:
            return
        outcome: list[BaseException] = []

        def run() -> None:
            try:
                callback(where)
            except BaseException as error:
                outcome.append(error)

        thread = threading.Thread(target=run, name="rebalance", daemon=True)
        thread.start()
        while thread.is_alive():
            await self._sleep(0.005)
        if outcome:
            self._owner.failure = outcome[0]
            raise outcome[0]


@dataclass(frozen=True, slots=True)
class PartitionCallbacks:
    """Called with the partitions that come and go. lost: instead of `revoked` once the group has already given the
    partitions away, so nothing of them can be committed any more; without it `revoked` is called.
    """

    assigned: PartitionsCallback
    revoked: PartitionsCallback
    lost: PartitionsCallback | None = None


class GroupConsumer:
    """A member of a consumer group. Not thread-safe; callbacks run while `poll` or `close` waits for them.

    Construction waits for Kafka and for the topics, for ever unless stopped. An error raised by a callback leaves
    `poll` unchanged. `on_lost` (default `on_revoked`) is called instead of `on_revoked` when the group has already
    given the partitions away, so nothing of them can be committed any more.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        group: str,
        topics: Sequence[str],
        callbacks: PartitionCallbacks,
        *,
        client_id: str,
        max_poll_records: int = 500,
        session_timeout_ms: int = 10_000,
        start: Start = "earliest",
        stop: threading.Event | None = None,
        on_waiting: Callable[[str], None] | None = None,
    ) -> None:
        self.group = group
        self.failure: BaseException | None = None
        self._work = threading.Event()
        self._callbacks = callbacks
        self._owned: frozenset[TopicPartition] = frozenset()
        self._membership: GroupMetadata | None = None
        options = reading_options(settings, client_id, start) | {
            "group_id": group,
            "max_poll_records": max_poll_records,
            "session_timeout_ms": session_timeout_ms,
            "heartbeat_interval_ms": max(session_timeout_ms // 10, 100),
            "partition_assignment_strategy": (RangePartitionAssignor,),
        }
        self._stop = stop = stop or threading.Event()
        self._client: Any = connected(
            settings, lambda: KafkaConsumer(**options), what=f"group {group}", stop=stop, on_waiting=on_waiting
        )
        try:
            wait_for_topics(self._client, topics, stop, on_waiting)
            self._client.subscribe(list(topics), listener=_Listener(self, self._client._net.sleep))
            # The client compares the partitions it joined with against the next metadata; unless it looks at those
            # it already has, it joins with none and takes everything back for a second rebalance at once.
            self._client._coordinator._handle_metadata_update(self._client._cluster)
        except BaseException:
            self._client.close(autocommit=False, timeout_ms=1_000)
            raise

    def poll(self, timeout_s: float) -> list[Record]:
        """The next records, in order per partition; empty when none came in time or a rebalance is going on."""
        began = time.monotonic()
        try:
            batches = self._client.poll(timeout_ms=max(0, int(timeout_s * 1000)))
        except client.KafkaError as error:
            if self.failure is not None:
                failure, self.failure = self.failure, None
                raise failure from error
            problem = translated(error, KafkaUnavailable, f"polling {self.group}")
            if not problem.retriable:
                raise problem from error
            log.warning("kafka_poll_interrupted", group=self.group, cause=repr(error))
            time.sleep(max(0.0, min(timeout_s, 0.5) - (time.monotonic() - began)))  # no busy loop without a broker
            return []
        return [to_record(raw) for batch in batches.values() for raw in batch]

    def wait(self, timeout_s: float) -> None:
        """Wait until a fetch has been answered, somebody calls `wake`, or the time is over; the next poll takes it.

        Costs nothing meanwhile: `poll` with a time-out would ask the client's own thread again and again. While the
        group is being joined, or nothing is on its way to a broker, only a short while is waited: `poll` has work then.
        A heartbeat that brings a rebalance, and the order to stop, are noticed within a quarter of a second.
        """
        fetches = list(self._client._fetcher._fetch_futures)
        coordinator = self._client._coordinator
        if not self._owned or not fetches:
            timeout_s = min(timeout_s, _SHORT_WAIT_S)
        for fetch in fetches:
            fetch.add_both(lambda _: self._work.set())
        deadline = time.monotonic() + timeout_s
        while not self._stop.is_set() and (left_s := deadline - time.monotonic()) > 0:
            is_changing = coordinator.need_rejoin() or coordinator.coordinator_unknown()
            if self._work.wait(min(left_s, _SHORT_WAIT_S if is_changing else _LOOK_S)) or is_changing:
                break
        self._work.clear()

    def wake(self) -> None:
        """End the present or the next `wait`; from any thread."""
        self._work.set()

    def assignment(self) -> frozenset[TopicPartition]:
        """What this member owns; nothing from the end of `revoked` until `assigned` begins.

        The client itself goes on naming the old partitions until the group has decided anew.
        """
        return self._owned

    def in_touch(self) -> bool:
        """Whether the group's coordinator has answered within the session time-out; an idle poll proves nothing."""
        coordinator = self._client._coordinator
        return not coordinator.coordinator_unknown() and not coordinator.heartbeat.session_timeout_expired()

    def _take(self, partitions: list[TopicPartition]) -> None:
        self._owned = frozenset(partitions)
        seen = self._client.group_metadata()
        self._membership = GroupMetadata(self.group, seen.generation_id, seen.member_id)
        self._callbacks.assigned(partitions)

    def _give_back(self, partitions: list[TopicPartition]) -> None:
        try:
            self._callbacks.revoked(partitions)
        finally:
            self._owned = frozenset()

    def _lose(self, partitions: list[TopicPartition]) -> None:
        self._owned = frozenset()
        (self._callbacks.lost or self._callbacks.revoked)(partitions)

    def positions(self) -> dict[TopicPartition, int]:
        """The next offset of every assigned partition, also of those without a record yet.

        Raises KafkaUnavailable where nobody answers: what was made of a partition's records must not be committed
        without that partition's place, and a broker that comes back is asked for it once more.
        """
        found: dict[TopicPartition, int] = {}
        for where in sorted(self.assignment()):
            try:
                offset = self._client.position(ClientTopicPartition(*where), timeout_ms=5_000)
            except (client.IllegalStateError, KeyError):
                continue  # taken away: there is nothing to commit
            except client.KafkaError as error:
                raise translated(error, KafkaUnavailable, f"positions of {self.group}") from error
            if offset is not None:
                found[where] = int(offset)
        return found

    def group_metadata(self) -> GroupMetadata:
        """The membership under which the present partitions were assigned, for transactions; raises Fenced without one.

        Not the client's present one: the answer to a heartbeat may erase that in the middle of a round, and a
        transaction that names no generation is checked by no broker.
        """
        if self._membership is None:
            raise Fenced(f"group {self.group} has assigned nothing to this member")
        return self._membership

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        self._client.pause(*(ClientTopicPartition(*one) for one in partitions))

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        self._client.resume(*(ClientTopicPartition(*one) for one in partitions))

    def seek(self, where: TopicPartition, offset: int) -> None:
        self._client.seek(ClientTopicPartition(*where), offset)

    def caught_up(self) -> bool:
        """Whether everything that was in the assigned partitions at the time of the call has been polled."""
        where = [ClientTopicPartition(*one) for one in self.assignment()]
        if not where:
            return False
        positions = self.positions()
        try:
            ends = self._client.end_offsets(where, timeout_ms=5_000)
        except client.KafkaError as error:
            raise translated(error, KafkaUnavailable, f"end offsets of {self.group}") from error
        return all(positions.get(TopicPartition(*one), -1) >= end for one, end in ends.items())

    def close(self, timeout_s: float = 5.0) -> None:
        """Revoke, leave the group at once and close; raises what the callback raised, after closing."""
        try:
            self._client.close(autocommit=False, timeout_ms=int(timeout_s * 1000))
        except client.KafkaError as error:
            failure, self.failure = self.failure, None
            if failure is not None:
                raise failure from error
            log.warning("kafka_close_incomplete", group=self.group, cause=repr(error))
