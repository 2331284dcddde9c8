"""The breaker: an account that its platform distrusts pauses itself, by a brake that only a person releases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from schemas.codec import decoder
from schemas.events.commands import BrakeSet
from schemas.events.placement import ErrorClass, Failure, PlacementRecord
from services.adapter.contract.errors import PlatformError
from services.adapter.worker.risk_breaker import ACTOR, RiskBreaker, Trip
from tests.adapter.scripted import START, Loop, Platform, cancel, content

RISK = PlatformError("账号存在风险", error_class="account_risk", sent="yes", scope="account", code="50002")


def _record(number: int, at_s: float = 0, error_class: ErrorClass = "account_risk", **changes: Any) -> PlacementRecord:
    loop = Loop(Platform())
    loop.take(content())
    at = START + timedelta(seconds=at_s)
    failure = Failure(error_class=error_class, message="账号存在风险", scope="account", sent="yes")
    return replace(loop.record, placement_id=f"pl-{number}", occurred_at=at, failure=failure, **changes)


def _answered(breaker: RiskBreaker, record: PlacementRecord) -> Trip | None:
    assert record.failure is not None
    return breaker.note_answer(record, record.failure)


def test_the_third_risk_answer_pauses_the_account_alone() -> None:
    breaker = RiskBreaker()
    assert [_answered(breaker, _record(n, n)) for n in (1, 2)] == [None, None]
    trip = _answered(breaker, _record(3, 3))
    assert trip is not None
    assert (trip.brake.scope.level, trip.brake.scope.platform, trip.brake.scope.account) == ("account", "echo", "tea")
    assert (trip.brake.until, trip.brake.actor) == (None, ACTOR)
    assert trip.alert.evidence == ("pl-1", "pl-2", "pl-3")
    assert trip.brake.command_id in trip.alert.way_out


def test_one_answer_that_is_told_again_and_again_counts_once() -> None:
    breaker = RiskBreaker()
    assert [_answered(breaker, _record(1, n)) for n in range(5)] == [None] * 5


def test_a_second_answer_about_the_same_placement_counts() -> None:
    breaker = RiskBreaker()
    trips = [_answered(breaker, _record(1, n, revision=n + 2)) for n in range(3)]
    assert [trip is not None for trip in trips] == [False, False, True]


def test_what_people_do_with_refused_placements_afterwards_is_no_answer() -> None:
    """Three refused placements paused the account; it is released, and then each of them is cancelled."""
    loop = Loop(Platform(answers={"submit": [RISK] * 3}))
    for n in range(3):
        loop.take(replace(content(), content_id=f"c{n}", event_id=f"c{n}:1"))
    for _ in range(4):
        loop.turn()
    paused = [one for one in loop.topic if one.topic == "operator-command"]
    assert len(paused) == 1
    for n in range(3):
        loop.take(replace(cancel(), content_id=f"c{n}", event_id=f"c{n}:cancel:1"))
        loop.turn()
    assert {record.state for record in loop.records[-3:]} == {"NEEDS_HUMAN"}
    assert [one for one in loop.topic if one.topic == "operator-command"] == paused


def test_answers_far_apart_pause_nothing() -> None:
    breaker = RiskBreaker(within_s=60)
    assert [_answered(breaker, _record(n, n * 40)) for n in range(6)] == [None] * 6


def test_each_account_counts_for_itself() -> None:
    breaker = RiskBreaker()
    assert [_answered(breaker, _record(n, n, account=f"a{n % 2}")) for n in range(4)] == [None] * 4


@pytest.mark.parametrize("error_class", ["content", "quota", "auth", "network_unknown"])
def test_other_failures_are_no_risk(error_class: ErrorClass) -> None:
    breaker = RiskBreaker()
    assert [_answered(breaker, _record(n, n, error_class)) for n in range(5)] == [None] * 5


def test_after_the_release_it_takes_as_many_answers_again() -> None:
    breaker = RiskBreaker()
    trips = [_answered(breaker, _record(n, n)) for n in range(6)]
    assert [trip is not None for trip in trips] == [False, False, True, False, False, True]
    assert len({trip.brake.command_id for trip in trips if trip}) == 2


def test_the_worker_writes_the_brake_and_the_alert() -> None:
    platform = Platform(answers={"submit": [RISK] * 3})
    loop = Loop(platform)
    for n in range(3):
        loop.take(replace(content(), content_id=f"c{n}", event_id=f"c{n}:1"))
    for _ in range(4):
        loop.turn()
    commands = [decoder("operator-command")(one.value or b"") for one in loop.topic if one.topic == "operator-command"]
    alerts = [decoder("engagement-alert")(one.value or b"") for one in loop.topic if one.topic == "engagement-alert"]
    assert [type(command) for command in commands] == [BrakeSet]
    assert [(alert.kind, alert.account) for alert in alerts] == [("account_risk_paused", "tea")]
    assert msgspec.json.encode(commands[0]).find("账号存在风险".encode()) > 0
