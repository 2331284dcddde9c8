"""Root causes: what failed alike is one line, what is dealt with is gone, and a later failure comes back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from schemas.events.failure import FailureHandled
from schemas.events.placement import ErrorClass, Failure, PlacementRecord, State
from services.cli.reports.root_causes import open_causes

NOW = datetime(2026, 11, 11, 2, 0, tzinfo=UTC)


def failed(
    number: int, code: str = "20019", *, state: State = "REJECTED", error_class: ErrorClass = "content"
) -> PlacementRecord:
    return PlacementRecord(
        event_id=f"e{number}", occurred_at=NOW, observed_at=NOW, brand_id="qinghe", campaign_id="spring", trace_id="t",
        placement_id=f"pl-{number}", content_id="c", content_version=1, kind="notice", platform="toy", account="tea",
        slot="main", state=state, since=NOW + timedelta(seconds=number), due_at=NOW, late_until=NOW, revision=4,
        failure=Failure(error_class=error_class, code=code, message="重复"),
    )  # fmt: skip


def noted(record: PlacementRecord) -> FailureHandled:
    return FailureHandled(
        placement_id=record.placement_id, brand_id="qinghe", campaign_id="spring", revision=record.revision,
        reason="不再需要", actor="值班", handled_at=NOW,
    )  # fmt: skip


def test_what_failed_alike_is_one_cause_and_the_largest_comes_first() -> None:
    causes = open_causes([failed(3), failed(1, "21327", error_class="auth"), failed(2)], {})
    assert [(one.name, len(one.placements)) for one in causes] == [("toy:content:20019", 2), ("toy:auth:21327", 1)]
    assert causes[0].since == NOW + timedelta(seconds=2)
    assert causes[0].next_step != causes[1].next_step


def test_only_failures_are_listed_and_missed_ones_have_their_own_cause() -> None:
    records = [
        failed(1, state="LIVE"),
        failed(2, state="CANCELLED"),
        failed(3, state="UNKNOWN"),
        failed(4, state="MISSED"),
    ]
    assert [one.name for one in open_causes(records, {})] == ["toy:missed"]


def test_what_was_dealt_with_is_gone_until_it_fails_again() -> None:
    record = failed(1)
    handled = {record.placement_id: noted(record)}
    assert open_causes([record], handled) == ()
    assert len(open_causes([replace(record, revision=7)], handled)) == 1


def test_a_brand_sees_its_own() -> None:
    assert open_causes([failed(1)], {}, brand="acme") == ()
