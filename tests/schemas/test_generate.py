"""Generated documents: complete, consistent in themselves, the same every time, and drift is noticed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # ships no annotations

from schemas.contract.catalogue import fields_without_words, flow, read_glossary
from schemas.contract.event_types import published_types
from schemas.contract.generate import documents, drifted, write
from schemas.contract.topic_files import contract_topics, topic_templates

ROOT = Path(__file__).parents[2]
SPECS = contract_topics()


@pytest.fixture(scope="module")
def wanted() -> dict[str, str]:
    return documents(topic_templates())


def test_the_documents_in_the_repository_are_those_of_today(wanted: dict[str, str]) -> None:
    assert drifted(wanted) == [], "run `make schemas`"


def test_drift_is_noticed_when_a_document_is_edited_lost_or_left_over(wanted: dict[str, str], tmp_path: Path) -> None:
    write(wanted, tmp_path)
    assert drifted(wanted, tmp_path) == []
    (tmp_path / "catalogue.md").write_text("…")
    (tmp_path / "schemas/Alert.schema.json").unlink()
    (tmp_path / "schemas/Gone.schema.json").write_text("{}")
    expected = ["catalogue.md", "schemas/Alert.schema.json", "schemas/Gone.schema.json"]
    assert drifted(wanted, tmp_path) == expected
    assert write(wanted, tmp_path) == expected
    assert not (tmp_path / "schemas/Gone.schema.json").exists()


def test_the_order_of_hashes_does_not_change_a_byte(wanted: dict[str, str]) -> None:
    program = "import json; from schemas.contract.generate import *; print(json.dumps(documents(topic_templates())))"
    for seed in ("1", "2"):
        answer = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True, timeout=60,
        )  # fmt: skip
        assert json.loads(answer.stdout) == wanted


def test_every_field_is_explained_in_chinese() -> None:
    assert fields_without_words(SPECS, read_glossary()) == [], "add it to schemas/glossary.yaml"


def test_a_field_without_words_is_noticed() -> None:
    words = {name: text for name, text in read_glossary().items() if name != "sequence"}
    assert fields_without_words(SPECS, words) == ["MetricsObserved.sequence"]


@pytest.mark.parametrize("name", sorted(published_types(SPECS)))
def test_the_json_schema_accepts_the_examples_and_refuses_a_missing_event_id(name: str, wanted: dict[str, str]) -> None:
    schema = json.loads(wanted[f"schemas/{name}.schema.json"])
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    records = [json.loads(path.read_bytes()) for path in (ROOT / "schemas/examples").glob("*/*.json")]
    mine = [record for record in records if record["type"] == name]
    assert mine
    for record in mine:
        validator.validate(record)
        without = {field: value for field, value in record.items() if field != "event_id"}
        assert [error.validator for error in validator.iter_errors(without)] == ["required"]


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(references(value) for value in node.values()))
    return set().union(*(references(item) for item in node)) if isinstance(node, list) else set()


def test_every_reference_of_the_asyncapi_document_leads_somewhere(wanted: dict[str, str]) -> None:
    document = yaml.safe_load(wanted["asyncapi.yaml"])
    found = references(document)
    assert len(found) > len(SPECS)
    for reference in found:
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_the_asyncapi_document_says_what_is_created(wanted: dict[str, str]) -> None:
    document = yaml.safe_load(wanted["asyncapi.yaml"])
    assert document["asyncapi"] == "3.0.0"
    assert {channel["address"] for channel in document["channels"].values()} == {spec.name for spec in SPECS}
    ledger = document["channels"]["placement-ledger"]["bindings"]["kafka"]["topicConfiguration"]
    assert ledger == {"cleanup.policy": ["compact"], "retention.ms": -1}
    assert document["channels"]["operator-command"]["bindings"]["kafka"]["partitions"] == 1
    assert document["channels"]["service-dlq"]["parameters"].keys() == {"service"}


def test_the_flow_shows_every_topic_with_a_writer_and_a_reader() -> None:
    lines = flow(SPECS).splitlines()
    for spec in SPECS:
        if "{" not in spec.name:
            assert any(line.endswith(f"--> {spec.name}") for line in lines)
            assert any(line.startswith(f"  {spec.name} -->") for line in lines)


def test_the_catalogue_has_every_type_and_every_field(wanted: dict[str, str]) -> None:
    for name, struct in published_types(SPECS).items():
        _, _, section = wanted["catalogue.md"].partition(f"### {name}\n")
        table = section.partition("\n## ")[0].partition("\n### ")[0]
        for field in struct.__struct_fields__:
            assert f"| `{field}` |" in table
