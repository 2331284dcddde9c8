"""Looking after the cluster: waiting for it, creating topics, telling how far groups are behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from kafka import IsolationLevel, KafkaAdminClient, OffsetSpec
from kafka import errors as client
from kafka.admin import ConfigResource, ConfigResourceType

from services.runtime.kafka.connection import client_options
from services.runtime.kafka.errors import KafkaUnavailable, UnknownTopic
from services.runtime.kafka.records import TopicPartition
from services.runtime.kafka.translation import translated
from services.runtime.kafka.waiting import connected
from services.runtime.logging import Logger, get_logger
from services.runtime.settings import KafkaSettings

_DELETED_WITHIN_S = 30.0
_ALREADY_EXISTS = client.TopicAlreadyExistsError.errno


class TopicLayout(Protocol):
    """What creation needs to know of a topic; `schemas.topics.TopicSpec` is one."""

    @property
    def name(self) -> str: ...

    @property
    def partitions(self) -> int | None: ...

    @property
    def cleanup_policy(self) -> str: ...

    @property
    def config(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class TopicReport:
    """What became of one wished topic; `differences` say in words how the existing one is laid out otherwise."""

    topic: str
    outcome: Literal["created", "existing", "differs"]
    differences: tuple[str, ...] = ()


@contextmanager
def _admin(settings: KafkaSettings, stop: threading.Event | None = None, timeout_s: float | None = 30) -> Iterator[Any]:
    options = client_options(settings) | {"client_id": "admin", "request_timeout_ms": 15_000}
    admin: Any = connected(settings, lambda: KafkaAdminClient(**options), what="admin", stop=stop, timeout_s=timeout_s)
    try:
        yield admin
    except client.KafkaError as error:
        raise translated(error, KafkaUnavailable, "cluster administration") from error
    finally:
        admin.close()


def wait_for_kafka(
    settings: KafkaSettings,
    stop: threading.Event | None = None,
    log: Logger | None = None,
    *,
    timeout_s: float | None = None,
) -> None:
    """Return once a broker answers with the cluster's metadata; for ever without `timeout_s`."""
    with _admin(settings, stop, timeout_s) as admin:
        brokers = len(admin.describe_cluster()["brokers"])
    (log or get_logger(__name__)).info("kafka_answers", bootstrap=settings.bootstrap, brokers=brokers)


def ensure_topics(
    settings: KafkaSettings, specs: Iterable[TopicLayout], *, timeout_s: float | None = 30
) -> list[TopicReport]:
    """Create what is missing and compare what is there; existing topics are never changed, only reported."""
    wished = list(specs)
    with _admin(settings, timeout_s=timeout_s) as admin:
        existing = set(admin.list_topics())
        missing = [spec for spec in wished if spec.name not in existing]
        created = _create(admin, settings, missing)
        if created:
            admin.wait_for_topics(sorted(created), timeout_ms=15_000)
        known = [spec for spec in wished if spec.name not in created]
        differences = _differences(admin, settings, known)
    reports = []
    for spec in wished:
        found = differences.get(spec.name, ())
        outcome: Literal["created", "existing", "differs"] = (
            "created" if spec.name in created else "differs" if found else "existing"
        )
        reports.append(TopicReport(spec.name, outcome, found))
    return reports


def _wished_config(spec: TopicLayout) -> dict[str, str]:
    return {"cleanup.policy": spec.cleanup_policy, **spec.config}


def _create(admin: Any, settings: KafkaSettings, specs: list[TopicLayout]) -> set[str]:
    if not specs:
        return set()
    wanted = {
        spec.name: {
            "num_partitions": spec.partitions or settings.partitions,
            "replication_factor": settings.replication_factor,
            "configs": _wished_config(spec),
        }
        for spec in specs
    }
    answer = admin.create_topics(wanted, raise_errors=False)
    created = set()
    for topic in answer["topics"]:
        if topic["error_code"] == 0:
            created.add(topic["name"])
        elif topic["error_code"] != _ALREADY_EXISTS:  # another process was faster: that is success too
            kind = client.for_code(topic["error_code"])
            raise translated(kind(topic["error_message"]), KafkaUnavailable, f"creating topic {topic['name']}")
    return created


