"""A run must not begin with what an earlier one left on the broker, and one that stands still must end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

from benchmarks.broker.leftovers import LeftBehind, forget_groups, remove_topics
from benchmarks.runs.liveness import STALL_S, Liveness
from services.runtime.embedded_broker import EmbeddedBroker
from services.runtime.kafka.admin import ensure_topics
from services.runtime.settings import KafkaSettings
from tests.conftest import Layout
from tests.waiting import wait_for


@pytest.fixture
def admin(broker: EmbeddedBroker) -> Iterator[Any]:
    client = KafkaAdminClient(bootstrap_servers=[broker.bootstrap])
    yield client
    client.close()


def groups(admin: Any, prefix: str) -> set[str]:
    return {one["group_id"] for one in admin.list_groups() if one["group_id"].startswith(prefix)}


def commit(broker: EmbeddedBroker, group: str, topic: str) -> None:
    consumer = KafkaConsumer(bootstrap_servers=[broker.bootstrap], group_id=group, enable_auto_commit=False)
    consumer.commit({TopicPartition(topic, 0): OffsetAndMetadata(7, "", -1)})
    consumer.close()


def test_the_next_run_finds_no_offsets_of_any_group_of_the_run_before(
    broker: EmbeddedBroker, kafka_settings: KafkaSettings, admin: Any, unique: str
) -> None:
    topic = f"run-{unique}-feedback"
    ensure_topics(kafka_settings, [Layout(topic)])
    for group in (f"run-{unique}-streams", f"run-{unique}-warm", f"other-{unique}"):
        commit(broker, group, topic)
    forget_groups(admin, f"run-{unique}-", within_s=60)
    assert groups(admin, f"run-{unique}-") == set()
    assert groups(admin, f"other-{unique}") == {f"other-{unique}"}, "a group of somebody else"


def test_a_group_that_still_has_a_member_stops_the_run_instead_of_going_into_it(
    broker: EmbeddedBroker, kafka_settings: KafkaSettings, admin: Any, unique: str
) -> None:
    topic = f"run-{unique}-feedback"
    ensure_topics(kafka_settings, [Layout(topic)])
    member = KafkaConsumer(  # may ask for the topic before the broker knows it, and asks again only at that age
        topic, bootstrap_servers=[broker.bootstrap], group_id=f"run-{unique}-warm", metadata_max_age_ms=500
    )
    wait_for(lambda: member.poll(100) or member.assignment(), "the member has its partitions")
    with pytest.raises(LeftBehind, match=f"run-{unique}-warm"):
        forget_groups(admin, f"run-{unique}-", within_s=0.5)
    member.close()
    forget_groups(admin, f"run-{unique}-", within_s=60)
    assert groups(admin, f"run-{unique}-") == set()


def test_topics_of_the_run_before_are_gone_when_the_next_begins_and_the_workload_stays(
    kafka_settings: KafkaSettings, admin: Any, unique: str
) -> None:
    names = [f"run-{unique}-{name}" for name in ("feedback", "rows", "warm-items-changelog")]
    ensure_topics(kafka_settings, [Layout(name) for name in names])
    remove_topics(admin, f"run-{unique}-", names[:1], within_s=60)
    assert [name for name in admin.list_topics() if unique in name] == names[:1]


def test_a_contender_that_only_polls_is_given_up_and_one_that_works_or_commits_is_not() -> None:
    def cpu(seconds: float) -> Callable[[], float]:
        return lambda: seconds

    idle = Liveness(0.0, cpu_s=10.0)
    assert not idle.stalled(STALL_S - 1, cpu(10.0))
    assert idle.stalled(STALL_S, cpu(10.0 + STALL_S * 0.05))

    working = Liveness(0.0, cpu_s=10.0)
    assert not working.stalled(STALL_S, cpu(10.0 + STALL_S * 0.2)), "slow is not still"
    assert not working.stalled(2 * STALL_S - 1, cpu(0.0))
    assert working.stalled(2 * STALL_S, cpu(10.0 + STALL_S * 0.2)), "CPU of the minute before does not count"

    committing = Liveness(0.0, cpu_s=10.0)
    committing.moved(STALL_S - 1, 10.0)
    assert not committing.stalled(2 * STALL_S - 2, cpu(10.0))
