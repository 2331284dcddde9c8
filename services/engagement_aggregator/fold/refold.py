"""The product's own fold over all feedback from the start, in memory and beside the live one: for comparisons.

Writes nothing anywhere. Takes one partition after the other, so memory holds the rows of one partition at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from schemas.internal.aggregate_state import TableRow, TotalState
from services.engagement_aggregator.fold.brand import fold_campaigns
from services.engagement_aggregator.fold.fold import Fold
from services.engagement_aggregator.fold.published_row import published
from services.runtime.kafka.partitions import partition_of


class Refold:
    """`take` the records of one partition, then its `rows`; after the last partition `brands`."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._brands: dict[str, TableRow] = {}
        self._begin(0)
        self.refused = 0

    def take(self, number: int, values: Sequence[bytes | None]) -> None:
        """Fold the next records of partition `number`, in offset order."""
        if number != self._number:
            self._begin(number)
        self.refused += len(self._fold.take(values))

    def rows(self) -> Iterator[tuple[str, bytes]]:
        """What the aggregator would have published for the partition, windows included, by key of the published row.

        Its campaigns are told to the brands.
        """
        rows = self._fold.settle().rows
        for key, value in (*rows.aggregates, *rows.windows):
            yield key.decode(), value or b""
        fold_campaigns(self._brands, [totals for _, totals in rows.campaigns])
        self._begin(-1)

    def brands(self) -> Iterator[tuple[str, bytes]]:
        """The brand rows over all partitions."""
        for key, row in sorted(self._brands.items()):
            if isinstance(row, TotalState):
                yield key, msgspec.json.encode(published(key, row))

    def _begin(self, number: int) -> None:
        self._number = number
        self._rows: dict[str, TableRow] = {}
        self._fold = Fold(self._rows, lambda campaign: partition_of(campaign, self._partitions) == number)
