"""The recount in SQL agrees with the fold and with the plain recount, and a wrong number of any kind is found."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events.aggregate import EngagementAggregate
from schemas.events.feedback import CommentObserved, FeedbackEvent, Reading
from schemas.events.window import EngagementWindows
from services.bi.acceptance import Acceptance
from services.bi.recount import NOT_RECOUNTED, OF_WINDOWS, FeedbackRecord, Recount, recounted
from tests.engagement_aggregator.audience import AUDIENCE, Table, encoded, histories
from tests.engagement_aggregator.recount import posts as plain


def records(events: Sequence[FeedbackEvent]) -> list[FeedbackRecord]:
    return [FeedbackRecord(0, offset, value) for offset, value in enumerate(encoded(events))]


def folded(events: Sequence[FeedbackEvent]) -> dict[str, EngagementAggregate]:
    table = Table()
    table.fold(encoded(events))
    return table.rows()


def windows(events: Sequence[FeedbackEvent]) -> dict[str, EngagementWindows]:
    table = Table()
    table.fold(encoded(events))
    return table.windows()


def published(rows: Mapping[str, EngagementAggregate | EngagementWindows]) -> list[tuple[str, bytes]]:
    return [(key, msgspec.json.encode(row)) for key, row in rows.items()]


def season(seed: int, rounds: int = 40) -> list[FeedbackEvent]:
    """Seeded feedback: snapshots late, again and backwards, failed readings, edits, deletions, replies, followers."""
    chance, events = random.Random(seed), list[FeedbackEvent]()
    for at in range(1, rounds + 1):
        for number in range(8):
            likes = Reading(reason="failed") if chance.random() < 0.1 else Reading(value=chance.randrange(500))
            sequence = max(1, at - chance.randrange(4))
            readings: dict[str, Any] = {"likes": likes, "views": chance.randrange(9_000), "shares": at, "comments": at}
            events += [
                AUDIENCE.metrics(number, sequence, at * 40, chance.choice((None, at, at * 2)), **readings),
                AUDIENCE.comment(
                    number, chance.randrange(30), at * 41, version=chance.randrange(1, 4), deleted=chance.random() < 0.2
                ),
                AUDIENCE.reply(number, chance.randrange(9), at * 37),
                AUDIENCE.followers(number, Reading(value=1_000 - at + chance.randrange(9)), at * 39),
            ]
    chance.shuffle(events)
    return events + chance.sample(events, len(events) // 4)  # some come again


@settings(max_examples=10, deadline=None)
@given(histories)
def test_fold_plain_recount_and_sql_agree_on_any_sequence(events: list[FeedbackEvent]) -> None:
    rows = folded(events)
    with recounted(records(events), partitions=1) as sql:
        assert sql.differences(published(rows)) == []
        assert sql.window_differences(published(windows(events))) == []
    assert plain.differences(plain.recount((0, value) for value in encoded(events)), rows) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_fold_and_sql_agree_on_a_season_of_disorder_duplicates_and_deletions(seed: int) -> None:
    events = season(seed)
    with recounted(records(events), partitions=1) as sql:
        assert sql.events == len(events)
        assert sql.differences(published(folded(events))) == []
        made = windows(events)
        assert sql.window_differences(published(made)) == []
    each = [window for row in made.values() for window in row.windows]
    assert all(sum(getattr(window, name) != 0 for window in each) > 5 for name in ("restated", "replies", "readings"))
    assert any(window.partial for window in each)
    assert any(row.missing for row in made.values())


@pytest.fixture(scope="module")
def rows() -> dict[str, EngagementAggregate]:
    return folded(season(3))


@pytest.fixture(scope="module")
def counted() -> Iterable[Recount]:
    with recounted(records(season(3)), partitions=1) as sql:
        yield sql


def leaves(value: object, path: str = "") -> dict[str, object]:
    if isinstance(value, dict):
        return {k: v for name, inner in value.items() for k, v in leaves(inner, f"{path}.{name}").items()}
    if isinstance(value, list):
        return {k: v for at, inner in enumerate(value) for k, v in leaves(inner, f"{path}[{at}]").items()}
    return {path.removeprefix("."): value}


def spoiled(value: Any, path: str = "", but: Set[str] = NOT_RECOUNTED) -> Any:
    """The same figures, each a little wrong."""
    if isinstance(value, dict):
        return {name: inner if name in but else spoiled(inner, name, but) for name, inner in value.items()}
    if isinstance(value, list):
        return [spoiled(inner, path, but) for inner in value]
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case None:
            return "failed" if path == "reason" else None
        case str() if value.endswith("Z"):
            return value.replace("2025-", "2024-")
        case str():
            return f"{value}x"
    raise AssertionError(value)


@pytest.mark.parametrize("scope", ["post", "content", "campaign_platform", "campaign", "brand"])
def test_each_kind_of_wrong_figure_is_found_and_no_other_is_named(
    scope: str, rows: Mapping[str, EngagementAggregate], counted: Recount
) -> None:
    key = next(key for key, row in sorted(rows.items()) if row.scope == scope)
    right = msgspec.to_builtins(rows[key])
    wrong = spoiled(right)
    spoilt = {name for name, value in leaves(wrong).items() if value != leaves(right)[name]}
    assert {"totals.likes.value", "comments_collected", "coverage", "replies", "as_of", "posts", "late"} <= spoilt
    assert any(name.startswith("activity.") for name in spoilt)
    made = [(one, msgspec.json.encode(wrong if one == key else row)) for one, row in rows.items()]
    found = counted.differences(made)
    assert {difference.field.replace('"', "") for difference in found} == spoilt
    assert {difference.key for difference in found} == {key}


@pytest.mark.parametrize("scope", ["post", "content", "campaign_platform", "campaign"])
def test_each_kind_of_wrong_figure_in_a_window_is_found_and_no_other_is_named(scope: str, counted: Recount) -> None:
    made = windows(season(3))
    key = max((key for key, row in made.items() if row.scope == scope), key=lambda key: len(made[key].windows))
    right = msgspec.to_builtins(made[key])
    wrong = spoiled(right, but=NOT_RECOUNTED | OF_WINDOWS)
    spoilt = {name for name, value in leaves(wrong).items() if value != leaves(right)[name]}
    assert {"windows[0].likes", "windows[0].restated", "windows[0].start", "start", "wait_s"} <= spoilt
    rows = [(one, msgspec.json.encode(wrong if one == key else row)) for one, row in made.items()]
    assert {(one.key, one.field) for one in counted.window_differences(rows)} == {(key, name) for name in spoilt}


def test_an_index_against_the_account_is_counted_like_the_fold_does() -> None:
    events: list[FeedbackEvent] = []
    for number in range(0, 36, 6):  # six posts of one account
        for sequence, hours in enumerate((0.5, 1.5, 2.5, 30.0), 1):
            likes = (number + 3) * sequence**2
            events.append(AUDIENCE.metrics(number, sequence, int(hours * 3_600), likes=likes, views=100))
    rows = folded(events)
    assert sum(row.account_index is not None for row in rows.values()) == 6
    with recounted(records(events), partitions=1) as sql:
        assert sql.differences(published(rows)) == []


def test_null_in_place_of_a_number_is_found_and_so_is_zero_in_place_of_null(
    rows: Mapping[str, EngagementAggregate], counted: Recount
) -> None:
    row = msgspec.to_builtins(rows["campaign:camp-0"])
    assert row["totals"]["saves"]["value"] is None
    row["totals"]["saves"]["value"], row["engagement"] = 0, None
    found = counted.differences([*published(rows), ("campaign:camp-0", msgspec.json.encode(row))][1:])
    assert ("totals.saves.value", None, "0") in [(each.field, each.expected, each.got) for each in found]


def test_a_row_that_is_missing_and_one_too_many_are_found(
    rows: Mapping[str, EngagementAggregate], counted: Recount
) -> None:
    others = dict(rows)
    others["campaign:ghost"] = others.pop("campaign:camp-0")
    found = {(each.key, each.field, each.expected, each.got) for each in counted.differences(published(others))}
    assert ("campaign:camp-0", "row", "present", "absent") in found
    assert ("campaign:ghost", "row", "absent", "present") in found


def test_no_field_of_the_row_is_left_out_of_the_recount(counted: Recount) -> None:
    figures = counted.rows()["campaign:camp-0"]
    assert set(EngagementAggregate.__struct_fields__) - set(figures) == NOT_RECOUNTED


def _moved(event: FeedbackEvent, name: str, value: str) -> FeedbackEvent:
    return msgspec.structs.replace(event, **{name: value})


def _at(event: CommentObserved, moment: datetime) -> CommentObserved:
    return msgspec.structs.replace(event, occurred_at=moment, observed_at=moment)


_names = st.sampled_from(("brand_id", "campaign_id", "content_id", "account", "placement_id"))
_strange = st.one_of(
    st.sampled_from((None, b"", b"{}", b"\xff", b"[1]")),
    histories.map(lambda events: msgspec.json.encode(events[0])[:-3]),
    st.builds(
        lambda events, name, value: msgspec.json.encode(
            _moved(events[0], name, value) if name in type(events[0]).__struct_fields__ else events[0]
        ),
        histories,
        _names,
        st.sampled_from(("brand-a", "brand-b", "camp-0", "camp-9", "content-0-0")),
    ),
    histories.map(lambda events: msgspec.json.encode(AUDIENCE.metrics(len(events) % 8, 1, views=10**16))),
    st.sampled_from((1969, 2200)).map(
        lambda year: msgspec.json.encode(_at(AUDIENCE.comment(1, 1), datetime(year, 6, 1, tzinfo=UTC)))
    ),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(_strange, histories.map(lambda events: msgspec.json.encode(events[0]))), max_size=25))
def test_what_the_fold_refuses_is_left_out_of_the_recount_record_by_record(values: list[bytes | None]) -> None:
    def belongs(campaign: str) -> bool:
        return campaign != "camp-9"

    refused = {each.index: each.cause for each in Table().fold(values, belongs).refused}
    acceptance = Acceptance(belongs)
    worked_out = {index: cause for index, value in enumerate(values) if (cause := acceptance.refusal(value))}
    assert worked_out == refused
