"""The simulated Douyin refuses what the fact sheet says the real one refuses, in its words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from services.adapter_douyin.simulator import SIMULATOR
from services.simulator.contract import Call, UploadedFile
from services.simulator.http.server import SimulatorServer

MIB = 1024 * 1024
HANDLERS = {endpoint.name: endpoint for endpoint in SIMULATOR.endpoints()}
OPEN_ID = "b9b71865-7fea-44cc-9123-000000000001"
Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(sim: SimulatorServer) -> Ask:
    """One request as the platform sees it; answers with `data`."""

    def call(
        name: str, *, token: str = "act.demoQingheTea", json: Any = None, size: int | None = None, **query: str
    ) -> Any:
        endpoint, part = HANDLERS[name], "image" if name.endswith("upload_image") else "video"
        files = {} if size is None else {part: UploadedFile("f", "video/mp4", size, "0" * 64, b"")}
        said = {"open_id": OPEN_ID, **query}
        form = query if name.startswith("oauth/") else {}
        request = Call(endpoint.method, endpoint.path, said, form, json, files, {"access-token": token})
        with sim.simulation.instant():
            return endpoint.handler(sim.world("douyin"), request).body

    return call


def code(body: dict[str, Any]) -> int:
    assert "extra" not in body or body["data"]["error_code"] == body["extra"]["error_code"]
    found: int = body["data"]["error_code"]
    return found


def picture(ask: Ask) -> str:
    image_id: str = ask("video/upload_image", size=10)["data"]["image"]["image_id"]
    return image_id


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("video/upload_video", 128 * MIB, 0),
        ("video/upload_video", 128 * MIB + 1, 2190005),
        ("video/upload_video", 0, 28001007),
        ("video/upload_image", 20 * MIB, 0),
        ("video/upload_image", 20 * MIB + 1, 2190005),
        ("video/upload_image", None, 28001007),
    ],
)
def test_file_sizes(ask: Ask, name: str, size: int | None, expected: int) -> None:
    assert code(ask(name, size=size)) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({1: 5 * MIB, 2: 1}, 0),
        ({1: 1}, 0),
        ({1: 5 * MIB - 1, 2: 5 * MIB}, 28001007),
        ({1: 5 * MIB, 3: 5 * MIB}, 28001007),
        ({2: 5 * MIB}, 28001007),
        ({}, 28001007),
        ({1: 4096 * MIB, 2: 1}, 2190005),
    ],
)
def test_parts_are_complete_and_large_enough(ask: Ask, parts: dict[int, int], expected: int) -> None:
    upload_id = ask("video/init_video_part_upload")["data"]["upload_id"]
    for number, size in parts.items():
        assert code(ask("video/upload_video_part", size=size, upload_id=upload_id, part_number=str(number))) == 0
    assert code(ask("video/complete_video_part_upload", upload_id=upload_id)) == expected


@pytest.mark.parametrize("number", ["0", "-1", "", "x"])
def test_part_numbers_count_from_one(ask: Ask, number: str) -> None:
    upload_id = ask("video/init_video_part_upload")["data"]["upload_id"]
    refused = ask("video/upload_video_part", size=5 * MIB, upload_id=upload_id, part_number=number)
    assert code(refused) == 28001007


def test_an_upload_id_lives_two_hours(sim: SimulatorServer, ask: Ask) -> None:
    upload_id = ask("video/init_video_part_upload")["data"]["upload_id"]
    sim.clock.advance(2 * 3600)
    assert code(ask("video/upload_video_part", size=5 * MIB, upload_id=upload_id, part_number="1")) == 28001007


def test_an_upload_serves_one_create(ask: Ask) -> None:
    image = picture(ask)
    assert code(ask("video/create_image_text", json={"image_list": [image], "text": "茶"})) == 0
    assert code(ask("video/create_image_text", json={"image_list": [image], "text": "茶"})) == 2190007


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"text": "茶" * 1000}, 0),
        ({"text": "茶" * 1001}, 28001007),
        ({"text": "敏感词示例"}, 2111001),
        ({"image_list": []}, 28001007),
        ({"image_list": ["unknown"]}, 2190007),
        ({"image_list": "x"}, 28001007),
    ],
)
def test_what_create_refuses(ask: Ask, sim: SimulatorServer, said: dict[str, Any], expected: int) -> None:
    answer = ask("video/create_image_text", json={"image_list": [picture(ask)], "text": "茶", **said})
    assert code(answer) == expected
    assert len(sim.world("douyin").posts) == (expected == 0)


def test_an_image_is_no_video(ask: Ask) -> None:
    assert code(ask("video/create_video", json={"video_id": picture(ask), "text": "茶"})) == 2190007


@pytest.mark.parametrize(
    ("token", "query", "expected"),
    [("act.other", {}, 28001003), ("", {}, 28001003), ("act.demoQingheTea", {"open_id": "other"}, 28001015)],
)
def test_token_and_open_id_belong_together(ask: Ask, token: str, query: dict[str, str], expected: int) -> None:
    assert code(ask("video/video_list", token=token, **{"cursor": "0", "count": "10", **query})) == expected


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("video/video_list", {"cursor": "0", "count": "21"}),
        ("video/video_list", {"cursor": "x", "count": "10"}),
        ("item/comment/list", {"cursor": "0", "count": "51"}),
        ("item/comment/list", {"cursor": "0", "count": "0"}),
    ],
)
def test_pages_have_a_largest_size(ask: Ask, name: str, query: dict[str, str]) -> None:
    made = ask("video/create_image_text", json={"image_list": [picture(ask)], "text": "茶"})
    assert code(ask(name, item_id=made["data"]["item_id"], **query)) == 28001007


def test_a_refreshed_token_is_new_and_the_refresh_token_is_not_extended(sim: SimulatorServer, ask: Ask) -> None:
    said = {"client_key": "awdemo0000000001", "grant_type": "refresh_token", "refresh_token": "rft.demoQingheTea"}
    first = ask("oauth/refresh_token", **said)
    assert first["message"] == "success"
    assert first["data"]["refresh_token"] == "rft.demoQingheTea"
    assert first["data"]["expires_in"] == 1296000
    for token in ("act.demoQingheTea", first["data"]["access_token"]):
        assert code(ask("video/video_list", token=token, cursor="0", count="1")) == 0
    sim.clock.advance(30 * 86400)
    expired = ask("oauth/refresh_token", **said)
    assert (expired["message"], code(expired)) == ("error", 10010)


def test_a_refresh_token_is_renewed_five_times(ask: Ask) -> None:
    said = {"client_key": "awdemo0000000001", "refresh_token": "rft.demoQingheTea"}
    answers = [code(ask("oauth/renew_refresh_token", **said)) for _ in range(6)]
    assert answers == [0, 0, 0, 0, 0, 10020]


def test_only_the_newest_client_tokens_stay_good(sim: SimulatorServer, ask: Ask) -> None:
    said = {"client_key": "awdemo0000000001", "client_secret": "demo-douyin-secret-1"}
    first, second, third = (ask("oauth/client_token", **said)["data"]["access_token"] for _ in range(3))
    assert [code(ask("open/getticket", token=token)) for token in (first, second, third)] == [28001003, 0, 0]
    sim.clock.advance(301)
    assert code(ask("open/getticket", token=second)) == 28001008
    assert code(ask("open/getticket", token=third)) == 0
    assert code(ask("oauth/client_token", **{**said, "client_secret": "wrong"})) == 10013


def test_withdrawn_paths_say_that_they_are_offline() -> None:
    offline = SIMULATOR.not_found(Call("POST", "/video/create/", {}, {}, None, {}, {})).body
    assert offline["extra"]["sub_description"] == "该能力API已下线,不再支持调用"
    assert code(offline) == 28001056


def test_old_style_errors_carry_log_id_and_new_ones_logid(sim: SimulatorServer, ask: Ask) -> None:
    assert "logid" in ask("video/video_list", cursor="x")["extra"]
    sim.set_fault("douyin", "video/video_list", "old_codes", count=1)
    old = ask("video/video_list", cursor="x")
    assert code(old) == 2100005
    assert "log_id" in old["extra"]
    assert "logid" not in old["extra"]


def test_comments_come_in_the_order_asked_for(sim: SimulatorServer, ask: Ask) -> None:
    made = ask("video/create_image_text", json={"image_list": [picture(ask)], "text": "茶"})["data"]
    sim.clock.advance(30)
    with sim.simulation.instant():
        sim.simulation.pass_time(sim.simulation.chosen("douyin"))
    sim.clock.advance(80_000)
    said = {"item_id": made["item_id"], "cursor": "0", "count": "50"}
    times = [row["create_time"] for row in ask("item/comment/list", sort_type="time", **said)["data"]["list"]]
    assert len(times) > 5
    assert times == sorted(times, reverse=True)
    rising = [row["create_time"] for row in ask("item/comment/list", sort_type="time_asc", **said)["data"]["list"]]
    assert rising == sorted(rising)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"list": [{"event": "create_video", "status": 0}]}, 0),
        ({"list": [{"event": "nothing_known", "status": 1}]}, 28001007),
        ({"list": [{"event": "create_video", "status": 2}]}, 28001007),
        ({"list": ["create_video"]}, 28001007),
        ({}, 28001007),
    ],
)
def test_webhook_events_are_subscribed_by_the_app(ask: Ask, said: dict[str, Any], expected: int) -> None:
    app = {"client_key": "awdemo0000000001", "client_secret": "demo-douyin-secret-1"}
    token = ask("oauth/client_token", **app)["data"]["access_token"]
    assert code(ask("event/status/update", token=token, json=said)) == expected
    status = {row["event"]: row["status"] for row in ask("event/status/list", token=token)["data"]["list"]}
    assert status["create_video"] == (0 if expected == 0 else 1)
    assert code(ask("event/status/list", token="act.demoQingheTea")) == 28001003, "the app's own token is wanted"


def test_client_tokens_end_for_everybody_after_500_calls_in_5_minutes(sim: SimulatorServer, ask: Ask) -> None:
    said = {"client_key": "awdemo0000000001", "client_secret": "demo-douyin-secret-1"}
    assert [code(ask("oauth/client_token", **said)) for _ in range(501)][-2:] == [0, 10020]
    sim.clock.advance(300)
    assert code(ask("oauth/client_token", **said)) == 0


def test_userinfo_tells_whose_token_it_is(sim: SimulatorServer, ask: Ask) -> None:
    said = {"access_token": "act.demoQingheTea", "open_id": OPEN_ID}
    assert ask("oauth/userinfo", **said)["data"]["open_id"] == OPEN_ID
    assert code(ask("oauth/userinfo", **{**said, "open_id": "other"})) == 28001015
    assert code(ask("oauth/userinfo", **{**said, "access_token": "act.other"})) == 10008
    sim.clock.advance(15 * 86400)
    assert code(ask("oauth/userinfo", **said)) == 10008


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"content": "谢谢"}, 0),
        ({"content": "茶" * 100}, 0),
        ({"content": "茶" * 101}, 28001007),
        ({"content": " "}, 28001007),
        ({"content": "敏感词示例"}, 2111001),
        ({"content": "谢谢", "comment_id": "@elsewhere"}, 2111007),
        ({"content": "谢谢", "item_id": "@elsewhere"}, 28001007),
    ],
)
def test_what_a_reply_is_refused_for(ask: Ask, sim: SimulatorServer, said: dict[str, Any], expected: int) -> None:
    made = ask("video/create_image_text", json={"image_list": [picture(ask)], "text": "茶"})["data"]
    under_review = ask("item/comment/reply", json={"item_id": made["item_id"], "content": "谢谢"})
    assert code(under_review) == 28001007
    sim.clock.advance(30)
    with sim.simulation.instant():
        sim.simulation.pass_time(sim.simulation.chosen("douyin"))
    assert code(ask("item/comment/reply", json={"item_id": made["item_id"], **said})) == expected
