"""Operators' commands over HTTP: acknowledged by Kafka or refused with the field named, each once, inside the brand."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import msgspec
import pytest
from structlog.testing import capture_logs

from schemas.events.commands import BrakeReleased, BrakeSet, OperatorCommand, ReleaseRequested
from schemas.events.placement import PlacementRecord, State
from services.runtime.kafka.partitions import partition_of
from services.runtime.kafka.producer import Producer
from services.runtime.kafka.reader import read_topic
from services.runtime.kafka.records import Outgoing
from services.runtime.settings import KafkaSettings
from tests.publisher.conftest import Running
from tests.waiting import wait_for

pytestmark = pytest.mark.kafka
WHY = {"reason": "价格写错了", "actor": "小王"}
NOW = datetime.now(UTC)
PAST = "2001-01-01T00:00:00Z"
Placed = Callable[..., PlacementRecord]


@pytest.fixture
def placed(publisher: Running, kafka: KafkaSettings) -> Placed:
    """`placed("PARKED", parked_by=…)`: a placement as an adapter would have written it, seen by the publisher."""

    def write(state: State = "INTENDED", **more: Any) -> PlacementRecord:
        name = f"pl-{uuid.uuid4().hex[:8]}"
        fields: dict[str, Any] = {
            "event_id": f"{name}:1", "occurred_at": NOW, "observed_at": NOW, "brand_id": "qinghe", "trace_id": "t",
            "campaign_id": "commanded", "placement_id": name, "content_id": name, "content_version": 1,
            "kind": "notice", "platform": "toy", "account": "tea", "slot": "main", "state": state, "since": NOW,
            "due_at": NOW, "late_until": NOW + timedelta(hours=1),
        }  # fmt: skip
        record = PlacementRecord(**(fields | more))
        producer = Producer(kafka, "adapter")
        where = partition_of(record.campaign_id, kafka.partitions)
        producer.send(Outgoing("placement-ledger", msgspec.json.encode(record), record.placement_id.encode(), where))
        producer.close()
        wait_for(
            lambda: publisher.parts.commands._placements.record(record.placement_id) == record,
            "the publisher has read the record",
        )
        return record

    return write


def written(kafka: KafkaSettings) -> list[Any]:
    decode = msgspec.json.Decoder(OperatorCommand).decode
    return [decode(raw.value or b"") for raw in read_topic(kafka, "operator-command")]


def brand() -> str:
    return f"b-{uuid.uuid4().hex[:8]}"


def brake(brand_id: str, **more: Any) -> dict[str, Any]:
    return {"kind": "brake_set", "brand_id": brand_id, "scope": {"level": "brand"}} | WHY | more


def test_a_brake_is_on_the_log_when_202_is_answered_and_listed_until_it_is_released(
    publisher: Running, kafka: KafkaSettings, placed: Placed
) -> None:
    mine = brand()
    waiting = placed(brand_id=mine)
    foreseen = publisher.http.post("/commands/check", json=brake(mine))
    assert (foreseen.status_code, foreseen.json()["affected"]) == (200, 1)
    assert not [one for one in written(kafka) if one.brand_id == mine], "a rehearsal writes nothing"
    answer = publisher.http.post("/commands", json=brake(mine))
    assert answer.status_code == 202
    assert [one["state_after"] for one in answer.json()["effects"]] == ["PARKED"]
    [command] = [one for one in written(kafka) if one.brand_id == mine]
    assert (type(command), command.command_id) == (BrakeSet, answer.json()["command_id"])
    parked = placed(
        "PARKED", brand_id=mine, placement_id=waiting.placement_id, parked_by=command.command_id, revision=2
    )
    assert parked.parked_by == command.command_id

    def mine_on() -> list[dict[str, Any]]:
        return [one for one in publisher.http.get("/brakes").json()["brakes"] if one["brand_id"] == mine]

    wait_for(lambda: [one["parked"] for one in mine_on()] == [1], "one placement is parked")
    release = {"kind": "brake_release", "brake_id": command.command_id} | WHY
    assert publisher.http.post("/commands", json=release).status_code == 202
    assert mine_on() == []


def test_a_staged_release_gives_each_parked_placement_a_time_of_its_own_before_the_brake_goes_off(
    publisher: Running, kafka: KafkaSettings, placed: Placed
) -> None:
    mine = brand()
    on = publisher.http.post("/commands", json=brake(mine)).json()["command_id"]
    parked = [placed("PARKED", brand_id=mine, parked_by=on).placement_id for _ in range(4)]
    release = {"kind": "brake_release", "brake_id": on, "over_s": 600} | WHY
    answer = publisher.http.post("/commands", json=release)
    assert (answer.status_code, answer.json()["affected"]) == (202, 4)
    *staged, off = [one for one in written(kafka) if one.brand_id == mine][1:]
    assert isinstance(off, BrakeReleased)
    assert all(isinstance(one, ReleaseRequested) for one in staged)
    assert sorted(one.placement_id for one in staged) == sorted(parked)
    gaps = {(b.due_at - a.due_at).total_seconds() for a, b in pairwise(staged)}
    assert gaps == {150.0}


def test_the_same_command_id_is_one_command_and_other_words_under_it_are_a_conflict(
    publisher: Running, kafka: KafkaSettings, placed: Placed
) -> None:
    record, name = placed("REJECTED"), f"mine-{uuid.uuid4().hex[:8]}"
    order = {"kind": "cancel", "placement_id": record.placement_id, "command_id": name} | WHY
    first, again = (publisher.http.post("/commands", json=order) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.headers["idempotent-replayed"] == "true"
    other = publisher.http.post("/commands", json=order | {"reason": "别的"})
    assert (other.status_code, other.json()["problems"][0]["field"]) == (409, "command_id")
    assert len([one for one in written(kafka) if one.command_id == name]) == 1


def test_an_id_that_another_brand_has_taken_is_free_for_ones_own_emergency_brake(
    publisher: Running, kafka: KafkaSettings
) -> None:
    theirs, mine = brand(), brand()
    name = f"brake-{uuid.uuid4().hex[:8]}"
    assert publisher.http.post("/commands", json=brake(theirs) | {"command_id": name}).status_code == 202
    with publisher.holding("operate", brands=(mine,)) as holder:
        first, again = (holder.post("/commands", json=brake(mine) | {"command_id": name}) for _ in range(2))
        assert (first.status_code, again.status_code) == (202, 202), first.text
        assert again.headers["idempotent-replayed"] == "true"
        given = first.json()["command_id"]
        assert [one["brake_id"] for one in holder.get("/brakes").json()["brakes"]] == [given]
        assert holder.post("/commands", json=brake(mine) | {"command_id": given}).status_code == 422, "not to be chosen"
        breakers = holder.post("/commands", json=brake(mine) | {"command_id": f"risk:{name}"})
        assert breakers.status_code == 422, "it would take the place of a brake that an adapter sets"
        other = holder.post("/commands", json=brake(mine) | {"command_id": name, "reason": "别的"})
        assert (other.status_code, other.json()["problems"][0]["field"]) == (409, "command_id")
        release = {"kind": "brake_release", "brake_id": given} | WHY
        assert holder.post("/commands", json=release).status_code == 202
        assert holder.get("/brakes").json()["brakes"] == []
    assert [one.brand_id for one in written(kafka) if one.command_id == name] == [theirs]


def test_a_line_says_by_whose_token_a_command_was_accepted(publisher: Running) -> None:
    mine = brand()
    with publisher.holding("operate", brands=(mine,)) as holder, capture_logs() as logs:
        assert holder.post("/commands", json=brake(mine) | {"actor": "boss"}).status_code == 202
    (line,) = [one for one in logs if one["event"] == "write_accepted"]
    assert (line["operation"], line["kind"], line["actor"]) == ("command", "brake_set", "boss")
    assert line["granted_to"] not in ("", "boss", None)


def test_a_brake_foretells_parked_only_for_what_is_due_by_now(publisher: Running, placed: Placed) -> None:
    mine, now = brand(), datetime.now(UTC)
    due = placed(brand_id=mine)
    later = placed(brand_id=mine, due_at=now + timedelta(hours=3), next_attempt_at=now + timedelta(hours=3))

    def foreseen(**more: Any) -> dict[str, tuple[str, str]]:
        answer = publisher.http.post("/commands/check", json=brake(mine, **more)).json()
        return {one["placement_id"]: (one["state_after"], one["note"]) for one in answer["effects"]}

    found = foreseen()
    assert found[due.placement_id][0] == "PARKED"
    assert found[later.placement_id][0] == "INTENDED"
    assert "会被拦下" in found[later.placement_id][1]
    short = foreseen(until=(now + timedelta(hours=1)).isoformat())
    assert short[later.placement_id][0] == "INTENDED"
    assert "不受影响" in short[later.placement_id][1]


@pytest.mark.parametrize(
    ("order", "field"),
    [
        ({"kind": "brake_set", "brand_id": "qinghe"}, "scope"),
        ({"kind": "brake_set", "scope": {"level": "brand"}}, "brand_id"),
        ({"kind": "brake_set", "brand_id": "qinghe", "scope": {"level": "account", "account": "tea"}}, "scope"),
        ({"kind": "brake_set", "brand_id": "qinghe", "scope": {"level": "brand"}, "until": PAST}, "until"),
        ({"kind": "retry"}, "placement_id"),
        ({"kind": "retry", "placement_id": "pl-1", "text": "x"}, "text"),
        ({"kind": "confirm", "placement_id": "pl-1"}, "post"),
        ({"kind": "reply", "placement_id": "pl-1", "text": "x"}, "comment_id"),
        ({"kind": "brake_release"}, "brake_id"),
        ({"kind": "explode"}, "kind"),
    ],
)  # fmt: skip
def test_what_is_missing_or_does_not_belong_is_named(publisher: Running, order: dict[str, Any], field: str) -> None:
    answer = publisher.http.post("/commands", json=order | WHY)
    assert answer.status_code == 422
    told = answer.json()["problems"]
    assert [one["field"] for one in told] == [field]
    assert all(one["message"] and one["message_en"] and one["way_out"] for one in told)


def test_a_command_needs_the_role_and_the_brand(publisher: Running, kafka: KafkaSettings, placed: Placed) -> None:
    record = placed("REJECTED")
    order = {"kind": "retry", "placement_id": record.placement_id, "command_id": f"k-{uuid.uuid4().hex}"} | WHY
    on = publisher.http.post("/commands", json=brake("qinghe", scope={"level": "campaign", "campaign_id": "none"}))

    def status(http: httpx.Client, body: dict[str, Any]) -> int:
        return http.post("/commands", json=body).status_code

    release = {"kind": "brake_release", "brake_id": on.json()["command_id"]} | WHY
    with (
        publisher.holding("publish", "approve", "read") as others,
        publisher.holding("operate", brands=("acme",)) as acme,
    ):
        assert status(others, order) == 403
        assert [status(acme, one) for one in (order, brake("qinghe"), release)] == [403, 403, 403]
        assert acme.get("/brakes").json()["brakes"] == []
    assert not [one for one in written(kafka) if one.command_id == order["command_id"]]
    with publisher.holding("operate", brands=("qinghe",)) as operator:
        assert [status(operator, one) for one in (order, release)] == [202, 202]


def test_what_cannot_be_carried_out_is_said_beforehand(publisher: Running, placed: Placed) -> None:
    record = placed("UNKNOWN")
    foreseen = publisher.http.post("/commands/check", json={"kind": "retry", "placement_id": record.placement_id} | WHY)
    [effect] = foreseen.json()["effects"]
    assert (effect["state_after"], "没有执行" in effect["note"]) == ("UNKNOWN", True)
    missing = publisher.http.post("/commands/check", json={"kind": "retry", "placement_id": "pl-none"} | WHY)
    assert missing.status_code == 404
