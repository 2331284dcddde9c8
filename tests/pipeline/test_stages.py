"""Each stage of the pipeline frozen, stopped and without Kafka: its health says so, and the canary names it.

One story with one set of processes, for starting them costs more than what is tried with them.
"""

from __future__ import annotations

import json
import os
import signal
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path

import pytest

from schemas.internal.canary import CanaryPassed
from schemas.topics import load_topics
from services.adapter.contract.registry import platforms
from services.cli.local.pipeline import dead_letter_services
from services.runtime.canary import CANARY_TOPIC, canary
from services.runtime.kafka.reader import read_topic
from tests.pipeline.stack import Stack
from tests.pipeline.test_watchdog import open_now

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

# service → the point in its loop, its name as a stage of the pipeline
STAGES = {
    "publisher": ("publisher:follow", "publisher"),
    "adapter_weibo": ("consume:round", "adapter-weibo"),
    "feedback_collector": ("consume:round", "feedback-collector"),
    "engagement_aggregator": ("aggregate:polled", "engagement-aggregator"),
}
QUICK = {
    "TONGBO_CHECK_EVERY_S": "0.3",
    "TONGBO_CANARY_EVERY_S": "1",
    "TONGBO_CANARY_WITHIN_S": "4",
    "TONGBO_OVERDUE_AFTER_S": "600",
    "TONGBO_STALLED_AFTER_S": "600",
}


class Stage:
    """A service that a test can freeze: by a thread that stands still, or as a whole."""

    def __init__(self, stack: Stack, service: str) -> None:
        self.stack, self.service = stack, service
        self.block = stack.folder / f"block-{service}"
        point, self.name = STAGES[service]
        env = {"TONGBO_BLOCK_AT": f"{point}={self.block}", "TONGBO_STALE_AFTER_S": "3", "TONGBO_PUBLISHER_PORT": "0"}
        self.process = stack.start(service, env=env)
        self._port = 0

    def health(self) -> tuple[int, dict[str, str]]:
        """Status of `/health/ready` and its reason; 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._found_port()}/health/ready", timeout=1) as answer:
                return answer.status, json.load(answer)["reason"]
        except urllib.error.HTTPError as refusal:
            return refusal.code, json.load(refusal)["reason"]
        except OSError:
            return 0, {}

    def ready(self) -> bool:
        return self.health()[0] == 200

    def stands_still(self) -> bool:
        """It is red, and says in both languages that nothing moves."""
        status, reason = self.health()
        return status == 503 and "没有进展" in reason["zh"] and "no progress for" in reason["en"]

    def misses_kafka(self) -> bool:
        status, reason = self.health()
        return status == 503 and "Kafka" in reason["en"]

    def named(self, before: str) -> bool:
        """Whether the alert about the canary says that it was lost here."""
        return f"last seen by {before}, not by {self.name}" in lost(self.stack, "weibo")

    def _found_port(self) -> int:
        if not self._port:
            lines = self.stack.log_of(f"{self.service}-0").read_text().splitlines()
            started = [json.loads(line) for line in lines if '"event":"service_started"' in line]
            self._port = started[-1]["http_port"] if started else 0
        return self._port or 1  # nobody listens there


def lost(stack: Stack, platform: str) -> str:
    """What the open alert about the platform's canary says; empty where there is none."""
    alert = open_now(stack).get(f"canary_lost:{platform}")
    return alert.title_en if alert else ""


def _others_lost(stack: Stack) -> list[str]:
    return [platform for platform in platforms() if platform != "weibo" and lost(stack, platform)]


def canaries(stack: Stack) -> list[CanaryPassed]:
    return [one for raw in read_topic(stack.kafka, CANARY_TOPIC) if (one := canary(raw.value))]


def test_a_stage_that_stands_still_turns_red_with_its_reason_and_the_canary_names_it(stack: Stack) -> None:
    stack.start_kafka()
    stack.start("watchdog", env=QUICK)
    stages = {service: Stage(stack, service) for service in STAGES}
    for platform in platforms():
        if f"adapter_{platform}" not in stages:
            stack.start(f"adapter_{platform}")
    stack.wait("every stage is ready", lambda: all(stage.ready() for stage in stages.values()))
    stack.wait("canaries of all platforms are back", lambda: _returned(stack) == set(platforms()))
    stack.wait("no canary is missed", lambda: not any(lost(stack, platform) for platform in platforms()))

    order = list(stages)
    for service, stage in stages.items():
        before = stages[order[order.index(service) - 1]].name if order.index(service) else "watchdog"
        stage.block.touch()
        stack.wait(f"{service} is red, and says why", stage.stands_still)
        stack.wait(f"the canary names {service}", partial(stage.named, before))
        if service == "adapter_weibo":  # a canary of another one may be late, but it comes
            stack.wait("one adapter down is one platform's trouble", lambda: not _others_lost(stack))
            assert lost(stack, "weibo")
        else:  # their canaries set out at other moments, and are missed as much later
            stack.wait("other platforms miss theirs", lambda: _others_lost(stack))
        stage.block.unlink()
        stack.wait(f"{service} is green again", stage.ready)
        stack.wait("the canaries are back", lambda: not any(lost(stack, platform) for platform in platforms()))

    frozen = stages["adapter_weibo"]
    os.kill(frozen.process.pid, signal.SIGSTOP)
    assert frozen.health()[0] == 0, "a process that is frozen as a whole does not answer at all"
    os.kill(frozen.process.pid, signal.SIGCONT)
    stack.wait("it goes on", frozen.ready)

    _nothing_but_canaries(stack)
    _without_kafka(stack, stages)


def _returned(stack: Stack) -> set[str]:
    return {one.platform for one in canaries(stack) if one.next is None}


def _nothing_but_canaries(stack: Stack) -> None:
    """Tens of canaries have crossed everything, and nobody's data knows of them."""
    untouched = {spec.name for spec in load_topics(dead_letter_services())}
    untouched -= {CANARY_TOPIC, "engagement-alert", "platform-capability", "engagement-aggregator-rows-changelog"}
    written = {topic: sum(1 for _ in read_topic(stack.kafka, topic)) for topic in untouched}
    assert not any(written.values()), written
    keys = {raw.key for raw in read_topic(stack.kafka, "engagement-aggregator-rows-changelog")}
    assert len(keys) <= 1, f"more than the table's own position: {keys}"
    assert not any(stack.posts(platform) for platform in platforms())


def _without_kafka(stack: Stack, stages: dict[str, Stage]) -> None:
    pid = int(Path(stack.folder / "kafka" / "broker.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    for service, stage in stages.items():
        stack.wait(f"{service} says that Kafka is away", stage.misses_kafka)
    os.kill(pid, signal.SIGCONT)
    stack.wait("every stage is ready again", lambda: all(stage.ready() for stage in stages.values()))
