"""Receivers that answer, fail, hang or are not there: publishing does not notice, and every message arrives at last."""

from __future__ import annotations

import signal
from collections import Counter
from contextlib import ExitStack

import pytest
from typer.testing import CliRunner

from services.cli.main import application
from services.runtime.kafka.reader import read_topic
from services.webhooks.subscriptions import SubscriptionsFile
from tests.pipeline.stack import Stack, content
from tests.webhooks.receiver import Receiver, genuine

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

CONTENTS = 6
ENV = {
    "TONGBO_WEBHOOKS_ALLOW_PRIVATE": "true",
    "TONGBO_WEBHOOKS_TIMEOUT_S": "3",
    "TONGBO_WEBHOOKS_FIRST_RETRY_S": "0.2",
}


def webhooks(stack: Stack, *arguments: str, kafka: bool = False) -> str:
    place = ["--kafka", stack.kafka.bootstrap] if kafka else ["--state-dir", str(stack.folder / "state")]
    result = CliRunner(env={"COLUMNS": "240"}).invoke(application(), ["webhooks", *arguments, *place])
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def test_receivers_that_fail_hang_or_are_away_hold_up_nothing_and_are_told_at_last(stack: Stack) -> None:
    stack.start_kafka()
    with ExitStack() as receivers:
        well = receivers.enter_context(Receiver())
        broken = receivers.enter_context(Receiver(lambda before: 500 if before < 10 else 200))
        hanging = receivers.enter_context(Receiver(lambda before: 0))
        secret = webhooks(stack, "add", well.url)
        webhooks(stack, "add", broken.url, "--event", "placement.live")
        webhooks(stack, "add", hanging.url)
        webhooks(stack, "add", "http://127.0.0.1:1/nobody")
        webhooks(stack, "add", well.url, "--brand", "somebody-else")
        stack.start("webhooks", env=ENV)
        stack.start("adapter_weibo")
        stack.publish(*(content(f"c{n}", [("weibo", "qinghe-tea")]) for n in range(CONTENTS)))
        stack.wait("the first is told", lambda: "placement.live" in well.events())
        stack.kill("webhooks")
        records = stack.wait("all placements final", lambda: stack.all_final(CONTENTS))
        assert Counter(record.state for record in records.values()) == {"LIVE": CONTENTS}
        assert len(stack.posts("weibo")) == CONTENTS
        stack.start("webhooks", env=ENV)

        expected = {f"{record.placement_id}:{record.revision}" for record in records.values()}
        stack.wait("every last change is told", lambda: expected <= {body["id"] for body in well.bodies()})
        stack.wait("the failing one is told too", lambda: expected <= _taken(broken))
        for headers, body in well.calls:
            assert genuine(secret, headers, body)
            assert headers["webhook-id"] in body.decode()
        assert {body["brand_id"] for body in well.bodies()} == {"qinghe"}
        stack.wait("every beginning is told", lambda: _created(well) == {f"c{n}" for n in range(CONTENTS)})
        stack.wait("the hanging one is tried", lambda: len(hanging.calls) >= 1)

        before = len(well.calls)
        mine = SubscriptionsFile(stack.folder / "state").all()[0].subscription_id
        webhooks(stack, "resend", f"{mine}:{min(expected)}", kafka=True)
        stack.wait("it is told again", lambda: len(well.calls) > before)
        assert "placement.live" in webhooks(stack, "log", "--undelivered", kafka=True)
    _secret_is_nowhere(stack, secret)


def _created(receiver: Receiver) -> set[str]:
    return {body["data"]["content_id"] for body in receiver.bodies() if body["type"] == "placement.created"}


def _taken(receiver: Receiver) -> set[str]:
    """Messages that the receiver has answered with success: those after its first ten calls."""
    return {body["id"] for body in receiver.bodies()[10:]}


def _secret_is_nowhere(stack: Stack, secret: str) -> None:
    for log in stack.folder.glob("*.log"):
        assert secret not in log.read_text()
    for topic in ("webhook-delivery", "placement-ledger", "webhooks-dlq"):
        assert all(secret.encode() not in (raw.value or b"") for raw in read_topic(stack.kafka, topic))
    stored = stack.folder / "state" / "webhooks.json"
    assert stored.stat().st_mode & 0o077 == 0, "others on this machine can read the secrets"
    assert stack.stop("webhooks") in (0, -signal.SIGTERM)
