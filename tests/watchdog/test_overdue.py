"""What is past its time is seen whether or not an adapter ever took it in, and is forgotten when it has ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from schemas.events.content import ContentCancelled, MasterContent, Target
from schemas.events.placement import PlacementRecord, State
from services.adapter.placement.transitions import intended
from services.watchdog.overdue import NOT_TAKEN_IN, Awaiting, trouble

NOW = datetime(2026, 11, 11, 2, 0, tzinfo=UTC)
GRACE = timedelta(seconds=30)
LATE = NOW + timedelta(minutes=1)


def content(version: int = 1, *, slots: tuple[str, ...] = ("main",), content_id: str = "c") -> MasterContent:
    return MasterContent(
        event_id=f"{content_id}:{version}", occurred_at=NOW, observed_at=NOW, brand_id="qinghe", campaign_id="spring",
        trace_id="t", content_id=content_id, version=version, kind="notice", title="新茶", key_message="新茶",
        targets=tuple(Target(platform="toy", account="tea", slot=slot) for slot in slots),
    )  # fmt: skip


def record(state: State, version: int = 1, slot: str = "main") -> PlacementRecord:
    made = intended(content(version, slots=(slot,)), content(version, slots=(slot,)).targets[0], None, None, NOW, "w")
    return replace(made, state=state)


@pytest.fixture
def awaiting() -> Awaiting:
    return Awaiting(GRACE)


def states(awaiting: Awaiting, now: datetime = LATE) -> list[str]:
    return [one.state for one in awaiting.overdue(now)]


def test_a_placement_that_no_adapter_took_in_is_overdue_all_the_same(awaiting: Awaiting) -> None:
    awaiting.accepted(content())
    assert states(awaiting, NOW + GRACE - timedelta(seconds=1)) == []
    assert states(awaiting) == [NOT_TAKEN_IN]


@pytest.mark.parametrize("state", ["INTENDED", "CALLING", "ACCEPTED", "PARKED", "UNKNOWN", "NEEDS_HUMAN"])
def test_every_state_that_is_no_end_is_listed_with_words_and_a_way_out(awaiting: Awaiting, state: State) -> None:
    awaiting.accepted(content())
    awaiting.recorded(record(state))
    (one,) = awaiting.overdue(LATE)
    told = trouble(one, LATE)
    assert one.state == state
    assert told.way_out
    assert told.way_out_en
    assert "overdue" in told.title_en


@pytest.mark.parametrize("state", ["LIVE", "REJECTED", "MISSED", "CANCELLED", "REMOVED"])
@pytest.mark.parametrize("ledger_first", [True, False])
def test_an_end_is_an_end_whichever_topic_is_read_first(awaiting: Awaiting, state: State, ledger_first: bool) -> None:
    if ledger_first:
        awaiting.recorded(record(state))
        awaiting.accepted(content())
    else:
        awaiting.accepted(content())
        awaiting.recorded(record(state))
    assert states(awaiting) == []


def test_a_newer_version_that_the_adapter_never_took_in_is_overdue_although_the_old_one_ended(
    awaiting: Awaiting,
) -> None:
    awaiting.accepted(content(1))
    awaiting.recorded(record("REJECTED", 1))
    awaiting.accepted(content(2))
    assert states(awaiting) == [NOT_TAKEN_IN]
    awaiting.recorded(record("LIVE", 2))
    assert states(awaiting) == []


def test_what_was_cancelled_or_dropped_before_anybody_took_it_in_is_not_expected(awaiting: Awaiting) -> None:
    awaiting.accepted(content(1, slots=("main", "second")))
    awaiting.accepted(content(2, slots=("main",)))
    assert len(states(awaiting)) == 1
    awaiting.cancelled(
        ContentCancelled(
            event_id="x", occurred_at=NOW, observed_at=NOW, brand_id="qinghe", campaign_id="spring", trace_id="t",
            content_id="c", version=2, reason="撤回", actor="值班",
        )
    )  # fmt: skip
    assert states(awaiting) == []
    awaiting.accepted(content(2))
    assert states(awaiting) == [], "read anew after the cancel"


def test_past_the_late_window_it_is_critical(awaiting: Awaiting) -> None:
    awaiting.accepted(content())
    (one,) = awaiting.overdue(LATE)
    assert trouble(one, LATE).severity == "warning"
    assert trouble(one, NOW + timedelta(hours=2)).severity == "critical"
