"""A contender that is wrong must not count: the check, the generator's own count and the arithmetic can all fail."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from benchmarks.contenders.contract import Stage, flat
from benchmarks.load.exactness import Claim, differences
from benchmarks.load.truth import FOLLOWERS, Row, Truth, WindowKey
from benchmarks.load.workload import PARTITIONS, Shape, feedback, truth_of
from benchmarks.results.measure import Figures, Sample, TooCoarse, figures, percentile
from benchmarks.results.results import Outcome, summary
from schemas.events.feedback import FeedbackEvent, MetricsObserved
from tests.engagement_aggregator.recount.posts import recount

SHAPE = Shape(events=6_000, posts=120, rate=20.0, duplicates=0.05, disorder=0.02)
_event: msgspec.json.Decoder[FeedbackEvent] = msgspec.json.Decoder(FeedbackEvent)


Spoiler = Callable[[dict[str, Row], dict[WindowKey, Row]], object]
SPOILERS: dict[str, Spoiler] = {
    "a row is missing": lambda rows, windows: rows.pop(next(iter(rows))),
    "a row too many": lambda rows, windows: rows.update({"post:weibo:none": {"views": 1}}),
    "a window is missing": lambda rows, windows: windows.pop(next(key for key in windows if key.length_s == 300)),
    "a window is wrong": lambda rows, windows: windows[next(iter(windows))].update(likes=-1),
    "no windows at all": lambda rows, windows: windows.clear(),
}


@pytest.fixture(scope="module")
def written() -> tuple[Truth, list[tuple[int, bytes]]]:
    truth = truth_of(SHAPE)
    return truth, [(record.partition, record.value) for record in feedback(SHAPE, truth)]


def exact_answer(truth: Truth) -> tuple[dict[str, Row], dict[WindowKey, Row]]:
    """What an exact contender gives: the rows, the windows, and windows of posts and contents that add up."""
    rows, windows = truth.rows(), truth.windows()
    of_posts = {WindowKey(key, 86_400, 0): {**row} for key, row in rows.items()}
    for key, row in rows.items():
        if key.startswith(("post:", "content:")):
            of_posts |= {WindowKey(key, length, 0): {**row} for length in (60, 300, 3_600)}
    return {key: {**row} for key, row in rows.items()}, {**{k: {**r} for k, r in windows.items()}, **of_posts}


def test_generated_events_are_those_of_the_product_byte_for_byte(
    written: tuple[Truth, list[tuple[int, bytes]]],
) -> None:
    kinds = set()
    for _, value in written[1]:
        event = _event.decode(value)
        kinds.add(type(event).__name__)
        assert msgspec.json.encode(event) == value
    assert kinds == {"MetricsObserved", "CommentObserved", "ReplyPosted", "FollowersObserved"}
    assert {partition for partition, _ in written[1]} <= set(range(PARTITIONS))


def test_the_generators_count_agrees_with_a_recount_that_shares_no_code(
    written: tuple[Truth, list[tuple[int, bytes]]],
) -> None:
    truth, records = written
    expected = {key: row for key, row in recount(records).items() if not key.startswith("brand:")}
    rows = truth.rows()
    assert rows.keys() == expected.keys()
    for key, row in rows.items():
        recounted = {name: total["value"] or 0 for name, total in expected[key]["totals"].items()}
        for name in ("views", "likes", "comments", "shares", "saves", "follows", FOLLOWERS):
            assert row.get(name, 0) == recounted[name], (key, name)
        assert row["comments_collected"] == expected[key]["comments_collected"]
        assert row["replies"] == expected[key]["replies"]


def test_windows_of_the_count_are_newest_minus_before_by_event_time(
    written: tuple[Truth, list[tuple[int, bytes]]],
) -> None:
    newest: dict[str, tuple[int, int]] = {}
    growth: dict[WindowKey, int] = defaultdict(int)
    for _, value in written[1]:
        event = _event.decode(value)
        if not isinstance(event, MetricsObserved):
            continue
        sequence, likes = newest.get(event.post_key, (0, 0))
        now = event.readings.likes.value
        if now is not None and event.sequence > sequence:
            newest[event.post_key] = (event.sequence, now)
            at = int(event.observed_at.timestamp())
            for length in (60, 300, 3_600):
                growth[WindowKey(f"campaign:{event.campaign_id}", length, at - at % length)] += now - likes
    windows = written[0].windows()
    assert len({key.start_s for key in windows if key.length_s == 60}) > 3
    for key, grown in growth.items():
        assert windows[key]["likes"] == grown, key


def test_an_exact_contender_counts(written: tuple[Truth, list[tuple[int, bytes]]]) -> None:
    truth, _ = written
    assert differences(Claim(), (truth.rows(), truth.windows()), exact_answer(truth)) == []


@pytest.mark.parametrize("figure", ["views", "comments_collected", "replies", "followers"])
def test_a_total_that_is_one_off_makes_a_contender_inexact(
    written: tuple[Truth, list[tuple[int, bytes]]], figure: str
) -> None:
    truth, _ = written
    rows, windows = exact_answer(truth)
    key = next(key for key in rows if key.startswith("campaign:"))
    rows[key][figure] += 1
    found = differences(Claim(), (truth.rows(), truth.windows()), (rows, windows))
    assert (key, figure) in {(one.where, one.figure) for one in found}
    assert not summary([outcome(different=len(found))], "", 1, 1)["exact"]


def test_a_missing_row_a_row_too_many_and_a_wrong_window_are_inexact(
    written: tuple[Truth, list[tuple[int, bytes]]],
) -> None:
    truth, _ = written
    expected = (truth.rows(), truth.windows())
    for name, spoil in SPOILERS.items():
        rows, windows = exact_answer(truth)
        spoil(rows, windows)
        assert differences(Claim(), expected, (rows, windows)), name


def test_growth_put_into_a_neighbouring_minute_is_inexact_though_the_sums_agree(
    written: tuple[Truth, list[tuple[int, bytes]]],
) -> None:
    truth, _ = written
    rows, windows = exact_answer(truth)
    one, other = [key for key in windows if key.length_s == 60 and key.row == "campaign:campaign-00000"][:2]
    windows[one]["views"] += 1
    windows[other]["views"] -= 1
    assert differences(Claim(), (truth.rows(), truth.windows()), (rows, windows))


def test_windows_of_a_post_that_do_not_add_up_to_its_total_are_inexact(
    written: tuple[Truth, list[tuple[int, bytes]]],
) -> None:
    truth, _ = written
    rows, windows = exact_answer(truth)
    windows[next(key for key in windows if key.row.startswith("post:") and key.length_s == 86_400)]["likes"] += 1
    assert differences(Claim(), (truth.rows(), truth.windows()), (rows, windows))


def test_a_row_nobody_expected_counts_even_when_nothing_was_expected() -> None:
    assert differences(Claim(windows=False), ({}, {}), ({"post:a": {"views": 1}}, {}))


def test_the_rate_covers_only_what_lay_between_two_commits() -> None:
    samples = [Sample(0.0, 0, 1.0), Sample(5.0, 200, 3.0), Sample(6.0, 700, 3.5), Sample(7.0, 1_200, 4.0, 2.0)]
    assert figures(samples, 1_200) == Figures(500.0, 1_000.0, 2_000.0, 2.0, 1_000 / 1_200)


def test_a_run_that_did_not_reach_the_end_or_committed_at_once_has_no_rate() -> None:
    with pytest.raises(ValueError, match="99 of 100"):
        figures([Sample(1.0, 50, 0.0), Sample(2.0, 99, 0.0)], 100)
    with pytest.raises(TooCoarse):
        figures([Sample(0.0, 0, 0.0), Sample(1.0, 100, 0.0)], 100)


def test_one_inexact_run_of_three_spoils_the_contender() -> None:
    assert summary([outcome(), outcome(), outcome()], "", 1, 1)["exact"]
    assert not summary([outcome(), outcome(different=1), outcome()], "", 1, 1)["exact"]


def test_medians_and_extremes_are_over_the_runs() -> None:
    found = summary([outcome(rate=10.0), outcome(rate=30.0), outcome(rate=20.0)], "", 1, 1)
    assert (found["events_per_s"], found["min"], found["max"]) == (20, 10, 30)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_percentiles_are_values_that_were_measured(share: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == expected


def test_rows_and_windows_of_the_benchmarks_own_form_are_told_apart() -> None:
    latest = {
        b"post:a": b'{"views":3,"followers":2}',
        b"post:a@h1": b'{"aggregate_key":"post:a","windows":[{"length":60,"start":120,"views":3}]}',
    }
    rows, windows = flat(Stage("", "", Path(), 1), latest)
    assert (rows["post:a"]["views"], rows["post:a"]["followers"]) == (3, 2)
    assert windows[WindowKey("post:a", 60, 120)]["views"] == 3
    assert flat(Stage("", "", Path(), 1, posts=1_000_000), latest) == (rows, {})


def outcome(*, rate: float = 1.0, different: int = 0) -> Outcome:
    return Outcome(
        figures=Figures(rate, 1.0, 1.0, 1.0, 1.0), peak_mb=1.0, wall_s=1.0, output_records=1, differences=[],
        different=different,
    )  # fmt: skip
