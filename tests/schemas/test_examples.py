"""Every example is an event of its topic; every invalid one is refused with the field it is about."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from schemas.codec import DecodeError, decoder, encode
from schemas.contract.topic_files import contract_topics

SCHEMAS = Path(__file__).parents[2] / "schemas"
TOPICS = {spec.name.replace("{service}", "service"): spec for spec in contract_topics()}
VALID = sorted((SCHEMAS / "examples").glob("*/*.json"))
INVALID = sorted((SCHEMAS / "examples").glob("*/invalid/*.json"))


def _in_a_file_name(field: str) -> str:
    """`media[0].size` as `media.0.size`; `metrics[...]`, any value of a map, as `metrics.any`."""
    return field.replace("[...]", ".any").replace("[", ".").replace("]", "")


def name_of(path: Path) -> str:
    return str(path.relative_to(SCHEMAS / "examples"))


@pytest.mark.parametrize("path", VALID, ids=name_of)
def test_an_example_decodes_and_survives_being_written_again(path: Path) -> None:
    read = decoder(path.parent.name)
    event = read(path.read_bytes())
    assert read(encode(event)) == event


@pytest.mark.parametrize("path", INVALID, ids=name_of)
def test_an_invalid_example_is_refused_by_the_name_of_its_field(path: Path) -> None:
    field = path.stem.partition("__")[0]
    with pytest.raises(DecodeError) as caught:
        decoder(path.parents[1].name)(path.read_bytes())
    assert _in_a_file_name(caught.value.field) == field
    assert caught.value.field in str(caught.value)
    assert not caught.value.message.isascii(), "the message speaks Chinese too"


@pytest.mark.parametrize("name", sorted(TOPICS))
def test_every_topic_has_examples_of_every_type_and_one_from_a_newer_writer(name: str) -> None:
    folder = SCHEMAS / TOPICS[name].examples
    assert folder.name == name
    read = decoder(name)
    seen = {type(read(path.read_bytes())).__name__ for path in folder.glob("*.json")}
    assert seen == set(TOPICS[name].types)
    assert any("unknown-extra-field" in path.stem for path in folder.glob("*.json"))
    assert (folder / "invalid" / "event_id__missing.json").exists()


def test_no_example_folder_is_left_without_a_topic() -> None:
    assert {path.name for path in (SCHEMAS / "examples").iterdir()} <= set(TOPICS)


def test_examples_hold_what_breaks_naive_readers() -> None:
    texts = [path.read_text() for path in VALID]
    assert any("\u200d" in text for text in texts), "an emoji joined by zero-width joiners"
    assert any('"text": ""' in text for text in texts), "an empty comment"
    assert any(len(text) > 20_000 for text in texts), "a long text"


def test_a_clock_that_runs_behind_does_not_make_a_comment_unreadable() -> None:
    path = SCHEMAS / "examples/feedback-unified/comment-clock-skew.json"
    event = decoder("feedback-unified")(path.read_bytes())
    assert event.occurred_at > event.observed_at


def test_an_unknown_field_is_ignored_and_not_carried_on() -> None:
    path = SCHEMAS / "examples/feedback-unified/comment-unknown-extra-field.json"
    event = decoder("feedback-unified")(path.read_bytes())
    written = msgspec.json.decode(encode(event))
    assert "region" in path.read_text()
    assert "region" not in written
    assert written["text"] == "好看"
