"""A request in doubt is not written again before the log has settled whether it is there."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from schemas.codec import encode
from schemas.events.content import CampaignDefined
from services.publisher.api.problems import RequestRefusedError
from services.publisher.desks.unconfirmed import UNDECIDED_S, UnconfirmedWrites
from services.publisher.log.accepted import ANSWER_HEADER, AcceptedLog, campaign_identity, compressed
from services.runtime.clock import ManualClock
from services.runtime.kafka.errors import KafkaUnavailable
from services.runtime.kafka.records import Record

NOW = datetime(2026, 11, 1, tzinfo=UTC)
OWN = campaign_identity("c")
EVENT = CampaignDefined(
    event_id="campaign-defined:c", occurred_at=NOW, observed_at=NOW, brand_id="b", campaign_id="c", trace_id="t",
    name="n",
)  # fmt: skip
RECORD = Record("master-content", 3, 7, b"c", encode(EVENT), ((ANSWER_HEADER, compressed(b"{}")),), NOW)


class Log:
    """What reading the partition finds."""

    def __init__(self, *records: Record, away: bool = False) -> None:
        self.records, self.away, self.read = records, away, list[int]()

    def __call__(self, partition: int) -> tuple[Record, ...]:
        self.read.append(partition)
        if self.away:
            raise KafkaUnavailable("away")
        return self.records


def made(log: Log) -> tuple[UnconfirmedWrites, AcceptedLog, ManualClock]:
    register, clock = AcceptedLog(), ManualClock(NOW)
    doubts = UnconfirmedWrites(register, clock, log)
    doubts.opened([OWN], 3)
    return doubts, register, clock


def test_while_the_record_may_be_on_its_way_the_answer_stays_unknown() -> None:
    doubts, _, clock = made(log := Log())
    clock.advance(UNDECIDED_S - 1)
    with pytest.raises(RequestRefusedError) as caught:
        doubts.settle([OWN])
    assert (caught.value.status, caught.value.retry_after_s) == (503, 5)
    assert log.read == []


def test_once_it_was_seen_there_is_no_doubt() -> None:
    doubts, register, _ = made(Log())
    register.apply(RECORD)
    doubts.settle([OWN])
    assert register.entry(OWN) is not None


def test_after_the_time_the_log_itself_is_asked_before_anything_is_written() -> None:
    doubts, register, clock = made(log := Log(RECORD))
    clock.advance(UNDECIDED_S)
    doubts.settle([OWN])
    assert log.read == [3]
    entry = register.entry(OWN)
    assert entry is not None
    assert entry.answer == b"{}"


def test_a_record_that_never_arrived_may_be_written_again() -> None:
    doubts, register, clock = made(Log())
    clock.advance(UNDECIDED_S)
    doubts.settle([OWN])
    assert register.entry(OWN) is None
    doubts.settle([OWN])


def test_without_an_answer_from_the_log_the_doubt_stays() -> None:
    doubts, _, clock = made(Log(away=True))
    clock.advance(UNDECIDED_S)
    for _ in range(2):
        with pytest.raises(RequestRefusedError):
            doubts.settle([OWN])
