from __future__ import annotations

import gzip
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.simulator.audience.cascades import CascadeAudience, CascadeError, read_cascades
from services.simulator.http.server import SimulatorServer
from tests.simulator.toy_platform import TOY_ACCOUNTS, ToyPlatform

POSTED = datetime.fromisoformat("2012-08-08T14:00:00+08:00")


def interaction(mid: str, after: float, text: str | None, parent: str | None = None) -> dict[str, Any]:
    return {
        "mid": mid,
        "parent": parent,
        "at": (POSTED + timedelta(seconds=after)).isoformat(),
        "user": f"user-{mid}",
        "text": text,
    }


def cascade(name: str, *interactions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "post_id": name,
        "label": "normal",
        "text": "原帖",
        "posted_at": POSTED.isoformat(),
        "author_followers": 10,
        "author_verified": False,
        "pictures": 1,
        "final": {"reposts": 3, "comments": 2, "likes": 40},
        "interactions": list(interactions),
    } | more


FIRST = cascade(
    "first",
    interaction("a", 10, "转发微博"),
    interaction("b", 20, None, parent="a"),
    interaction("c", 30, "同意👍", parent="a"),
    interaction("d", 40, "那是转发", parent="b"),
    interaction("c", 50, "重复的一行", parent="a"),
    interaction("late", 90_000, "第二天才看到"),
)
SECOND = cascade("second", interaction("z", 5, "第二条的评论"))


def written(path: Path, *lines: dict[str, Any]) -> Path:
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


@pytest.mark.parametrize("name", ["recorded.jsonl", "recorded.jsonl.gz"])
def test_a_recorded_cascade_happens_to_a_post_at_its_own_pace(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name, FIRST, SECOND)
    audience = CascadeAudience(path, [("toy", "main")])
    with SimulatorServer(TOY_ACCOUNTS, platforms=[ToyPlatform()], audience=audience, speed=0) as sim:
        http = httpx.Client(base_url=sim.url)
        assert "2 recorded cascades" in http.get("/_sim/info").json()["audience"]
        http.post("/toy/post")
        sim.clock.advance(30)
        seen = http.get("/toy/comments", params={"id": "t1"}).json()
        assert [(c["text"], c["parent"]) for c in seen] == [("转发微博", None), ("同意👍", "t1-c1")]
        assert http.get("/toy/counts", params={"id": "t1"}).json()["shares"] == 1
        sim.clock.advance(89_970)
        seen = http.get("/toy/comments", params={"id": "t1"}).json()
        assert [c["text"] for c in seen] == ["转发微博", "同意👍", "那是转发", "第二天才看到"]
        assert seen[2]["parent"] is None, "what it answered is a bare share, which is no comment"
        end = http.get("/toy/counts", params={"id": "t1"}).json()
        assert (end["likes"], end["comments"], end["shares"]) == (40, 4, 1)
        assert end["views"] > end["likes"] + end["comments"]
        assert http.get("/_sim/audience/settled").json()["settled"] is True
        http.close()


def test_accounts_take_turns_so_that_it_does_not_matter_who_publishes_first(tmp_path: Path) -> None:
    path = written(tmp_path / "recorded.jsonl", *(cascade(f"p{n}", interaction("m", n, f"评{n}")) for n in range(5)))
    audience = CascadeAudience(path, [("weibo", "one"), ("douyin", "one")])

    def met(platform: str, ordinal: int) -> str:
        return audience.reactions(platform, "one", ordinal, "video").remarks[0].text

    assert [met("douyin", 1), met("weibo", 1), met("weibo", 2), met("douyin", 2)] == ["评1", "评0", "评2", "评3"]
    assert met("weibo", 3) == "评4"
    assert met("douyin", 3) == "评0", "after the last cascade comes the first again"


def test_a_post_that_nobody_reacted_to_stays_at_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "recorded.jsonl", cascade("alone", final={"reposts": 0, "comments": 0, "likes": 0}))
    reactions = CascadeAudience(path, []).reactions("toy", "main", 1, "notice")
    assert set(reactions.counts(1e9).values()) == {0}
    assert reactions.lasts == 0


def test_a_file_without_the_optional_fields_is_good_enough(tmp_path: Path) -> None:
    bare = {"post_id": "x", "posted_at": "2020-01-01T00:00:00Z", "interactions": [
        {"mid": "1", "at": "2020-01-01T00:00:01Z", "text": "好"}, {"mid": "2", "at": "2019-12-31T23:59:00Z"},
    ]}  # fmt: skip
    reactions = CascadeAudience(written(tmp_path / "f.jsonl", bare), []).reactions("toy", "main", 1, "notice")
    assert reactions.counts(0)["shares"] == 1, "what is stamped before the post happens with the post"
    assert reactions.counts(1)["comments"] == 1


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (b"{not json", "JSON is malformed"),
        (b"[1, 2]", "Expected `object`"),
        (b'{"post_id": "x", "interactions": []}', "posted_at"),
        (b'{"post_id": "x", "posted_at": "2020-01-01T00:00:00", "interactions": []}', r"\$\.posted_at"),
        (
            b'{"post_id": "x", "posted_at": "2020-01-01T00:00:00Z", "interactions": [{"mid": 5, "at": 1}]}',
            r"interactions\[0\]\.mid",
        ),
        (b'{"post_id": "\xff\xfe"}', "line 3"),
    ],
)
def test_a_broken_line_is_named_by_number_and_field(tmp_path: Path, broken: bytes, told: str) -> None:
    path = tmp_path / "recorded.jsonl"
    path.write_bytes(json.dumps(SECOND).encode() + b"\n\n" + broken + b"\n")
    with pytest.raises(CascadeError, match="line 3") as error:
        list(read_cascades(path))
    assert error.match(told)


def test_a_cut_off_gzip_file_is_told_as_such(tmp_path: Path) -> None:
    path = written(tmp_path / "recorded.jsonl.gz", *[FIRST] * 200)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CascadeError, match="broken after line"):
        list(read_cascades(path))


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_an_empty_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_bytes(content)
    with pytest.raises(CascadeError, match="no cascade"):
        CascadeAudience(path, [])


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CascadeError, match=r"nowhere\.jsonl"):
        CascadeAudience(tmp_path / "nowhere.jsonl", [])
    with pytest.raises(CascadeError, match="cannot read"):
        CascadeAudience(tmp_path, [])
