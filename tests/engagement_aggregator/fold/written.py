"""What is published, made by Python from rows of the table with the contract's own meaning: C's rows are held to it."""

from __future__ import annotations

from schemas.events.aggregate import EngagementAggregate
from schemas.events.window import EngagementWindows
from schemas.internal.aggregate_state import Day, PostHour, PostState, TableRow, TotalHour, TotalState
from services.engagement_aggregator.fold.published_row import Figures, Names, aggregate
from services.engagement_aggregator.fold.published_row import published as published_total
from services.engagement_aggregator.fold.windows import absent, known_and_lacking
from services.engagement_aggregator.rows.sums import (
    COVERED_POSTS,
    ENGAGED_POSTS,
    ENGAGEMENT,
    RATED_ENGAGEMENT,
    RATED_VIEWS,
    VIEWS,
    Curve,
    Sums,
    engagement_of,
)
from tests.engagement_aggregator.fold.written_windows import published_windows


def published(key: str, row: TableRow) -> EngagementAggregate | EngagementWindows | None:
    """The published form of a row; None for rows that are the aggregator's own."""
    if isinstance(row, PostState):
        return _post(key, row)
    if isinstance(row, PostHour | TotalHour | Day):
        return published_windows(key, row)
    return published_total(key, row) if isinstance(row, TotalState) else None


def _post(key: str, row: PostState) -> EngagementAggregate:
    names = Names(
        "post", row.brand_id, row.campaign_id, row.content_id, row.platform, row.account, row.post_key, row.placement_id
    )
    newest = {} if row.newest is None else {row.platform: row.newest}
    figures = Figures(
        contribution(row), newest, (), row.as_of, row.events, row.published_at, row.activity, curve_of(row), row.index
    )
    return aggregate(key, names, figures)


def contribution(post: PostState) -> Sums:
    """What one post adds to each of its parents."""
    values, comments, total = post.values, post.comments, post.comments_total
    engagement, views = engagement_of(values), values[VIEWS]
    one = [1, comments, 0, 0, 0, 0, 0, 0, 0, post.replies, post.events, post.late]
    if total is not None:
        one[COVERED_POSTS:ENGAGED_POSTS] = 1, comments, total
    if engagement is not None:
        one[ENGAGED_POSTS], one[ENGAGEMENT] = 1, engagement
        if views is not None:
            one[RATED_ENGAGEMENT], one[RATED_VIEWS] = engagement, views
    one += [value or 0 for value in values]
    one += _known_and_lacking(tuple(post.reasons), *absent(values))
    return one


def _known_and_lacking(reasons: tuple[int, ...], *is_absent: bool) -> tuple[int, ...]:
    """A metric of a post that nobody read yet is not there yet."""
    return known_and_lacking(tuple(why or 2 for why in reasons), *is_absent)


def curve_of(post: PostState) -> Curve:
    """What one post adds to the curve of its parents."""
    curve = {}
    for age, (_, values) in post.marks.items():
        views, engagement = values[VIEWS], engagement_of(values)
        curve[age] = [1, views or 0, int(views is not None), engagement or 0, int(engagement is not None)]
    return curve
