"""The fold against the recount, and against itself: replayed, split otherwise, resumed from written rows."""

from __future__ import annotations

from collections import ChainMap
from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events.aggregate import EngagementAggregate
from schemas.events.feedback import FeedbackEvent, Reading
from schemas.internal.aggregate_state import TableRow
from services.engagement_aggregator.fold.fold import Fold, Owed
from tests.engagement_aggregator.audience import AUDIENCE, START, Table, encoded, histories
from tests.engagement_aggregator.recount.posts import differences, recount

FAR = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)


def expected_of(values: list[bytes | None]) -> dict[str, dict[str, object]]:
    return recount((0, value) for value in values)


@given(histories)
@settings(max_examples=300, deadline=None)
def test_any_disorder_duplicates_and_corrections_fold_to_what_a_recount_says(events: list[FeedbackEvent]) -> None:
    table, values = Table(), encoded(events)
    assert table.fold(values).refused == []
    assert differences(expected_of(values), table.rows()) == []


@given(histories, st.lists(st.integers(1, 7), min_size=1))
@settings(max_examples=150, deadline=None)
def test_splitting_the_records_into_other_batches_gives_the_same_bytes(
    events: list[FeedbackEvent], sizes: list[int]
) -> None:
    values = encoded(events)
    whole, split = Table(), Table()
    whole.fold(values)
    at, turn = 0, 0
    while at < len(values):
        size = sizes[turn % len(sizes)]
        split.fold(values[at : at + size])
        at, turn = at + size, turn + 1
    assert {k: msgspec.json.encode(r) for k, r in sorted(whole.rows().items())} == {
        k: msgspec.json.encode(r) for k, r in sorted(split.rows().items())
    }


@given(histories, st.data())
@settings(max_examples=150, deadline=None)
def test_replaying_any_tail_changes_no_row_and_writes_nothing(events: list[FeedbackEvent], data: st.DataObject) -> None:
    table, values = Table(), encoded(events)
    table.fold(values)
    before = {key: msgspec.json.encode(row) for key, row in table.rows().items()}
    tail = data.draw(st.integers(0, len(values)))
    assert table.fold(values[tail:]).changed == set()
    assert {key: msgspec.json.encode(row) for key, row in table.rows().items()} == before


@given(histories, st.data())
@settings(max_examples=150, deadline=None)
def test_rows_read_back_from_disk_go_on_as_if_they_had_stayed_in_memory(
    events: list[FeedbackEvent], data: st.DataObject
) -> None:
    values = encoded(events)
    cut = data.draw(st.integers(0, len(values)))
    table = Table()
    table.fold(values[:cut])
    decoder = msgspec.json.Decoder(TableRow)
    resumed = Table({key: decoder.decode(msgspec.json.encode(row)) for key, row in table.items()})
    resumed.fold(values[cut:])
    assert differences(expected_of(values), resumed.rows()) == []


@given(histories, st.lists(st.integers(1, 5), min_size=1))
@settings(max_examples=200, deadline=None)
def test_posts_that_leave_memory_after_every_flush_come_back_as_they_were(
    events: list[FeedbackEvent], sizes: list[int]
) -> None:
    values, kept, forgetful, at = encoded(events), Table(), Table(), 0
    forgetful.limit = -1
    for turn in range(len(values)):
        part = values[at : at + sizes[turn % len(sizes)]]
        kept.fold(part)
        forgetful.fold(part)
        at += len(part)
    assert dict(kept) == dict(forgetful)


@given(histories, st.data())
@settings(max_examples=200, deadline=None)
def test_what_is_folded_while_a_flush_is_under_way_is_not_forgotten_with_what_the_flush_wrote(
    events: list[FeedbackEvent], data: st.DataObject
) -> None:
    """Rows that are under way are on no disk yet, and what came after them is in no row yet."""
    values, whole, disk = encoded(events), Table(), Table()
    whole.fold(values)
    rows = ChainMap[str, TableRow]({}, disk)  # those of Python's own, over what is written
    fold = Fold(rows, lambda _: True, load=disk.get, limit=lambda: -1)
    at = 0
    while at < len(values):
        size = data.draw(st.integers(1, 8))
        fold.take(values[at : at + size])
        under_way = disk.written_by(fold.settle(), rows)
        fold.take(values[at + size : at + 2 * size])
        disk.update(under_way)
        fold.written()
        at += 2 * size
    disk.update(disk.written_by(fold.settle(), rows))
    assert without_brands(whole) == dict(disk)


