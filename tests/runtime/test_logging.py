"""What an operator reads: one JSON line per event, secrets masked, libraries heard but not repeated."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from services.runtime.logging import configure_logging, get_logger


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root, before = logging.getLogger(), list(logging.getLogger().handlers)
    level, stream = root.level, io.StringIO()
    configure_logging("collector", "0", stream=stream)
    yield stream
    configure_logging("test", "0", "error")
    root.handlers[:] = before
    root.setLevel(level)


def written(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_a_secret_is_masked_also_inside_a_mapping(lines: io.StringIO) -> None:
    get_logger().info("account_loaded", access_token="tb_1", account={"app_secret": "s", "name": "青禾"})
    (event,) = written(lines)
    assert event["access_token"] == "***"
    assert event["account"] == {"app_secret": "***", "name": "青禾"}
    assert "青禾" in lines.getvalue(), "Chinese must stay readable"


def test_a_library_that_repeats_itself_is_heard_once(lines: io.StringIO) -> None:
    for attempt in range(50):
        logging.getLogger("kafka.net.manager").error("Connection failed: %s", attempt)
    assert [event["message"] for event in written(lines)] == ["Connection failed: 0"]


def test_advice_of_a_client_to_its_programmers_is_no_news_for_an_operator(lines: io.StringIO) -> None:
    logging.getLogger("kafka.net.selector").warning("Task ran for 0.2s (>0.100s threshold)")
    logging.getLogger("kafka.coordinator.consumer").warning("Rebalance listener took 1.2s")
    logging.getLogger("kafka.coordinator.consumer").error("the listener failed")
    assert [event["message"] for event in written(lines)] == ["the listener failed"]
