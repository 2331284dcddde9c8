"""What all tests share: one real broker per run, and topic names that no other test uses.

There is no way to run the Kafka tests without Kafka: a broker that does not start is a failure, never a skip.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from services.runtime.embedded_broker import EmbeddedBroker
from services.runtime.kafka.admin import ensure_topics
from services.runtime.settings import KafkaSettings
from tests.order import put_in_order

PARTITIONS = 4
BROKER_UP_WITHIN_S = 150.0  # seconds on an idle machine, half a minute has been seen on a busy one

# How long an example takes says how busy the machine is. Beyond that, what Hypothesis sets by itself is kept: in CI
# (`CI` is set) every run tries the same examples, elsewhere new ones.
settings.register_profile(
    "unhurried", settings.get_profile(settings.get_current_profile_name()), deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
settings.load_profile("unhurried")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    put_in_order(items)


@dataclass(frozen=True)
class Layout:
    """A topic as a test wants it."""

    name: str
    partitions: int | None = None
    cleanup_policy: str = "delete"
    config: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """The embedded broker of this run."""
    directory: Path = tmp_path_factory.mktemp("kafka")
    broker = EmbeddedBroker(directory / "data", log_dir=directory / "log")
    with broker.start(BROKER_UP_WITHIN_S) as started:
        yield started


@pytest.fixture(scope="session")
def kafka_settings(broker: EmbeddedBroker) -> KafkaSettings:
    return KafkaSettings(bootstrap=broker.bootstrap, partitions=PARTITIONS)


@pytest.fixture
def unique(request: pytest.FixtureRequest) -> str:
    """A suffix for names of this test alone: readable, and legal in topics, groups and transactional ids."""
    readable = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:40].strip("-")
    return f"{readable}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def topics(kafka_settings: KafkaSettings, unique: str) -> Callable[..., str]:
    """Creates a topic of this test: `topics("ledger", cleanup_policy="compact")` returns its unique name."""

    def create(name: str, *, partitions: int | None = None, cleanup_policy: str = "delete", exact: bool = False) -> str:
        topic = name if exact else f"{name}-{unique}"
        ensure_topics(kafka_settings, [Layout(topic, partitions, cleanup_policy)])
        return topic

    return create
