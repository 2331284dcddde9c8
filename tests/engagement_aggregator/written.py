"""What is published, made by Python from rows of the table with the contract's own meaning: C's rows are held to it."""

from __future__ import annotations

from schemas.aggregate_state import Day, PostHour, PostState, TableRow, TotalHour, TotalState
from services.engagement_aggregator import wire_out
from services.engagement_aggregator.output import NO_INDEX, aggregate, followers_total
from services.engagement_aggregator.output import published as published_total
from services.engagement_aggregator.sums import contribution, curve_of
from tests.engagement_aggregator.written_windows import published_windows


def published(key: str, row: TableRow) -> wire_out.EngagementAggregate | wire_out.EngagementWindows | None:
    """The published form of a row; None for rows that are the aggregator's own."""
    if isinstance(row, PostState):
        return _post(key, row)
    if isinstance(row, PostHour | TotalHour | Day):
        return published_windows(key, row)
    return published_total(key, row) if isinstance(row, TotalState) else None


def _post(key: str, row: PostState) -> wire_out.EngagementAggregate:
    newest = {} if row.newest is None else {row.platform: row.newest}
    return aggregate(
        key, contribution(row), newest, followers_total(()), row.as_of, row.events, row.published_at,
        ("post", row.brand_id, row.campaign_id, row.content_id, row.platform),
        (row.account, row.post_key, row.placement_id),
        row.index or NO_INDEX, row.activity, curve_of(row),
    )  # fmt: skip
