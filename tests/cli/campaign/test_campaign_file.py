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


@pytest.mark.parametrize("how", ["up", "absolute", "link", "folder link"])
@pytest.mark.parametrize("what", ["body_file", "variant", "media"])
def test_what_lies_outside_the_campaigns_folder_is_not_read(demo: Path, tmp_path: Path, how: str, what: str) -> None:
    kept = tmp_path / "home"
    kept.mkdir()
    secret = kept / ("token" if what != "media" else "cover.jpg")
    secret.write_bytes(b"tb_secret" if what != "media" else (demo.parent / "media/article-cover.jpg").read_bytes())
    named = {"up": f"../home/{secret.name}", "absolute": str(secret)}.get(how, f"inner/{secret.name}")
    if how == "link":
        (demo.parent / "inner").mkdir()
        (demo.parent / "inner" / secret.name).symlink_to(secret)
    if how == "folder link":
        (demo.parent / "inner").symlink_to(kept)
    document = msgspec.yaml.decode(demo.read_bytes())
    entry = document["contents"][0]
    if what == "body_file":
        entry["body_file"] = named
    elif what == "variant":
        entry["variants"] = [{"platform": "wechat", "body_file": named}]
    else:
        entry["media"][0]["file"] = named
    demo.write_bytes(msgspec.yaml.encode(document))
    (found,) = [one for one in problems(demo) if "--allow-outside" in one.way_out]
    assert str(secret.resolve()) in found.message
    assert "tb_secret" not in str(problems(demo))
    allowed = load(demo, allow_outside=True)
    assert what != "body_file" or allowed.contents[0].request["body"] == "tb_secret"


def test_a_link_within_the_folder_is_as_good_as_the_file(demo: Path) -> None:
    (demo.parent / "story.md").symlink_to("launch-story.md")
    change(demo, "launch-story.md", "story.md")
    assert load(demo).contents[0].request["body"] == (demo.parent / "launch-story.md").read_text("utf-8")


TEXT_FIELDS = (
    "title: 冷泡茶 #1 新品", "title: 冷泡茶   # 备注", "key_message: 好茶 #冷泡茶#", "summary: 到店\t#免费",
    "author: 小王 #2",
    "topics: [冷泡茶 #新品]", "variants: [{platform: weibo, text: 今天上市 #冷泡茶# 到店免费喝}]",
    "variants:\n      - platform: weibo\n        text: 今天上市 #冷泡茶# 到店", "topics:\n      - 冷泡茶 #新品",
    "title: 很长的\n      标题 #1", "title: # 冷泡茶",
)  # fmt: skip


def small(tmp_path: Path, line: str) -> Path:
    """A campaign of one content, with a line of its own in it."""
    file = tmp_path / "small.yaml"
    name = line.partition(":")[0]
    lines = {
        "content_id": "content_id: c", "kind": "kind: notice", "title": "title: 冷泡茶",
        "key_message": "key_message: 好茶",
        "targets": "targets: [{platform: weibo, account: qinghe-tea}]",
        "declarations": "declarations: {origin: original, ai_generated: false, advertisement: false}",
    } | {name: line}  # fmt: skip
    body = "\n".join(f"    {one}" for one in lines.values())
    file.write_text(
        f"campaign: {{campaign_id: a, brand_id: qinghe, name: n, objective: launch}}\ncontents:\n  -{body[3:]}\n",
        "utf-8",
    )
    return file


@pytest.mark.parametrize("line", TEXT_FIELDS)
def test_words_that_yaml_would_drop_as_a_comment_are_told_with_their_line(tmp_path: Path, line: str) -> None:
    file = small(tmp_path, line)
    (found,) = problems(file)
    assert "注释" in found.message
    assert "quotes" in found.message_en
    if "YAML 语法" not in found.message:  # in brackets it is noticed where they should have been closed
        assert "#" in file.read_text("utf-8").splitlines()[found.line - 1]


@pytest.mark.parametrize(
    "line",
    [
        'title: "冷泡茶 #1 新品"', "title: '冷泡茶 # 1'", "title: 冷泡茶#1", "kind: notice  # a remark",
        "title: |\n      冷泡茶 #1",
        "# title: 冷泡茶", "title: >-\n      冷泡茶 #1 新品",
    ],
)  # fmt: skip
def test_a_hash_that_yaml_keeps_and_a_comment_that_is_one_are_no_problem(tmp_path: Path, line: str) -> None:
    assert load(small(tmp_path, line)).contents[0].request["title"]


@pytest.mark.parametrize(
    ("line", "written", "field"),
    [
        ("title: 12:30", "12:30", "title"), ("title: 0755", "0755", "title"), ("title: no", "no", "title"),
        ("title: ~", "~", "title"), ("content_id: 20261201", "20261201", "content_id"), ("title: 1e5", "", "title"),
        ("key_message: 3.14", "3.14", "key_message"), ("topics: [2026, 冷泡]", "2026", "topics[0]"),
        ("title: 0x1F", "0x1F", "title"), ("title: 1_000", "1_000", "title"), ("title: yes", "yes", "title"),
    ],
)  # fmt: skip
def test_a_value_that_yaml_reads_as_no_text_is_told_as_it_is_written(
    tmp_path: Path, line: str, written: str, field: str
) -> None:
    file = small(tmp_path, line)
    if not written:  # YAML 1.1 keeps it as text
        assert load(file).contents[0].request["title"] == "1e5"
        return
    (found,) = problems(file)
    assert f'"{written}"' in found.way_out
    assert field in found.message


@pytest.mark.parametrize("line", ["kind: 12", "targets: 3", "version: no"])
def test_what_quotes_would_not_mend_is_told_as_before(tmp_path: Path, line: str) -> None:
    file = small(tmp_path, line)
    assert all("引号" not in one.way_out for one in problems(file))
