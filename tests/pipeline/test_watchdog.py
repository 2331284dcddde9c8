"""An adapter that freezes or dies: every placement it owes is listed in time, and each comes to an end afterwards."""

from __future__ import annotations

import os
import signal
from collections import Counter

import pytest
from msgspec.structs import replace

from schemas.codec import decoder
from schemas.events.alert import Alert
from schemas.events.content import MasterContent, placement_id
from services.runtime.kafka.reader import read_topic
from tests.pipeline.stack import Stack, content

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]

QUICK = {
    "TONGBO_OVERDUE_AFTER_S": "2",
    "TONGBO_CHECK_EVERY_S": "0.3",
    "TONGBO_STALLED_AFTER_S": "3",
    "TONGBO_GROUPS_EVERY_S": "0.5",
}
TARGET = ("weibo", "qinghe-tea")
WITHIN_S = 60


def told(stack: Stack) -> list[Alert]:
    decode = decoder("engagement-alert")
    return [decode(record.value) for record in read_topic(stack.kafka, "engagement-alert") if record.value]


def open_now(stack: Stack) -> dict[str, Alert]:
    """The newest alert of each key, where that is an open one."""
    newest = {alert.alert_key: alert for alert in told(stack)}
    return {key: alert for key, alert in newest.items() if alert.status == "open"}


def overdue_key(one: MasterContent) -> str:
    identity = placement_id(
        brand_id=one.brand_id, campaign_id=one.campaign_id, content_id=one.content_id, platform=TARGET[0],
        account=TARGET[1], slot="main",
    )  # fmt: skip
    return f"placement_overdue:{identity}"


def too_late_soon(one: MasterContent) -> MasterContent:
    return replace(one, targets=tuple(replace(target, late_within_s=1) for target in one.targets))


def test_what_a_frozen_or_dead_adapter_owes_is_listed_overdue_and_ends_when_it_is_back(stack: Stack) -> None:
    stack.start_kafka()
    stack.start("watchdog", env=QUICK)
    adapter = stack.start("adapter_weibo")
    stack.publish(content("before", [TARGET]))
    stack.wait("the first one is live", lambda: stack.all_final(1))
    known = content("known", [TARGET], due_in_s=15)  # by then the adapter must have it, and stand still
    stack.publish(known)
    stack.wait("the adapter has taken in what is due later", lambda: len(stack.ledger()) == 2)

    os.kill(adapter.pid, signal.SIGSTOP)
    unseen, missed = content("unseen", [TARGET]), too_late_soon(content("missed", [TARGET]))
    stack.publish(unseen, missed)
    owed = {overdue_key(one) for one in (known, unseen, missed)}
    stack.wait("all three are listed", lambda: owed <= open_now(stack).keys())
    for alert in open_now(stack).values():
        if alert.alert_key in owed:
            assert (alert.observed_at - alert.since).total_seconds() < WITHIN_S
            assert alert.alert_key.endswith(f":{alert.placement_id}")
    stalled = "group_stalled:tongbo-adapter-weibo/master-content"
    stack.wait("its group is told to stand still", lambda: stalled in open_now(stack))
    assert open_now(stack)[overdue_key(missed)].severity == "critical", "it can no longer be sent in time"

    stack.kill("adapter_weibo")
    stack.kill("watchdog")
    stack.start("watchdog", env=QUICK)
    stack.start("adapter_weibo")
    records = stack.wait("every placement final", lambda: stack.all_final(4))
    assert Counter(record.state for record in records.values()) == {"LIVE": 3, "MISSED": 1}
    stack.wait("none of it is listed any more", lambda: not {*owed, stalled} & open_now(stack).keys())
    assert len(stack.posts("weibo")) == 3
    changes = Counter((alert.alert_key, alert.status, alert.severity, alert.title) for alert in told(stack))
    doubled = {change: times for change, times in changes.items() if times > 1 and change[0] in owed}
    assert not doubled, "a watchdog that starts again knows what it has told"