@given(histories, st.data())
@settings(max_examples=200, deadline=None)
def test_what_a_flush_leaves_owed_is_published_by_a_later_one_or_by_the_process_that_comes_after(
    events: list[FeedbackEvent], data: st.DataObject
) -> None:
    values, whole, disk, at = encoded(events), Table(), Table(), 0
    whole.fold(values)
    published: dict[bytes, bytes | None] = {}
    rows = ChainMap[str, TableRow]({}, disk)

    def flush(fold: Fold, *, is_full: bool) -> Owed:
        settled = fold.settle(is_full=is_full)
        disk.update(disk.written_by(settled, rows))
        published.update((*settled.rows.aggregates, *settled.rows.windows))
        fold.written()
        return settled.owed

    fold = Fold(rows, lambda _: True, load=disk.get, limit=lambda: -1)
    while at < len(values):
        size = data.draw(st.integers(1, 8))
        fold.take(values[at : at + size])
        owed = flush(fold, is_full=data.draw(st.booleans()))
        if data.draw(st.booleans()):  # killed, and begun anew by the next one
            rows = ChainMap({}, disk)
            fold = Fold(rows, lambda _: True, load=disk.get, limit=lambda: -1)
            fold.owe(owed)
        at += size
    flush(fold, is_full=True)
    assert {key.decode(): value for key, value in published.items()} == {
        row.key: msgspec.json.encode(row) for row in whole.published() if not row.key.startswith("brand:")
    }


def without_brands(table: Table) -> dict[str, TableRow]:
    return {key: row for key, row in table.items() if not key.startswith(("brand:", "share"))}


def folded(*events: FeedbackEvent) -> dict[str, EngagementAggregate]:
    table = Table()
    assert table.fold(encoded(list(events))).refused == []
    return table.rows()


def test_a_failed_reading_never_erases_an_older_value() -> None:
    rows = folded(AUDIENCE.metrics(0, 1, likes=7), AUDIENCE.metrics(0, 2, likes=Reading(reason="failed")))
    assert rows["post:weibo:500"].totals.likes.value == 7
    assert rows["campaign:camp-0"].totals.likes.known == 1


def test_a_failed_reading_does_not_swallow_the_value_that_waited_before_it() -> None:
    rows = folded(
        AUDIENCE.metrics(0, 1, likes=7),
        AUDIENCE.metrics(0, 2, likes=9),
        AUDIENCE.metrics(0, 3, likes=Reading(reason="failed"), views=1),
    )
    assert rows["campaign:camp-0"].totals.likes.value == 9


def test_a_counter_that_goes_backwards_is_a_correction_in_every_parent() -> None:
    rows = folded(AUDIENCE.metrics(0, 1, likes=70), AUDIENCE.metrics(0, 2, likes=65))
    assert {rows[key].totals.likes.value for key in ("post:weibo:500", "campaign:camp-0", "brand:brand-a")} == {65}


def test_a_late_older_snapshot_never_overwrites_a_newer_one() -> None:
    rows = folded(AUDIENCE.metrics(0, 2, likes=65), AUDIENCE.metrics(0, 1, likes=70))
    assert rows["campaign:camp-0"].totals.likes.value == 65


def test_a_platform_without_the_metric_is_not_added_as_zero() -> None:
    rows = folded(AUDIENCE.metrics(0, 1, views=100, likes=5), AUDIENCE.metrics(3, 1, likes=5))
    campaign = rows["campaign:camp-0"]
    assert (campaign.totals.views.value, campaign.totals.views.known, campaign.totals.views.unknown) == (100, 1, 1)
    assert campaign.engagement == 10
    assert campaign.engagement_rate == 0.05  # only the post whose views are known


def test_nothing_known_is_null_with_its_reason_and_a_true_zero_is_zero() -> None:
    rows = folded(AUDIENCE.metrics(0, 1, views=Reading(reason="not_yet"), likes=0))
    post = rows["post:weibo:500"]
    assert (post.totals.views.value, post.totals.views.reason) == (None, "not_yet")
    assert (post.totals.shares.value, post.totals.shares.reason) == (None, "unsupported")
    assert (post.totals.likes.value, post.totals.likes.reason) == (0, None)
    assert post.engagement == 0
    assert post.engagement_rate is None


