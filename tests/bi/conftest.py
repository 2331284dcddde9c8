"""The aggregator's pipeline, for what reads its output."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.runtime.settings import KafkaSettings
from tests.engagement_aggregator.pipeline import Pipeline


@pytest.fixture
def pipeline(kafka_settings: KafkaSettings, unique: str, tmp_path: Path) -> Iterator[Pipeline]:
    made = Pipeline(kafka_settings, unique, tmp_path)
    made.create_topics()
    yield made
    made.close()
