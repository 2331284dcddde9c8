"""The page shows what is in the results file, and nobody can change one without the other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.results.report import BEGIN, END, PAGE, tables, write
from benchmarks.results.results import FILE, Results, failed, middle_of_fan_outs

RESULTS: dict[str, Any] = {
    "machine": {
        "cpu": "a CPU", "cores": 2, "memory_gb": 4.0, "kernel": "Linux 6", "python": "3.11", "java": "java 25",
        "kafka": "4.4.0", "packages": {"msgspec": "1"}, "commit": "abc", "measured_at": "2026-11-27",
        "load_at_start": 0.1,
    },
    "runs": 3,
    "aggregate": {
        "kafka-streams-eos": {"events_per_s": 1_000, "min": 900, "max": 1_100, "cpu_s_per_million": 6.0, "peak_mb": 512,
                              "exact": True, "what": "Java", "events": 10, "posts": 5},
        "tongbo": {"events_per_s": 1_500, "min": 1_400, "max": 1_600, "cpu_s_per_million": 3.0, "peak_mb": 150,
                   "exact": False, "what": "the product", "events": 10, "posts": 5},
    },
}  # fmt: skip


def test_a_contender_that_is_not_exact_is_shown_as_such_and_the_factor_is_over_kafka_streams() -> None:
    text = tables(RESULTS)
    assert "| `tongbo` | 1,500 (1,400–1,600) | 1.50 | 3.00 | – | 150 | 10 | **NO** |" in text
    assert "| kafka-streams-eos | 1,000 (900–1,100) | 1.00 | 6.00 | – | 512 | 10 | yes |" in text


def test_a_recovery_that_did_not_come_to_an_end_does_not_take_the_page_with_it() -> None:
    text = tables(RESULTS | {"recovery": {"posts": 1_000, "exact": False, "failed": "too slow"}})
    assert "1,000 posts of state: did not come to an end" in text


def test_only_what_lies_between_the_marks_is_written_anew(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", "utf-8")
    write(RESULTS, page)
    text = page.read_text("utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    page.write_text("no marks", "utf-8")
    with pytest.raises(ValueError, match="marks"):
        write(RESULTS, page)


def test_a_part_that_is_not_measured_again_keeps_what_was_measured(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    Results(file, {"cpu": "one", "commit": "a"}, 3, quick=False).put(
        failed("no Java"), "aggregate", "kafka-streams-eos"
    )
    Results(file, {"cpu": "one", "commit": "b"}, 1, quick=False).put({"p50_ms": 1}, "latency")
    found = json.loads(file.read_text("utf-8"))
    assert found["machine"] == {"cpu": "one", "commit": "b"}
    assert found["commits"] == {"aggregate/kafka-streams-eos": "a", "latency": "b"}
    assert found["aggregate"]["kafka-streams-eos"]["failed"] == "no Java"
    assert found["latency"] == {"p50_ms": 1}


@pytest.mark.parametrize(("cpu", "quick"), [("two", False), ("one", True)])
def test_figures_of_another_machine_or_of_a_small_run_are_never_mixed_in(tmp_path: Path, cpu: str, quick: bool) -> None:
    file = tmp_path / "results.json"
    Results(file, {"cpu": "one", "commit": "a"}, 3, quick=False).put(
        failed("no Java"), "aggregate", "kafka-streams-eos"
    )
    Results(file, {"cpu": cpu, "commit": "b"}, 3, quick=quick).put({"p50_ms": 1}, "latency")
    assert json.loads(file.read_text("utf-8"))["aggregate"] == {}


def test_the_page_shows_the_committed_results() -> None:
    found = json.loads(FILE.read_text("utf-8"))
    assert tables(found) in PAGE.read_text("utf-8"), "run: .venv-bench/bin/python -m benchmarks.results.report"


def test_of_several_fan_outs_the_median_counts_and_all_are_kept() -> None:
    measured = [
        {"p50_ms": p50, "p99_ms": p99, "throughput": {"placements_per_s": rate, "answer_ms": 50}}
        for p50, p99, rate in ((50.0, 90.0, 600.0), (40.0, 95.0, 700.0), (45.0, 80.0, 500.0))
    ]
    found = middle_of_fan_outs(measured)
    assert (found["p50_ms"], found["p99_ms"], found["throughput"]["placements_per_s"]) == (45.0, 80.0, 600.0)
    text = tables(RESULTS | {"fan_out": found})
    assert "p50 45.0 ms, p99 80.0 ms. All runs, p50 and p99: 50.0 and 90.0, 40.0 and 95.0, 45.0 and 80.0." in text


def test_parts_measured_on_several_commits_are_named_with_them() -> None:
    assert "Commit abc, last measured 2026-11-27" in tables(RESULTS)
    commits = {"aggregate/tongbo": "a", "aggregate/kafka-streams-eos": "a", "latency": "a", "fan_out": "b"}
    assert "Commits a (aggregate, latency), b (fan_out), last measured" in tables(RESULTS | {"commits": commits})
