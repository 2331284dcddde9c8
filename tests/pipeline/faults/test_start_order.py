"""Start order does not matter: services that are there before Kafka come to work by themselves."""

from __future__ import annotations

import time

import pytest

from tests.pipeline.stack import Stack, adapters_running, content

pytestmark = pytest.mark.kafka


def test_services_started_before_kafka_come_to_work_by_themselves(stack: Stack) -> None:
    stack.broker.start()
    bootstrap = stack.broker.bootstrap
    stack.broker.kill()  # the address is known now, and nobody is there
    adapters_running(stack)
    stack.start("feedback_collector", env={"TONGBO_CLOCK": f"{stack.simulator.url}/_sim/clock"})
    stack.start("engagement_aggregator")
    started = (
        "adapter_weibo-0",
        "adapter_wechat-0",
        "adapter_douyin-0",
        "feedback_collector-0",
        "engagement_aggregator-0",
    )
    stack.wait("each says that it waits for Kafka", lambda: all(_waits(stack, name) for name in started))
    time.sleep(3)  # not a wait for something: the time in which a service that gives up would give up
    stack.start_kafka()
    assert stack.broker.bootstrap == bootstrap
    targets = [("weibo", "qinghe-tea"), ("wechat", "qinghe-tea"), ("douyin", "qinghe-tea")]
    pictures = [stack.picture("cover", "cover"), stack.picture("g", "gallery")]
    stack.publish(content("early", targets, kind="pictures", media=pictures))
    stack.wait("all placements final", lambda: stack.all_final(len(targets)))
    assert all(len(stack.posts(platform)) == 1 for platform, _ in targets)
    stack.wait("aggregates of all three posts", lambda: len(_post_rows(stack)) == len(targets))
    assert all(process.poll() is None for process in stack.running()), "a service had to be started again"


def _waits(stack: Stack, name: str) -> bool:
    log = stack.log_of(name)
    return log.exists() and "waiting" in log.read_text()


def _post_rows(stack: Stack) -> set[str]:
    return {row.key for row in stack.aggregates().values() if row.scope == "post"}
