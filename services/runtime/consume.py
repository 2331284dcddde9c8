"""The one loop of worker-like services: take records, let the stage handle them, write everything in one transaction.

Owns consumer, producer, dead letters and rebalances. Knows nothing of what a record means.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from services.runtime import metrics
from services.runtime.canary import CANARY_TOPIC, passed_on_record
from services.runtime.clock import Clock, SystemClock
from services.runtime.dead_letters import dead_letter, topic_of
from services.runtime.failpoints import reached
from services.runtime.health import Health
from services.runtime.kafka.admin import partition_count
from services.runtime.kafka.consumer import GroupConsumer, PartitionCallbacks
from services.runtime.kafka.errors import Fenced, KafkaProblem, KafkaUnavailable, TransactionFailed
from services.runtime.kafka.producer import MAX_RECORD_BYTES, TransactionalProducer
from services.runtime.kafka.records import Outgoing, Record, TopicPartition
from services.runtime.logging import get_logger
from services.runtime.settings import ServiceSettings

_IDLE_POLL_S = 0.05
_LONGEST_REST_S = 2.5  # a fetch that brings nothing is answered sooner (`FETCH_WAIT_MS`)
_BUSY_POLL_S = 0.002
# Under load one transaction holds what came together meanwhile, instead of a few records each: a transaction costs as
# much work as fifty records in it. Where nothing was written just before, nothing waits.
_PACE_S = 0.02
_DRAIN_PAUSE_S = 0.02
_FIRST_BACK_OFF_S = 0.2
_LONGEST_BACK_OFF_S = 5.0
_MACHINE = SystemClock()  # records are stamped by machines, also in a simulated year

log = get_logger(__name__)


@dataclass(frozen=True)
class Emit:
    """The record was handled; these records follow from it."""

    records: tuple[Outgoing, ...] = ()


@dataclass(frozen=True)
class Drop:
    """The record asks for nothing; `reason` is a constant."""

    reason: str


@dataclass(frozen=True)
class ToDeadLetter:
    """The record cannot be handled. cause: a constant. message: Chinese first, English second."""

    cause: str
    message: str


Outcome = Emit | Drop | ToDeadLetter


@dataclass(frozen=True)
class Due:
    """Records to write, and what to do once they are committed, and only then."""

    records: tuple[Outgoing, ...] = ()
    after_commit: tuple[Callable[[], None], ...] = ()


class Stage(Protocol):
    """What a service does with records. All calls come one at a time, though not always from the same thread."""

    def assigned(self, partitions: Sequence[int]) -> None:
        """Rebuild the state of these partitions of the source topic, from the log."""

    def revoked(self, partitions: Sequence[int]) -> None:
        """Forget these partitions; everything drained has been written before."""

    def handle(self, record: Record) -> Outcome:
        """Decide about one record, without I/O; a raised exception is DeadLetter(cause="bug")."""

    def tick(self) -> Due:
        """What became due or came back since the last call."""

    def drain(self) -> Due:
        """Like tick, but nothing new may start; called repeatedly while partitions are given up."""

    def lost(self) -> None:
        """Everything in memory is void; `assigned` follows once partitions are owned again."""


@runtime_checkable
class InFlight(Protocol):
    """A stage with work under way outside (such as HTTP calls) also says how much, so that draining can wait for it."""

    def in_flight(self) -> int: ...


@runtime_checkable
class Positioned(Protocol):
    """A stage that wants to know how far the topics have been handled and committed."""

    def taken(self, positions: Mapping[TopicPartition, int]) -> None: ...


@runtime_checkable
class Resting(Protocol):
    """A stage that knows when it has nothing to do; the loop then waits for records and for `ConsumeLoop.wake`."""

    def at_rest(self) -> bool:
        """Whether nothing but a record or a wake-up can give it work within the next three seconds."""


@dataclass(frozen=True, slots=True)
class TopicSubscription:
    """What a service reads, and as which group. canaries: also `pipeline-canary`, whose records it passes on."""

    service: str
    group: str
    topics: tuple[str, ...]
    canaries: bool = False


class ConsumeLoop:
    """Runs a stage over the topics until `stop` is set.

    Each round is at most one transaction: all records of the round, the positions of all owned partitions, and the
    group's generation, so that a worker that lost its partitions cannot write even when it consumed nothing. When a
    transaction fails, state and membership are given up and begun anew from the log.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        subscription: TopicSubscription,
        stage: Stage,
        health: Health,
        stop: threading.Event,
        clock: Clock,
        *,
        drain_s: float = 10.0,
        session_timeout_ms: int = 10_000,
    ) -> None:
        self._settings = settings
        self._service = subscription.service
        self._group = subscription.group
        self._topics = (*subscription.topics, *([CANARY_TOPIC] if subscription.canaries else []))
        self._stage = stage
        self._health = health
        self._stop = stop
        self._clock = clock
        self._drain_s = drain_s
        self._session_timeout_ms = session_timeout_ms
        self._committed: dict[TopicPartition, int] = {}
        self._void = False
        self._back_off_s = _FIRST_BACK_OFF_S
        self._write_again_at = 0.0
        self._dead_letter_partitions: int | None = None
        self._wake_consumer: Callable[[], None] = lambda: None
        self._consumer: GroupConsumer
        self._producer: TransactionalProducer

    def run(self) -> None:
        """Returns after a clean stop; raises what only a person can cure (missing topic, refused access, a bug)."""
        while not self._stop.is_set():
            try:
                self._session()
            except (Fenced, TransactionFailed, KafkaUnavailable) as problem:
                if isinstance(problem, KafkaUnavailable) and self._stop.is_set():
                    return
                self._begin_anew(problem)

    def wake(self) -> None:
        """Have the stage's `tick` called now, also while it is at rest; from any thread."""
        self._wake_consumer()

    def _begin_anew(self, problem: KafkaProblem) -> None:
        cause = type(problem).__name__
        log.warning("consume_loop_begins_anew", group=self._group, cause=cause, detail=str(problem))
        metrics.LOOP_RESTARTS.labels(self._service, cause).inc()
        self._health.failed(f"{cause}: {problem}")
        self._stop.wait(self._back_off_s)
        self._back_off_s = min(self._back_off_s * 2, _LONGEST_BACK_OFF_S)

    def _session(self) -> None:
        """One membership in the group with one producer, from joining until stop or failure."""
        identity = f"{self._service}-{self._settings.instance}"
        self._health.waiting("Kafka")
        self._void = False
        self._producer = TransactionalProducer(self._settings.kafka, identity, stop=self._stop)
        try:
            self._consumer = self._joined(identity)
            self._wake_consumer = self._consumer.wake
            try:
                self._rounds()
                self._give_up(sorted(self._consumer.assignment()))
            except BaseException:
                self._void = True
                self._stage.lost()
                raise
            finally:
                self._void = True
                self._consumer.close()
                self._owned(0)
        finally:
            self._producer.close()

    def _joined(self, identity: str) -> GroupConsumer:
        return GroupConsumer(
            self._settings.kafka,
            self._group,
            self._topics,
            PartitionCallbacks(self._on_assigned, self._on_revoked, self._on_lost),
            client_id=identity,
            session_timeout_ms=self._session_timeout_ms,
            stop=self._stop,
            on_waiting=self._health.waiting,
        )

    def _rounds(self) -> None:
        timeout_s = _IDLE_POLL_S
        while not self._stop.is_set():
            time.sleep(max(0.0, self._write_again_at - time.monotonic()))
            reached("consume:round")
            if timeout_s > _IDLE_POLL_S:
                self._consumer.wait(timeout_s)
                timeout_s = 0.0
            records = self._consumer.poll(timeout_s)
            timeout_s = _IDLE_POLL_S
            if not self._consumer.assignment():
                self._health.waiting("分区分配 / partition assignment")
                continue
            if not records and not self._consumer.in_touch():
                self._health.waiting("Kafka 无应答 / Kafka does not answer")
                continue
            worked = self._round(records)
            timeout_s = self._pause_s(worked, bool(records))
            self._health.progress()

    def _pause_s(self, worked: bool, came: bool) -> float:
        """How long to wait for records before the stage is asked again.

        Where records came the client may hold more of them, which no fetch brings: a rest begins after an empty poll.
        """
        if worked:
            return _BUSY_POLL_S
        if came:
            return _IDLE_POLL_S
        return _LONGEST_REST_S if isinstance(self._stage, Resting) and self._stage.at_rest() else _IDLE_POLL_S

    def _round(self, records: Sequence[Record]) -> bool:
        written = [one for record in records for one in self._decided(record)]
        due = self._stage.tick()
        self._write(written, due)
        return bool(due.records or due.after_commit)

    def _decided(self, record: Record) -> tuple[Outgoing, ...]:
        """The records that follow from one record; every way of refusing it ends in a dead letter."""
        age_s = (_MACHINE.now() - record.timestamp).total_seconds()
        metrics.CONSUMED_AGE.labels(self._service, record.topic).set(max(0.0, age_s))
        if record.topic == CANARY_TOPIC:
            return passed_on_record(record, self._service, self._settings.instance, _MACHINE.now())
        try:
            outcome = self._stage.handle(record)
        except Exception as error:  # the loop is where bugs of stages are caught, so that neighbours are processed
            log.exception("record_handling_failed", **_coordinates(record))
            outcome = ToDeadLetter("bug", f"程序错误 / bug: {type(error).__name__}: {error}")
        if isinstance(outcome, Emit) and any(_size(one) > MAX_RECORD_BYTES for one in outcome.records):
            outcome = ToDeadLetter(
                "result_too_large", "处理结果超过 Kafka 单条上限 / the result exceeds a record's limit"
            )
        metrics.RECORDS.labels(self._service, record.topic, _OUTCOMES[type(outcome)]).inc()
        match outcome:
            case Emit(records):
                return records
            case Drop(reason):
                log.debug("record_dropped", reason=reason, **_coordinates(record))
                return ()
            case ToDeadLetter(cause, message):
                return (self._refused(record, cause, message),)

    def _refused(self, record: Record, cause: str, message: str) -> Outgoing:
        if self._dead_letter_partitions is None:
            self._dead_letter_partitions = partition_count(self._settings.kafka, topic_of(self._service))
        log.error("record_refused", cause=cause, **_coordinates(record))
        metrics.DEAD_LETTERS.labels(self._service, cause).inc()
        return dead_letter(
            self._service,
            record,
            cause=cause,
            message=message,
            first_seen_at=self._clock.now(),
            partitions=self._dead_letter_partitions,
        )

    def _write(self, written: Sequence[Outgoing], due: Due) -> None:
        """One transaction if anything is to be written or the positions moved; then, and only then, the callbacks."""
        records = (*written, *due.records)
        positions = self._consumer.positions()
        if records or positions != self._committed:
            if records and not positions:
                raise TransactionFailed("没有可核对的分区位置 / no position is known to check the generation with")
            began = time.monotonic()
            self._write_again_at = began + _PACE_S
            try:
                self._producer.commit(records, positions, self._consumer.group_metadata())
            except KafkaProblem as problem:
                metrics.TRANSACTIONS.labels(self._service, type(problem).__name__).inc()
                raise
            self._note_committed(records, positions, time.monotonic() - began)
        if isinstance(self._stage, Positioned):
            self._stage.taken(positions)
        for callback in due.after_commit:
            callback()

    def _note_committed(
        self, records: Sequence[Outgoing], positions: dict[TopicPartition, int], seconds: float
    ) -> None:
        self._committed = positions
        self._back_off_s = _FIRST_BACK_OFF_S
        metrics.TRANSACTIONS.labels(self._service, "committed").inc()
        metrics.TRANSACTION_SECONDS.labels(self._service).observe(seconds)
        for topic, count in Counter(record.topic for record in records).items():
            metrics.WRITTEN.labels(self._service, topic).inc(count)

    def _on_assigned(self, partitions: list[TopicPartition]) -> None:
        numbers = _numbers(partitions)
        log.info("partitions_assigned", group=self._group, partitions=numbers)
        metrics.REBALANCES.labels(self._service, "assigned").inc()
        self._committed = {}
        self._health.waiting("状态恢复 / rebuilding state")
        self._stage.assigned(numbers)
        self._owned(len(numbers))
        self._health.progress()

    def _on_revoked(self, partitions: list[TopicPartition]) -> None:
        if not self._void:
            metrics.REBALANCES.labels(self._service, "revoked").inc()
            self._give_up(partitions)

    def _on_lost(self, partitions: list[TopicPartition]) -> None:
        if not self._void:
            metrics.REBALANCES.labels(self._service, "lost").inc()
            raise Fenced(f"group {self._group} has given away {partitions}")

    def _give_up(self, partitions: Sequence[TopicPartition]) -> None:
        if not partitions:
            return
        numbers = _numbers(partitions)
        self._drain()
        self._stage.revoked(numbers)
        self._owned(0)
        log.info("partitions_revoked", group=self._group, partitions=numbers)

    def _drain(self) -> None:
        """Write what is finishing until nothing is under way, at most `drain_s` long."""
        deadline = time.monotonic() + self._drain_s
        while True:
            due = self._stage.drain()
            self._write((), due)
            under_way = self._stage.in_flight() if isinstance(self._stage, InFlight) else 0
            if not under_way and not due.records and not due.after_commit:
                return
            if time.monotonic() > deadline:
                log.warning("drain_incomplete", group=self._group, under_way=under_way)
                return
            if under_way:
                time.sleep(_DRAIN_PAUSE_S)

    def _owned(self, partitions: int) -> None:
        self._health.assigned(partitions)
        metrics.ASSIGNED.labels(self._service).set(partitions)


_OUTCOMES = {Emit: "emit", Drop: "drop", ToDeadLetter: "deadletter"}  # as the metric names them


def _numbers(partitions: Sequence[TopicPartition]) -> list[int]:
    """The partition numbers that mean work: there may be more of canaries where an installation was laid out so."""
    return sorted({one.partition for one in partitions if one.topic != CANARY_TOPIC})


def _coordinates(record: Record) -> dict[str, object]:
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}


def _size(record: Outgoing) -> int:
    headers = sum(len(name.encode()) + len(value) for name, value in record.headers)
    return len(record.value or b"") + len(record.key or b"") + headers + 100  # framing
