"""Each generic fault as a client meets it: over a real connection."""

from __future__ import annotations

import socket

import httpx
import pytest

from services.simulator.http.refusal import AdminError
from services.simulator.http.server import SimulatorServer
from services.simulator.world.faults import GENERIC, OF_PLATFORMS
from tests.waiting import wait_for


def posts(http: httpx.Client) -> list[str]:
    return [post["text"] for post in http.get("/_sim/posts", params={"platform": "toy"}).json()]


def test_drop_after_really_published_before_the_connection_died(sim: SimulatorServer, http: httpx.Client) -> None:
    sim.set_fault("toy", "post", "drop_after", count=1)
    with pytest.raises(httpx.NetworkError):
        http.post("/toy/post", data={"text": "一"})
    assert posts(http) == ["一"]
    (call,) = http.get("/_sim/calls").json()
    assert (call["status"], call["fault"]) == (None, "drop_after")
    assert '"t1"' in call["answer"]


def test_drop_before_publishes_nothing(sim: SimulatorServer, http: httpx.Client) -> None:
    sim.set_fault("toy", "post", "drop_before", count=1)
    with pytest.raises(httpx.NetworkError):
        http.post("/toy/post", data={"text": "一"})
    assert posts(http) == []
    assert http.post("/toy/post", data={"text": "二"}).status_code == 200
    assert posts(http) == ["二"]


def test_a_client_that_gave_up_on_a_slow_answer_is_published_all_the_same(
    sim: SimulatorServer, http: httpx.Client
) -> None:
    sim.set_fault("toy", "post", "slow", count=1, delay_s=4)
    with pytest.raises(httpx.ReadTimeout):
        http.post("/toy/post", data={"text": "慢"}, timeout=0.2)
    assert posts(http) == []
    wait_for(lambda: posts(http) == ["慢"], "the slow post is there")
    assert http.get("/_sim/info").json()["bugs"] == 0


def test_a_slow_answer_holds_up_nobody_else(sim: SimulatorServer, http: httpx.Client) -> None:
    sim.set_fault("toy", "post", "slow", count=1, delay_s=30)
    with pytest.raises(httpx.ReadTimeout):
        http.post("/toy/post", data={"text": "慢"}, timeout=0.1)
    assert http.post("/toy/post", data={"text": "快"}).status_code == 200
    assert posts(http) == ["快"]


def test_http_500_is_a_gateway_page_and_handles_nothing(sim: SimulatorServer, http: httpx.Client) -> None:
    sim.set_fault("toy", "*", "http_500", count=1)
    answer = http.post("/toy/post", data={"text": "一"})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "text/html"
    assert "<h1>500 Internal Server Error</h1>" in answer.text
    assert posts(http) == []
    assert http.get("/_sim/info").json()["bugs"] == 0


def test_a_refused_connection_on_the_shared_port_is_reset_and_handles_nothing(
    sim: SimulatorServer, http: httpx.Client
) -> None:
    sim.set_fault("toy", "post", "refuse_connection", count=2)
    for _ in range(2):
        with pytest.raises((httpx.NetworkError, httpx.RemoteProtocolError)):
            http.post("/toy/post", data={"text": "一"})
    assert http.post("/other/post", data={"text": "别家"}).status_code == 200
    assert http.post("/toy/post", data={"text": "二"}).status_code == 200
    assert posts(http) == ["二"]


def test_the_platforms_own_port_is_really_closed_and_opens_again_by_itself(sim: SimulatorServer) -> None:
    own = sim.platform_url("toy")
    sim.set_fault("toy", "*", "refuse_connection", delay_s=4)
    with pytest.raises(httpx.ConnectError, match="refused"):
        httpx.get(f"{own}/counts")
    assert httpx.get(f"{sim.platform_url('other')}/nowhere").status_code == 404

    def reachable() -> bool:
        try:
            return httpx.post(f"{own}/post", data={"text": "x"}).status_code == 200
        except httpx.ConnectError:
            return False

    wait_for(reachable, "the platform can be reached again")
    assert sim.platform_url("toy") == own


