"""What may be sent again from the dead letters, judged by its form and by the topic it is of."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.cli.reports.dead_letters import Letter, checked
from services.runtime.dead_letters import dead_letter, decode
from services.runtime.kafka.records import Record

NOW = datetime(2026, 11, 11, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize("topic", ["placement-ledger", "collector-cursor", "engagement-aggregate"])
@pytest.mark.parametrize("edited", [None, b"{}"])
def test_a_record_of_state_is_never_fit_to_be_sent_again(topic: str, edited: bytes | None) -> None:
    original = Record(topic, 1, 7, b"pl-1", None, (), NOW)
    letter = dead_letter("feedback-collector", original, cause="bug", message="m", first_seen_at=NOW, partitions=4)
    record = Record(letter.topic, letter.partition, 0, letter.key, letter.value, letter.headers, NOW)
    problem = checked(Letter(decode(record), record), edited)
    assert problem is not None
    assert "a topic of state" in problem
