"""Quix Streams with its RocksDB state and changelog; every event sends the rows it changed, as `apply` returns them.

All records of a partition share one state key, because a post's parents are in its partition: re-keying by campaign
would send every event through another topic.
"""

from __future__ import annotations

import sys
from typing import Any

from quixstreams import Application, State
from quixstreams.models import Deserializer, Serializer

from benchmarks.workers.fold import Row, apply, decode, encode


class OneKey(Deserializer):  # type: ignore[misc]  # not installed where types are checked
    def __call__(self, value: bytes, ctx: Any) -> str:
        return "partition"


class Event(Deserializer):  # type: ignore[misc]
    def __call__(self, value: bytes, ctx: Any) -> Any:
        return decode(value)


class Key(Serializer):  # type: ignore[misc]
    def __call__(self, value: bytes, ctx: Any) -> bytes:
        return value


class OfRow(Serializer):  # type: ignore[misc]
    def __call__(self, value: tuple[bytes, bytes], ctx: Any) -> bytes:
        return value[1]


class Rows:
    """The state as the fold sees it."""

    def __init__(self, state: State) -> None:
        self._state = state

    def get(self, key: str, /) -> Row | None:
        row: Row | None = self._state.get(key)
        return row

    def __setitem__(self, key: str, row: Row, /) -> None:
        self._state.set(key, row)


def fold(event: Any, state: State) -> list[tuple[bytes, bytes]]:
    rows = Rows(state)
    return [(key.encode(), encode(rows.get(key) or [])) for key in apply(rows, event)]


def main() -> None:
    bootstrap, feedback, output, group, folder = sys.argv[1:6]
    app = Application(
        broker_address=bootstrap,
        consumer_group=group,
        state_dir=folder,
        auto_offset_reset="earliest",
        commit_interval=1.0,
        loglevel="ERROR",
    )
    source = app.topic(feedback, key_deserializer=OneKey(), value_deserializer=Event())
    sink = app.topic(output, key_serializer=Key(), value_serializer=OfRow())
    rows = app.dataframe(source).apply(fold, stateful=True, expand=True)
    rows.to_topic(sink, key=lambda row: row[0])
    app.run()


if __name__ == "__main__":
    main()
