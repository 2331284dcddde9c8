"""Topic files: everything misspelt is refused by name, a new service needs no new file."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import msgspec
import pytest

from schemas.codec import decoder
from schemas.contract.event_types import event_types, types_of
from schemas.contract.topic_files import FOLDER, TopicFileError, key_fields, load_topics, topic, topic_templates
from schemas.topics import TopicSpec

TEMPLATES = topic_templates()


def name_of(spec: TopicSpec) -> str:
    return spec.name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of one topic file to be spoilt."""
    shutil.copy(FOLDER / "feedback-unified.yaml", tmp_path)
    return tmp_path


def spoil(folder: Path, old: str, new: str) -> None:
    file = folder / "feedback-unified.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("owner:", "ownr:", "ownr"),
        ("  cleanup: delete", "  cleanup: delete\n  retension: 3d", "retension"),
        ("  zh:", "  cn:", "cn"),
        ("owner: feedback-collector\n", "", "owner"),
        ("cleanup: delete", "cleanup: destroy", "cleanup"),
        ("retention: 366d", "retention: 1 year", "retention"),
        ("partitions: null", "partitions: 0", "partitions"),
        ("partitions: null", "partitions: many", "partitions"),
        ("types: [CommentObserved, ", "types: [", "key"),
        ("name: feedback-unified", "name: feedback", "feedback-unified.yaml"),
        ("name: feedback-unified", "name: [", "feedback-unified.yaml"),
    ],
)
def test_a_wrong_topic_file_is_refused_by_the_name_of_the_key(folder: Path, old: str, new: str, named: str) -> None:
    spoil(folder, old, new)
    with pytest.raises(TopicFileError, match=re.escape(named)) as caught:
        load_topics(folder=folder)
    assert "feedback-unified.yaml" in str(caught.value)


def test_a_type_that_does_not_exist_is_refused_by_name(folder: Path) -> None:
    spoil(folder, "types: [CommentObserved", "types: [CommentObservd")
    spoil(folder, "  CommentObserved:", "  CommentObservd:")
    (spec,) = load_topics(folder=folder)
    with pytest.raises(TopicFileError, match="CommentObservd"):
        types_of(spec)


@pytest.mark.parametrize("spec", TEMPLATES, ids=name_of)
def test_every_named_type_exists_and_has_the_fields_of_its_key(spec: TopicSpec) -> None:
    for struct in types_of(spec):
        fields = {field.name for field in msgspec.structs.fields(struct)}
        assert set(key_fields(spec.keys[struct.__name__])) <= fields
        assert spec.internal or spec.partition_by == "source" or key_fields(spec.keys[struct.__name__])
        placed_by = {spec.partition_by} - {"key", "single", "source"}
        assert placed_by <= fields


@pytest.mark.parametrize("spec", TEMPLATES, ids=name_of)
def test_a_compacted_topic_never_loses_its_rows_to_time(spec: TopicSpec) -> None:
    assert spec.cleanup_policy == "delete" or spec.config["retention.ms"] == "-1"


def test_the_topics_of_the_design_are_there_with_their_policies() -> None:
    found = {spec.name: (spec.cleanup_policy, spec.retention, spec.partitions) for spec in TEMPLATES}
    promised = {
        "master-content": ("delete", "forever", None),
        "operator-command": ("delete", "forever", 1),
        "placement-ledger": ("compact", "forever", None),
        "feedback-unified": ("delete", "366d", None),
        "collector-cursor": ("compact", "forever", None),
        "engagement-aggregate": ("compact", "forever", None),
        "engagement-alert": ("delete", "366d", None),
        "platform-capability": ("compact", "forever", None),
        "{service}-dlq": ("delete", "30d", None),
    }
    assert promised.items() <= found.items()


def test_a_new_service_gets_its_dead_letter_topic_without_a_new_file() -> None:
    names = [spec.name for spec in load_topics(["publisher", "adapter-bilibili"])]
    assert {"publisher-dlq", "adapter-bilibili-dlq"} <= set(names)
    assert not any("{" in name for name in names)
    assert names == sorted(names)


def test_without_services_the_template_makes_no_topic() -> None:
    assert not any(spec.name.endswith("-dlq") for spec in load_topics())


def test_a_service_named_twice_is_refused_rather_than_created_twice() -> None:
    with pytest.raises(TopicFileError, match="publisher-dlq"):
        load_topics(["publisher", "publisher"])


def test_a_service_name_that_is_no_topic_name_is_refused() -> None:
    with pytest.raises(TopicFileError, match="Adapter Weibo"):
        load_topics(["Adapter Weibo"])


def test_a_topic_is_found_by_name_dead_letters_of_any_service_too() -> None:
    assert topic("placement-ledger").cleanup_policy == "compact"
    assert topic("adapter-bilibili-dlq").producers == ("adapter-bilibili", "cli")


def test_an_unknown_topic_is_refused_with_the_list_of_those_that_exist() -> None:
    with pytest.raises(TopicFileError, match="master-content"):
        topic("masters")


def test_the_key_of_an_event_follows_its_type() -> None:
    spec = topic("feedback-unified")
    examples = FOLDER.parent / spec.examples
    read = decoder("feedback-unified")
    assert spec.key_of(read((examples / "comment.json").read_bytes())) == "weibo:5012345678901234"
    assert spec.key_of(read((examples / "followers.json").read_bytes())) == "weibo:qinghe-tea"


def test_an_event_on_the_wrong_topic_has_no_key() -> None:
    comment = (FOLDER.parent / "examples/feedback-unified/comment.json").read_bytes()
    with pytest.raises(TopicFileError, match="CommentObserved"):
        topic("placement-ledger").key_of(decoder("feedback-unified")(comment))


def test_event_types_are_discovered_from_every_module() -> None:
    assert {"MasterContent", "BrakeSet", "PlacementRecord", "CommentObserved", "DeadLetter"} <= set(event_types())
