"""What the fold alone costs, without Kafka and disk: CPU µs per event by part, for the workload of the benchmark.

`python -m benchmarks.fold [--events N] [--posts P …]`. Parts are the best eighth of all batches, because a machine that
does other things makes single ones slow; compare parts of one run, not runs.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Iterator, Sequence

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from benchmarks.load.workload import Feedback, Shape, feedback, truth_of
from schemas.internal.aggregate_state import TablePosition
from services.engagement_aggregator.fold.fold import Fold
from services.engagement_aggregator.native.sections import Section, of_batch
from services.engagement_aggregator.partitions.staging import stage
from services.engagement_aggregator.rows.cached import CachedRows
from services.engagement_aggregator.settings import AggregatorSettings

_BATCH, _FLUSH = 1_250, 25_000  # records of a fetch, and of a partition's flush at 100,000 events/s over four
_HEAD, _LARGEST_BATCH = 61, 4 * 1024 * 1024
_SETTINGS = AggregatorSettings()


def parts(records: Sequence[Feedback]) -> dict[str, float]:
    """CPU µs per event: taking, settling, staging rows."""
    disk: dict[bytes, bytes | None] = {}
    rows = CachedRows(disk.get, 10**9)
    folding = Fold(rows, lambda _: True, load=rows.load, limit=lambda: 10**9)
    spent: dict[str, list[float]] = {"take": [], "settle": [], "stage": []}
    waiting = 0
    for section in map(_section, _batches(records)):
        began = time.process_time()
        folding.take_section(section)
        spent["take"].append((time.process_time() - began) / len(section))
        waiting += len(section)
        if waiting >= _FLUSH:
            began = time.process_time()
            settled = folding.settle()
            spent["settle"].append((time.process_time() - began) / waiting)
            began = time.process_time()
            position = TablePosition(lineage="", next_offsets={})
            staged = stage(rows, settled, (), position=position, besides=(), settings=_SETTINGS, number=0)
            spent["stage"].append((time.process_time() - began) / waiting)
            disk.update(staged.changelog)
            folding.written()
            waiting = 0
    return {name: sorted(times)[len(times) // 8] * 1e6 for name, times in spent.items() if times}


def _batches(records: Sequence[Feedback]) -> Iterator[Sequence[Feedback]]:
    for start in range(0, len(records), _BATCH):
        yield records[start : start + _BATCH]


def _section(records: Sequence[Feedback]) -> Section:
    """As the broker would send them."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, _LARGEST_BATCH)
    for number, record in enumerate(records):
        builder.append(number, 0, record.key, record.value, [])
    return of_batch(memoryview(builder.build())[_HEAD:], base_offset=0, count=len(records), start=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--posts", type=int, nargs="+", default=[5_000, 20_000, 500_000])
    options = parser.parse_args()
    for posts in options.posts:
        shape = Shape(events=options.events, posts=posts)
        records = [record for record in feedback(shape, truth_of(shape)) if record.partition == 0]
        gc.collect()
        gc.freeze()
        gc.disable()  # as the worker does
        found = parts(records)
        total = found["take"] + found.get("settle", 0) + found.get("stage", 0)
        print(f"{posts:>7} posts  {total:7.2f} µs/event  ", {name: round(cost, 2) for name, cost in found.items()})


if __name__ == "__main__":
    main()
