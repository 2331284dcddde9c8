"""`tongbo demo --once` as its user has it: what it writes, how it ends, and that it can fail."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from tests.cli.terminal import Terminal
from tests.waiting import wait_for

DEMO_S = 180.0
ENDED_BY_S = 300.0  # with what starting and stopping two of them at once takes on a busy machine


@dataclass
class Demo:
    terminal: Terminal
    process: subprocess.Popen[bytes]
    json_file: Path

    def result(self) -> dict[str, Any]:
        """What it wrote, when it has ended."""
        self.process.wait(ENDED_BY_S)
        assert self.json_file.exists(), self.terminal.output()
        found: dict[str, Any] = json.loads(self.json_file.read_bytes())
        return found


@contextmanager
def demo(folder: Path, *arguments: str) -> Iterator[Demo]:
    terminal = Terminal(folder / "home")
    json_file = folder / "not-yet-there" / "out.json"
    try:
        yield Demo(terminal, terminal.start("demo", "--once", "--json", str(json_file), *arguments), json_file)
    finally:
        terminal.close()


def post_as_somebody_else(terminal: Terminal) -> None:
    """Another client of the same account posts on its own, while the demo runs."""
    form = {"access_token": "2.00demoQingheTea", "status": "这一条不是同播发的"}
    url = terminal.address("simulator") + "/weibo/2/statuses/update/biz.json"
    with urlopen(url, urlencode(form).encode(), timeout=30) as answer:
        assert "error_code" not in json.load(answer)


@pytest.mark.timeout(700)
def test_a_demo_ends_equal_to_the_truth_and_one_with_a_foreign_post_does_not(tmp_path: Path) -> None:
    """Both at once: the second finds the usual ports taken, and neither disturbs the other."""
    with demo(tmp_path / "good") as good, demo(tmp_path / "bad") as bad:
        # one post gets no answer, though it went out: looked for and found, not posted again
        good.terminal.wait_for_words(good.process, "simulator-0 就绪")
        wait_for((good.terminal.home / "run" / "addresses.json").exists, "the addresses", 90)
        fault = {"platform": "weibo", "endpoint": "statuses/update/biz", "kind": "drop_after", "count": 1}
        good.terminal.simulator("/_sim/faults", fault)
        bad.terminal.wait_for_words(bad.process, "正在发布")
        post_as_somebody_else(bad.terminal)

        result = good.result()
        assert good.process.returncode == 0, good.terminal.output()
        assert_shape(result)
        assert result["ok"] is True
        assert result["seconds"] < DEMO_S
        assert result["placements"] == {"expected": 13, "by_state": {"LIVE": 13}}
        assert result["posts"] == {"expected": 13, "on_platform": 13, "doubled": 0, "missing": 0}
        feedback = result["feedback"]
        assert feedback == {"true": feedback["true"], "collected": feedback["true"], "missing": 0, "repeated": 0}
        assert feedback["true"] >= 100
        assert result["aggregates"]["rows"] == 13 + 4 + 3 + 1 + 1
        assert result["aggregates"]["wrong"] == []
        assert_clean(good)

        result = bad.result()
        assert bad.process.returncode == 1, bad.terminal.output()
        assert_shape(result)
        assert result["ok"] is False
        assert result["posts"]["doubled"] == 1
        assert result["posts"]["on_platform"] == 14
        assert "有差异" in bad.terminal.output()
        assert_clean(bad)


def assert_shape(result: dict[str, Any]) -> None:
    """Exactly these fields: others build on them."""
    assert set(result) == {"ok", "seconds", "placements", "posts", "feedback", "aggregates"}
    assert set(result["placements"]) == {"expected", "by_state"}
    assert set(result["posts"]) == {"expected", "on_platform", "doubled", "missing"}
    assert set(result["feedback"]) == {"true", "collected", "missing", "repeated"}
    assert set(result["aggregates"]) == {"rows", "wrong"}
    assert all(set(one) == {"key", "metric", "expected", "got"} for one in result["aggregates"]["wrong"])


def assert_clean(ended: Demo) -> None:
    assert ended.terminal.processes() == []
    assert ended.terminal.pid_files() == []
    assert "Traceback" not in ended.terminal.output()


@pytest.mark.parametrize(("words", "number"), [("同播演示", signal.SIGINT), ("正在提交", signal.SIGTERM)])
def test_a_demo_that_is_stopped_leaves_nothing_and_shows_no_traceback(
    tmp_path: Path, words: str, number: signal.Signals
) -> None:
    with demo(tmp_path) as stopped:
        stopped.terminal.wait_for_words(stopped.process, words)
        stopped.process.send_signal(number)
        assert stopped.process.wait(90) == 130, stopped.terminal.output()
        assert_clean(stopped)
        assert not stopped.json_file.exists()


def test_a_broken_audience_file_is_refused_at_once_with_its_line(tmp_path: Path) -> None:
    broken = tmp_path / "cascades.jsonl"
    broken.write_text('{"post_id": "p1", "interactions": []\n', encoding="utf-8")
    with demo(tmp_path, "--audience", str(broken)) as refused:
        assert refused.process.wait(60) == 1
        assert "cascades.jsonl" in refused.terminal.output()
        assert "第 1 行" in refused.terminal.output()
        assert_clean(refused)


def test_a_json_file_that_cannot_be_written_is_said_before_anything_starts(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home")
    folder = tmp_path / "folder"
    folder.mkdir()
    refused = terminal.run("demo", "--once", "--json", str(folder))
    assert refused.returncode == 2
    assert "无法写入" in refused.stderr
    assert not (terminal.home / "run").exists()
