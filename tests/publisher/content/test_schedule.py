"""A time that a person names means one instant, or it is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.publisher.api.requests import ScheduleRequest
from services.publisher.content.schedule import DEFAULT_ZONE, ScheduleError, resolved

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def refused(**fields: object) -> str:
    with pytest.raises(ScheduleError) as caught:
        resolved(ScheduleRequest(**fields), NOW)  # type: ignore[arg-type]
    problem = caught.value.problem
    assert problem.message
    assert problem.message_en
    assert problem.way_out
    return problem.code


def test_wall_clock_without_a_zone_means_shanghai_and_keeps_the_intent() -> None:
    made = resolved(ScheduleRequest(wall_clock="2026-11-11T20:00"), NOW)
    assert made.due_at == datetime(2026, 11, 11, 12, 0, tzinfo=UTC)
    assert (made.zone, made.wall_clock) == ("Asia/Shanghai", "2026-11-11T20:00:00")


def test_an_instant_is_kept_and_shown_on_the_clock_of_its_zone() -> None:
    due = datetime(2026, 7, 1, 9, 0, tzinfo=timezone(timedelta(hours=8)))
    made = resolved(ScheduleRequest(due_at=due, zone="America/New_York"), NOW)
    assert made.due_at == due
    assert made.wall_clock == "2026-06-30T21:00:00"


def test_seconds_from_now_are_counted_from_acceptance() -> None:
    assert resolved(ScheduleRequest(in_s=20), NOW).due_at == NOW + timedelta(seconds=20)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "schedule_without_one_meaning"),
        ({"zone": "Asia/Shanghai"}, "schedule_without_one_meaning"),
        ({"in_s": 5, "wall_clock": "2026-11-11T20:00"}, "schedule_without_one_meaning"),
        ({"due_at": NOW, "in_s": 0}, "schedule_without_one_meaning"),
        ({"wall_clock": "2026-11-11T20:00", "zone": "Asia/Peking"}, "unknown_zone"),
        ({"wall_clock": "2026-11-11T20:00", "zone": "../etc/passwd"}, "unknown_zone"),
        ({"wall_clock": "2026-11-11T20:00", "zone": "localtime"}, "unknown_zone"),
        ({"wall_clock": "2026-11-11T20:00", "zone": "Asia"}, "unknown_zone"),
        ({"wall_clock": "2026-02-29T20:00"}, "no_such_time"),
        ({"wall_clock": "2026-11-11T24:30"}, "no_such_time"),
        ({"wall_clock": "0001-01-01T00:00"}, "year_out_of_range"),
        ({"due_at": datetime(9999, 12, 31, 23, tzinfo=UTC)}, "year_out_of_range"),
        ({"in_s": 1, "fold": "later"}, "fold_without_wall_clock"),
        ({"wall_clock": "2026-03-29T02:30", "zone": "Europe/Berlin"}, "wall_clock_skipped"),
        ({"wall_clock": "2026-03-29T02:30", "zone": "Europe/Berlin", "fold": "later"}, "wall_clock_skipped"),
        ({"wall_clock": "2026-10-25T02:30", "zone": "Europe/Berlin"}, "wall_clock_repeated"),
        ({"wall_clock": "2026-11-01T01:30", "zone": "America/New_York"}, "wall_clock_repeated"),
        ({"wall_clock": "2026-04-05T01:45", "zone": "Australia/Lord_Howe"}, "wall_clock_repeated"),  # half an hour
    ],
)
def test_what_has_no_meaning_or_two_is_refused_by_name(fields: dict[str, object], code: str) -> None:
    assert refused(**fields) == code


def test_a_repeated_hour_is_resolved_only_on_purpose() -> None:
    both = [
        resolved(ScheduleRequest(wall_clock="2026-10-25T02:30", zone="Europe/Berlin", fold=fold), NOW)
        for fold in ("earlier", "later")
    ]
    assert [one.due_at.hour for one in both] == [0, 1]
    assert {one.wall_clock for one in both} == {"2026-10-25T02:30:00"}


def test_a_skipped_time_names_the_two_around_it() -> None:
    with pytest.raises(ScheduleError) as caught:
        resolved(ScheduleRequest(wall_clock="2026-03-29T02:30", zone="Europe/Berlin"), NOW)
    assert "2026-03-29T01:30:00" in caught.value.problem.way_out
    assert "2026-03-29T03:30:00" in caught.value.problem.way_out


def test_the_machine_zone_has_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ScheduleRequest(wall_clock="2026-11-11T20:00")
    before = resolved(asked, NOW)
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    assert resolved(asked, NOW) == before


@given(
    st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1)),  # noqa: DTZ001 - a wall clock
    st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"]),
)
def test_an_accepted_wall_clock_is_what_the_zone_shows_at_that_instant(moment: datetime, zone: str) -> None:
    text = moment.replace(microsecond=0).isoformat()
    local = moment.replace(microsecond=0, tzinfo=ZoneInfo(zone))
    both = {local.replace(fold=fold).utcoffset() for fold in (0, 1)}
    if len(both) == 2:
        assert refused(wall_clock=text, zone=zone) in ("wall_clock_skipped", "wall_clock_repeated")
        return
    made = resolved(ScheduleRequest(wall_clock=text, zone=zone), NOW)
    assert made.due_at.astimezone(ZoneInfo(zone)).replace(tzinfo=None).isoformat() == text
    assert made.due_at.tzinfo is UTC


def test_the_default_zone_exists_without_system_zone_files() -> None:
    assert ZoneInfo(DEFAULT_ZONE).utcoffset(NOW) == timedelta(hours=8)
