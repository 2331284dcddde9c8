"""How the topics are laid out, asked with the library that also reads them: a second one would cost a worker 7 MB."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import KafkaError

from services.engagement_aggregator.connection import client_options
from services.runtime.kafka import connection
from services.runtime.kafka.admission import admitted
from services.runtime.kafka.errors import KafkaUnavailable, UnknownTopic
from services.runtime.settings import KafkaSettings

_ANSWER_WITHIN_MS = 10_000  # a worker that is told to end meanwhile still ends before supervisors kill it


def partition_counts(settings: KafkaSettings, topics: Iterable[str]) -> dict[str, int]:
    """How many partitions each topic has; raises KafkaUnavailable, UnknownTopic, and AccessRefused at once."""
    if not connection.reachable(settings):
        raise KafkaUnavailable(f"{settings.bootstrap} 无应答 / no broker listens there")
    if settings.security_protocol != "PLAINTEXT":
        admitted(settings, connection.client_options(settings))
    try:
        cluster = asyncio.run(_described(settings))
    except (KafkaError, TimeoutError) as error:
        admitted(settings, connection.client_options(settings))  # an open client on a closed cluster shows only here
        raise KafkaUnavailable(f"{error!r}；{connection.PORT_ANSWERS}") from error
    found = {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in topics}
    if missing := sorted(topic for topic, count in found.items() if not count):
        raise UnknownTopic(
            f"主题不存在 / topics do not exist: {', '.join(missing)} (`tongbo topics` creates the topics)"
        )
    return found


async def _described(settings: KafkaSettings) -> ClusterMetadata:
    client = AIOKafkaClient(**client_options(settings) | {"request_timeout_ms": _ANSWER_WITHIN_MS})
    try:
        await client.bootstrap()
        return await client.fetch_all_metadata()
    finally:
        await client.close()
