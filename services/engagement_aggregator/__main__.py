"""Process of the aggregator: waits for Kafka and the topics, runs the Faust app, ends with a last flush."""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import KafkaError

from services.engagement_aggregator.partitions.gc_pauses import GcPauses
from services.engagement_aggregator.settings import SERVICE, AggregatorSettings
from services.runtime.imports import left_out
from services.runtime.kafka.errors import KafkaUnavailable, UnknownTopic
from services.runtime.main import ServiceContext, run_service
from services.runtime.settings import SettingProblem, SettingsError

with left_out("aiohttp.client", ClientSession=object):  # Faust only names the type: 8 MB in each worker
    from services.engagement_aggregator.app import AggregatorApp, build
    from services.engagement_aggregator.partitions.owned import Counts
    from services.engagement_aggregator.topics import partition_counts

_LOOK_S = 0.5
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_KEPT_BYTES = 64 * 1024 * 1024
_TOPICS_RETRY_S = 2.0
_END_WITHIN_S = 12.0  # the last flush has 8 of them; supervisors kill after 15


class _WentAwayError(Exception):
    """Raised when Kafka answered the wait for it, but no longer the app that was to start."""


class UnequalPartitions(Exception):  # noqa: N818 - says what is the case
    """Raised when topics that must lie side by side have different numbers of partitions."""


def main(context: ServiceContext[AggregatorSettings]) -> int:
    _keep_memory()
    context.health.waiting("Kafka")
    with _claimed(context.settings):
        while (counts := _wait_for_topics(context)) is not None:
            try:
                return asyncio.run(_serve(context, counts))
            except _WentAwayError as gone:
                context.health.waiting(str(gone))
                context.log.warning("kafka_went_away_at_the_start", reason=str(gone))
                context.stop.wait(_TOPICS_RETRY_S)
        return 0


@contextmanager
def _claimed(settings: AggregatorSettings) -> Iterator[None]:
    """Hold the state folder: two workers with one instance number would also put each other out of the group."""
    settings.folder.mkdir(parents=True, exist_ok=True)
    with (settings.folder / "worker.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with the process, however it ends
        except BlockingIOError:
            problem = SettingProblem(
                "TONGBO_INSTANCE",
                f"{settings.instance}：已有进程以此编号使用 {settings.folder} / in use by another process",
                "每个进程用不同的编号 / give each process a number of its own",
            )
            raise SettingsError([problem]) from None
        yield


def _wait_for_topics(context: ServiceContext[AggregatorSettings]) -> Counts | None:
    """The partition counts, as soon as Kafka answers and all topics are there; None when told to stop before."""
    settings = context.settings
    while not context.stop.is_set():
        try:
            found = partition_counts(settings.kafka, [*settings.copartitioned, settings.dead_letter_topic])
        except (KafkaUnavailable, UnknownTopic) as problem:
            context.health.waiting(str(problem))
            event = "kafka_waiting" if isinstance(problem, KafkaUnavailable) else "topics_awaited"
            context.log.warning(event, reason=str(problem))
            context.stop.wait(_TOPICS_RETRY_S)
            continue
        context.log.info("kafka_answers", bootstrap=settings.kafka.bootstrap)
        dead_letters = found.pop(settings.dead_letter_topic)
        if len(set(found.values())) > 1:
            raise UnequalPartitions(f"这些主题的分区数必须相同 / these topics need the same partition count: {found}")
        return Counts(partitions=next(iter(found.values())), dead_letters=dead_letters)
    return None


async def _serve(context: ServiceContext[AggregatorSettings], counts: Counts) -> int:
    collector = GcPauses(time.monotonic)
    app = build(context.settings, counts, context.health, collector.flushed)
    app.finalize()
    try:
        await _started(app)
        collector.begin()
        while not context.stop.is_set() and not app.crashed:  # noqa: ASYNC110 - a signal sets a threading event
            await asyncio.sleep(_LOOK_S)
        return _verdict(context, app)
    finally:
        await _end(context, app)


async def _started(app: AggregatorApp) -> None:
    try:
        await app.start()
    except KafkaError as error:
        if not error.retriable:
            raise
        raise _WentAwayError(str(error)) from error


def _keep_memory() -> None:
    """Fetches come and go a megabyte at a time; blocks given back and taken anew cost as much as reading them does."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:  # glibc's; other C libraries do without
        mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_ARENA_MAX, 1)


async def _end(context: ServiceContext[AggregatorSettings], app: AggregatorApp) -> None:
    """A last flush and an orderly leave; where Kafka went away first, neither can be had and nothing is lost by it."""
    try:
        async with asyncio.timeout(_END_WITHIN_S):
            await app.ownership.release()
            await app.stop()
    except TimeoutError:
        context.log.warning("end_without_kafka", within_s=_END_WITHIN_S, unflushed="folded again by the next start")
        sys.stderr.flush()
        os._exit(1)  # the client's own threads and tasks would hold the process for as long as Kafka is away


def _verdict(context: ServiceContext[AggregatorSettings], app: AggregatorApp) -> int:
    if not app.crashed:
        return 0
    context.log.error("aggregator_crashed", cause=repr(app.crash_reason))
    context.health.failed(repr(app.crash_reason))
    return 1


if __name__ == "__main__":
    sys.exit(run_service(SERVICE, AggregatorSettings, main))
