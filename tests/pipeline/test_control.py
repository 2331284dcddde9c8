"""Cancels and brakes in the last second, on the real broker against real requests: none leaves against the word."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import msgspec
import pytest

from schemas.events.commands import BrakeReleased, BrakeScope, BrakeSet, CancelRequested, ReleaseRequested
from schemas.events.content import ContentCancelled, MasterContent
from schemas.events.placement import PlacementRecord
from services.adapter.commands.freshness import WITHIN_S
from services.runtime.kafka.partitions import partition_of
from services.runtime.kafka.producer import Producer
from services.runtime.kafka.records import Outgoing
from tests.pipeline.stack import ACCOUNTS, PARTITIONS, Stack, content

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

CANCELS, BRAKED = 100, 200
CALLS, PER_S = 15, 1.0  # the budget makes calls wait inside the client: also then the last word counts
RELEASED_OVER_S = 5.0
POSTING = "statuses/update"
# Few calls at a time and patient ones: on a busy machine a lost answer is another story, told in test_lost_answers.
SETTINGS = {"TONGBO_MOST_CALLS": "16", "TONGBO_CALL_TIMEOUT_S": "30"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("control")
    with Stack(folder, speed=1.0) as running:
        running.start_kafka()
        running.start("adapter_weibo", env=SETTINGS | {"TONGBO_ACCOUNTS": str(_limited(folder))})
        yield running


def _limited(folder: Path) -> Path:
    declared = msgspec.yaml.decode(ACCOUNTS.read_bytes())
    for account in declared["accounts"]:
        if (account["platform"], account["account"]) == ("weibo", "qinghe-tea"):
            account["options"] |= {"budget.update": f"{CALLS}/{PER_S}", "budget.*": "100000/3600"}
    path = folder / "accounts.yaml"
    path.write_bytes(msgspec.yaml.encode(declared))
    return path


def _planned(stack: Stack, name: str, count: int, due_in_s: float) -> dict[str, PlacementRecord]:
    """So many placements, known to the adapter and not yet due."""
    contents = [
        content(f"{name}{n}", [("weibo", "qinghe-tea")], campaign_id=f"{name}-{n % 8}", due_in_s=due_in_s)
        for n in range(count)
    ]
    with _producer(stack) as producer:
        producer.send_many([_outgoing(one) for one in contents])
    return stack.wait(f"{count} planned", lambda: _of(stack, name, count))


def _of(stack: Stack, name: str, count: int) -> dict[str, PlacementRecord] | None:
    found = {key: one for key, one in stack.ledger().items() if one.campaign_id.startswith(f"{name}-")}
    return found if len(found) == count else None


def _settled(stack: Stack, name: str, count: int, *states: str) -> dict[str, PlacementRecord] | None:
    found = _of(stack, name, count) or {}
    return found if found and all(one.state in states for one in found.values()) else None


def _outgoing(event: MasterContent | ContentCancelled) -> Outgoing:
    partition = partition_of(event.campaign_id, PARTITIONS)
    return Outgoing("master-content", msgspec.json.encode(event), event.content_id.encode(), partition)


def _order(command: Any) -> Outgoing:
    return Outgoing("operator-command", msgspec.json.encode(command), command.command_id.encode(), 0)


class _producer:  # noqa: N801 - reads as the function it stands for
    def __init__(self, stack: Stack) -> None:
        self._producer = Producer(stack.kafka, "operator")

    def __enter__(self) -> Producer:
        return self._producer

    def __exit__(self, *_: object) -> None:
        self._producer.close()


class _Onlooker:
    """Asks the simulator for the time again and again, to know how long an answer takes while the machine is busy."""

    def __init__(self, stack: Stack) -> None:
        self._url, self._over = f"{stack.simulator.url}/_sim/clock", threading.Event()
        self._seen: list[tuple[datetime, timedelta]] = []
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> _Onlooker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def slowest(self, begin: datetime, end: datetime) -> timedelta:
        """The longest answer of those that were asked for at that time or waited for at its beginning."""
        return max(took for asked, took in self._seen if asked <= end and asked + took >= begin)

    def _look(self) -> None:
        while not self._over.wait(0.02):
            asked = datetime.now(UTC)
            with urlopen(self._url, timeout=60) as answer:
                answer.read()
            self._seen.append((asked, datetime.now(UTC) - asked))


def _facts(command_id: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "event_id": command_id, "command_id": command_id, "occurred_at": now, "observed_at": now,
        "brand_id": "qinghe", "trace_id": command_id, "actor": "li", "reason": "价格有误",
    }  # fmt: skip


def _cancels(records: Sequence[PlacementRecord]) -> list[Outgoing]:
    """Half of them cancel the placement, half the whole content."""
    found = []
    for number, record in enumerate(records):
        if number % 2:
            facts = _facts(f"cancel-{record.placement_id}")
            found.append(
                _order(CancelRequested(**facts, campaign_id=record.campaign_id, placement_id=record.placement_id))
            )
        else:
            now = datetime.now(UTC)
            found.append(
                _outgoing(
                    ContentCancelled(
                        event_id=f"{record.content_id}:cancel", occurred_at=now, observed_at=now, brand_id="qinghe",
                        campaign_id=record.campaign_id, trace_id="t", content_id=record.content_id, version=1,
                        reason="价格有误", actor="li",
                    )
                )
            )  # fmt: skip
    return found


def _posts(stack: Stack, name: str) -> list[str]:
    """The texts of all posts of these contents that were ever made."""
    return [post.text for post in stack.posts("weibo") if f"第{name}" in post.text]


def _calls(stack: Stack) -> list[datetime]:
    """When each request that posts was answered; the simulator answers at once."""
    return sorted(
        kept.real_time for kept in stack.simulator.simulation.calls if (kept.endpoint or "").startswith(POSTING)
    )


def test_a_hundred_cancels_one_second_before_due_and_none_is_posted(stack: Stack) -> None:
    stack.wait("the adapter is up", lambda: stack.log_of("adapter_weibo-0").read_text().count("partitions_assigned"))
    for name in ("c", "d", "e"):  # on a busy machine a hundred acknowledgements may take longer than the second
        if _cancelled_in_time(stack, name):
            break
    else:
        raise AssertionError("acknowledged too late, three times: the hazard did not happen")
    after = stack.wait("all final", lambda: _settled(stack, name, CANCELS, "CANCELLED", "LIVE", "REMOVED"))
    assert Counter(one.state for one in after.values()) == {"CANCELLED": CANCELS}
    assert _posts(stack, name) == []


def _cancelled_in_time(stack: Stack, name: str) -> bool:
    """Whether all cancels, sent one second before the placements are due, were acknowledged in time to count.

    A call leaves on a view of the commands that is half a second old at most.
    """
    records = _planned(stack, name, CANCELS, due_in_s=20)
    due_at = next(iter(records.values())).due_at
    cancels = _cancels(list(records.values()))
    with _producer(stack) as producer:
        producer.send(_order(BrakeReleased(**_facts(f"warm-{name}"), brake_id="none")))  # connected to both topics
        producer.send(_outgoing(content(f"{name}0", [("weibo", "qinghe-tea")], campaign_id=f"{name}-0")))
        time.sleep(max(0.0, (due_at - timedelta(seconds=1) - datetime.now(UTC)).total_seconds()))  # to that very moment
        producer.send_many(cancels)
        return datetime.now(UTC) < due_at - timedelta(seconds=WITHIN_S)


def test_nothing_leaves_a_second_after_a_brake_all_is_parked_and_a_staged_release_gives_new_times(
    stack: Stack,
) -> None:
    before = len(_calls(stack))
    _planned(stack, "b", BRAKED, due_in_s=20)
    brake = BrakeSet(**_facts("stop"), scope=BrakeScope(level="platform", platform="weibo"))
    with _producer(stack) as producer, _Onlooker(stack) as onlooker:
        producer.send(_order(BrakeReleased(**_facts("warm-brake"), brake_id="none")))  # connected to the topic
        stack.wait("the first posts", lambda: len(_posts(stack, "b")) >= 3)
        producer.send(_order(brake))
        acknowledged = datetime.now(UTC)
        records = stack.wait("all live or parked", lambda: _settled(stack, "b", BRAKED, "LIVE", "PARKED"))
        parked = {key: one for key, one in records.items() if one.state == "PARKED"}
        posts, calls = _posts(stack, "b"), _calls(stack)[before:]
        second_later = acknowledged + timedelta(seconds=1)  # half of it is for a call to be on its way
        assert calls[-1] <= second_later + onlooker.slowest(acknowledged, second_later)
        assert (len(posts), len(posts) + len(parked)) == (BRAKED - len(parked), BRAKED)
        assert len(parked) > BRAKED / 2, "the brake came too late to mean anything"
        assert {one.parked_by for one in parked.values()} == {"stop"}
        assert any(one.first_called_at for one in parked.values()), "none was stopped after its record"
        begin = datetime.now(UTC)
        due = {
            key: begin + timedelta(seconds=RELEASED_OVER_S * n / len(parked)) for n, key in enumerate(sorted(parked))
        }
        producer.send_many(
            [
                *(
                    _order(
                        ReleaseRequested(
                            **_facts(f"go-{key}"), campaign_id=one.campaign_id, placement_id=key, due_at=due[key]
                        )
                    )
                    for key, one in parked.items()
                ),
                _order(BrakeReleased(**_facts("go"), brake_id="stop")),
            ]
        )
    after = stack.wait("all live", lambda: _settled(stack, "b", BRAKED, "LIVE"))
    assert len(_posts(stack, "b")) == BRAKED, "each once"
    assert all(after[key].due_at >= due[key] for key in parked)
    late = _calls(stack)[before + len(calls) :]
    assert all(at >= plan for at, plan in zip(late, sorted(due.values()), strict=True)), "none before its new time"