def test_edits_count_once_and_a_deleted_comment_not_at_all() -> None:
    rows = folded(
        AUDIENCE.comment(0, 1),
        AUDIENCE.comment(0, 1, version=2),
        AUDIENCE.comment(0, 2),
        AUDIENCE.comment(0, 2, version=2, deleted=True),
        AUDIENCE.comment(0, 2),  # a late repetition does not bring it back
        AUDIENCE.metrics(0, 1, total=4),
    )
    campaign = rows["campaign:camp-0"]
    assert (campaign.comments_collected, campaign.comments_total, campaign.coverage) == (1, 4, 0.25)


def test_freshness_is_the_age_of_the_last_number_not_of_the_last_failure() -> None:
    rows = folded(
        AUDIENCE.metrics(0, 1, at=0, likes=1),
        AUDIENCE.metrics(0, 2, at=30, likes=Reading(reason="failed")),
    )
    assert rows["campaign:camp-0"].freshness_s == {"weibo": 30.0}


def test_followers_of_an_account_in_two_campaigns_count_once_for_the_brand() -> None:
    one, other = AUDIENCE.followers(0, Reading(value=900), at=1), AUDIENCE.followers(0, Reading(value=950), at=2)
    rows = folded(one, msgspec.structs.replace(other, campaign_id="camp-1"))
    assert rows["campaign:camp-0"].totals.followers.value == 900
    assert rows["brand:brand-a"].totals.followers.value == 950


def test_bad_records_are_refused_one_by_one_and_their_neighbours_count() -> None:
    good = encoded([AUDIENCE.metrics(0, 1, likes=1), AUDIENCE.metrics(0, 2, likes=2)])
    anonymous = msgspec.json.decode(good[0] or b"")
    del anonymous["event_id"]
    table = Table()
    result = table.fold([good[0], b"\xff\xfe", None, b"{}", msgspec.json.encode(anonymous), good[1]])
    assert [(one.index, one.cause) for one in result.refused] == [(i, "undecodable") for i in (1, 2, 3, 4)]
    assert "event_id" in result.refused[3].message
    assert table.rows()["campaign:camp-0"].totals.likes.value == 2


def test_a_campaign_id_that_another_brand_uses_is_refused_instead_of_mixed() -> None:
    mine, theirs = AUDIENCE.metrics(0, 1, likes=1), AUDIENCE.metrics(3, 1, likes=9)
    table = Table()
    result = table.fold(encoded([mine, msgspec.structs.replace(theirs, brand_id="brand-x")]))
    assert [one.cause for one in result.refused] == ["identity_conflict"]
    assert "brand-x" in result.refused[0].message
    assert table.rows()["campaign:camp-0"].totals.likes.value == 1


def test_a_post_that_changes_its_campaign_is_refused() -> None:
    first = AUDIENCE.metrics(0, 1, likes=1)
    result = Table().fold(encoded([first, msgspec.structs.replace(first, campaign_id="camp-1", sequence=2)]))
    assert [one.cause for one in result.refused] == ["identity_conflict"]


def test_a_campaign_in_the_wrong_partition_is_refused_before_it_makes_a_second_row() -> None:
    table = Table()
    result = table.fold(encoded([AUDIENCE.metrics(0, 1, likes=1)]), owns=lambda _: False)
    assert [one.cause for one in result.refused] == ["foreign_partition"]
    assert table == {}


def test_an_impossible_count_is_refused_before_it_breaks_the_sums() -> None:
    result = Table().fold(encoded([AUDIENCE.metrics(0, 1, likes=2**62)]))
    assert [one.cause for one in result.refused] == ["number_out_of_range"]


def test_an_event_of_no_real_time_is_refused_before_it_closes_every_window() -> None:
    far = msgspec.structs.replace(AUDIENCE.metrics(0, 1, likes=1), occurred_at=FAR, observed_at=FAR)
    seen_far = msgspec.structs.replace(AUDIENCE.metrics(0, 1, likes=1), observed_at=FAR)  # it would end the calendar
    result = Table().fold(encoded([far, seen_far]))
    assert [one.cause for one in result.refused] == ["time_out_of_range"] * 2


def test_the_curve_holds_what_was_known_at_each_age_also_when_a_snapshot_comes_late() -> None:
    rows = folded(
        AUDIENCE.metrics(0, 1, at=1_800, likes=5, views=50),
        AUDIENCE.metrics(0, 3, at=2 * 3_600 + 1, likes=30),
        AUDIENCE.metrics(0, 2, at=3_600, likes=9),
    )
    points = {point.age_h: (point.posts, point.views, point.engagement) for point in rows["campaign:camp-0"].curve}
    assert points == {1: (1, 50, 9), 2: (1, 50, 9)}