def test_closing_the_own_port_resets_the_connections_it_has(sim: SimulatorServer) -> None:
    host, _, port = sim.platform_url("toy").removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as kept:
        kept.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        answer = kept.recv(4_096)
        assert answer.startswith(b"HTTP/1.1 200")
        while not answer.endswith(b"}"):  # head and body may come apart
            answer += kept.recv(4_096)
        sim.set_fault("toy", "*", "refuse_connection")
        with pytest.raises(ConnectionResetError):
            kept.recv(1)


def test_clearing_the_faults_opens_the_port_at_once(sim: SimulatorServer, http: httpx.Client) -> None:
    own = sim.platform_url("toy")
    for _ in range(3):
        sim.set_fault("toy", "*", "refuse_connection", delay_s=3_600)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{own}/counts")
        assert http.delete("/_sim/faults").json() == {"faults": 0}
        assert httpx.post(f"{own}/post", data={"text": "x"}).status_code == 200


def test_a_refusal_without_a_count_ends_on_the_shared_port_too(sim: SimulatorServer, http: httpx.Client) -> None:
    sim.set_fault("toy", "*", "refuse_connection", delay_s=4)
    with pytest.raises((httpx.NetworkError, httpx.RemoteProtocolError)):
        http.post("/toy/post", data={"text": "x"})
    wait_for(lambda: http.get("/_sim/faults").json() == [], "no fault is left")
    assert http.post("/toy/post", data={"text": "y"}).status_code == 200


def test_a_counted_fault_is_used_up_by_the_endpoint_it_names_and_by_no_other(
    sim: SimulatorServer, http: httpx.Client
) -> None:
    sim.set_fault("toy", "/echo", "http_500", count=2)
    assert http.post("/toy/post").status_code == 200
    assert http.post("/other/echo").status_code == 200
    assert [http.post("/toy/echo").status_code for _ in range(3)] == [500, 500, 200]


def test_a_fault_with_a_rate_strikes_the_same_requests_in_every_run(sim: SimulatorServer, http: httpx.Client) -> None:
    def struck() -> list[int]:
        http.post("/_sim/reset")
        sim.set_fault("toy", "echo", "http_500", rate=0.3)
        return [http.post("/toy/echo").status_code for _ in range(60)]

    first = struck()
    assert 8 <= first.count(500) <= 30
    assert struck() == first


def test_a_platform_answers_in_its_own_words_without_doing_anything(sim: SimulatorServer, http: httpx.Client) -> None:
    sim.set_fault("toy", "*", "rate_limit", count=1)
    answer = http.post("/toy/post", data={"text": "一"})
    assert (answer.status_code, answer.json()) == (403, {"toy_error": "too fast"})
    assert posts(http) == []
    assert http.get("/_sim/faults").json() == []


def test_a_fault_without_words_for_this_endpoint_is_not_used_up_by_it(sim: SimulatorServer, http: httpx.Client) -> None:
    http.post("/toy/post")
    sim.set_fault("toy", "*", "rate_limit", count=1)
    assert http.get("/toy/counts", params={"id": "t1"}).status_code == 200
    assert http.post("/toy/echo").status_code == 403


def test_a_handlers_fault_is_told_in_the_call_log(sim: SimulatorServer, http: httpx.Client) -> None:
    http.post("/toy/post")
    sim.clock.advance(86_400)
    sim.set_fault("toy", "comments", "short_page", count=1)
    assert len(http.get("/toy/comments", params={"id": "t1"}).json()) == 1
    assert len(http.get("/toy/comments", params={"id": "t1"}).json()) > 1
    assert [call["fault"] for call in http.get("/_sim/calls").json()] == [None, "short_page", None]


def test_a_post_is_removed_later_and_gets_no_reactions_after_that(sim: SimulatorServer, http: httpx.Client) -> None:
    sim.clock.set_speed(0)
    sim.set_fault("toy", "post", "removed_later", count=1, delay_s=120)
    http.post("/toy/post")
    http.post("/toy/post")
    sim.clock.advance(119)
    assert [post["state"] for post in http.get("/_sim/posts").json()] == ["live", "live"]
    sim.clock.advance(1)
    removed, kept = http.get("/_sim/truth").json()
    assert (removed["state"], kept["state"]) == ("removed", "live")
    sim.clock.advance(86_400)
    later = http.get("/_sim/truth").json()
    assert later[0] == removed
    assert later[1]["metrics"]["views"] > kept["metrics"]["views"]


