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
from services.engagement_aggregator.native.scanner import KeyedRow
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

    changelog: Sequence[KeyedRow]
    published: Mapping[Place, Sequence[KeyedRow]]
    besides: Sequence[Outgoing]
    offsets: Mapping[str, int]
    scopes: Mapping[str, int]


def stage(
    rows: CachedRows,
    changed: Iterable[str],
    items: Iterable[KeyedRow],
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
    table = list(items)  # before the rows, for of one item the row is newer
    outputs: list[KeyedRow] = []
    windows: list[KeyedRow] = []
    streams: dict[Place, list[KeyedRow]] = {
        (settings.output_topic, number): outputs,
        (settings.window_topic, number): windows,
    }
    scopes: Counter[str] = Counter()
    for key in sorted(changed):  # rows of one kind after each other: a tenth less time than in the order of a set
        row, name = rows[key], key.encode()
        table.append((name, _encode(row)))
        kind = type(row)
        if kind is ItemState:  # comments and replies, most of all rows where events come thick
            continue
        aggregate = published(key, row)
        if type(aggregate) is EngagementWindows:
            scopes["window"] += 1
            windows.append((aggregate.key.encode(), _encode(aggregate)))
        elif aggregate is not None:
            scopes[aggregate.scope] += 1
            outputs.append((name, _encode(aggregate)))
            if kind is TotalState and (totals := campaign_totals(key, row)) is not None:
                stream = streams.setdefault((settings.campaign_topic, _home(totals.brand_id, count)), [])
                stream.append((totals.campaign_id.encode(), _encode(totals)))
    table.append((POSITION_KEY, _encode(position)))
    return Staged(table, streams, besides, position.next_offsets, scopes)
