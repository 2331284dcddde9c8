"""Orders at the command line: shown before they are given, refused with the option named, on the log once given."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from schemas.events.commands import BrakeReleased, BrakeSet, ReleaseRequested, RetryRequested
from schemas.events.placement import PlacementRecord
from services.runtime.kafka.partitions import partition_of
from services.runtime.kafka.producer import Producer
from services.runtime.kafka.records import Outgoing
from services.runtime.settings import KafkaSettings
from tests.cli.conftest import Run
from tests.publisher.desks.test_commands import written
from tests.waiting import wait_for

NOW = datetime.now(UTC)


def placed(kafka: KafkaSettings, brand: str, **more: Any) -> str:
    """A placement as an adapter would have written it."""
    name = f"pl-{uuid.uuid4().hex[:8]}"
    fields: dict[str, Any] = {
        "event_id": f"{name}:1", "occurred_at": NOW, "observed_at": NOW, "brand_id": brand, "trace_id": "t",
        "campaign_id": "ordered", "placement_id": name, "content_id": name, "content_version": 1, "kind": "notice",
        "platform": "weibo", "account": "qinghe-tea", "slot": "main", "state": "INTENDED", "since": NOW,
        "due_at": NOW, "late_until": NOW + timedelta(hours=1),
    }  # fmt: skip
    record = PlacementRecord(**(fields | more))
    producer = Producer(kafka, "adapter")
    where = partition_of(record.campaign_id, kafka.partitions)
    producer.send(Outgoing("placement-ledger", msgspec.json.encode(record), record.placement_id.encode(), where))
    producer.close()
    return record.placement_id


@pytest.mark.kafka
def test_a_brake_is_foreseen_set_listed_and_released_in_stages(
    running: str, tongbo: Run, kafka_settings: KafkaSettings
) -> None:
    brand = f"b-{uuid.uuid4().hex[:8]}"
    waiting = [placed(kafka_settings, brand) for _ in range(3)]
    why = ("--brand", brand, "--platform", "weibo", "--reason", "价格有误", "--actor", "li")

    def foreseen() -> Any:
        return json.loads(tongbo("brake", "set", *why, "--dry-run", "--json").out)

    wait_for(lambda: foreseen()["affected"] == 3, "the brake affects three placements")
    shown = tongbo("brake", "set", *why, "--dry-run")
    assert "涉及 3 个发布位" in shown.out
    assert not [one for one in written(kafka_settings) if one.brand_id == brand]
    given = json.loads(tongbo("brake", "set", *why, "--json").out)
    on = given["command_id"]
    for name in waiting:
        placed(kafka_settings, brand, placement_id=name, state="PARKED", parked_by=on, revision=2)
    wait_for(
        lambda: "3" in tongbo("brake", "list").out and on in tongbo("brake", "list").out,
        "the list shows the brake with three placements",
    )
    wait_for(
        lambda: (
            [b["parked"] for b in json.loads(tongbo("brake", "list", "--json").out)["brakes"] if b["brake_id"] == on]
            == [3]
        ),
        "the publisher shows it as well",
    )
    released = tongbo("brake", "release", on, "--over", "10m", "--reason", "已更正")
    assert (released.code, "涉及 3 个发布位" in released.out) == (0, True)
    kinds = [type(one) for one in written(kafka_settings) if one.brand_id == brand]
    assert kinds == [BrakeSet, *[ReleaseRequested] * 3, BrakeReleased]
    assert on not in tongbo("brake", "list").out


@pytest.mark.kafka
def test_an_order_about_a_placement_says_what_will_come_of_it(
    running: str, tongbo: Run, kafka_settings: KafkaSettings
) -> None:
    name = placed(kafka_settings, "qinghe", state="UNKNOWN")
    order = ("retry", name, "--reason", "再试", "--dry-run")
    wait_for(lambda: tongbo(*order).code == 0, "the command is accepted")
    assert "没有执行" in tongbo(*order).out
    assert tongbo("retry", name, "--reason", "再试", "--command-id", f"k-{name}").code == 0
    assert tongbo("retry", name, "--reason", "再试", "--command-id", f"k-{name}", "--actor", "别人").code == 1
    given = [one for one in written(kafka_settings) if one.command_id == f"k-{name}"]
    assert [type(one) for one in given] == [RetryRequested]
    missing = tongbo("retract", "pl-nobody", "--reason", "x")
    assert (missing.code, "pl-nobody" in missing.err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("brake", "set", "--brand", "qinghe", "--account", "tea", "--reason", "x"), "--platform"),
        (("brake", "set", "--brand", "qinghe", "--until", "tomorrow", "--reason", "x"), "--until"),
        (("brake", "set", "--brand", "qinghe", "--until", "2026-11-11T10:00", "--reason", "x"), "--until"),
        (("brake", "release", "k1", "--over", "soon", "--reason", "x"), "--over"),
        (("release", "pl-1", "--at", "25 o'clock", "--reason", "x"), "--at"),
        (("cancel", "pl-1"), "--reason"),
    ],
)
def test_what_is_wrong_names_the_option(tongbo: Run, arguments: tuple[str, ...], named: str) -> None:
    outcome = tongbo(*arguments)
    assert (outcome.code, named in outcome.err) == (2, True)


@pytest.mark.parametrize("command", ["cancel", "retract", "retry", "confirm", "deny", "release", "reply", "brake"])
def test_help_teaches_in_both_languages_with_an_example(tongbo: Run, command: str) -> None:
    shown = tongbo(command, "--help").out
    assert f"tongbo {command}" in shown
    assert "--reason" in shown
    assert "例" in shown
