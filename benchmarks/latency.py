"""From an event on the topic to the changed row: a steady stream of events, and how long each took to be in a row.

An event is in the first committed row of its post whose `as_of` has reached it. Both moments are taken by one clock in
one process; the reader's own delay is inside.
"""

from __future__ import annotations

import gc
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from confluent_kafka import OFFSET_END, Producer, TopicPartition

from benchmarks.broker.cluster import Cluster
from benchmarks.contenders.contract import Contender, Stage
from benchmarks.load.workload import NAMES, PARTITIONS, Feedback, Shape, feedback, truth_of
from benchmarks.results.measure import percentile
from benchmarks.runs.contender_run import ContenderFailed, clear, last_words, processes
from benchmarks.runs.processes import ProcessTree

_TICK_S = 0.005
_CAUGHT_UP_S = 3.0
_WARM_S = 20.0  # until the broker's compiler is done with what this load needs
_START_WITHIN_S = 180.0


class _AsOf(msgspec.Struct):
    as_of: datetime | None = None  # rows of windows have none where they share the topic


_row = msgspec.json.Decoder(_AsOf)


@dataclass
class _Waiting:
    """Events sent and not yet seen in a row: by post, in the order of their time."""

    by_post: dict[bytes, deque[tuple[int, float]]] = field(default_factory=dict)
    delays: list[tuple[float, float]] = field(default_factory=list)  # when sent, how long it took
    lock: threading.Lock = field(default_factory=threading.Lock)

    def sent(self, key: bytes, micros: int, at: float) -> None:
        with self.lock:
            self.by_post.setdefault(key, deque()).append((micros, at))

    def seen(self, key: bytes, micros: int, at: float) -> None:
        with self.lock:
            waiting = self.by_post.get(key)
            while waiting and waiting[0][0] <= micros:
                sent = waiting.popleft()[1]
                self.delays.append((sent, at - sent))


class _Stream(threading.Thread):
    """Puts events on the topic at a steady rate until told to stop."""

    def __init__(self, stage: Stage, shape: Shape, waiting: _Waiting) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.behind_s = 0.0
        self._records: Iterator[Feedback] = feedback(shape, truth_of(shape))
        self._stage, self._rate, self._waiting = stage, shape.rate, waiting
        self._names = [f"post:{NAMES.post(post)}".encode() for post in range(shape.posts)]

    def run(self) -> None:
        producer = Producer({"bootstrap.servers": self._stage.bootstrap, "linger.ms": 1})
        began, made = time.monotonic(), 0
        while not self.over.wait(_TICK_S):
            due = int((time.monotonic() - began) * self._rate)
            for _ in range(due - made):
                record = next(self._records)
                if record.post >= 0:
                    self._waiting.sent(self._names[record.post], record.micros, time.monotonic())
                producer.produce(self._stage.feedback_topic, record.value, record.key, record.partition)
            made = due
            producer.poll(0)
            self.behind_s = max(self.behind_s * 0.99, time.monotonic() - began - made / self._rate)
        producer.flush(10)


def measure(
    cluster: Cluster, contender: Contender, stage: Stage, *, rate: float, posts: int, seconds: float
) -> dict[str, Any]:
    """p50 and p99 in milliseconds over `seconds`, once the contender has caught up; raises ContenderFailed."""
    clear(cluster, stage)
    cluster.create([stage.feedback_topic])
    cluster.create(contender.topics(stage), {"cleanup.policy": "compact"})
    shape = Shape(events=int(rate * (seconds + 2 * _START_WITHIN_S)), posts=posts, rate=rate)
    waiting = _Waiting()
    stream = _Stream(stage, shape, waiting)
    start = shape.start.timestamp()
    reader = cluster.reader()
    reader.assign([TopicPartition(stage.output_topic, number, OFFSET_END) for number in range(PARTITIONS)])
    rows = 0

    def read() -> None:
        nonlocal rows
        for message in reader.consume(5_000, 0.003):
            if message.error() is None:
                rows += 1
                as_of = _row.decode(message.value()).as_of if message.key().startswith(b"post:") else None
                if as_of is not None:
                    waiting.seen(message.key(), round((as_of.timestamp() - start) * 1e6), time.monotonic())

    with processes(contender.commands(stage), stage.folder) as started, _uncollected():
        stream.start()
        try:
            deadline = time.monotonic() + _START_WITHIN_S
            while not waiting.delays or waiting.delays[-1][1] > _CAUGHT_UP_S:
                read()
                if time.monotonic() > deadline or started[0].poll() is not None:
                    raise ContenderFailed(f"{contender.name}: 未能跟上 / did not catch up\n{last_words(stage.folder)}")
            tree = ProcessTree([process.pid for process in started])
            _read_for(read, min(_WARM_S, seconds))
            rows, cpu, begin = 0, tree.cpu_s(), time.monotonic()
            _read_for(read, seconds)
            took, cpu = time.monotonic() - begin, tree.cpu_s() - cpu
            _read_for(read, stage.flush_s * 2 + 1)  # the rows of the last events
        finally:
            stream.over.set()
            stream.join()
            reader.close()
    delays = [delay * 1000 for sent, delay in waiting.delays if begin <= sent < begin + took]
    return {
        "contender": contender.name,
        "flush_ms": round(stage.flush_s * 1000),
        "rate": rate,
        "p50_ms": round(percentile(delays, 0.5)),
        "p99_ms": round(percentile(delays, 0.99)),
        "max_ms": round(max(delays)),
        "events": len(delays),
        "cpu_percent": round(100 * cpu / took, 1),
        "rows_per_s": round(rows / took),
        "stream_behind_ms": round(stream.behind_s * 1000),
    }


@contextmanager
def _uncollected() -> Iterator[None]:
    """A collector that looks through a million delays would hold up this clock, not the contender."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _read_for(read: Any, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        read()
