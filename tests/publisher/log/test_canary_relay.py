"""A canary is passed on by a thread of its own: who reads the log neither waits for it nor fails with it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import cast

import msgspec

from schemas.internal.canary import CanaryPassed
from services.publisher.log.canaries import MOST_WAITING, CanaryRelay
from services.publisher.log.writer import LogWriter, OutcomeUnknownError
from services.runtime.kafka.records import Outgoing, Record
from tests.waiting import wait_for

NOW = datetime(2026, 11, 11, 8, tzinfo=UTC)


class _Clock:
    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


class _Writer:
    """Acknowledges when it may; fails for names that begin with `bad`, as a broker or as a bug."""

    def __init__(self) -> None:
        self.may, self.written, self.closed = threading.Event(), list[str](), False

    def pass_on(self, record: Outgoing) -> None:
        assert self.may.wait(60)
        name = (record.key or b"").decode()
        if name.startswith("bad"):
            raise OutcomeUnknownError if name == "bad-1" else OSError("too many open files")
        self.written.append(name)

    def close(self) -> None:
        self.closed = True


def _record(name: str, started_at: datetime = NOW) -> Record:
    one = CanaryPassed(canary_id=name, platform="weibo", route=("publisher", "adapter-weibo"), started_at=started_at)
    return Record("pipeline-canary", 0, 0, name.encode(), msgspec.json.encode(one), (), NOW)


def _relay(writer: _Writer) -> CanaryRelay:
    relay = CanaryRelay(cast(LogWriter, writer), "publisher-0", _Clock())
    relay.start()
    return relay


def test_reading_goes_on_while_an_acknowledgement_is_missing_and_what_finds_no_room_is_lost() -> None:
    writer = _Writer()
    relay = _relay(writer)
    for number in range(3 * MOST_WAITING):
        relay.apply(_record(f"c-{number}"))  # returns although nothing is acknowledged
    writer.may.set()
    wait_for(lambda: len(writer.written) >= MOST_WAITING, "what found room is passed on")
    relay.close(10)
    numbers = [int(name.removeprefix("c-")) for name in writer.written]
    assert numbers == sorted(set(numbers)), "in order, each once"
    assert len(writer.written) <= MOST_WAITING + 1
    assert writer.closed


def test_one_that_fails_ends_nothing_and_old_ones_are_left_alone() -> None:
    writer = _Writer()
    writer.may.set()
    relay = _relay(writer)
    for name in ("bad-1", "bad-2", "good"):
        relay.apply(_record(name))
    relay.apply(_record("yesterday", NOW.replace(day=10)))
    wait_for(lambda: writer.written == ["good"], "the one after the failed ones is passed on")
    relay.close(10)
    assert writer.written == ["good"]


def test_it_can_be_closed_without_having_been_started() -> None:
    writer = _Writer()
    CanaryRelay(cast(LogWriter, writer), "publisher-0").close(1)
    assert writer.closed
