"""Windows against the recount, and what late data, corrections and gaps must not do to them."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings

from schemas.aggregate_state import TableRow
from schemas.feedback import FeedbackEvent
from schemas.window import EngagementWindows, Window
from services.engagement_aggregator.recount_windows import recount_windows
from tests.engagement_aggregator.audience import Table, encoded, histories

_METRICS_AND_COUNTS = [name for name in Window.__struct_fields__ if name not in ("size", "start")]


def figures(row: EngagementWindows) -> dict[str, Any]:
    """A published row in the form of the recount."""
    return {
        "windows": {
            f"{window.size}/{window.start.isoformat()}": {name: getattr(window, name) for name in _METRICS_AND_COUNTS}
            for window in row.windows
        },
        "missing": row.missing,
    }


def windows_of(*events: FeedbackEvent) -> dict[str, EngagementWindows]:
    table = Table()
    assert table.fold(encoded(list(events))).refused == []
    return table.windows()


@given(histories)
@settings(max_examples=200, deadline=None)
def test_windows_of_any_disorder_duplicates_and_late_data_are_what_a_recount_says(events: list[FeedbackEvent]) -> None:
    table, values = Table(), encoded(events)
    assert table.fold(values).refused == []
    expected = recount_windows((0, value) for value in values)
    assert {key: figures(row) for key, row in table.windows().items()} == expected


@given(histories)
@settings(max_examples=100, deadline=None)
def test_a_table_folded_one_by_one_and_read_back_each_time_says_the_same_bytes(events: list[FeedbackEvent]) -> None:
    values = encoded(events)
    whole, single = Table(), Table()
    whole.fold(values)
    decoder = msgspec.json.Decoder(TableRow)
    for value in values:
        single.fold([value])
        single = Table({key: decoder.decode(msgspec.json.encode(row)) for key, row in single.items()})
    assert dict(whole) == dict(single)
    assert [msgspec.json.encode(row) for row in whole.published()] == [
        msgspec.json.encode(row) for row in single.published()
    ]
