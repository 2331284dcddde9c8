"""What BI reads is a product: whatever breaks a reader of the rows is named, field by field, by what CI runs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from schemas.contract import compatibility
from schemas.contract.comparison import breaks
from schemas.contract.snapshot import Snapshot, released, snapshot_of, written
from schemas.contract.topic_files import contract_topics

ROWS = ("EngagementAggregate", "Totals", "MetricTotal", "CurvePoint", "EngagementWindows", "Window")
TOPICS = {"engagement-aggregate": "EngagementAggregate", "engagement-window": "EngagementWindows"}
PROMISED = snapshot_of(contract_topics())
FIELDS = [(struct, field) for struct in ROWS for field in PROMISED["types"][struct]["properties"] if field != "type"]


def broken(change: Callable[[Snapshot], Any]) -> set[tuple[str, str]]:
    today = copy.deepcopy(PROMISED)
    change(today)
    return {(each.where, each.code) for each in breaks(PROMISED, today)}


def fields(snapshot: Snapshot, struct: str) -> dict[str, Any]:
    found: dict[str, Any] = snapshot["types"][struct]["properties"]
    return found


def rename(snapshot: Snapshot, struct: str, field: str) -> None:
    fields(snapshot, struct)[f"{field}_new"] = fields(snapshot, struct).pop(field)


def enums(schema: Any, path: str) -> Iterator[tuple[str, list[str]]]:
    for choice in schema.get("anyOf", [schema]):
        if "enum" in choice:
            yield path, choice["enum"]
        for inner in ("items", "additionalProperties"):
            if isinstance(choice.get(inner), dict):
                yield from enums(choice[inner], f"{path}.*")


@pytest.mark.parametrize(("struct", "field"), FIELDS)
def test_a_field_of_a_row_that_is_removed_renamed_retyped_or_made_required_is_named(struct: str, field: str) -> None:
    where = f"{struct}.{field}"
    assert (where, "field_removed") in broken(lambda today: fields(today, struct).pop(field))
    assert (where, "field_removed") in broken(lambda today: rename(today, struct, field))
    retyped = broken(lambda today: fields(today, struct).update({field: {"type": "boolean"}}))
    assert {code for place, code in retyped if place.startswith(where)} & {"type_changed", "narrowed"}
    if field not in PROMISED["types"][struct]["required"]:
        required = broken(lambda today: today["types"][struct]["required"].append(field))
        assert (where, "became_required") in required


@pytest.mark.parametrize("struct", ROWS)
def test_a_value_that_an_enum_of_a_row_no_longer_has_is_named(struct: str) -> None:
    for field in PROMISED["types"][struct]["properties"]:
        for number, (where, values) in enumerate(enums(PROMISED["types"][struct]["properties"][field], field)):
            for value in values:

                def narrow(today: Snapshot, at: int = number, name: str = field, gone: str = value) -> None:
                    list(enums(fields(today, struct)[name], name))[at][1].remove(gone)

                assert (f"{struct}.{where}", "enum_narrowed") in broken(narrow)


@pytest.mark.parametrize(("topic", "struct"), TOPICS.items())
def test_another_key_another_pattern_and_another_policy_of_a_row_are_named(topic: str, struct: str) -> None:
    assert broken(lambda today: today["topics"][topic]["keys"].update({struct: "{scope}/{key}"})) == {
        (f"{topic}.{struct}", "key_changed")
    }
    assert (f"{struct}.platform", "narrowed") in broken(
        lambda today: fields(today, struct)["platform"].update(pattern="^(weibo|wechat|douyin|all)$")
    )
    assert broken(lambda today: today["topics"][topic].update(cleanup_policy="delete")) == {
        (topic, "cleanup_policy_changed")
    }


@pytest.mark.parametrize(
    ("struct", "field"), [("EngagementAggregate", "coverage"), ("EngagementWindows", "windows"), ("Window", "restated")]
)
def test_the_command_that_ci_runs_fails_for_a_row_without_one_of_its_released_fields(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], struct: str, field: str
) -> None:
    today = copy.deepcopy(PROMISED)
    del fields(today, struct)[field]
    monkeypatch.setattr(compatibility, "snapshot_today", lambda: today)
    assert f'"{struct}"' in released()[-1].read_text()
    assert compatibility.main([]) == 1
    assert f"{struct}.{field}" in capsys.readouterr().err
    assert written(today) != written(PROMISED)
