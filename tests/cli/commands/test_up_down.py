"""The pipeline on one machine, used from outside: up, publish, kill -9, down; nothing doubled, nothing left."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from schemas.moments import BEIJING
from services.cli.demo.settlement import Settlement, TrueFigures, settle
from services.cli.demo.topic_watch import Watching
from services.runtime.kafka.reader import read_topic
from services.runtime.settings import KafkaSettings
from tests.cli.terminal import Terminal
from tests.waiting import wait_for

SOON = {"TONGBO_LOOK_AFTER_S": "3", "TONGBO_LOOK_EVERY_S": "2"}
# Longer than the hour at 60 times the speed after which a post is read again that was just being read in the morning.
EQUAL_BY_S = 150.0
SECRETS = ("demo-weibo-secret", "demo-wechat-secret", "demo-douyin-secret", "2.00demo", "act.demo", "rft.demo")
TOPICS = ("master-content", "placement-ledger", "feedback-unified", "engagement-aggregate", "platform-capability")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path / "home", SOON)
    yield made
    made.close()


class Reader:
    """The campaign as the topics tell it, held against the simulator."""

    def __init__(self, terminal: Terminal, answer: str) -> None:
        said = json.loads(answer)
        self.campaign: str = said["campaign_id"]
        self.expected = [one["placement_id"] for content in said["contents"] for one in content["placements"]]
        self._terminal = terminal
        self.watching = Watching(KafkaSettings(bootstrap=terminal.address("kafka"), partitions=4))

    def live(self) -> int:
        found = (self.watching.records.get(placement) for placement in self.expected)
        return sum(record is not None and record.state == "LIVE" for record in found)

    def settlement(self) -> Settlement:
        return settle(
            seconds=0.0,
            expected=self.expected,
            records=dict(self.watching.records),
            truth=msgspec.convert(self._terminal.simulator("/_sim/truth"), list[TrueFigures]),
            comments=self.watching.comments_of(self.campaign),
            rows=dict(self.watching.rows),
        )


def end_of_story(terminal: Terminal) -> None:
    terminal.simulator("/_sim/audience", {"stop": True})
    now = datetime.fromisoformat(terminal.simulator("/_sim/clock")["now"]).astimezone(BEIJING)
    morning = (now + timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0)
    terminal.simulator("/_sim/clock", {"advance_s": (morning - now).total_seconds()})


@pytest.mark.timeout(700)
def test_services_killed_while_things_flow_come_back_and_nothing_is_doubled_lost_or_left(terminal: Terminal) -> None:
    up = terminal.run("up", "--speed", "60")
    assert up.returncode == 0, up.stdout + up.stderr
    assert len(terminal.pid_files()) == 11, terminal.pid_files()
    published = terminal.run("publish", "deploy/demo/campaign.yaml", "--json")
    assert published.returncode == 0, published.stdout + published.stderr
    killed = ["adapter_weibo-0", "feedback_collector-0", "engagement_aggregator-0"]
    before = {name: terminal.pid(name) for name in killed}
    for name in killed:
        terminal.kill(name)
    reader = Reader(terminal, published.stdout)
    try:
        wait_for(lambda: reader.live() == len(reader.expected) == 13, "every placement is live", 150)
        assert all(terminal.pid(name) != before[name] for name in killed), "a pid file still names a dead process"
        end_of_story(terminal)
        wait_for(lambda: reader.settlement().ok, f"equal to the truth: {reader.settlement()}", EQUAL_BY_S)
        assert reader.settlement().feedback.true > 20
        assert_rebuilt_around_the_running_pipeline(terminal)
        wait_for(lambda: reader.settlement().ok, f"equal once more: {reader.settlement()}", EQUAL_BY_S)
    finally:
        reader.watching.close()
    token = (terminal.home / "run" / "token").read_text().strip()
    assert len(token) > 20
    assert_no_secret_in_topics(terminal, (*SECRETS, token))
    down = terminal.run("down")
    assert down.returncode == 0, down.stdout + down.stderr
    assert terminal.processes() == []
    assert terminal.pid_files() == []
    assert not (terminal.home / "run" / "addresses.json").exists()
    assert_no_secret_in_logs(terminal, (*SECRETS, token))


def assert_rebuilt_around_the_running_pipeline(terminal: Terminal) -> None:
    """Only the aggregator makes way for a rebuild, and it is back afterwards."""
    before = {name: terminal.pid(name.removesuffix(".pid")) for name in terminal.pid_files()}
    rehearsed = terminal.run("rebuild")
    assert rehearsed.returncode == 0, rehearsed.stdout + rehearsed.stderr
    assert "1 个汇总进程先停下" in rehearsed.stdout
    assert terminal.pid("engagement_aggregator-0") == before["engagement_aggregator-0.pid"], "a rehearsal stops nothing"
    rebuilt = terminal.run("rebuild", "--yes")
    assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr
    assert "汇总进程已重新启动" in rebuilt.stdout
    after = {name: terminal.pid(name.removesuffix(".pid")) for name in terminal.pid_files()}
    assert {name for name in before if after[name] != before[name]} == {"engagement_aggregator-0.pid"}
    compared = terminal.run("rebuild", "--compare")
    assert (compared.returncode, "0 differences" in compared.stdout) == (0, True), compared.stdout + compared.stderr


def assert_no_secret_in_topics(terminal: Terminal, secrets: Sequence[str]) -> None:
    kafka = KafkaSettings(bootstrap=terminal.address("kafka"), partitions=4)
    for topic in TOPICS:
        records = [(record.key or b"") + (record.value or b"") for record in read_topic(kafka, topic)]
        assert records, f"{topic} is empty"
        assert not [secret for secret in secrets if any(secret.encode() in record for record in records)], topic


def assert_no_secret_in_logs(terminal: Terminal, secrets: Sequence[str]) -> None:
    logs = [file for file in (terminal.home / "log").rglob("*") if file.is_file()]
    assert len(logs) >= 10
    for file in logs:
        text = file.read_text(errors="replace")
        assert not [secret for secret in secrets if secret in text], file


def test_an_up_that_is_interrupted_while_it_starts_leaves_nothing(terminal: Terminal) -> None:
    up = terminal.start("up")
    terminal.wait_for_words(up, "kafka 就绪")
    up.send_signal(signal.SIGINT)
    assert up.wait(90) == 130
    assert terminal.processes() == []
    assert terminal.pid_files() == []
    assert "Traceback" not in terminal.output()


@pytest.mark.timeout(240)
def test_everything_ends_with_a_killed_supervisor_and_the_next_up_works(terminal: Terminal) -> None:
    assert terminal.run("up").returncode == 0
    terminal.kill("supervisor")
    wait_for(lambda: not terminal.processes(), "all children have ended", 90)
    again = terminal.run("up")
    assert again.returncode == 0, again.stdout + again.stderr
    second = terminal.run("up")
    assert second.returncode == 1
    assert "已在运行" in second.stdout
    assert terminal.run("down").returncode == 0
    assert terminal.processes() == []
    assert terminal.pid_files() == []
