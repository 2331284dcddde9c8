"""Live posts that nobody observes are told by account; failed polls are no observation, removed posts nobody's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from schemas.events.cursor import CollectorCursor
from schemas.events.placement import PlacementRecord, PostRef, State
from services.watchdog.stale import Observed

NOW = datetime(2026, 11, 11, 2, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def observed() -> Observed:
    return Observed(HOUR, timedelta(seconds=60))


def record(state: State = "LIVE", native_id: str = "1") -> PlacementRecord:
    return PlacementRecord(
        event_id=f"e{native_id}", occurred_at=NOW, observed_at=NOW, brand_id="qinghe", campaign_id="spring",
        trace_id="t", placement_id=f"pl-{native_id}", content_id="c", content_version=1, kind="notice", platform="toy",
        account="tea",
        slot="main", state=state, since=NOW, due_at=NOW, late_until=NOW,
        post=PostRef(native_id=native_id, published_at=NOW),
    )  # fmt: skip


def cursor(at: datetime, failures: int = 0) -> CollectorCursor:
    return CollectorCursor(
        event_id="x", occurred_at=at, observed_at=at, brand_id="qinghe", campaign_id="spring", trace_id="t",
        post_key="toy:1", platform="toy", account="tea", last_polled_at=at, failures=failures,
    )  # fmt: skip


def stale(observed: Observed, now: datetime) -> list[tuple[str, ...]]:
    return [one.evidence for one in observed.stale(now, now)]


def test_a_poller_that_is_off_is_told_by_account_and_ends_with_the_next_observation(
    observed: Observed,
) -> None:
    observed.recorded(record(), NOW)
    observed.recorded(record(native_id="2"), NOW)
    assert stale(observed, NOW + HOUR) == []
    late = NOW + HOUR + timedelta(minutes=1)
    assert stale(observed, late) == [("pl-1", "pl-2")]
    observed.polled(cursor(late), late)
    assert stale(observed, late) == [("pl-2",)]


def test_polls_that_fail_again_and_again_are_no_observation(observed: Observed) -> None:
    observed.recorded(record(), NOW)
    late = NOW + HOUR + timedelta(minutes=1)
    observed.polled(cursor(late, failures=9), late)
    assert stale(observed, late) == [("pl-1",)]


@pytest.mark.parametrize("cursor_first", [True, False])
def test_the_order_of_the_topics_does_not_matter(observed: Observed, cursor_first: bool) -> None:
    seen = NOW + HOUR
    if cursor_first:
        observed.polled(cursor(seen), seen)
    observed.recorded(record(), NOW)
    if not cursor_first:
        observed.polled(cursor(seen), seen)
    assert stale(observed, seen + timedelta(minutes=30)) == []


def test_old_posts_have_the_patience_of_their_cadence(observed: Observed) -> None:
    observed.recorded(record(), NOW)
    old = NOW + timedelta(days=8)
    observed.polled(cursor(old), old)
    assert stale(observed, old + timedelta(hours=20)) == [], "polled every six hours at that age"
    assert stale(observed, old + timedelta(hours=25)) == [("pl-1",)]


def test_a_removed_post_is_not_missed(observed: Observed) -> None:
    observed.recorded(record(), NOW)
    observed.recorded(replace(record(), state="REMOVED"), NOW)
    assert stale(observed, NOW + 5 * HOUR) == []


def test_simulated_time_that_runs_fast_is_no_silence(observed: Observed) -> None:
    observed.recorded(record(), NOW)
    assert observed.stale(NOW + 5 * HOUR, NOW + timedelta(seconds=30)) == []
