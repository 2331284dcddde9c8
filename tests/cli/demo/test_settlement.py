"""The comparison of the demo must fail for every kind of difference; it is only worth something if it can."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from schemas.events.aggregate import EngagementAggregate, MetricTotal, Totals
from schemas.events.feedback import METRICS
from schemas.events.placement import PlacementRecord, PostRef, State
from services.cli.demo.settlement import Settlement, TrueFigures, Wrong, settle

NOW = datetime(2026, 11, 11, 2, 0, tzinfo=UTC)


def record(placement: str, native_id: str | None, state: State = "LIVE") -> PlacementRecord:
    post = PostRef(native_id=native_id, published_at=NOW) if native_id else None
    return PlacementRecord(
        event_id="e", occurred_at=NOW, observed_at=NOW, brand_id="qinghe", campaign_id="spring", trace_id="t",
        placement_id=placement, content_id="c1", content_version=1, kind="notice", platform="weibo", account="tea",
        slot="main", state=state, since=NOW, due_at=NOW, late_until=NOW, post=post,
    )  # fmt: skip


def figures(native_id: str, likes: int, comments: list[str]) -> TrueFigures:
    return TrueFigures(
        platform="weibo", native_id=native_id, account="tea", state="live",
        metrics={"likes": likes, "comments": len(comments)}, comment_ids=comments,
    )  # fmt: skip


def row(key: str, posts: int, likes: int, comments: int) -> EngagementAggregate:
    values = {"likes": likes, "comments": comments}
    totals = {
        metric: MetricTotal(value=values[metric], known=posts, unknown=0)
        if metric in values
        else MetricTotal(value=None, known=0, unknown=posts, reason="unsupported")
        for metric in (*METRICS, "followers")
    }
    return EngagementAggregate(
        event_id=key, occurred_at=NOW, observed_at=NOW, brand_id="qinghe", trace_id="t", key=key, scope="post",
        platform="all", posts=posts, totals=Totals(**totals), comments_collected=comments, replies=0,
        newest_observation={}, freshness_s={}, revision=1, as_of=NOW,
    )  # fmt: skip


def case(**changes: Any) -> Settlement:
    """Two posts with 3 + 4 likes and 2 + 1 comments, all as it should be, but for `changes`."""
    shared = ("content:c1", "campaign_platform:spring:weibo", "campaign:spring", "brand:qinghe")
    arguments: dict[str, Any] = {
        "seconds": 1.0,
        "expected": ["p1", "p2"],
        "records": {"p1": record("p1", "1"), "p2": record("p2", "2")},
        "truth": [figures("1", 3, ["a", "b"]), figures("2", 4, ["c"])],
        "comments": [("weibo:1", "a"), ("weibo:1", "b"), ("weibo:2", "c")],
        "rows": {
            "post:weibo:1": row("post:weibo:1", 1, 3, 2),
            "post:weibo:2": row("post:weibo:2", 1, 4, 1),
            **{key: row(key, 2, 7, 3) for key in shared},
        },
    }
    return settle(**(arguments | changes))


def test_a_campaign_in_order_is_ok() -> None:
    settlement = case()
    assert settlement.ok
    assert settlement.aggregates.rows == 6
    assert settlement.placements.by_state == {"LIVE": 2}


@pytest.mark.parametrize(
    ("changes", "doubled", "missing"),
    [
        ({"truth": [figures("1", 3, ["a", "b"]), figures("2", 4, ["c"]), figures("3", 0, [])]}, 1, 0),
        ({"truth": [figures("1", 3, ["a", "b"])]}, 0, 1),
        ({"records": {"p1": record("p1", "1"), "p2": record("p2", "1")}}, 2, 0),
        ({"records": {"p1": record("p1", "1"), "p2": record("p2", None, "UNKNOWN")}}, 1, 1),
        ({"records": {"p1": record("p1", "1")}}, 1, 1),
    ],
)
def test_a_doubled_or_missing_post_is_seen(changes: dict[str, Any], doubled: int, missing: int) -> None:
    settlement = case(**changes)
    assert not settlement.ok
    assert (settlement.posts.doubled, settlement.posts.missing) == (doubled, missing)


def test_a_placement_in_another_final_state_is_seen() -> None:
    settlement = case(records={"p1": record("p1", "1"), "p2": record("p2", "2", "REMOVED")})
    assert not settlement.ok
    assert settlement.placements.by_state == {"LIVE": 1, "REMOVED": 1}


@pytest.mark.parametrize(
    ("comments", "missing", "repeated"),
    [
        ([("weibo:1", "a"), ("weibo:2", "c")], 1, 0),
        ([("weibo:1", "a"), ("weibo:1", "a"), ("weibo:1", "b"), ("weibo:2", "c")], 0, 1),
        ([("weibo:1", "a"), ("weibo:1", "b"), ("weibo:2", "x")], 1, 0),
    ],
)
def test_a_lost_repeated_or_foreign_comment_is_seen(
    comments: list[tuple[str, str]], missing: int, repeated: int
) -> None:
    settlement = case(comments=comments)
    assert not settlement.ok
    assert (settlement.feedback.missing, settlement.feedback.repeated) == (missing, repeated)


def test_one_wrong_number_in_one_row_is_named() -> None:
    rows = {
        "post:weibo:1": row("post:weibo:1", 1, 3, 2),
        "post:weibo:2": row("post:weibo:2", 1, 4, 1),
        "content:c1": row("content:c1", 2, 7, 3),
        "campaign_platform:spring:weibo": row("campaign_platform:spring:weibo", 2, 7, 3),
        "campaign:spring": row("campaign:spring", 2, 8, 3),
        "brand:qinghe": row("brand:qinghe", 2, 7, 3),
    }
    settlement = case(rows=rows)
    assert not settlement.ok
    assert settlement.aggregates.wrong == [Wrong("campaign:spring", "likes", 7, 8)]


def test_a_missing_row_is_wrong_and_a_made_up_zero_too() -> None:
    assert {one.key for one in case(rows={}).aggregates.wrong} >= {"post:weibo:1", "brand:qinghe"}
    good = row("post:weibo:1", 1, 3, 2)
    made_up = replace(good, totals=replace(good.totals, views=MetricTotal(value=0, known=1, unknown=0)))
    settlement = settle(
        seconds=1, expected=["p1"], records={"p1": record("p1", "1")}, truth=[figures("1", 3, ["a", "b"])],
        comments=[("weibo:1", "a"), ("weibo:1", "b")],
        rows={key: replace(made_up, key=key) for key in (
            "post:weibo:1", "content:c1", "campaign_platform:spring:weibo", "campaign:spring", "brand:qinghe",
        )},
    )  # fmt: skip
    assert {(one.metric, one.expected, one.got) for one in settlement.aggregates.wrong} == {("views", None, 0)}


def test_a_brand_that_had_another_campaign_on_this_cluster_counts_both() -> None:
    earlier = replace(row("campaign:winter", 3, 100, 9), scope="campaign", campaign_id="winter")
    rows = {
        "post:weibo:1": row("post:weibo:1", 1, 3, 2),
        "post:weibo:2": row("post:weibo:2", 1, 4, 1),
        **{key: row(key, 2, 7, 3) for key in ("content:c1", "campaign_platform:spring:weibo", "campaign:spring")},
        "campaign:winter": earlier,
    }
    assert case(rows={**rows, "brand:qinghe": row("brand:qinghe", 5, 107, 12)}).ok
    alone = case(rows={**rows, "brand:qinghe": row("brand:qinghe", 2, 7, 3)})
    assert not alone.ok
    assert Wrong("brand:qinghe", "likes", 107, 7) in alone.aggregates.wrong