def test_a_counter_falls_for_the_reader_while_the_truth_stands(sim: SimulatorServer, http: httpx.Client) -> None:
    sim.clock.set_speed(0)
    http.post("/toy/post")
    sim.clock.advance(3_600)
    before = http.get("/toy/counts", params={"id": "t1"}).json()
    sim.set_fault("toy", "counts", "counter_backwards", count=1)
    fallen = http.get("/toy/counts", params={"id": "t1"}).json()
    assert fallen["views"] < before["views"]
    assert fallen["comments"] == before["comments"]
    assert http.get("/toy/counts", params={"id": "t1"}).json() == before
    assert http.get("/_sim/truth").json()[0]["metrics"]["views"] == before["views"]


@pytest.mark.parametrize(
    ("said", "field", "known"),
    [
        ({"platform": "myspace"}, "platform", "toy"),
        ({"endpoint": "nowhere"}, "endpoint", "post"),
        ({"kind": "earthquake"}, "kind", "drop_after"),
        ({"kind": "webhook_lost"}, "kind", "short_page"),
        ({"kind": "token_stolen"}, "kind", "rate_limit"),
        ({"kind": "slow_success"}, "kind", "short_page"),
        ({"kind": "rate_limit", "endpoint": "counts"}, "kind", "slow"),
        ({"kind": 5}, "kind", "slow"),
        ({"platform": None}, "platform", "other"),
        ({"count": 0}, "count", None),
        ({"count": True}, "count", None),
        ({"count": 1.5}, "count", None),
        ({"rate": 0}, "rate", None),
        ({"rate": 1.1}, "rate", None),
        ({"rate": "often"}, "rate", None),
        ({"count": 1, "rate": 0.5}, "rate", None),
        ({"delay_s": -1}, "delay_s", None),
        ({"colour": "red"}, "colour", "delay_s"),
    ],
)
def test_a_fault_that_cannot_happen_is_refused_and_the_field_named(
    http: httpx.Client, said: dict[str, object], field: str, known: str | None
) -> None:
    answer = http.post("/_sim/faults", json={"platform": "toy", "endpoint": "*", "kind": "slow"} | said)
    assert answer.status_code == 400, answer.text
    assert answer.json()["field"] == field
    assert known is None or known in answer.json()["known"]
    assert http.get("/_sim/faults").json() == []


def test_a_refused_fault_raises_for_python_callers_too(sim: SimulatorServer) -> None:
    with pytest.raises(AdminError, match="no such endpoint"):
        sim.set_fault("toy", "nowhere", "slow")


def test_what_is_left_of_the_faults_can_be_read(sim: SimulatorServer, http: httpx.Client) -> None:
    answer = http.post("/_sim/faults", json={"platform": "toy", "endpoint": "/toy/echo", "kind": "slow", "count": 3})
    assert answer.status_code == 200
    http.post("/_sim/faults", json={"platform": "other", "endpoint": "*", "kind": "drop_before", "rate": 0.5})
    (slow,) = http.get("/_sim/faults", params={"platform": "toy"}).json()
    assert slow == {
        "platform": "toy", "endpoint": "echo", "kind": "slow", "left": 3, "rate": None, "delay_s": 5.0, "used": 0,
    }  # fmt: skip
    http.delete("/_sim/faults", params={"platform": "toy"})
    assert [fault["platform"] for fault in http.get("/_sim/faults").json()] == ["other"]


def test_every_kind_of_fault_that_was_promised_is_there() -> None:
    promised = (
        "refuse_connection drop_before drop_after slow http_500 rate_limit token_expired token_stolen slow_success "
        "repeat_content review_refused removed_later webhook_thrice webhook_lost counter_backwards short_page"
    )
    assert set(promised.split()) <= {*GENERIC, *OF_PLATFORMS}