def test_an_age_that_is_reached_without_any_new_value_is_told_to_every_row() -> None:
    seen_again = AUDIENCE.metrics(0, 1, at=3_601, views=50)
    one_by_one = Table()
    for event in (AUDIENCE.metrics(0, 1, at=0, views=50), AUDIENCE.reply(0, 1, at=3_601), seen_again):
        one_by_one.fold(encoded([event]))
    for key in ("post:weibo:500", "campaign:camp-0", "brand:brand-a"):
        assert [point.age_h for point in one_by_one.rows()[key].curve] == [1], key


def test_a_younger_snapshot_read_before_an_age_was_reached_counts_for_that_age() -> None:
    published = START + timedelta(seconds=30)
    events = [
        msgspec.structs.replace(AUDIENCE.metrics(0, sequence, at=at, views=views), published_at=published)
        for sequence, at, views in ((1, 60, 10), (2, 3_640, 20), (3, 3_645, 30), (4, 3_625, 40))
    ]
    assert [(point.age_h, point.views) for point in folded(*events)["post:weibo:500"].curve] == [(1, 40)]


def of_account(number: int, likes: int) -> list[FeedbackEvent]:
    """Two readings of a post of one account, the second after its first hour."""
    event = AUDIENCE.metrics(0, 1, at=1, likes=likes)
    same = {"post_key": f"weibo:{number}", "native_id": str(number), "placement_id": f"pl-{number}"}
    first = msgspec.structs.replace(event, **same)
    late = START + timedelta(hours=1, seconds=2)
    return [first, msgspec.structs.replace(first, sequence=2, occurred_at=late, observed_at=late)]


def test_a_post_is_compared_with_its_account_only_where_enough_others_are_as_old() -> None:
    three = folded(*of_account(1, 10), *of_account(2, 20), *of_account(3, 90))
    assert three["post:weibo:3"].account_index is None
    four = folded(*of_account(1, 10), *of_account(2, 20), *of_account(3, 90), *of_account(4, 40))
    found = {key: (row.account_index, row.account_index_sample) for key, row in four.items() if row.scope == "post"}
    assert found["post:weibo:4"] == (2.0, 3)
    assert found["post:weibo:2"] == (0.5, 3)


def test_what_is_known_of_a_post_that_was_read_back_for_its_account_stays_known() -> None:
    """A reading of one post opens the others for their index; what comes again for them is no news."""
    last = of_account(4, 40)
    others = [event for number in (1, 2, 3) for event in of_account(number, 10 * number)]
    of_three = {"post_key": "weibo:3", "native_id": "3", "placement_id": "pl-3"}
    comment = msgspec.structs.replace(AUDIENCE.comment(0, 1, at=3_601), **of_three)
    kept, forgetful = Table(), Table()
    forgetful.limit = -1  # every post leaves memory with the flush
    for part in ([*others, comment, last[0]], [last[1], comment]):
        kept.fold(encoded(part))
        forgetful.fold(encoded(part))
    assert forgetful.rows()["post:weibo:3"].account_index is not None, "it was not opened for its index"
    assert dict(kept) == dict(forgetful)
    assert forgetful.rows()["post:weibo:3"].revision == 3


def test_figures_say_how_final_they_are_and_when_they_have_grown_old() -> None:
    day = 86_400
    for at, maturity, due_s in (
        (10, "provisional", 3_600),
        (8 * day, "settling", 43_200),
        (31 * day, "final", 2 * day),
    ):
        row = folded(AUDIENCE.metrics(0, 1, at=at, likes=1))["campaign:camp-0"]
        assert row.maturity == maturity
        assert row.stale_after == {"weibo": START + timedelta(seconds=at + due_s)}


def test_engagement_is_not_held_against_the_followers_of_some_of_the_accounts_only() -> None:
    events: list[FeedbackEvent] = [AUDIENCE.metrics(0, 1, likes=9), AUDIENCE.followers(0, Reading(value=3_000), at=1)]
    assert folded(*events)["campaign:camp-0"].engagement_per_1000_followers == 3.0
    other = msgspec.structs.replace(AUDIENCE.followers(0, Reading(reason="failed"), at=2), account="another")
    assert folded(*events, other)["campaign:camp-0"].engagement_per_1000_followers is None
