"""The product's aggregator exactly as shipped: its own process, its own environment, everything on."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from benchmarks.contenders.contract import PRODUCT_PYTHON, Command, Contender, Latest, Read, Stage
from benchmarks.load.truth import FIGURES, FOLLOWERS, Row, WindowKey
from schemas.events.aggregate import EngagementAggregate
from schemas.events.window import EngagementWindows, WindowSize
from services.engagement_aggregator.settings import AggregatorSettings

_row = msgspec.json.Decoder(EngagementAggregate)
_windows = msgspec.json.Decoder(EngagementWindows)
_LENGTHS: dict[WindowSize, int] = {"1m": 60, "5m": 300, "1h": 3_600, "1d": 86_400}
_METRICS = ("views", "likes", "comments", "shares", "saves", "follows", "followers")


def settings(stage: Stage) -> AggregatorSettings:
    return AggregatorSettings(topic_prefix=stage.prefix)


def worker(stage: Stage, instance: int) -> Command:
    environment = {
        "KAFKA_BOOTSTRAP": stage.bootstrap,
        "TONGBO_INSTANCE": str(instance),
        "TONGBO_TOPIC_PREFIX": stage.prefix,
        "TONGBO_STATE_DIR": str(stage.folder / "state"),
        "TONGBO_FLUSH_INTERVAL_S": str(stage.flush_s),
    }
    return Command((str(PRODUCT_PYTHON), "-m", "services.engagement_aggregator"), environment)


def topics(stage: Stage) -> list[str]:
    """All that the aggregator needs beside the feedback."""
    names = settings(stage)
    needed = {*names.copartitioned, names.dead_letter_topic, window_topic(stage)}
    return sorted(needed - {names.feedback_topic})


def read(stage: Stage, latest: Callable[[str], Latest]) -> Read:
    """Its rows in the benchmark's terms. A metric that no post has is null there and 0 here."""
    windows: dict[WindowKey, Row] = {}
    for key, value in latest(window_topic(stage)).items():
        if not stage.reads_windows_of(key):
            continue
        row = _windows.decode(value)
        for window in row.windows:
            place = WindowKey(row.aggregate_key, _LENGTHS[window.size], int(window.start.timestamp()))
            windows[place] = {name: getattr(window, name) or 0 for name in FIGURES}
    return rows(latest(settings(stage).output_topic)), windows


def rows(latest: Latest) -> dict[str, Row]:
    return {key.decode(): _figures(_row.decode(value)) for key, value in latest.items()}


def window_topic(stage: Stage) -> str:
    return f"{stage.prefix}engagement-window"


def _figures(row: EngagementAggregate) -> Row:
    figures = {name: getattr(row.totals, name).value or 0 for name in _METRICS}
    return figures | {"comments_collected": row.comments_collected, "replies": row.replies}


def contender(workers: int) -> Contender:
    return Contender(
        name="tongbo" if workers == 1 else f"tongbo-{workers}-workers",
        what=f"the product, {workers} worker{'s' if workers > 1 else ''}: atomic flush, changelog, RocksDB, windows",
        commands=lambda stage: [worker(stage, number) for number in range(workers)],
        group=lambda stage: settings(stage).application,
        topics=topics,
        read=read,
        members=workers,
    )


assert {*FIGURES, FOLLOWERS} == {*_METRICS, "comments_collected", "replies"}
