"""Reading without a group: one partition to its end, a whole topic to its end, or following topics from now on.

All readers see committed records only. "The end" is the log's end at the time of the call, open transactions
included: a reader waits until those are decided instead of stopping short of a commit that is already on its way.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from kafka import IsolationLevel, KafkaConsumer
from kafka import errors as client
from kafka.structs import TopicPartition as ClientTopicPartition

from services.runtime.kafka.consumer import Start, reading_options, to_record, wait_for_topics
from services.runtime.kafka.errors import KafkaUnavailable, UnknownTopic
from services.runtime.kafka.records import Record, TopicPartition
from services.runtime.kafka.translation import translated
from services.runtime.kafka.waiting import connected
from services.runtime.logging import get_logger
from services.runtime.settings import KafkaSettings

_STALLED_S = 60.0
_ANSWER_MS = 10_000
_ASK_EVERY_S = 2.0
_ASK_MS = 5_000  # the answer waits behind a fetch (`FETCH_WAIT_MS`)

log = get_logger(__name__)


@contextmanager
def _reader(settings: KafkaSettings, start: Start = "earliest", **more: Any) -> Iterator[Any]:
    options = reading_options(settings, "reader", start) | {"max_poll_records": 2_000, "fetch_max_wait_ms": 100} | more
    consumer: Any = connected(settings, lambda: KafkaConsumer(**options), what="reader", timeout_s=30)
    try:
        yield consumer
    except client.KafkaError as error:  # whichever call it was: a broker may go away under each of them
        raise translated(error, KafkaUnavailable, "reading") from error
    finally:
        consumer.close(autocommit=False, timeout_ms=1_000)


def _log_ends(consumer: Any, partitions: Iterable[ClientTopicPartition]) -> dict[ClientTopicPartition, int]:
    """The high watermarks: unlike the last stable offset they lie behind transactions that are still open.

    Raises KafkaUnavailable where the broker went away between two questions: the library then has a gap, and no error.
    """
    fetcher = consumer._fetcher
    asked = fetcher._isolation_level
    fetcher._isolation_level = IsolationLevel.READ_UNCOMMITTED
    try:
        return dict(consumer.end_offsets(list(partitions), timeout_ms=_ANSWER_MS))
    except KeyError as error:
        raise KafkaUnavailable(f"no answer about the end of {error}") from error
    finally:
        fetcher._isolation_level = asked


def _read_to_end(
    consumer: Any,
    partitions: Sequence[ClientTopicPartition],
    until: Mapping[ClientTopicPartition, int] | None = None,
) -> Iterator[Record]:
    try:
        ends = _log_ends(consumer, partitions) if until is None else until
        remaining = {one for one in partitions if consumer.position(one, timeout_ms=_ANSWER_MS) < ends[one]}
        moved_at = time.monotonic()
        while remaining:
            places = {one: consumer.position(one, timeout_ms=_ANSWER_MS) for one in remaining}
            for where, batch in consumer.poll(timeout_ms=200).items():
                for raw in batch:
                    if raw.offset < ends[where]:
                        yield to_record(raw)
            after = {one: consumer.position(one, timeout_ms=_ANSWER_MS) for one in remaining}
            finished = {one for one in remaining if after[one] >= ends[one]}
            consumer.pause(*finished)
            remaining -= finished
            if after != places:
                moved_at = time.monotonic()
            elif time.monotonic() - moved_at > _STALLED_S:
                raise KafkaUnavailable(f"no progress for {_STALLED_S:g} s while reading {sorted(remaining)} to {ends}")
    except client.KafkaError as error:
        raise translated(error, KafkaUnavailable, f"reading {sorted(partitions)}") from error


def _existing(consumer: Any, topic: str) -> list[int]:
    found = sorted(consumer.partitions_for_topic(topic))
    if not found:
        raise UnknownTopic(f"主题不存在 / topic does not exist: {topic} (`tongbo topics` creates the topics)")
    return found


def read_partition(
    settings: KafkaSettings, topic: str, partition: int, *, from_offset: int | None = None
) -> Iterator[Record]:
    """All committed records of one partition from `from_offset` (default: the first) to the end as of this call.

    Raises UnknownTopic for a missing partition, KafkaUnavailable when nothing moves for a minute. The connection
    lives as long as the iterator.
    """
    with _reader(settings) as consumer:
        if partition not in _existing(consumer, topic):
            raise UnknownTopic(f"分区不存在 / partition does not exist: {topic}-{partition}")
        where = ClientTopicPartition(topic, partition)
        consumer.assign([where])
        if from_offset is not None:
            consumer.seek(where, from_offset)
        yield from _read_to_end(consumer, [where])


def read_topic(settings: KafkaSettings, topic: str) -> Iterator[Record]:
    """All committed records of a topic to its end as of this call; in order within each partition."""
    with _reader(settings) as consumer:
        where = [ClientTopicPartition(topic, number) for number in _existing(consumer, topic)]
        consumer.assign(where)
        yield from _read_to_end(consumer, where)


class Extent(NamedTuple):
    """A partition's first offset, the end of what is committed, and the end of the log, open transactions included."""

    first: int
    stable: int
    end: int


