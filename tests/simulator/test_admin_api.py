from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from services.simulator.http.server import SimulatorServer


def test_info_tells_where_each_platform_is(sim: SimulatorServer, http: httpx.Client) -> None:
    info = http.get("/_sim/info").json()
    assert info["platforms"] == {"toy": sim.platform_url("toy"), "other": sim.platform_url("other")}
    assert (info["speed"], info["seed"], info["bugs"], info["broken"]) == (1.0, 7, 0, {})
    assert "seed 7" in info["audience"]
    assert datetime.fromisoformat(info["now"]).utcoffset() == timedelta(0)
    assert "post" in info["endpoints"]["toy"]
    assert httpx.post(f"{info['platforms']['toy']}/post").json()["id"] == "t1"
    assert httpx.get(f"{info['platforms']['toy']}/_sim/info").json() == {
        "path": "/_sim/info",
        "toy_error": "no such path",
    }


def test_accounts_are_told_with_what_a_client_needs(http: httpx.Client) -> None:
    everyone = http.get("/_sim/accounts").json()
    assert {(a["platform"], a["account"]) for a in everyone} == {
        (platform, account) for platform in ("toy", "other") for account in ("main", "second")
    }
    toys = http.get("/_sim/accounts", params={"platform": "toy"}).json()
    assert toys[0] == {
        "platform": "toy",
        "account": "main",
        "app_id": "app-toy-main",
        "app_secret": "secret-main",
        "open_id": "open-toy-main",
        "access_token": "token-toy-main",
        "refresh_token": "",
        "way": "only",
        "display_name": "main",
        "followers": 1234,
    }
    assert http.get("/_sim/accounts?platform=").json() == everyone


def test_posts_and_truth_tell_every_post_ever_made(sim: SimulatorServer, http: httpx.Client) -> None:
    http.post("/toy/post", data={"text": "新品上市", "account": "second", "hint": "placement-1"})
    http.post("/other/post", data={"review": "1"})
    http.post("/toy/remove", data={"id": "t1"})
    post, waiting = http.get("/_sim/posts").json()
    assert {name: post[name] for name in ("platform", "native_id", "account", "text", "state", "placement_hint")} == {
        "platform": "toy",
        "native_id": "t1",
        "account": "second",
        "text": "新品上市",
        "state": "removed",
        "placement_hint": "placement-1",
    }
    assert datetime.fromisoformat(post["created_at"]).tzinfo is not None
    assert (waiting["state"], waiting["live_at"]) == ("in_review", None)
    (truth,) = http.get("/_sim/truth", params={"platform": "toy"}).json()
    assert set(truth) == {
        "platform", "native_id", "account", "state", "metrics", "comment_ids", "placement_hint",
    }  # fmt: skip
    assert set(truth["metrics"]) == {"views", "likes", "comments"}, "only what the platform exposes"


def test_each_call_is_kept_without_its_tokens(sim: SimulatorServer, http: httpx.Client) -> None:
    http.post("/toy/post?access_token=token-toy-second", data={"text": "x"})
    http.get("/other/nowhere", headers={"Authorization": "OAuth2 token-other-main"})
    first, second = http.get("/_sim/calls").json()
    assert (first["platform"], first["method"], first["path"], first["endpoint"]) == ("toy", "POST", "/post", "post")
    assert (first["account"], first["status"], first["fault"]) == ("second", 200, None)
    assert first["answer"] == '{"id":"t1","access_token":"***"}'
    assert (second["account"], second["endpoint"], second["status"]) == ("main", None, 404)
    assert "token-" not in http.get("/_sim/calls").text
    assert datetime.fromisoformat(first["real_time"]) <= datetime.now(UTC)
    assert http.get("/_sim/calls?platform=other").json() == [second]
    assert http.get("/_sim/calls?limit=1").json() == [second]


def test_the_clock_can_be_read_sped_up_advanced_and_frozen(http: httpx.Client) -> None:
    frozen = http.post("/_sim/clock", json={"speed": 0}).json()
    assert set(frozen) == {"now", "speed"}
    assert http.get("/_sim/clock").json() == frozen
    ahead = http.post("/_sim/clock", json={"advance_s": 90.5}).json()
    step = datetime.fromisoformat(ahead["now"]) - datetime.fromisoformat(frozen["now"])
    assert step == timedelta(seconds=90.5)
    both = http.post("/_sim/clock", json={"speed": 1000, "advance_s": 1}).json()
    assert both["speed"] == 1000
    assert datetime.fromisoformat(both["now"]) >= datetime.fromisoformat(ahead["now"]) + timedelta(seconds=1)


def test_answers_are_dated_in_simulated_time(sim: SimulatorServer, http: httpx.Client) -> None:
    sim.clock.set_speed(0)
    sim.clock.advance(365 * 86_400)
    expected = sim.clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert http.get("/toy/nowhere").headers["date"] == expected
    assert http.get("/_sim/clock").headers["date"] == expected


