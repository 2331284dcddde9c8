"""The product's own fold over all feedback from the start, in memory and beside the live one: for comparisons.

Writes nothing anywhere. Takes one partition after the other, so memory holds the rows of one partition at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from schemas.aggregate_state import TableRow
from services.engagement_aggregator.brand import fold_campaigns
from services.engagement_aggregator.fold import Fold
from services.engagement_aggregator.output import campaign_totals, published
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
        totals = []
        for key in sorted(self._fold.settle().changed):
            row = self._rows[key]
            if (aggregate := published(key, row)) is not None:
                yield aggregate.key, msgspec.json.encode(aggregate)
            if (campaign := campaign_totals(key, row)) is not None:
                totals.append(msgspec.json.encode(campaign))
        fold_campaigns(self._brands, totals)
        self._begin(-1)

    def brands(self) -> Iterator[tuple[str, bytes]]:
        """The brand rows over all partitions."""
        for key, row in sorted(self._brands.items()):
            if (aggregate := published(key, row)) is not None:
                yield key, msgspec.json.encode(aggregate)

    def _begin(self, number: int) -> None:
        self._number = number
        self._rows: dict[str, TableRow] = {}
        self._fold = Fold(self._rows, lambda campaign: partition_of(campaign, self._partitions) == number)
