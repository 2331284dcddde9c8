"""Canaries: passed on by whose turn it is and nobody else, missed when late, forgiven when a later one is back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from schemas.internal.canary import CanaryPassed
from services.runtime.canary import canary, passed_on
from services.runtime.kafka.records import Outgoing, Record
from services.watchdog.canary import Canaries, route

NOW = datetime(2026, 11, 11, 2, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def canaries() -> Canaries:
    return Canaries(["toy", "other"], timedelta(seconds=30))


def record(sent: Outgoing) -> Record:
    return Record(sent.topic, sent.partition, 0, sent.key, sent.value, (), NOW)


def flown(start: Outgoing, stages: int, at: datetime) -> list[Outgoing]:
    """The canary and what the first `stages` of its route make of it."""
    records = [start]
    one = decoded(start)
    for service in one.route[:stages]:
        onward = passed_on(records[-1].value, start.partition, service, "0", at)
        assert onward is not None
        records.append(onward)
    return records


def decoded(sent: Outgoing) -> CanaryPassed:
    one = canary(sent.value)
    assert one is not None
    return one


def test_only_the_stage_whose_turn_it_is_passes_a_canary_on(canaries: Canaries) -> None:
    start = canaries.departures(NOW, 3)[0]
    assert passed_on(start.value, 3, "feedback-collector", "0", NOW) is None
    onward = passed_on(start.value, 3, "publisher", "0", NOW)
    assert onward is not None
    assert (onward.partition, decoded(onward).next) == (3, "adapter-toy")
    assert passed_on(onward.value, 3, "publisher", "0", NOW) is None, "read again, it does not go round"
    (*_, last) = flown(start, 4, NOW)
    assert decoded(last).next is None


@pytest.mark.parametrize("value", [None, b"", b"{}", b"\xff", b'{"type":"MasterContent"}'])
def test_what_is_no_canary_on_its_topic_harms_nobody(value: bytes | None) -> None:
    assert passed_on(value, 0, "publisher", "0", NOW) is None


@pytest.mark.parametrize("stages", range(4))
def test_the_stage_behind_which_a_canary_was_lost_is_named_for_its_platform_only(
    canaries: Canaries, stages: int
) -> None:
    toy, other = canaries.departures(NOW, 0)
    for sent in [*flown(toy, stages, NOW), *flown(other, 4, NOW)]:
        canaries.seen(record(sent), NOW)
    assert canaries.lost(after(29)) == []
    (found,) = canaries.lost(after(31))
    names = ("watchdog", *route("toy"))
    assert found.platform == "toy"
    assert found.title_en.endswith(f"last seen by {names[stages]}, not by {names[stages + 1]}")


def test_a_later_canary_that_is_back_ends_the_trouble(canaries: Canaries) -> None:
    canaries.departures(NOW, 0)
    assert len(canaries.lost(after(60))) == 2
    toy, _ = canaries.departures(after(60), 1)
    for sent in flown(toy, 4, after(61)):
        canaries.seen(record(sent), after(61))
    assert [found.platform for found in canaries.lost(after(62))] == ["other"]


def test_canaries_of_an_earlier_life_are_not_missed(canaries: Canaries) -> None:
    before = Canaries(["toy"], timedelta(seconds=30)).departures(NOW, 0)[0]
    canaries.seen(record(before), after(3600))
    assert canaries.lost(after(3600)) == []
