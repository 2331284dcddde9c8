"""The compatibility check can fail: each kind of breaking change is made here and must be named."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.contract import compatibility
from schemas.contract.comparison import breaks
from schemas.contract.snapshot import Snapshot, released, snapshot_of, snapshot_today, written
from schemas.contract.topic_files import contract_topics

Change = Callable[[Snapshot], Any]
TOPICS = contract_topics()


@pytest.fixture(scope="module")
def promised() -> Snapshot:
    return snapshot_of(TOPICS)


@pytest.fixture
def today(promised: Snapshot) -> Snapshot:
    return copy.deepcopy(promised)


def properties(snapshot: Snapshot, struct: str) -> dict[str, Any]:
    found: dict[str, Any] = snapshot["types"][struct]["properties"]
    return found


def require(snapshot: Snapshot, struct: str, field: str) -> None:
    snapshot["types"][struct]["required"].append(field)


def add_required_field(snapshot: Snapshot) -> None:
    properties(snapshot, "CommentObserved")["region"] = {"type": "string"}
    require(snapshot, "CommentObserved", "region")


def make_optional_field_required(snapshot: Snapshot) -> None:
    del properties(snapshot, "CommentObserved")["version"]["default"]
    require(snapshot, "CommentObserved", "version")


def refer_to_another_struct(snapshot: Snapshot) -> None:
    properties(snapshot, "PlacementRecord")["steps"]["items"] = {"$ref": "#/types/HistoryEntry"}


BREAKING: dict[str, tuple[Change, str, str]] = {
    "a removed field": (
        lambda s: properties(s, "CommentObserved").pop("text"),
        "CommentObserved.text",
        "field_removed",
    ),
    "a removed field of a struct inside": (
        lambda s: properties(s, "Reading").pop("value"),
        "Reading.value",
        "field_removed",
    ),
    "a changed type": (
        lambda s: properties(s, "CommentObserved")["text"].update(type="integer"),
        "CommentObserved.text",
        "type_changed",
    ),
    "null no longer taken": (
        lambda s: properties(s, "CommentObserved").update(likes={"type": "integer", "minimum": 0, "default": None}),
        "CommentObserved.likes",
        "narrowed",
    ),
    "a changed type inside a list": (
        lambda s: properties(s, "MasterContent")["topics"]["items"].update(type="integer"),
        "MasterContent.topics.*",
        "type_changed",
    ),
    "a changed type inside a map": (
        lambda s: properties(s, "StepRecord")["result"]["additionalProperties"].update(type="integer"),
        "StepRecord.result.*",
        "type_changed",
    ),
    "another struct in a list": (refer_to_another_struct, "PlacementRecord.steps.*.effect", "field_removed"),
    "a narrowed enum": (
        lambda s: properties(s, "PlacementRecord")["state"]["enum"].remove("MISSED"),
        "PlacementRecord.state",
        "enum_narrowed",
    ),
    "a renamed tag": (lambda s: properties(s, "Alert")["type"].update(enum=["Alarm"]), "Alert.type", "enum_narrowed"),
    "a type that left its topic": (
        lambda s: s["topics"]["feedback-unified"]["types"].remove("ReplyPosted"),
        "feedback-unified.ReplyPosted",
        "type_removed",
    ),
    "a new required field": (add_required_field, "CommentObserved.region", "new_required_field"),
    "an optional field made required": (make_optional_field_required, "CommentObserved.version", "became_required"),
    "a changed default, which old records left out": (
        lambda s: properties(s, "Target")["late_within_s"].update(default=60),
        "Target.late_within_s",
        "default_changed",
    ),
    "a longer minimum": (
        lambda s: properties(s, "Alert")["event_id"].update(minLength=10),
        "Alert.event_id",
        "narrowed",
    ),
    "a lower maximum": (
        lambda s: properties(s, "Alert")["event_id"].update(maxLength=64),
        "Alert.event_id",
        "narrowed",
    ),
    "a limit where there was none": (
        lambda s: properties(s, "CommentObserved")["text"].update(maxLength=140),
        "CommentObserved.text",
        "narrowed",
    ),
    "another pattern": (
        lambda s: properties(s, "Alert")["brand_id"].update(pattern="^[a-z]+$"),
        "Alert.brand_id",
        "narrowed",
    ),
    "a removed topic": (lambda s: s["topics"].pop("feedback-unified"), "feedback-unified", "topic_removed"),
    "a changed key": (
        lambda s: s["topics"]["placement-ledger"]["keys"].update(PlacementRecord="{content_id}"),
        "placement-ledger.PlacementRecord",
        "key_changed",
    ),
    "another partitioning": (
        lambda s: s["topics"]["feedback-unified"].update(partition_by="brand_id"),
        "feedback-unified",
        "partition_by_changed",
    ),
    "changed partitions": (
        lambda s: s["topics"]["operator-command"].update(partitions=4),
        "operator-command",
        "partitions_changed",
    ),
    "another cleanup policy": (
        lambda s: s["topics"]["placement-ledger"].update(cleanup_policy="delete"),
        "placement-ledger",
        "cleanup_policy_changed",
    ),
    "a shorter retention": (
        lambda s: s["topics"]["master-content"].update(retention_ms=1),
        "master-content",
        "retention_shortened",
    ),
}


def widen_enum(snapshot: Snapshot) -> None:
    properties(snapshot, "PlacementRecord")["state"]["enum"].append("EXPIRED")


def accept_null(snapshot: Snapshot) -> None:
    properties(snapshot, "CommentObserved")["text"] = {"anyOf": [{"type": "string"}, {"type": "null"}]}


def rename_struct(snapshot: Snapshot) -> None:
    snapshot["types"]["Loss"] = snapshot["types"].pop("Dropped")
    properties(snapshot, "Draft")["dropped"]["items"] = {"$ref": "#/types/Loss"}


COMPATIBLE: dict[str, Change] = {
    "nothing": lambda s: None,
    "a new optional field": lambda s: properties(s, "Alert").update(runbook={"type": "string", "default": ""}),
    "a wider enum": widen_enum,
    "a field that may be null now": accept_null,
    "a struct under another name": rename_struct,
    "a new topic": lambda s: s["topics"].update({"news": s["topics"]["master-content"]}),
    "a longer retention": lambda s: s["topics"]["feedback-unified"].update(retention_ms=-1),
    "another description": lambda s: s["types"]["Alert"].update(description="…"),
}


@pytest.mark.parametrize("name", BREAKING)
def test_a_breaking_change_is_named_by_type_and_field(name: str, promised: Snapshot, today: Snapshot) -> None:
    change, where, code = BREAKING[name]
    change(today)
    found = breaks(promised, today)
    assert (where, code) in [(each.where, each.code) for each in found]
    assert any(str(each).startswith(f"{where}：") for each in found)


@pytest.mark.parametrize("name", COMPATIBLE)
def test_a_compatible_change_passes(name: str, promised: Snapshot, today: Snapshot) -> None:
    COMPATIBLE[name](today)
    assert breaks(promised, today) == []


def test_a_change_of_a_shared_struct_is_told_once(promised: Snapshot, today: Snapshot) -> None:
    properties(today, "Reading").pop("native")
    assert [each.where for each in breaks(promised, today)] == ["Reading.native"]


def test_an_old_record_that_todays_reader_refuses_is_breaking(promised: Snapshot) -> None:
    old = copy.deepcopy(promised)
    del old["examples"]["feedback-unified"]["comment"]["event_id"]
    found = compatibility.unreadable(old)
    assert [each.where for each in found] == ["feedback-unified/comment.event_id"]


def test_every_release_is_read_not_only_the_newest(promised: Snapshot, today: Snapshot, tmp_path: Path) -> None:
    broken = copy.deepcopy(promised)
    broken["examples"]["feedback-unified"]["comment"]["likes"] = -1
    paths = [tmp_path / "1.json", tmp_path / "2.json"]
    for path, snapshot in zip(paths, (broken, promised), strict=True):
        path.write_text(written(snapshot))
    assert [each.where for each in compatibility.against(paths, today)] == ["feedback-unified/comment.likes"]


def test_the_command_fails_on_a_breaking_change_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, promised: Snapshot, capsys: pytest.CaptureFixture[str]
) -> None:
    old = copy.deepcopy(promised)
    properties(old, "CommentObserved")["mood"] = {"type": "string"}
    baseline = tmp_path / "1.json"
    baseline.write_text(written(old))
    monkeypatch.setattr(compatibility, "snapshot_today", lambda: promised)
    assert compatibility.main(["--against", str(baseline)]) == 1
    assert "CommentObserved.mood" in capsys.readouterr().err


def test_the_tree_keeps_what_was_released() -> None:
    assert released(), "no baseline: run `python -m schemas.contract.compatibility --release`"
    assert compatibility.against(released(), snapshot_today()) == []


def test_a_missing_baseline_is_no_pass(tmp_path: Path) -> None:
    assert compatibility.main(["--against", str(tmp_path / "none.json")]) == 2


def test_releases_are_numbered_and_never_overwritten(tmp_path: Path, promised: Snapshot) -> None:
    assert [compatibility.release(promised, tmp_path).name for _ in range(3)] == ["1.json", "2.json", "3.json"]
    assert [path.name for path in released(tmp_path)] == ["1.json", "2.json", "3.json"]
    assert json.loads((tmp_path / "1.json").read_bytes()) == promised
