"""The commands against a running publisher and a real broker, and without either."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.cli.terminal import addresses
from services.runtime.kafka.reader import read_topic
from services.runtime.settings import KafkaSettings
from tests.cli.conftest import DEMO, Run


@pytest.mark.kafka
def test_the_sample_campaign_is_published_once_however_often_it_is_sent(
    running: str, tongbo: Run, kafka_settings: KafkaSettings, unique: str
) -> None:
    file, suffix = str(DEMO / "campaign.yaml"), unique[-8:]
    tried = tongbo("publish", file, "--suffix", suffix, "--confirm-similar", "--dry-run")
    assert tried.code == 0, tried.err
    assert "三分钟的山岚" in tried.out
    assert tongbo("status", f"qinghe-cold-brew-2026-{suffix}").code == 1, "a dry run defines nothing"
    first = tongbo("publish", file, "--suffix", suffix, "--confirm-similar", "--json")
    assert first.code == 0, first.err
    again = tongbo("publish", file, "--suffix", suffix, "--confirm-similar", "--json")
    assert json.loads(again.out) == json.loads(first.out)
    answers = json.loads(first.out)["contents"]
    assert sum(len(one["placements"]) for one in answers) == 13
    written = [one for one in read_topic(kafka_settings, "master-content") if suffix in (one.key or b"").decode()]
    assert len(written) == 1 + 4
    status = tongbo("status", f"qinghe-cold-brew-2026-{suffix}")
    assert status.code == 0
    assert status.out.count("ACCEPTED_BY_PUBLISHER") == 13
    placement = answers[0]["placements"][0]["placement_id"]
    told = tongbo("explain", placement)
    assert told.code == 0
    assert "还没有适配器接手" in told.out
    assert "nobody" not in tongbo("status", f"cold-brew-story-{suffix}").out


@pytest.mark.kafka
def test_what_a_platform_refuses_is_shown_at_its_line_and_nothing_is_published(
    running: str, tongbo: Run, demo: Path, unique: str
) -> None:
    text = demo.read_text("utf-8").replace("https://qinghe.example/tasting-day", "https://elsewhere.example/")
    demo.write_text(text, "utf-8")
    line = text[: text.index("link: https://elsewhere")].count("\n") + 1
    outcome = tongbo("publish", str(demo), "--suffix", unique[-8:])
    assert outcome.code == 1
    assert f"campaign.yaml:{line}" in outcome.err
    assert "weibo/qinghe-life/main" in outcome.err
    assert tongbo("status", f"qinghe-cold-brew-2026-{unique[-8:]}").code == 1


@pytest.mark.kafka
def test_topics_are_created_listed_described_and_their_events_shown(running: str, tongbo: Run) -> None:
    assert tongbo("topics", "create").code in (0, 1)
    listed = tongbo("topics")
    assert listed.code == 0
    assert "placement-ledger" in listed.out
    assert "missing" not in listed.out
    described = tongbo("topics", "describe", "placement-ledger")
    assert "PlacementRecord" in described.out
    assert tongbo("topics", "describe", "nothing").code == 2
    assert tongbo("topics", "lag").code == 0
    assert tongbo("topics", "lag", "nobody").code == 1
    seen = tongbo("tail", "master-content", "--once", "--full", "--campaign", "no-such-campaign")
    assert (seen.code, seen.out) == (0, "")


@pytest.mark.kafka
def test_tail_shows_events_of_one_campaign(running: str, tongbo: Run, unique: str) -> None:
    suffix = unique[-8:]
    assert tongbo("publish", str(DEMO / "campaign.yaml"), "--suffix", suffix, "--confirm-similar").code == 0
    shown = tongbo("tail", "master-content", "--once", "--campaign", f"qinghe-cold-brew-2026-{suffix}")
    assert shown.out.count("MasterContent") == 4
    assert shown.out.count("CampaignDefined") == 1
    full = tongbo("tail", "master-content", "--once", "--full", "--campaign", f"qinghe-cold-brew-2026-{suffix}")
    assert {json.loads(line)["brand_id"] for line in full.out.splitlines()} == {"qinghe"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("explain", "pl-1"),
        ("publish", "deploy/demo/campaign.yaml"),
        ("tail", "master-content"),
        ("topics",),
    ],
)
def test_without_a_running_pipeline_each_command_says_how_to_start_it(tongbo: Run, arguments: tuple[str, ...]) -> None:
    outcome = tongbo(*arguments)
    assert outcome.code == 2
    assert "tongbo up" in outcome.err


def test_a_publisher_that_does_not_answer_is_named(tongbo: Run) -> None:
    outcome = tongbo("status", "--publisher", "http://127.0.0.1:9")
    assert outcome.code == 1
    assert "127.0.0.1:9" in outcome.err


def test_an_unknown_topic_is_refused_before_kafka_is_asked(tongbo: Run) -> None:
    assert tongbo("tail", "nothing").code == 2


def test_an_option_beats_the_environment_and_that_beats_the_file(tmp_path: Path) -> None:
    env = {"TONGBO_HOME": str(tmp_path), "TONGBO_PUBLISHER_URL": "http://from-env"}
    file = addresses.addresses_file(env)
    file.parent.mkdir(parents=True)
    file.write_text('{"publisher": "http://from-file"}')
    assert addresses.address("publisher", "http://option", env) == "http://option"
    assert addresses.address("publisher", None, env) == "http://from-env"
    del env["TONGBO_PUBLISHER_URL"]
    assert addresses.address("publisher", None, env) == "http://from-file"


@pytest.mark.parametrize("command", ["publish", "status", "explain", "tail", "topics"])
def test_help_teaches_in_both_languages_with_examples(tongbo: Run, command: str) -> None:
    shown = tongbo(command, "--help").out
    assert f"tongbo {command}" in shown
    assert "examples" in shown
