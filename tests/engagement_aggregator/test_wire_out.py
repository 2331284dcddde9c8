"""The lean types that rows are published with: filled by place, so a moved field would take the value of another."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from msgspec import Struct

from schemas import aggregate, window
from schemas.feedback import FeedbackEvent
from services.engagement_aggregator import wire_out
from services.engagement_aggregator.output import published
from tests.engagement_aggregator.audience import Table, encoded, histories

PAIRS: list[tuple[type[Struct], type[Struct]]] = [
    (wire_out.MetricTotal, aggregate.MetricTotal),
    (wire_out.Totals, aggregate.Totals),
    (wire_out.CurvePoint, aggregate.CurvePoint),
    (wire_out.EngagementAggregate, aggregate.EngagementAggregate),
    (wire_out.Window, window.Window),
    (wire_out.EngagementWindows, window.EngagementWindows),
]


@pytest.mark.parametrize(("lean", "contract"), PAIRS, ids=lambda kind: kind.__name__)
def test_a_field_of_the_contract_is_never_left_out_or_put_in_the_place_of_another(
    lean: type[Struct], contract: type[Struct]
) -> None:
    assert lean.__struct_fields__ == contract.__struct_fields__
    assert lean.__struct_config__.tag == contract.__struct_config__.tag
    assert lean.__struct_config__.tag_field == contract.__struct_config__.tag_field


@given(histories)
@settings(max_examples=100, deadline=None)
def test_what_is_published_is_what_the_contract_s_own_types_would_write(events: list[FeedbackEvent]) -> None:
    table = Table()
    table.fold(encoded(events))
    lean = [row for key, state in sorted(table.items()) if (row := published(key, state)) is not None]
    assert [msgspec.json.encode(row) for row in table.published()] == [msgspec.json.encode(row) for row in lean]
