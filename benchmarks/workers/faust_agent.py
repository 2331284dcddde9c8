"""A stock Faust agent with a Table, as the manual shows it; changed rows go out once a second by a timer.

The Table is Faust's default, in memory with a changelog: RocksDB would be slower. Decoding is msgspec's, not Faust's.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import faust

from benchmarks.load.workload import PARTITIONS
from benchmarks.workers.fold import Row, apply, decode, encode


class Rows:
    """The Table as the fold sees it: a row that is set goes to the changelog."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def get(self, key: str, /) -> Row | None:
        row: Row | None = self._table.get(key)
        return row

    def __setitem__(self, key: str, row: Row, /) -> None:
        self._table[key] = row


def main() -> None:
    bootstrap, feedback, output, group, folder = sys.argv[1:6]
    logging.disable(logging.WARNING)
    app = faust.App(
        group,
        broker=f"kafka://{bootstrap}",
        datadir=folder,
        store="memory://",
        web_enabled=False,
        topic_partitions=PARTITIONS,
        topic_disable_leader=True,
        broker_commit_interval=1.0,
        stream_wait_empty=False,
    )
    table = app.Table("rows", partitions=PARTITIONS)
    rows = Rows(table)
    source = app.topic(feedback, value_type=bytes, value_serializer="raw", key_type=bytes, key_serializer="raw")
    sink = app.topic(output, value_serializer="raw", key_serializer="raw")
    changed: dict[str, Row] = {}

    @app.agent(source)  # type: ignore[untyped-decorator]  # Faust ships no annotations
    async def aggregate(values: Any) -> None:
        async for value in values:
            for key in apply(rows, decode(value)):
                changed[key] = rows.get(key) or []

    @app.timer(1.0)  # type: ignore[untyped-decorator]
    async def publish() -> None:
        now = list(changed.items())
        changed.clear()
        for key, row in now:
            await sink.send(key=key.encode(), value=encode(row))

    del aggregate, publish
    worker = faust.Worker(app, loglevel=logging.ERROR, quiet=True, redirect_stdouts=False)
    worker.execute_from_commandline()


if __name__ == "__main__":
    main()
