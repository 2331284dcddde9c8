"""What one flush writes, made from the changed rows at one moment: rows of the table, and what is published of them.

Pure: no I/O, no clock. Must be called without a pause between it and the positions it is written with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from schemas.aggregate_state import ItemState, TablePosition, TotalState
from services.engagement_aggregator import keys
from services.engagement_aggregator.native.keyed_rows import GrowingRows, KeyedRows
from services.engagement_aggregator.output import campaign_totals, published
from services.engagement_aggregator.rows import CachedRows
from services.engagement_aggregator.settings import AggregatorSettings
from services.engagement_aggregator.wire_out import EngagementWindows
from services.runtime.kafka.partitions import partition_of
from services.runtime.kafka.records import Outgoing

Place = tuple[str, int]
POSITION_KEY = keys.POSITION.encode()
_encode = msgspec.json.Encoder().encode
_home = lru_cache(maxsize=10_000)(partition_of)


@dataclass(frozen=True, slots=True)
class Staged:
    """What one flush writes. The changelog ends with the position; offsets: next offset per source topic.

    besides: dead letters, and canaries on their way.
    """

    changelog: KeyedRows
    published: Mapping[Place, KeyedRows]
    besides: Sequence[Outgoing]
    offsets: Mapping[str, int]
    scopes: Mapping[str, int]


def stage(
    rows: CachedRows,
    changed: Iterable[str],
    items: KeyedRows,
    *,
    position: TablePosition,
    besides: Sequence[Outgoing],
    settings: AggregatorSettings,
    place: tuple[int, int],
) -> Staged:
    """Everything of the changed rows, and items: ready rows of comments and replies.

    place: the number of this partition, and how many there are.
    """
    number, count = place
    table, outputs, windows = GrowingRows(), GrowingRows(), GrowingRows()
    streams: dict[Place, GrowingRows] = {
        (settings.output_topic, number): outputs,
        (settings.window_topic, number): windows,
    }
    scopes: Counter[str] = Counter()
    for key in sorted(changed):  # rows of one kind after each other: a tenth less time than in the order of a set
        row, name = rows[key], key.encode()
        table.add(name, _encode(row))
        kind = type(row)
        if kind is ItemState:  # comments and replies, most of all rows where events come thick
            continue
        aggregate = published(key, row)
        if type(aggregate) is EngagementWindows:
            scopes["window"] += 1
            windows.add(aggregate.key.encode(), _encode(aggregate))
        elif aggregate is not None:
            scopes[aggregate.scope] += 1
            outputs.add(name, _encode(aggregate))
            if kind is TotalState and (totals := campaign_totals(key, row)) is not None:
                stream = streams.setdefault((settings.campaign_topic, _home(totals.brand_id, count)), GrowingRows())
                stream.add(totals.campaign_id.encode(), _encode(totals))
    table.add(POSITION_KEY, _encode(position))
    changelog = items + table.done()  # in this order, for of one item the changed row is newer
    published_rows = {place: rows.done() for place, rows in streams.items()}
    return Staged(changelog, published_rows, besides, position.next_offsets, scopes)