def extents(settings: KafkaSettings, topic: str) -> dict[int, Extent]:
    """How far each partition of a topic goes at present."""
    with _reader(settings) as consumer:
        where = [ClientTopicPartition(topic, number) for number in _existing(consumer, topic)]
        try:
            begins = consumer.beginning_offsets(where, timeout_ms=_ANSWER_MS)
            stable = consumer.end_offsets(where, timeout_ms=_ANSWER_MS)
            ends = _log_ends(consumer, where)
        except client.KafkaError as error:
            raise translated(error, KafkaUnavailable, f"asking for the extent of {topic}") from error
    return {one.partition: Extent(int(begins[one]), int(stable[one]), int(ends[one])) for one in where}


def read_range(
    settings: KafkaSettings, topic: str, starts: Mapping[int, int], ends: Mapping[int, int]
) -> Iterator[Record]:
    """All committed records from `starts` (inclusive; the first one there is where none is named) to `ends`."""
    with _reader(settings) as consumer:
        where = {ClientTopicPartition(topic, number): end for number, end in ends.items()}
        consumer.assign(list(where))
        for number, start in starts.items():
            consumer.seek(ClientTopicPartition(topic, number), start)
        yield from _read_to_end(consumer, list(where), where)


class LogEnds:
    """Asks where topics end, on a connection of its own. Not thread-safe.

    A broker answers the requests of one connection in order, so a question on the connection of a `Tail` would wait
    until that one's fetch is answered. Construction waits for Kafka and the topics, for ever unless stopped.
    """

    def __init__(self, settings: KafkaSettings, topics: Sequence[str], stop: threading.Event) -> None:
        options = reading_options(settings, "ends", "latest")
        self._topics = tuple(topics)
        self._client: Any = connected(settings, lambda: KafkaConsumer(**options), what="ends", stop=stop)
        try:
            wait_for_topics(self._client, topics, stop)
        except BaseException:
            self.close()
            raise

    def ask(self) -> dict[TopicPartition, int]:
        """Where the topics end now, open transactions included, as the broker answers this very question.

        Raises KafkaUnavailable where it does not.
        """
        try:
            where = [
                ClientTopicPartition(topic, one) for topic in self._topics for one in _existing(self._client, topic)
            ]
            return {TopicPartition(*one): int(end) for one, end in _log_ends(self._client, where).items()}
        except client.KafkaError as error:
            raise translated(error, KafkaUnavailable, f"ends of {self._topics}") from error

    def close(self) -> None:
        self._client.close(autocommit=False, timeout_ms=1_000)