def _differences(admin: Any, settings: KafkaSettings, specs: list[TopicLayout]) -> dict[str, tuple[str, ...]]:
    if not specs:
        return {}
    names = [spec.name for spec in specs]
    counts = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics(names)}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    configs = admin.describe_configs(resources, config_filter="all")["topic"]
    found: dict[str, tuple[str, ...]] = {}
    for spec in specs:
        partitions = spec.partitions or settings.partitions
        lines = [f"partitions: {counts[spec.name]}, wanted {partitions}"] if counts[spec.name] != partitions else []
        for key, wanted in _wished_config(spec).items():
            actual = configs[spec.name].get(key, {}).get("value")
            if actual != wanted:
                lines.append(f"{key}: {actual}, wanted {wanted}")
        if lines:
            found[spec.name] = tuple(lines)
    return found


def partition_count(settings: KafkaSettings, topic: str) -> int:
    """How many partitions an existing topic has; raises UnknownTopic."""
    with _admin(settings) as admin:
        return _count(admin, topic)


def _count(admin: Any, topic: str) -> int:
    found = [one for one in admin.describe_topics([topic]) if one["error_code"] == 0]
    if not found:
        raise UnknownTopic(f"主题不存在 / topic does not exist: {topic} (`tongbo topics` creates the topics)")
    return len(found[0]["partitions"])


def list_topics(settings: KafkaSettings) -> list[str]:
    """Names of all topics, Kafka's internal ones left out."""
    with _admin(settings) as admin:
        return sorted(name for name in admin.list_topics() if not name.startswith("__"))


def list_groups(settings: KafkaSettings) -> list[str]:
    """Names of all consumer groups."""
    with _admin(settings) as admin:
        return sorted(group["group_id"] for group in admin.list_groups())


class Committed(NamedTuple):
    """The next offset of a partition, and what the group noted beside it."""

    offset: int
    note: str


def committed(settings: KafkaSettings, group: str) -> dict[TopicPartition, Committed]:
    """What the group has committed, for every partition."""
    with _admin(settings) as admin:
        places = admin.list_group_offsets(group).get(group, {})
    return {TopicPartition(*where): Committed(int(at.offset), at.metadata or "") for where, at in places.items()}


def members(settings: KafkaSettings, group: str) -> int:
    """How many members a group has now."""
    with _admin(settings) as admin:
        found = admin.describe_groups([group]).get(group)
    return len(found["members"]) if found else 0


def delete_groups(settings: KafkaSettings, groups: Iterable[str]) -> None:
    """Forget what these groups have read; those that do not exist are none. Raises for a group that has members."""
    with _admin(settings) as admin:
        present = sorted(set(groups) & {group["group_id"] for group in admin.list_groups()})
        answers = admin.delete_groups(present) if present else {}
        refused = {name: answer for name, answer in answers.items() if answer != "OK"}
    if refused:
        raise KafkaUnavailable(f"消费组无法删除 / groups were not deleted: {refused}")


def delete_topics(settings: KafkaSettings, topics: Iterable[str]) -> None:
    """Delete those of the topics that exist, with all they hold; returns when they are gone."""
    with _admin(settings) as admin:
        present = sorted(set(topics) & set(admin.list_topics()))
        if present:
            admin.delete_topics(present)
        deadline = time.monotonic() + _DELETED_WITHIN_S
        while left := set(present) & set(admin.list_topics()):
            if time.monotonic() > deadline:
                raise KafkaUnavailable(f"主题删除未完成 / topics are still there after deletion: {sorted(left)}")
            time.sleep(0.1)


def lag(settings: KafkaSettings, group: str) -> dict[TopicPartition, int]:
    """How many offsets each partition the group has committed is behind; transaction markers count as offsets."""
    with _admin(settings) as admin:
        committed = admin.list_group_offsets(group).get(group, {})
        if not committed:
            return {}
        ends = admin.list_partition_offsets(
            dict.fromkeys(committed, OffsetSpec.LATEST), isolation_level=IsolationLevel.READ_COMMITTED
        )
    return {
        TopicPartition(*where): max(0, int(ends[where].offset) - int(place.offset))
        for where, place in committed.items()
    }
