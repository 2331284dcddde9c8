"""The short chaos run, and that the judge behind every chaos run sees each thing that must not happen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from schemas.codec import decoder
from schemas.events.feedback import CommentObserved
from schemas.events.placement import HistoryEntry, PlacementRecord, PostRef
from tests.chaos.plan import ALWAYS, Publication, planned
from tests.chaos.run import Run, report
from tests.chaos.verdict import BRAND, SeenPost, Verdict, judged, places
from tests.engagement_aggregator.audience import AUDIENCE
from tests.engagement_aggregator.recount.posts import Difference

SEED = 20261111  # always the same here, so that a red test is about the change; `make chaos` draws its own
NOW = datetime(2026, 11, 11, tzinfo=UTC)
CONTENT = Publication(
    content_id="c0001x", campaign_id="spring", kind="notice", targets=(("weibo", "tea"),), due_in_s=0.0
)
((NAME, PLACE),) = places([CONTENT]).items()
POST = SeenPost("weibo", "tea", "501", "live", "青禾冷泡茶第c0001x号", frozenset({"c1", "c2"}))


@pytest.mark.kafka
@pytest.mark.timeout(900)
def test_a_short_chaos_run_doubles_loses_and_miscounts_nothing(tmp_path: Path) -> None:
    print("seed", SEED)
    run = Run(planned(SEED, len(ALWAYS)), tmp_path / "chaos", print)
    told = report(run, run.carry_out())
    assert told["reasons"] == []
    assert told["ok"]
    assert sum(told["faults"].values()) == len(ALWAYS)
    assert told["comments"]["true"] > 0


def test_the_same_seed_plans_the_same_contents_and_faults_and_another_one_does_not() -> None:
    assert planned(7, 300) == planned(7, 300)
    assert planned(7, 300) != planned(8, 300)
    assert len(planned(7, 300).faults) == 300
    assert {fault.kind for fault in planned(7, 300).faults} >= set(ALWAYS)


def _record(state: str = "LIVE", native_id: str = "501", **more: object) -> PlacementRecord:
    example = Path("schemas/examples/placement-ledger")
    record = next(
        found
        for file in sorted(example.glob("*.json"))
        if isinstance(found := decoder("placement-ledger")(file.read_bytes()), PlacementRecord)
    )
    post = PostRef(native_id=native_id, published_at=NOW) if native_id else None
    changes = {"placement_id": NAME, "platform": "weibo", "account": "tea", "state": state, "post": post}
    return msgspec.structs.replace(record, **{**changes, "failure": None, **more})


def _comment(comment_id: str) -> CommentObserved:
    return msgspec.structs.replace(AUDIENCE.comment(1, 1, 1), post_key="weibo:501", comment_id=comment_id, version=1)


COMMENTS = [_comment("c1"), _comment("c2")]


def _judged(
    record: PlacementRecord | None,
    posts: list[SeenPost],
    comments: list[CommentObserved] = COMMENTS,
    wrong: tuple[Difference, ...] = (),
) -> Verdict:
    return judged({NAME: PLACE}, {NAME: record} if record else {}, posts, comments, wrong)


def test_what_came_out_right_is_called_right() -> None:
    assert _judged(_record(), [POST]).reasons == []


@pytest.mark.parametrize("state", ["live", "in_review", "publishing"])
def test_a_second_post_of_a_placement_is_seen_also_before_it_is_public(state: str) -> None:
    verdict = _judged(_record(), [POST, replace(POST, native_id="502", state=state, comment_ids=frozenset())])
    assert verdict.doubled == 1
    assert not verdict.ok


@pytest.mark.parametrize("state", ["removed", "rejected"])
def test_a_post_that_the_platform_took_back_is_no_double(state: str) -> None:
    assert _judged(_record(), [POST, replace(POST, native_id="502", state=state)]).ok


def test_a_placement_without_record_or_end_is_seen() -> None:
    assert _judged(None, [], []).not_final == 1
    assert _judged(_record("UNKNOWN", ""), [], []).not_final == 1


def test_a_person_may_be_asked_with_a_reason_and_never_because_of_a_bug() -> None:
    asked = HistoryEntry(at=NOW, state="NEEDS_HUMAN", note="分不清是哪一个发布的")
    assert _judged(_record("NEEDS_HUMAN", "", history=(asked,)), [], []).ok
    assert not _judged(_record("NEEDS_HUMAN", "", history=(msgspec.structs.replace(asked, note=""),)), [], []).ok


@pytest.mark.parametrize(
    ("record", "posts"),
    [
        (_record(native_id="999"), []),
        (_record(), [replace(POST, state="removed")]),
        (_record("REJECTED", ""), [POST]),
        (_record(), [replace(POST, text="青禾冷泡茶第c0002x号")]),
        (_record(), [POST, replace(POST, native_id="7", text="谁也没有要过的帖子")]),
    ],
    ids=["no_such_post", "live_but_removed", "refused_but_live", "someone_elses_post", "nobody_s_post"],
)
def test_a_ledger_that_says_otherwise_than_the_platform_is_seen(record: PlacementRecord, posts: list[SeenPost]) -> None:
    verdict = _judged(record, posts)
    assert verdict.ledger_wrong >= 1
    assert not verdict.ok


@pytest.mark.parametrize(
    ("comments", "repeated"),
    [([*COMMENTS, _comment("c2")], 1), (COMMENTS[:1], 0), ([*COMMENTS, _comment("c3")], 0)],
    ids=["repeated", "missing", "invented"],
)
def test_a_comment_too_many_or_too_few_is_seen(comments: list[CommentObserved], repeated: int) -> None:
    verdict = _judged(_record(), [POST], comments)
    assert verdict.comments["repeated"] == repeated
    assert not verdict.ok


def test_a_wrong_figure_of_an_aggregate_is_seen() -> None:
    verdict = _judged(_record(), [POST], wrong=(Difference("brand:qinghe", "posts", 1, 2),))
    assert verdict.aggregates_wrong == 1
    assert not verdict.ok


def test_the_brand_of_the_contents_is_the_one_of_the_accounts() -> None:
    assert BRAND in Path("deploy/demo/accounts.yaml").read_text()