class Tail:
    """Follows whole topics without a group: every instance sees every record. Not thread-safe.

    Construction waits for Kafka and the topics, for ever unless stopped.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topics: Sequence[str],
        start: Start = "earliest",
        *,
        stop: threading.Event | None = None,
    ) -> None:
        options = reading_options(settings, "tail", start) | {"max_poll_records": 2_000}
        stop = stop or threading.Event()
        self._topics = tuple(topics)
        self._heard_at = time.monotonic()
        self._client: Any = connected(settings, lambda: KafkaConsumer(**options), what="tail", stop=stop)
        try:
            wait_for_topics(self._client, topics, stop)
            self._partitions = [
                ClientTopicPartition(topic, number) for topic in topics for number in self._numbers(topic)
            ]
            self._client.assign(self._partitions)
            self._ends = self._settled(stop, start)
        except BaseException:
            self.close()
            raise

    def _numbers(self, topic: str) -> list[int]:
        try:
            return sorted(self._client.partitions_for_topic(topic))
        except client.KafkaError as error:
            raise translated(error, KafkaUnavailable, f"starting to follow {topic}") from error

    def _settled(self, stop: threading.Event, start: Start) -> dict[ClientTopicPartition, int]:
        """The ends at start; with `latest` also the place each partition is followed from, fixed now, not at a poll."""
        while True:
            try:
                ends = _log_ends(self._client, self._partitions)
                if start == "latest":
                    for where, end in ends.items():
                        self._client.seek(where, end)
                return ends
            except (client.KafkaError, KafkaUnavailable) as error:
                if stop.is_set():
                    raise KafkaUnavailable(f"stopped while starting to follow {self._topics}") from error
                log.warning("kafka_tail_waiting", topics=self._topics, cause=repr(error))
                stop.wait(1.0)

    def poll(self, timeout_s: float) -> list[Record]:
        """The next records, in order per partition; empty when none came in time or Kafka is away for now."""
        began = time.monotonic()
        try:
            batches = self._client.poll(timeout_ms=max(0, int(timeout_s * 1000)))
        except client.KafkaError as error:
            problem = translated(error, KafkaUnavailable, f"following {self._topics}")
            if not problem.retriable:
                raise problem from error
            log.warning("kafka_poll_interrupted", topics=self._topics, cause=repr(error))
            time.sleep(max(0.0, min(timeout_s, 0.5) - (time.monotonic() - began)))
            return []
        if batches:
            self._heard_at = time.monotonic()
        return [to_record(raw) for batch in batches.values() for raw in batch]

    def in_touch(self) -> bool:
        """Whether Kafka answers; asked of it where no record came for a while, for an idle poll proves nothing."""
        if time.monotonic() - self._heard_at < _ASK_EVERY_S:
            return True
        try:
            self._client.end_offsets(self._partitions, timeout_ms=_ASK_MS)
        except (client.KafkaError, KeyError) as error:  # KeyError: no answer for that partition
            log.warning("kafka_does_not_answer", topics=self._topics, cause=repr(error))
            return False
        self._heard_at = time.monotonic()
        return True

    def positions(self) -> dict[TopicPartition, int]:
        """The next offset of every partition that has a place already; raises KafkaUnavailable."""
        try:
            places = {one: self._client.position(one, timeout_ms=_ANSWER_MS) for one in self._partitions}
        except client.KafkaError as error:
            raise translated(error, KafkaUnavailable, f"positions of {self._topics}") from error
        return {TopicPartition(*one): int(offset) for one, offset in places.items() if offset is not None}

    def caught_up(self) -> bool:
        """Whether everything that was in the topics when this object was made has been polled."""
        reached = [one for one, end in self._ends.items() if self._position(one) >= end]
        for one in reached:
            del self._ends[one]
        return not self._ends

    def _position(self, where: ClientTopicPartition) -> int:
        try:
            offset = self._client.position(where, timeout_ms=_ANSWER_MS)
        except client.KafkaError:
            return -1
        return -1 if offset is None else int(offset)

    def close(self) -> None:
        self._client.close(autocommit=False, timeout_ms=1_000)