def test_after_the_audience_is_stopped_the_truth_does_not_move(sim: SimulatorServer, http: httpx.Client) -> None:
    sim.clock.set_speed(0)
    http.post("/toy/post")
    sim.clock.advance(600)
    settled = http.get("/_sim/audience/settled").json()
    assert (settled["settled"], settled["unsettled_posts"]) == (False, ["toy:t1"])
    assert datetime.fromisoformat(settled["last_reaction_at"]) > sim.clock.now()
    assert http.post("/_sim/audience", json={"stop": True}).json()["stopped"] is True
    http.post("/toy/post")
    before = http.get("/_sim/truth").json()
    assert before[0]["metrics"]["views"] > 0
    assert before[1]["metrics"]["views"] == 0
    sim.clock.advance(86_400)
    assert http.get("/_sim/truth").json() == before
    assert http.get("/_sim/audience/settled").json() == {
        "settled": True, "unsettled_posts": [], "last_reaction_at": None,
    }  # fmt: skip


def test_an_audience_settles_by_itself_when_the_last_reaction_has_happened(
    sim: SimulatorServer, http: httpx.Client
) -> None:
    sim.clock.set_speed(0)
    http.post("/toy/post", data={"review": "1"})
    assert http.get("/_sim/audience/settled").json()["unsettled_posts"] == ["toy:t1"]
    sim.clock.advance(2 * 86_400)
    assert http.get("/_sim/audience/settled").json()["settled"] is True
    before = http.get("/_sim/truth").json()
    sim.clock.advance(86_400)
    assert http.get("/_sim/truth").json() == before


def test_reset_is_the_first_day_again(sim: SimulatorServer, http: httpx.Client) -> None:
    http.post("/toy/post")
    sim.world("toy").accounts["main"].access_token = "changed"
    http.post("/_sim/faults", json={"platform": "toy", "endpoint": "*", "kind": "refuse_connection", "delay_s": 60})
    http.post("/_sim/clock", json={"speed": 0, "advance_s": 86_400})
    http.post("/_sim/audience", json={"stop": True})
    assert http.post("/_sim/reset").json()["speed"] == 1.0
    for listing in ("posts", "truth", "calls", "faults"):
        assert http.get(f"/_sim/{listing}").json() == []
    assert sim.world("toy").accounts["main"].access_token == "token-toy-main"
    assert abs(sim.clock.now() - datetime.now(UTC)) < timedelta(minutes=1)
    assert httpx.post(f"{sim.platform_url('toy')}/post").json()["id"] == "t1"
    sim.clock.advance(600)
    assert http.get("/_sim/truth").json()[0]["metrics"]["views"] > 0


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("GET", "/_sim/posts?platform=myspace", None, "platform"),
        ("GET", "/_sim/truth?plattform=toy", None, "plattform"),
        ("GET", "/_sim/calls?limit=many", None, "limit"),
        ("GET", "/_sim/info?x=1", None, "x"),
        ("POST", "/_sim/clock", {}, "speed"),
        ("POST", "/_sim/clock", {"speed": -1}, "speed"),
        ("POST", "/_sim/clock", {"advance_s": 1, "speed": "fast"}, "speed"),
        ("POST", "/_sim/clock", {"advance_s": -1}, "advance_s"),
        ("POST", "/_sim/clock", {"advance_s": 1e308}, "advance_s"),
        ("POST", "/_sim/clock", [1], "body"),
        ("POST", "/_sim/audience", {"stop": False}, "stop"),
        ("POST", "/_sim/audience", {}, "stop"),
        ("POST", "/_sim/faults", {"platform": "toy", "kind": "slow"}, "endpoint"),
        ("POST", "/_sim/faults", {"platform": ["toy"], "endpoint": {}, "kind": []}, "platform"),
        ("POST", "/_sim/faults", {"platform": "toy", "endpoint": {}, "kind": []}, "endpoint"),
        ("POST", "/_sim/reset", {"hard": True}, "hard"),
        ("DELETE", "/_sim/faults?platform=myspace", None, "platform"),
    ],
)
def test_bad_input_names_its_field_and_changes_nothing(
    sim: SimulatorServer, http: httpx.Client, method: str, path: str, body: Any, field: str
) -> None:
    sim.clock.set_speed(0)
    before = sim.clock.now()
    answer = http.request(method, path, json=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["field"] == field
    assert (sim.clock.now(), sim.clock.speed) == (before, 0)


def test_a_body_that_is_no_json_is_bad_input_too(http: httpx.Client) -> None:
    answer = http.post("/_sim/clock", content=b"{speed: 5")
    assert (answer.status_code, answer.json()["field"]) == (400, "body")


def test_an_unknown_admin_path_tells_the_known_ones(http: httpx.Client) -> None:
    missing = http.get("/_sim/nowhere")
    assert missing.status_code == 404
    assert "GET /_sim/truth" in missing.json()["known"]
    assert http.put("/_sim/clock").status_code == 405
    elsewhere = http.get("/myspace/post")
    assert elsewhere.status_code == 404
    assert "/toy/" in elsewhere.json()["known"]
