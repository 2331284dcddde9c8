"""What one flush writes, made from the changed rows at one moment: rows of the table, and what is published of them.

Pure: no I/O, no clock. Must be called without a pause between it and the positions it is written with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from schemas.internal.aggregate_state import TablePosition, TotalState
from services.engagement_aggregator.fold.fold import Settled
from services.engagement_aggregator.fold.published_row import published
from services.engagement_aggregator.native.keyed_rows import GrowingRows, KeyedRows
from services.engagement_aggregator.rows import keys
from services.engagement_aggregator.rows.cached import CachedRows
from services.engagement_aggregator.settings import AggregatorSettings
from services.runtime.kafka.records import Outgoing

Place = tuple[str, int]
POSITION_KEY = keys.POSITION.encode()
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Staged:
    """What one flush writes. The changelog ends with the position; offsets: next offset per source topic.

    besides: dead letters, and canaries on their way. owes: not all of what is in the table is published with it.
    """

    changelog: KeyedRows
    published: Mapping[Place, KeyedRows]
    besides: Sequence[Outgoing]
    offsets: Mapping[str, int]
    scopes: Mapping[str, int]
    owes: bool = False


def stage(
    rows: CachedRows,
    settled: Settled,
    brands: Iterable[str],
    *,
    position: TablePosition,
    besides: Sequence[Outgoing],
    settings: AggregatorSettings,
    number: int,
) -> Staged:
    """Everything that a fold has settled, and changed brands. number: of this partition."""
    ready, table, of_brands = settled.rows, GrowingRows(), GrowingRows()
    scopes = Counter(ready.scopes | {"window": len(ready.windows)})
    for key in sorted((*settled.changed, *brands)):
        row, name = rows[key], key.encode()
        table.add(name, _encode(row))
        if isinstance(row, TotalState):
            of_brands.add(name, _encode(published(key, row)))
            scopes["brand"] += 1
    table.add(POSITION_KEY, _encode(position))
    campaigns: dict[int, GrowingRows] = {}
    for home, (name, totals) in zip(ready.homes, ready.campaigns, strict=True):
        campaigns.setdefault(home, GrowingRows()).add(name, totals)
    streams = {
        (settings.output_topic, number): ready.aggregates + of_brands.done(),
        (settings.window_topic, number): ready.windows,
        **{(settings.campaign_topic, home): rows.done() for home, rows in campaigns.items()},
    }
    # In this order, for of one comment or reply the row that was changed here is newer.
    whole, owes = settled.items + ready.table + table.done(), bool(position.owed or position.owed_rows)
    return Staged(whole, streams, besides, position.next_offsets, scopes, owes)
