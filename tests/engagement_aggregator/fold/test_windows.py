"""Windows against the recount, and what late data, corrections and gaps must not do to them."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from hypothesis import given, settings

from schemas.events.feedback import FeedbackEvent, Reading
from schemas.events.window import EngagementWindows, Window
from schemas.internal.aggregate_state import TableRow
from tests.engagement_aggregator.audience import AUDIENCE, START, Table, encoded, histories
from tests.engagement_aggregator.recount.windows import differing_windows, recount_windows


def windows_of(*events: FeedbackEvent) -> dict[str, EngagementWindows]:
    table = Table()
    assert table.fold(encoded(events)).refused == []
    return table.windows()


@given(histories)
@settings(max_examples=200, deadline=None)
def test_windows_of_any_disorder_duplicates_and_late_data_are_what_a_recount_says(events: list[FeedbackEvent]) -> None:
    table, values = Table(), encoded(events)
    assert table.fold(values).refused == []
    expected = recount_windows((0, value) for value in values)
    assert differing_windows(expected, table.windows()) == []


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


def one_minute(row: EngagementWindows, minute: int) -> Window:
    return next(window for window in row.windows if window.size == "1m" and window.start.minute == minute)


def size(row: EngagementWindows, wanted: str) -> Window:
    return next(window for window in row.windows if window.size == wanted)


HOUR, DAY = "@2025-03-08T02Z", "@2025-03-08"  # START is 10:00 of that day in Shanghai


def test_windows_of_every_length_add_up_to_the_totals_of_post_and_parents() -> None:
    rows = windows_of(
        AUDIENCE.metrics(0, 1, at=0, likes=7),
        AUDIENCE.metrics(0, 2, at=70, likes=10),
        AUDIENCE.metrics(0, 3, at=3_700, likes=4),
        AUDIENCE.metrics(3, 1, at=10, likes=100),
        AUDIENCE.comment(0, 1, at=3_700, written=60),
    )
    assert [one_minute(rows[f"post:weibo:500{HOUR}"], minute).likes for minute in (0, 1)] == [7, 3]
    assert size(rows["post:weibo:500@2025-03-08T03Z"], "1h").likes == -6
    campaign = rows[f"campaign:camp-0{HOUR}"]
    assert [window.likes for window in campaign.windows] == [107, 3, 110, 110]
    assert one_minute(campaign, 1).comments_collected == 1
    assert size(rows[f"campaign:camp-0{DAY}"], "1d").likes == 104


def test_a_metric_nobody_read_in_a_window_is_null_with_its_reason_and_not_zero() -> None:
    rows = windows_of(
        AUDIENCE.metrics(0, 1, at=0, likes=7, views=Reading(reason="failed")),
        AUDIENCE.metrics(3, 1, at=5, likes=1, views=50),
        AUDIENCE.metrics(0, 2, at=70, likes=Reading(reason="failed")),
        AUDIENCE.comment(3, 1, at=130),
    )
    campaign = rows[f"campaign:camp-0{HOUR}"]
    first, failed, unread = (one_minute(campaign, minute) for minute in (0, 1, 2))
    assert (first.views, first.likes, first.readings, first.partial) == (50, 8, 2, {"views": 1})
    assert (failed.likes, failed.readings) == (None, 1)
    assert (unread.likes, unread.readings, unread.comments_collected) == (None, 0, 1)
    assert campaign.missing["likes"] == "failed"
    assert campaign.missing["saves"] == "unsupported"


def test_a_snapshot_that_comes_late_moves_growth_between_closed_windows_and_marks_both() -> None:
    orderly = windows_of(AUDIENCE.metrics(0, 1, at=0, likes=7), AUDIENCE.metrics(0, 3, at=1_200, likes=20))
    assert one_minute(orderly[f"post:weibo:500{HOUR}"], 20).likes == 13
    late = windows_of(
        AUDIENCE.metrics(0, 1, at=0, likes=7),
        AUDIENCE.metrics(0, 3, at=1_200, likes=20),
        AUDIENCE.metrics(3, 1, at=1_900, likes=1),
        AUDIENCE.metrics(0, 2, at=600, likes=15),
    )["post:weibo:500@2025-03-08T02Z"]
    assert [(one_minute(late, m).likes, one_minute(late, m).restated) for m in (0, 10, 20)] == [(7, 0), (8, 1), (5, 1)]
    assert (size(late, "1h").likes, size(late, "1h").restated) == (20, 0)


def test_a_comment_found_hours_later_restates_the_windows_it_was_written_in_but_not_the_day_that_is_open() -> None:
    rows = windows_of(AUDIENCE.metrics(0, 1, at=7_200, likes=1), AUDIENCE.comment(0, 1, at=7_201, written=30))
    hour = rows[f"campaign:camp-0{HOUR}"]
    assert [(window.size, window.comments_collected, window.restated) for window in hour.windows] == [
        ("1m", 1, 1), ("5m", 1, 1), ("1h", 1, 1),
    ]  # fmt: skip
    assert size(rows[f"campaign:camp-0{DAY}"], "1d").restated == 0


def test_what_is_later_than_the_longest_wait_changes_no_window_and_is_counted() -> None:
    table = Table()
    events: list[FeedbackEvent] = [
        AUDIENCE.metrics(0, 1, at=8 * 86_400, likes=1),
        AUDIENCE.comment(0, 1, at=8 * 86_400, written=0),
        AUDIENCE.metrics(0, 2, at=8 * 86_400 - 3_700, likes=5),
    ]
    table.fold(encoded(events))
    assert {key for key in table.windows() if key.startswith("post")} == {
        "post:weibo:500@2025-03-16T02Z",
        "post:weibo:500@2025-03-16",
    }
    campaign = table.rows()["campaign:camp-0"]
    assert (campaign.late, campaign.comments_collected, campaign.totals.likes.value) == (2, 1, 5)


def test_a_reply_first_told_too_late_counts_in_no_window_also_when_it_is_told_again() -> None:
    again = [AUDIENCE.reply(0, 1, at=0), AUDIENCE.reply(0, 1, at=8 * 86_400)]
    values = encoded([AUDIENCE.metrics(0, 1, at=8 * 86_400, likes=1), *again])
    table = Table()
    table.fold(values)
    assert sum(window.replies for row in table.windows().values() for window in row.windows) == 0
    assert differing_windows(recount_windows((0, value) for value in values), table.windows()) == []


def test_a_clock_that_runs_ahead_closes_no_window_of_others() -> None:
    ahead = msgspec.structs.replace(AUDIENCE.comment(3, 1, at=0), occurred_at=START + timedelta(days=3))
    rows = windows_of(ahead, AUDIENCE.metrics(0, 1, at=5, likes=1))
    assert one_minute(rows[f"post:weibo:500{HOUR}"], 0).restated == 0
    assert one_minute(rows[f"campaign:camp-0{HOUR}"], 0).comments_collected == 1
