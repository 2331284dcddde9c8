"""A worker whose broker stumbles must come to work, and one whose broker is gone must be able to end."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from services.runtime.embedded_broker import EmbeddedBroker
from services.runtime.settings import KafkaSettings
from tests.engagement_aggregator.doorway import doorway
from tests.engagement_aggregator.pipeline import Pipeline, before
from tests.waiting import wait_for

# The first attempt to join fails with an error that the client neither repeats nor gives up on: it waits to be asked.
REFUSED_ONCE = """
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import KafkaError

join, refused = GroupCoordinator.ensure_active_group, []


async def ensure_active_group(self, *arguments):
    if not refused:
        refused.append(True)
        raise KafkaError("UnknownError")
    return await join(self, *arguments)


GroupCoordinator.ensure_active_group = ensure_active_group
"""


def test_a_refused_join_is_tried_again_instead_of_owning_nothing_for_ever(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(REFUSED_ONCE)  # Python runs it before the service
    worker = pipeline.start(PYTHONPATH=before(tmp_path))
    worker.await_event("group_error")
    wait_for(worker.ready, "it owns its partitions and works")
    assert worker.stop() == 0


def test_a_worker_ends_in_time_although_kafka_went_away_first(tmp_path: Path, unique: str) -> None:
    with EmbeddedBroker(tmp_path / "kafka") as broker:
        pipeline = Pipeline(KafkaSettings(bootstrap=broker.bootstrap, partitions=4), unique, tmp_path)
        pipeline.create_topics()
        worker = pipeline.start(flush_s=5)
        wait_for(worker.ready, "it works")
        pipeline.traffic(3)
        broker.kill()
        began = time.monotonic()
        worker.process.send_signal(signal.SIGTERM)
        try:
            worker.process.wait(30)
            assert time.monotonic() - began < 15
        finally:
            worker.kill()


def test_kafka_that_goes_away_between_the_wait_and_the_start_is_waited_for_again(pipeline: Pipeline) -> None:
    with doorway(pipeline.kafka.bootstrap, refused=b"faust", times=2) as (address, turned_away):
        worker = pipeline.start(KAFKA_BOOTSTRAP=address)
        pipeline.traffic(3)
        pipeline.await_exact()
        assert len(turned_away) == 2, "Kafka was there for the wait and not for the start, twice"
        assert len(worker.events("kafka_went_away_at_the_start")) == 2
        assert "Traceback" not in worker.log.read_text()
        wait_for(worker.ready, "it works")
        assert worker.stop() == 0
