"""From a platform's call to its answer: nothing is acknowledged before Kafka has it, and no replay passes for news."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY, generate_latest

from schemas.codec import decoder
from schemas.internal.callback import PlatformCallback
from services.adapter.contract.accounts import Account, Accounts
from services.adapter.contract.adapter import Adapter
from services.adapter.contract.callbacks import (
    AuthorisationChanged,
    CallbackAnswer,
    CallbackEvent,
    CallbackRefusedError,
    CallbackRequest,
    CommentArrived,
    Received,
)
from services.adapter.contract.feedback import Comment
from services.feedback_collector.callbacks import desk as desk_module
from services.feedback_collector.callbacks.desk import Address, CallbackHandler
from services.feedback_collector.callbacks.memory import REPEATED_WITHIN, Memory
from services.feedback_collector.callbacks.verdicts import Verdicts
from services.feedback_collector.records.pseudonyms import Pseudonyms
from services.runtime.clock import ManualClock
from services.runtime.kafka.errors import KafkaUnavailable
from services.runtime.kafka.records import Outgoing

NOW = datetime(2026, 3, 21, 2, 0, tzinfo=UTC)
TEA = Address("toy", "tea")
COMMENT = CommentArrived("p1", Comment("c1", "person-77", "好喝", NOW))


@dataclass
class Toy:
    """A platform whose calls are what their body says: `<secret> <identity> <proof>`."""

    callbacks: Any = None
    events: tuple[CallbackEvent, ...] = (COMMENT,)

    def receive(self, account: Account, request: CallbackRequest, now: datetime) -> Received:
        secret, identity, proof = ([*request.body.decode().split(" "), "", ""])[:3]
        if secret != account.app_secret:
            raise CallbackRefusedError("signature_wrong")
        return Received(CallbackAnswer(b"success"), identity, self.events, proof=proof)


@dataclass
class Bench:
    """A desk with a log in memory. failing: Kafka is away."""

    toy: Toy = field(default_factory=Toy)
    log: list[Outgoing] = field(default_factory=list)
    failing: bool = False

    def __post_init__(self) -> None:
        self.toy.callbacks = self.toy
        accounts = Accounts(tuple(
            Account(platform="toy", account=name, brand_id=brand, way="x", app_id=app, app_secret=secret)
            for name, brand, app, secret in
            (("tea", "qinghe", "1", "s1"), ("tea-two", "qinghe", "1", "s2"), ("foe", "foe", "2", "s3"))
        ))  # fmt: skip
        verdicts = Verdicts(cast(Mapping[str, Adapter], {"toy": self.toy}), accounts, Pseudonyms(b"0123456789abcdef"))
        self.desk = CallbackHandler(verdicts, Memory(), self._write, ManualClock(NOW))

    def _write(self, records: list[Outgoing]) -> None:
        if self.failing:
            raise KafkaUnavailable("away")
        self.log += records

    def call(self, body: str, to: Address = TEA) -> int:
        return self.desk.answer(to, CallbackRequest("POST", {}, {}, body.encode())).status

    def written(self) -> list[PlatformCallback]:
        return [decoder("platform-callback")(one.value or b"") for one in self.log]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_nothing_is_acknowledged_that_kafka_does_not_have(bench: Bench) -> None:
    bench.failing = True
    assert bench.call("s1 one") == 503
    bench.failing = False
    assert bench.call("s1 one") == 200, "the platform's next try must count as the first"
    assert len(bench.log) == 1


def test_a_call_repeated_by_the_platform_is_acknowledged_and_written_once(bench: Bench) -> None:
    assert [bench.call("s1 one") for _ in range(3)] == [200, 200, 200]
    assert len(bench.log) == 1


def test_a_call_replayed_later_is_refused_and_counted(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = ManualClock(NOW)
    monkeypatch.setattr(desk_module, "_MACHINE", machine)
    bench.call("s1 one")
    before = counted("tongbo_callbacks_refused_total", platform="toy", reason="replayed")
    machine.advance((REPEATED_WITHIN + timedelta(seconds=1)).total_seconds())
    assert bench.call("s1 one") == 403
    assert len(bench.log) == 1
    assert counted("tongbo_callbacks_refused_total", platform="toy", reason="replayed") == before + 1


def test_other_words_under_a_signature_seen_before_are_refused(bench: Bench) -> None:
    """A signature over time and nonce alone vouches for any body."""
    assert bench.call("s1 one nonce-1") == 200
    assert bench.call("s1 two nonce-1") == 403
    assert bench.call("s1 one nonce-1") == 200
    assert bench.call("s1 two nonce-2") == 200
    assert [one.identity for one in bench.written()] == ["one", "two"]


def test_a_wrong_signature_is_refused_counted_and_written_nowhere(bench: Bench) -> None:
    before = counted("tongbo_callbacks_refused_total", platform="toy", reason="signature_wrong")
    assert bench.call("wrong one") == 403
    assert bench.log == []
    assert counted("tongbo_callbacks_refused_total", platform="toy", reason="signature_wrong") == before + 1


def test_addresses_that_nobody_has_are_no_new_row_of_the_metrics(bench: Bench) -> None:
    before = counted("tongbo_callbacks_refused_total", platform="unknown", reason="unknown_address")
    assert bench.call("s1 one", Address("no_such", "tea")) == 404
    assert counted("tongbo_callbacks_refused_total", platform="unknown", reason="unknown_address") == before + 1
    assert bench.call("s1 one", Address("toy", "nobody")) == 403
    assert 'platform="toy",reason="unknown' not in generate_latest().decode()


def test_an_account_that_is_not_ours_is_refused_like_a_stranger_by_one_that_is(bench: Bench) -> None:
    for body in (b"", b"s1 one", b"wrong one", b"\xff", "好".encode()):
        request = CallbackRequest("POST", {}, {}, body)
        answers = {bench.desk.answer(Address("toy", name), request) for name in ("nobody", "somebody", "foe")}
        assert len(answers) == 1, body


def test_one_address_of_an_app_serves_its_other_accounts_and_no_other_app_s(bench: Bench) -> None:
    assert bench.call("s2 one") == 200
    assert bench.written()[0].account == "tea-two"
    assert bench.call("s3 two") == 403


def test_no_id_of_a_person_reaches_the_topic(bench: Bench) -> None:
    bench.call("s1 one")
    assert bench.log
    assert not any(b"person-77" in (one.value or b"") for one in bench.log)
    (written,) = bench.written()
    assert written.comment is not None
    assert written.comment.author == Pseudonyms(b"0123456789abcdef").of("qinghe", "toy", "person-77")


def test_what_no_reader_could_read_is_refused_not_written(bench: Bench) -> None:
    bench.toy.events = (CommentArrived("", Comment("c1", "u", "", NOW)),)
    assert bench.call("s1 one") == 400
    bench.toy.events = (CommentArrived("p1", Comment("c1", "u", "\ud800", NOW)),)
    assert bench.call("s1 two") == 400
    bench.toy.events = (CommentArrived("p1", Comment("c1", "u", "长" * 100_000, NOW)),)
    assert bench.call("s1 three") == 413
    assert bench.log == []


def test_what_is_not_proven_stays_unproven_on_the_topic(bench: Bench) -> None:
    bench.toy.events = (AuthorisationChanged(granted=False, proven=False),)
    bench.call("s1 one")
    (written,) = bench.written()
    assert written.authorisation is not None
    assert not written.authorisation.proven


def test_the_memory_does_not_grow_without_end() -> None:
    memory = Memory(most=2)
    for name in ("a", "b", "c"):
        memory.note(name, f"proof-{name}", NOW)
    assert memory.standing("a", "", NOW) == "new"
    assert memory.standing("c", "", NOW) == "repeated"
    assert memory.standing("x", "proof-c", NOW) == "replayed"
    assert memory.standing("x", "proof-a", NOW) == "new"
