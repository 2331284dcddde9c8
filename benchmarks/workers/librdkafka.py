"""The limit: librdkafka and a plain fold in memory. Nothing is persisted, a restart would begin anew.

Within a batch only the newest snapshot of a post counts; changed rows and offsets go out once a second.
"""

from __future__ import annotations

import sys
import time

from confluent_kafka import Consumer, Producer

from benchmarks.workers.fold import Comment, Metrics, Reply, Row, apply, decode_lines, encode

_BATCH = 20_000


def main() -> None:
    bootstrap, feedback, output, group = sys.argv[1:5]
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "queued.max.messages.kbytes": 64 * 1024,
            "fetch.message.max.bytes": 4 * 1024 * 1024,
        }
    )
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "queue.buffering.max.messages": 1_000_000})
    consumer.subscribe([feedback])
    rows: dict[str, Row] = {}
    changed: set[str] = set()
    flushed = time.monotonic()
    while True:
        messages = consumer.consume(_BATCH, 0.1)
        fold(rows, [message.value() for message in messages if message.error() is None], changed)
        if time.monotonic() - flushed >= 1.0 and changed:
            for key in changed:
                producer.produce(output, encode(rows[key]), key.encode())
            producer.flush()
            consumer.commit(asynchronous=False)
            changed.clear()
            flushed = time.monotonic()


def fold(rows: dict[str, Row], values: list[bytes], changed: set[str]) -> None:
    newest: dict[str, Metrics] = {}
    for event in decode_lines(b"\n".join(values)):
        if isinstance(event, Metrics):
            known = newest.get(event.post_key)
            if known is None or event.sequence > known.sequence:
                newest[event.post_key] = event
        elif isinstance(event, Comment | Reply):
            changed.update(apply(rows, event))
    for event in newest.values():
        changed.update(apply(rows, event))


if __name__ == "__main__":
    main()
