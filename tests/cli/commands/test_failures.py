"""Failures by root cause on the real pipeline: listed until handled, retried together, and only after a rehearsal."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from schemas.events.placement import PlacementRecord
from services.cli.main import application
from services.runtime.kafka.reader import read_topic
from tests.pipeline.stack import Stack, content
from tests.publisher.process import Process, publisher_process

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

TARGET = ("weibo", "qinghe-tea")


def failures(stack: Stack, publisher: Process, *arguments: str, code: int = 0) -> str:
    options = ["--kafka", stack.kafka.bootstrap]
    if arguments and arguments[0] == "retry":
        options += ["--publisher", publisher.url, "--token", publisher.token]
    words = [*arguments, *options] if arguments else options
    result = CliRunner(env={"COLUMNS": "240"}).invoke(application(), ["failures", *words])
    assert result.exit_code == code, result.output
    return result.output


def rejected(stack: Stack, count: int) -> list[PlacementRecord] | None:
    found = [record for record in stack.ledger().values() if record.state == "REJECTED"]
    return found if len(found) == count else None


def known(http: httpx.Client, record: PlacementRecord) -> bool:
    """Whether the publisher, which follows the ledger by itself, has read it so far."""
    answer = http.get(f"/placements/{record.placement_id}")
    return answer.status_code == 200 and answer.json()["status"]["state"] == record.state


def test_failures_stay_listed_by_cause_until_they_are_retried_with_success_or_noted(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        stack.start_kafka()
        stack.start("adapter_weibo")
        with publisher_process(tmp_path / "publisher", stack.kafka) as publisher:
            stack.simulator.set_fault("weibo", "statuses/update/biz", "repeat_content", count=2)
            stack.publish(*(content(f"c{n}", [TARGET]) for n in range(2)))
            first = stack.wait("both are refused", lambda: rejected(stack, 2))
            code = first[0].failure.code if first[0].failure else None
            cause = f"weibo:{first[0].failure.error_class if first[0].failure else ''}:{code}"
            listed = failures(stack, publisher)
            assert cause in listed
            assert all(record.placement_id in listed for record in first)
            assert "下一步" in listed
            assert first[0].placement_id in failures(stack, publisher, "show", cause)
            failures(stack, publisher, "show", "weibo:nothing", code=1)

            with publisher.client() as http:
                stack.wait("the publisher has heard of both", lambda: all(known(http, one) for one in first))
            assert "REJECTED" in failures(stack, publisher, "retry", cause, "--reason", "已改")
            assert not list(read_topic(stack.kafka, "operator-command")), "a rehearsal writes nothing"
            assert cause in failures(stack, publisher)
            failures(stack, publisher, "retry", cause, "--reason", "已改", "--yes")
            stack.wait("both are live", lambda: all(one.state == "LIVE" for one in stack.ledger().values()))
            assert "没有未处理的失败" in failures(stack, publisher)
            assert len(stack.posts("weibo")) == 2

            stack.simulator.set_fault("weibo", "statuses/update/biz", "repeat_content", count=1)
            stack.publish(content("c3", [TARGET]))
            stack.wait("one is refused", lambda: rejected(stack, 1))
            failures(stack, publisher, "handled", cause, "--reason", "不再需要")
            assert cause in failures(stack, publisher), "without --yes nothing is noted"
            failures(stack, publisher, "handled", cause, "--reason", "不再需要", "--yes")
            assert "没有未处理的失败" in failures(stack, publisher)
