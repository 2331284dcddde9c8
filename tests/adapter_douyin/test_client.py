"""The wire client: tokens, both families of codes, divergent types, and what an answer leaves unknown."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from services.adapter.contract.errors import NoAnswerError, NotSentError, PlatformError
from services.adapter.wire.http import Answer
from services.adapter_douyin.client import DouyinClient, _data
from services.simulator.http.server import SimulatorServer


def calls(sim: SimulatorServer, endpoint: str) -> int:
    return sum(kept.endpoint == endpoint for kept in sim.simulation.calls)


def test_an_expired_token_is_refreshed_once_and_the_call_repeated(sim: SimulatorServer, client: DouyinClient) -> None:
    client.video_list(0, 10)
    assert calls(sim, "oauth/refresh_token") == 0
    sim.clock.advance(15 * 86400 + 1)
    client.video_list(0, 10)
    client.video_list(0, 10)
    assert calls(sim, "oauth/refresh_token") == 1
    assert calls(sim, "video/video_list") == 4


@pytest.fixture
def stale(client: DouyinClient) -> Iterator[DouyinClient]:
    """A client whose access token the platform does not know any more."""
    built = DouyinClient(replace(client.account, access_token="act.forgotten"), 60.0)
    yield built
    built.close()


def test_old_style_token_codes_are_understood_too(sim: SimulatorServer, stale: DouyinClient) -> None:
    sim.set_fault("douyin", "video/video_list", "old_codes", count=1)
    stale.video_list(0, 10)
    assert calls(sim, "oauth/refresh_token") == 1


def test_a_token_refused_twice_is_an_auth_error_and_no_loop(sim: SimulatorServer, client: DouyinClient) -> None:
    sim.set_fault("douyin", "video/create_image_text", "token_expired")
    with pytest.raises(PlatformError) as caught:
        client.create_image_text({"image_list": [], "text": ""})
    assert (caught.value.error_class, caught.value.outcome) == ("auth", "refused")
    assert calls(sim, "oauth/refresh_token") == 1
    assert calls(sim, "video/create_image_text") == 2


def test_a_refresh_that_gets_no_answer_leaves_no_doubt_about_the_post(
    sim: SimulatorServer, client: DouyinClient
) -> None:
    sim.set_fault("douyin", "video/create_image_text", "token_expired")
    sim.set_fault("douyin", "oauth/refresh_token", "drop_before")
    with pytest.raises(PlatformError) as caught:
        client.create_image_text({"image_list": [], "text": ""})
    assert (caught.value.sent, caught.value.outcome) == ("no", "refused")


def test_a_dead_refresh_token_is_an_auth_error_with_its_code(sim: SimulatorServer, client: DouyinClient) -> None:
    client.video_list(0, 10)
    sim.clock.advance(31 * 86400)
    with pytest.raises(PlatformError) as caught:
        client.video_list(0, 10)
    assert (caught.value.code, caught.value.error_class) == ("10010", "auth")


def test_many_threads_with_a_stale_token_refresh_once(sim: SimulatorServer, stale: DouyinClient) -> None:
    threads = [threading.Thread(target=stale.video_list, args=(0, 10)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls(sim, "oauth/refresh_token") == 1


def test_an_empty_new_token_never_replaces_the_old_one(client: DouyinClient, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = Answer(200, {"data": {"error_code": 0, "access_token": "", "refresh_token": ""}, "message": "success"}, b"")
    monkeypatch.setattr(client._http, "call", lambda *_args, **_named: empty)
    with pytest.raises(PlatformError) as caught:
        client.tokens.fresh("act.demoQingheTea")
    assert caught.value.sent == "no"
    assert (client.tokens.held.access_token, client.tokens.held.refresh_token) == (
        "act.demoQingheTea",
        "rft.demoQingheTea",
    )


def test_a_token_of_another_open_id_is_a_bug_of_the_configuration(sim: SimulatorServer, client: DouyinClient) -> None:
    other = DouyinClient(replace(client.account, open_id="someone-else"), 60.0)
    with pytest.raises(PlatformError) as caught:
        other.video_list(0, 10)
    assert caught.value.code == "28001015"
    other.close()


def test_an_item_id_with_plus_slash_and_equals_arrives_whole(sim: SimulatorServer, client: DouyinClient) -> None:
    image = client.upload_image("p", "image/jpeg", b"x")
    made = client.create_image_text({"image_list": [image], "text": "茶"})
    assert set("+/=") & set(made["item_id"])
    sim.clock.advance(25)
    client.video_data([made["item_id"]])
    assert client.comments(made["item_id"], 0, 50)["list"] == []


def test_numbers_as_strings_are_read_like_numbers(sim: SimulatorServer, client: DouyinClient) -> None:
    sim.set_fault("douyin", "video/video_list", "string_numbers")
    assert client.video_list(0, 10)["list"] == []
    sim.set_fault("douyin", "video/video_data", "string_numbers")
    with pytest.raises(PlatformError) as caught:
        client.video_data([])
    assert (caught.value.code, caught.value.recognised) == ("28001007", True)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"data": {"error_code": "0"}, "extra": {"error_code": 2100005, "log_id": "x"}}, "2100005"),
        ({"data": {"error_code": 0}, "extra": {"error_code": 0, "sub_error_code": 28003018}}, "28003018"),
        ({"err_no": 28001056, "err_msg": "下线"}, "28001056"),
        ({"data": {"error_code": 77, "description": "?"}, "extra": {"sub_error_code": 2114007}}, "2114007"),
        ({"data": {"description": "怪"}, "message": "error"}, "http_200"),
    ],
)
def test_the_code_is_found_wherever_it_stands(body: dict[str, Any], code: str) -> None:
    with pytest.raises(PlatformError) as caught:
        _data(Answer(200, body, b""))
    assert caught.value.code == code


@pytest.mark.parametrize("body", [None, [], "ok"])
def test_an_answer_that_is_no_object_leaves_the_outcome_unknown(body: Any) -> None:
    with pytest.raises(NoAnswerError):
        _data(Answer(200, body, b"x"))


def test_a_create_without_item_id_is_published_with_its_id_unknown(
    client: DouyinClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_post", lambda *_args, **_named: {"error_code": 0})
    with pytest.raises(PlatformError) as caught:
        client.create_video({})
    assert caught.value.outcome == "published"


def test_a_refused_connection_is_known_not_to_have_been_sent(sim: SimulatorServer, client: DouyinClient) -> None:
    nobody = DouyinClient(replace(client.account, base_url="http://127.0.0.1:9"), 60.0)
    with pytest.raises(NotSentError):
        nobody.create_video({})
    nobody.close()


def test_reads_survive_a_dropped_connection_and_creates_are_one_attempt(
    sim: SimulatorServer, client: DouyinClient
) -> None:
    sim.set_fault("douyin", "video/video_list", "drop_after", count=1)
    assert client.video_list(0, 10)["list"] == []
    sim.set_fault("douyin", "video/create_video", "drop_after", count=1)
    with pytest.raises(NoAnswerError):
        client.create_video({"video_id": "x"})
    assert calls(sim, "video/create_video") == 1


def test_client_token_and_ticket_are_fetched_once_while_they_are_good(
    sim: SimulatorServer, client: DouyinClient
) -> None:
    first = client.share_link({"title": "茶 茶"}, client.share_id("春茶"), "n1")
    client.share_link({"title": "茶"}, client.share_id(), "n2")
    assert calls(sim, "oauth/client_token") == 1
    assert calls(sim, "open/getticket") == 1
    assert "title=%E8%8C%B6%20%E8%8C%B6" in first
