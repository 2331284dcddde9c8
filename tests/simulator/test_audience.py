from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from schemas.events.feedback import METRICS
from services.simulator.audience.seeded import DAY_S, SeededAudience
from services.simulator.http.server import SimulatorServer
from tests.simulator.toy_platform import TOY_ACCOUNTS, ToyPlatform

CAMPAIGN = [("weibo", "one", 4), ("weibo", "two", 4), ("wechat", "one", 2), ("douyin", "one", 3)]


@pytest.mark.parametrize("seed", range(1, 11))
def test_a_campaign_of_thirteen_posts_gets_a_believable_crowd(seed: int) -> None:
    audience = SeededAudience(seed)
    ends = [
        audience.reactions(platform, account, ordinal, "notice").counts(DAY_S)
        for platform, account, posts in CAMPAIGN
        for ordinal in range(1, posts + 1)
    ]
    assert 300 <= sum(end["comments"] for end in ends) <= 800
    assert 20_000 <= sum(end["views"] for end in ends) <= 70_000


def test_the_same_post_meets_the_same_audience_whatever_was_asked_before() -> None:
    first, second = SeededAudience(3), SeededAudience(3)
    for ordinal in range(1, 6):
        second.reactions("weibo", "elsewhere", ordinal, "video")
    assert first.reactions("weibo", "main", 2, "video") == second.reactions("weibo", "main", 2, "video")
    for other in (
        SeededAudience(4).reactions("weibo", "main", 2, "video"),
        first.reactions("douyin", "main", 2, "video"),
        first.reactions("weibo", "second", 2, "video"),
        first.reactions("weibo", "main", 3, "video"),
    ):
        assert other.remarks != first.reactions("weibo", "main", 2, "video").remarks


def test_the_audience_is_the_same_in_another_process_with_other_hashes() -> None:
    tell = (
        "from services.simulator.audience.seeded import SeededAudience\n"
        "import hashlib\n"
        "told = repr(SeededAudience(3).reactions('weibo', 'main', 2, 'video'))\n"
        "print(hashlib.sha256(told.encode()).hexdigest())\n"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", tell],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
    assert len(digests.pop().strip()) == 64


def test_most_happens_in_the_first_hour_and_nothing_after_a_day() -> None:
    for ordinal in range(1, 21):
        reactions = SeededAudience(9).reactions("weibo", "main", ordinal, "notice")
        end = reactions.counts(DAY_S)
        assert 0.75 <= reactions.counts(3_600)["views"] / end["views"] <= 0.85
        assert reactions.counts(100 * DAY_S) == end
        assert reactions.lasts <= DAY_S


def test_no_figure_falls_and_none_overtakes_the_reads() -> None:
    reactions = SeededAudience(5).reactions("weibo", "main", 1, "video")
    before = dict.fromkeys(METRICS, 0)
    for elapsed in (0, 1, 10, 60, 300, 900, 3_600, 7_200, 40_000, DAY_S):
        now = reactions.counts(elapsed)
        assert all(now[metric] >= before[metric] for metric in METRICS)
        assert all(now[metric] <= now["views"] for metric in METRICS)
        before = dict(now)


def test_comments_are_of_all_kinds_and_answers_come_after_what_they_answer() -> None:
    audience = SeededAudience(1)
    remarks = [r for n in range(1, 60) for r in audience.reactions("weibo", "main", n, "notice").remarks]
    texts = [remark.text for remark in remarks]
    assert any(len(text) > 300 for text in texts)
    assert any(not text.strip() for text in texts)
    assert any("？" in text for text in texts)
    assert any("👍" in text for text in texts)
    assert len({remark.author for remark in remarks}) > len(remarks) * 0.95
    for ordinal in range(1, 60):
        of_post = audience.reactions("weibo", "main", ordinal, "notice").remarks
        for place, remark in enumerate(of_post, start=1):
            assert remark.parent is None or 1 <= remark.parent < place
    assert sum(remark.parent is not None for remark in remarks) > len(remarks) * 0.1


def test_asking_for_the_figures_of_a_huge_audience_is_cheap() -> None:
    reactions = [SeededAudience(1).reactions("weibo", "main", n, "video") for n in range(1, 31)]
    began = time.thread_time()  # whatever else the machine does
    for _ in range(30):
        for each in reactions:
            each.counts(5_000)
    assert (time.thread_time() - began) / 900 < 0.001


def test_figures_and_comments_of_one_answer_agree_however_fast_time_runs() -> None:
    with SimulatorServer(TOY_ACCOUNTS, platforms=[ToyPlatform()], speed=50_000) as sim:
        httpx.post(f"{sim.url}/toy/post")
        for _ in range(50):
            (truth,) = httpx.get(f"{sim.url}/_sim/truth").json()
            assert truth["metrics"]["comments"] == len(truth["comment_ids"])


def test_two_runs_of_the_simulator_have_the_same_truth(sim: SimulatorServer, http: httpx.Client) -> None:
    def truth() -> object:
        http.post("/_sim/reset")
        http.post("/_sim/clock", json={"speed": 0})
        for account in ("main", "second", "main"):
            http.post("/toy/post", data={"account": account})
        http.post("/_sim/clock", json={"advance_s": 7_200})
        return http.get("/_sim/truth").json()

    assert truth() == truth()


def test_a_post_in_review_has_no_audience_until_it_is_live(sim: SimulatorServer, http: httpx.Client) -> None:
    sim.clock.set_speed(0)
    http.post("/toy/post", data={"review": "1"})
    sim.clock.advance(59)
    (waiting,) = http.get("/_sim/truth").json()
    assert (waiting["state"], set(waiting["metrics"].values()), waiting["comment_ids"]) == ("in_review", {0}, [])
    sim.clock.advance(3_600)
    (live,) = http.get("/_sim/truth").json()
    assert live["state"] == "live"
    assert live["metrics"]["views"] > 0


def test_a_post_that_was_taken_down_gets_no_further_reactions(sim: SimulatorServer, http: httpx.Client) -> None:
    sim.clock.set_speed(0)
    http.post("/toy/post")
    sim.clock.advance(600)
    http.post("/toy/remove", data={"id": "t1"})
    before = http.get("/_sim/truth").json()
    assert before[0]["metrics"]["views"] > 0
    sim.clock.advance(86_400)
    assert http.get("/_sim/truth").json() == before


def test_comment_ids_stay_what_they_were(sim: SimulatorServer, http: httpx.Client) -> None:
    http.post("/toy/post")
    sim.clock.advance(1_800)
    early = http.get("/_sim/truth").json()[0]["comment_ids"]
    sim.clock.advance(86_400)
    late = http.get("/_sim/truth").json()[0]["comment_ids"]
    assert early
    assert late[: len(early)] == early
    assert len(set(late)) == len(late) > len(early)
