"""When a partition's rows are a picture of what was read."""

from __future__ import annotations

import pytest

from services.cli.rebuild.snapshot import SnapshotState
from services.engagement_aggregator.partitions.flush import OWES
from services.runtime.kafka.admin import Committed
from services.runtime.kafka.reader import Extent

READ, OWED = Committed(10, ""), Committed(10, OWES)
WHOLE, OPEN = Extent(0, 5, 5), Extent(0, 4, 5)


@pytest.mark.parametrize(
    ("state", "quiet"),
    [
        (SnapshotState(READ, READ, WHOLE, WHOLE), True),
        (SnapshotState(READ, READ, OPEN, WHOLE), False),
        (SnapshotState(READ, READ, WHOLE, OPEN), False),
        (SnapshotState(OWED, OWED, WHOLE, WHOLE), False),
    ],
    ids=["all is out", "rows under way", "windows under way", "rows owed"],
)
def test_only_where_nothing_is_under_way_or_owed_rows_are_compared(state: SnapshotState, quiet: bool) -> None:
    assert state.is_quiet() == quiet
