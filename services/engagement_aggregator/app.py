"""The Faust app: assignment, streams and the table are Faust's; folding and flushing are the owned partitions'.

Must not call a platform or anything else that can hang: the agent only folds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import faust
from faust.types import TP

from services.engagement_aggregator.connection import client_options, faust_credentials, servers
from services.engagement_aggregator.faust_parts.recovery import OwnershipTableManager
from services.engagement_aggregator.faust_parts.transport import BatchTransport
from services.engagement_aggregator.fetch.pacing import Pace
from services.engagement_aggregator.partitions.owned import Counts, OwnedPartition
from services.engagement_aggregator.partitions.ownership import Ownership
from services.engagement_aggregator.partitions.progress import Progress
from services.engagement_aggregator.rows.memory_shares import MemoryShares
from services.engagement_aggregator.settings import TABLE, AggregatorSettings
from services.engagement_aggregator.state import table
from services.runtime.health import Health
from services.runtime.logging import get_logger

_QUEUED_BATCHES = 8

log = get_logger(__name__)


class AggregatorApp(faust.App):  # type: ignore[misc]  # Faust ships no annotations for it
    """Faust's app with an ownership object; releases the partitions before Faust gives them back."""

    ownership: Ownership
    pace: Pace

    async def _on_partitions_revoked(self, revoked: set[TP]) -> None:
        await self.ownership.release()
        await super()._on_partitions_revoked(revoked)


class RawBatches(faust.Schema):  # type: ignore[misc]
    """The value stays the batch that the transport delivered."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> None:
        return None

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:
        return message.value


def build(settings: AggregatorSettings, counts: Counts, health: Health, flushed: Callable[[], None]) -> AggregatorApp:
    """The app, ready to be started; the topics exist. flushed: told after each flush of a partition."""
    app = _configured(settings, counts.partitions)
    app.transport = BatchTransport(app.conf.broker_consumer, app)
    app.pace = Pace(settings.flush_interval_s, time.monotonic)
    rows = app.Table(TABLE, partitions=counts.partitions, key_type=bytes, value_type=bytes, options=dict(table.OPTIONS))
    options, shares, large = client_options(settings.kafka), MemoryShares(settings.cached_mb), asyncio.Semaphore(1)

    def make(number: int) -> OwnedPartition:
        return OwnedPartition(
            number, settings=settings, options=options, store=lambda: rows.data, counts=counts, shares=shares,
            flushed=flushed, large=large,
        )  # fmt: skip

    app.ownership = Ownership(
        make,
        rewind=lambda positions: app.consumer.read_on_from(positions),  # noqa: PLW0108 - made only when the app starts
        health=health,
        progress=Progress(settings.stall_after_s, time.monotonic),
        fenced_pause_s=settings.session_timeout_s,
    )

    async def aggregate(batches: Any) -> None:
        async for batch in batches:
            await app.ownership.deliver(batch)

    app.agent(app.topic(*settings.sources, schema=RawBatches()), name="aggregate")(aggregate)
    return app


def _configured(settings: AggregatorSettings, partitions: int) -> AggregatorApp:
    return AggregatorApp(
        settings.application,
        broker=[f"kafka://{server}" for server in servers(settings.kafka)],
        broker_credentials=faust_credentials(settings.kafka),
        # On the app, not on the Table: there a bare "rocksdb://" is ignored and the Table silently stays in memory.
        store="rocksdb://",
        datadir=str(settings.folder),
        Table=table.RowTable,
        TableManager=OwnershipTableManager,
        web_enabled=False,
        HttpClient=object,  # nobody calls over HTTP from here, and naming Faust's own loads aiohttp
        autodiscover=False,
        topic_partitions=partitions,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        # A restarted worker gets its own partitions back at once, instead of waiting until its dead self is given up.
        consumer_group_instance_id=f"{settings.application}-{settings.instance}",
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=2 * 1024 * 1024,
        broker_session_timeout=settings.session_timeout_s,
        broker_max_poll_interval=settings.max_poll_interval_s,
        broker_heartbeat_interval=settings.session_timeout_s / 10,
        broker_request_timeout=max(30.0, settings.session_timeout_s + 5),
        stream_buffer_maxsize=_QUEUED_BATCHES,
        stream_wait_empty=False,
    )
