"""Makes the aggregates anew: throws the aggregator's own state away and folds all feedback again, by the real worker.

What is deleted follows from the feedback: changelog, campaign totals and the group's offsets. The rows stay readable
and are written again one by one; those that nothing speaks for any more are deleted at the end. Interrupted at any
point it loses nothing: the next start of a worker, or of this, goes on or begins again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from schemas.topics import topic
from services.cli.rebuild.snapshot import nothing_waits, read_up_to
from services.engagement_aggregator.settings import AggregatorSettings
from services.runtime.children import ending_with_us
from services.runtime.kafka.admin import delete_groups, delete_topics, ensure_topics, members, partition_count
from services.runtime.kafka.producer import Producer
from services.runtime.kafka.reader import Extent, extents, read_range
from services.runtime.kafka.records import Outgoing

_LOOK_S = 0.3
_STOP_WITHIN_S = 30.0
_ROWS_AT_ONCE = 500
Told = Callable[[str, int, int], None]


class RenewalError(Exception):
    """Raised when rebuilding cannot begin or does not end; speaks to people."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a rebuild would do. workers: that run now. lost: records that retention has taken from the feedback."""

    workers: int
    records: int
    lost: int
    deleted: tuple[str, ...]


def outlook(settings: AggregatorSettings) -> Outlook:
    """Look, and change nothing."""
    feedback = extents(settings.kafka, settings.feedback_topic)
    return Outlook(
        workers=members(settings.kafka, settings.application),
        records=sum(extent.end - extent.first for extent in feedback.values()),
        lost=sum(extent.first for extent in feedback.values()),
        deleted=(settings.changelog_topic, settings.campaign_topic),
    )


def renew(settings: AggregatorSettings, told: Told, *, timeout_s: float) -> int:
    """Fold everything anew and answer how many rows were deleted as unfounded. Must not be begun while workers run."""
    kafka = replace(settings.kafka, partitions=partition_count(settings.kafka, settings.feedback_topic))
    before = {name: extents(kafka, name) for name in published_topics(settings)}
    told("清空状态 / clearing the state", 0, 1)
    own = (settings.changelog_topic, settings.campaign_topic)
    delete_groups(kafka, [settings.application])  # first: it refuses where a worker has come back meanwhile
    delete_topics(kafka, own)
    specs = [replace(topic(name.removeprefix(settings.topic_prefix)), name=name) for name in own]
    ensure_topics(kafka, specs)
    with tempfile.TemporaryDirectory(prefix="tongbo-rebuild-") as folder:
        _fold_all(settings, Path(folder), told, time.monotonic() + timeout_s)
    return sum(_delete_unfounded(settings, name, ends, told) for name, ends in before.items())


def published_topics(settings: AggregatorSettings) -> tuple[str, ...]:
    """The topics of rows that a fold of everything writes again in full."""
    return settings.output_topic, settings.window_topic


def _fold_all(settings: AggregatorSettings, folder: Path, told: Told, deadline: float) -> None:
    log = folder / "worker.log"
    env = {
        "KAFKA_BOOTSTRAP": settings.kafka.bootstrap,
        "TONGBO_TOPIC_PREFIX": settings.topic_prefix,
        "TONGBO_INSTANCE": "rebuild",
        "TONGBO_STATE_DIR": str(folder),
        "TONGBO_HTTP_PORT": "0",
        "TONGBO_FLUSH_INTERVAL_S": "5",  # rows are seen on their way: not more often than needed
    }
    with log.open("wb") as output:
        command = [sys.executable, "-m", "services.engagement_aggregator"]
        worker = subprocess.Popen(
            command, env={**os.environ, **env}, stdout=output, stderr=output,
            preexec_fn=ending_with_us(),  # noqa: PLW1509 - two system calls: nobody would know of a worker left behind
        )  # fmt: skip
        try:
            _follow(settings, worker, log, told, deadline)
        finally:
            worker.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                worker.wait(_STOP_WITHIN_S)
            worker.kill()
            worker.wait()


def _follow(
    settings: AggregatorSettings, worker: subprocess.Popen[bytes], log: Path, told: Told, deadline: float
) -> None:
    """Until the worker has read all feedback, and all campaign totals that it made of it."""
    feedback = extents(settings.kafka, settings.feedback_topic)
    total = sum(extent.end - extent.first for extent in feedback.values())
    while True:
        places = read_up_to(settings, settings.feedback_topic)
        done = sum(min(places.get(number, e.first), e.end) - e.first for number, e in feedback.items())
        told("重新折叠 / folding anew", done, total)
        if done >= total and nothing_waits(settings, read_up_to(settings, settings.campaign_topic)):
            return
        said = log.read_text("utf-8", "replace")[-2_000:]
        if worker.poll() is not None:
            raise RenewalError(f"汇总进程意外结束 / the worker ended by itself ({worker.returncode}):\n{said}")
        if time.monotonic() > deadline:
            raise RenewalError(f"在时限内没有完成，可加长 --timeout / not done in time, give a longer one:\n{said}")
        time.sleep(_LOOK_S)


def _delete_unfounded(settings: AggregatorSettings, name: str, before: dict[int, Extent], told: Told) -> int:
    """Tombstones for the keys whose newest row is from before: the fold of everything did not write them again."""
    ends = {number: extent.end for number, extent in extents(settings.kafka, name).items()}
    stale: dict[tuple[int, bytes], None] = {}
    for count, record in enumerate(read_range(settings.kafka, name, {}, ends)):
        if count % _ROWS_AT_ONCE == 0:
            told("核对旧行 / looking for unfounded rows", count, sum(ends.values()))
        place = (record.partition, record.key or b"")
        if record.value is None or record.offset >= before[record.partition].end:
            stale.pop(place, None)
        else:
            stale[place] = None
    producer = Producer(settings.kafka, "rebuild")
    try:
        keys = sorted(stale)
        for start in range(0, len(keys), _ROWS_AT_ONCE):
            batch = keys[start : start + _ROWS_AT_ONCE]
            producer.send_many([Outgoing(name, None, key, partition) for partition, key in batch])
    finally:
        producer.close()
    return len(stale)
