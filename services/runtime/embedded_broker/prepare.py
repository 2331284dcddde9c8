"""`python -m services.runtime.embedded_broker.prepare`: what the broker needs, before it is needed; in `make setup`.

Fetches the jars and makes the start-up cache, which takes a broker's start from seven seconds of processor time to
about three. Without the cache all works, more slowly.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from pathlib import Path

from schemas.topics import load_topics
from services.runtime.embedded_broker.broker import BrokerFailed, EmbeddedBroker
from services.runtime.embedded_broker.jars import JarsUnavailable, fetch_jars
from services.runtime.embedded_broker.startup_cache import cache_of, make_cache
from services.runtime.kafka.admin import ensure_topics
from services.runtime.kafka.producer import TransactionalProducer
from services.runtime.kafka.reader import read_topic
from services.runtime.kafka.records import Outgoing
from services.runtime.safe_text import safe
from services.runtime.settings import KafkaSettings

_START_WITHIN_S, _STOP_WITHIN_S = 120.0, 240.0  # the cache is written while the broker ends
_TRANSACTIONS = 20


def main() -> int:
    try:
        jars = fetch_jars(_say)
        if cache_of(jars).exists():
            return 0
        began = time.monotonic()
        _say("正在为 Kafka 生成启动缓存（仅首次）/ making Kafka's start-up cache (first time only) …")
        make_cache(jars, _run)
    except JarsUnavailable as problem:
        _say(str(problem))
        return 1
    except (BrokerFailed, OSError) as problem:
        _say(f"没有启动缓存，Kafka 启动会慢几秒 / no start-up cache, Kafka will start more slowly: {problem}")
        return 0
    _say(f"启动缓存已就绪，用时 {time.monotonic() - began:.0f} 秒 / the start-up cache is made")
    return 0


def _run(folder: Path, options: tuple[str, ...]) -> None:
    """One broker from start to a clean stop, with the work that every broker here gets to do."""
    broker = EmbeddedBroker(folder, log_dir=folder / "log", java_options=options)
    broker.start(_START_WITHIN_S)
    try:
        kafka = KafkaSettings(bootstrap=broker.bootstrap, partitions=2)
        topics = load_topics(())
        ensure_topics(kafka, topics)
        producer = TransactionalProducer(kafka, "prepare")
        for number in range(_TRANSACTIONS):
            producer.commit([Outgoing(topic.name, b"{}", f"{number}".encode(), 0) for topic in topics])
        producer.close()
        for topic in topics:
            deque(read_topic(kafka, topic.name), maxlen=0)
    finally:
        broker.stop(_STOP_WITHIN_S)


def _say(line: str) -> None:
    print(safe(line), file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
