"""A campaign file that cannot be published says where: file, line, field, way out."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from services.cli.campaign.file import CampaignFileError, FileProblem, load
from services.publisher.api.requests import CampaignRequest, ContentRequest
from tests.cli.conftest import DEMO


def change(file: Path, old: str, new: str) -> int:
    """Replace the first `old`; returns the line where it stood."""
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")
    return text[: text.index(old)].count("\n") + 1


def problems(file: Path) -> list[FileProblem]:
    with pytest.raises(CampaignFileError) as caught:
        load(file)
    assert all(one.message and one.message_en for one in caught.value.problems)
    return caught.value.problems


def test_the_sample_campaign_makes_requests_the_publisher_can_decode() -> None:
    campaign = load(DEMO / "campaign.yaml")
    msgspec.convert(campaign.campaign, CampaignRequest)
    requests = [msgspec.convert(one.request, ContentRequest) for one in campaign.contents]
    assert sum(len(one.targets) for one in requests) >= 13
    assert {one.kind for one in requests} == {"article", "video", "pictures", "notice"}
    assert all(one.declarations.advertisement and one.link for one in requests), "defaults reach every content"
    assert any(target.schedule for one in requests for target in one.targets)
    assert len(campaign.media) == 12


def test_the_same_files_make_the_same_keys_and_any_change_makes_others(demo: Path) -> None:
    first, again = load(demo), load(demo)
    assert [one.key for one in first.contents] == [one.key for one in again.contents]
    (demo.parent / "launch-story.md").write_text("改过的正文", "utf-8")
    changed = [one.key for one in load(demo).contents]
    assert [a == b.key for a, b in zip(changed, first.contents, strict=True)] == [False, True, True, True]


def test_a_suffix_makes_it_a_campaign_of_its_own(demo: Path) -> None:
    once, again = load(demo), load(demo, suffix="2")
    assert again.campaign["campaign_id"] == once.campaign["campaign_id"] + "-2"
    ids = {one.request["content_id"] for one in (*once.contents, *again.contents)}
    assert len(ids) == 2 * len(once.contents)
    assert {one.request["campaign_id"] for one in again.contents} == {again.campaign["campaign_id"]}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kind: article", "kind: story"),
        ("objective: launch", "objective: fame"),
        ("content_id: cold-brew-story", "content_id: 冷泡"),
        ("title: 六秒看懂山岚冷泡茶", "tittle: 六秒看懂山岚冷泡茶"),
        ("late_within_s: 600", "late_within_s: ten"),
        ("schedule: {in_s: 20}", "schedule: {in_s: soon}"),
        ("schedule: {in_s: 20}", "schedule: {due_at: 2026-11-11T20:00:00}"),
        ("role: video", "role: film"),
        ("file: media/film.mp4", "file: media/none.mp4"),
        ("body_file: launch-story.md", "body_file: none.md"),
        ("body_file: launch-story.md", "body_file: media/film.mp4"),
        ("content_id: tasting-day", "content_id: cold-brew-film"),
    ],
)
def test_a_mistake_is_named_with_its_line(demo: Path, old: str, new: str) -> None:
    line = change(demo, old, new)
    found = problems(demo)
    assert any(one.file == demo and one.line == line for one in found), found


def test_a_mistake_in_the_text_is_named_in_the_markdown_file(demo: Path) -> None:
    line = change(demo.parent / "launch-story.md", "media:picking", "media:pickling")
    (problem,) = problems(demo)
    assert (problem.file.name, problem.line) == ("launch-story.md", line)


def test_all_mistakes_come_at_once(demo: Path) -> None:
    change(demo, "kind: article", "kind: story")
    change(demo, "objective: launch", "objective: fame")
    change(demo, "role: video", "role: film")
    assert len(problems(demo)) == 3


def test_a_missing_declaration_is_a_mistake_and_never_assumed(demo: Path) -> None:
    change(demo, "  declarations: {origin: original, ai_generated: false, advertisement: true}\n", "")
    assert len(problems(demo)) == 4


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("campaign: [", 1),
        ("campaign: 1\ncampaign: 2", 2),
        ("- a\n- b", 1),
        ("\tcampaign: x", 1),
        ("campaign: &a [*a]\n", 1),
        ("a: !!python/object:os.system {}", 1),
        ("campaign:\n  name: 'open", 2),
    ],
)
def test_what_is_no_usable_yaml_is_refused_and_never_a_crash(tmp_path: Path, text: str, line: int) -> None:
    file = tmp_path / "campaign.yaml"
    file.write_text(text, "utf-8")
    assert problems(file)[0].line == line


def test_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "campaign.yaml"
    file.write_bytes("活动".encode("gbk"))
    assert "UTF-8" in problems(file)[0].message


def test_an_unquoted_time_stays_the_wall_clock_that_was_written(demo: Path) -> None:
    change(demo, "schedule: {in_s: 20}", "schedule: {wall_clock: 2027-11-11T20:00:00}")
    target = load(demo).contents[3].request["targets"][1]
    assert target["schedule"] == {"wall_clock": "2027-11-11T20:00:00", "zone": "Asia/Shanghai"}
