"""The simulated platform against the fact sheet, over plain HTTP: also what no client of ours ever sends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.simulator.http.server import SimulatorServer
from tests.adapter_wechat.samples import ACCOUNT, JPEG, OTHER, PNG

Post = Callable[..., dict[str, Any]]


@pytest.fixture
def http(sim: SimulatorServer) -> httpx.Client:
    return httpx.Client(base_url=sim.platform_url("wechat"))


def stable(http: httpx.Client, **more: Any) -> dict[str, Any]:
    body = {"grant_type": "client_credential", "appid": ACCOUNT.app_id, "secret": ACCOUNT.app_secret, **more}
    answer: dict[str, Any] = http.post("/cgi-bin/stable_token", json=body).json()
    return answer


@pytest.fixture
def post(http: httpx.Client) -> Post:
    token = stable(http)["access_token"]

    def call(path: str, json: Any = None, **more: Any) -> dict[str, Any]:
        query = {"access_token": token, **more.pop("query", {})}
        answer: dict[str, Any] = http.post(path, params=query, json=json, **more).json()
        return answer

    return call


def article(cover: str, **changes: Any) -> dict[str, Any]:
    return {"articles": [{"title": "标题", "content": "<p>正文</p>", "thumb_media_id": cover, **changes}]}


@pytest.fixture
def cover(post: Post) -> str:
    files = {"media": ("a.png", PNG, "image/png")}
    return str(post("/cgi-bin/material/add_material", query={"type": "image"}, files=files)["media_id"])


def test_tokens(http: httpx.Client, sim: SimulatorServer) -> None:
    first = stable(http)
    assert first["expires_in"] == 7200
    sim.clock.advance(100)
    assert stable(http) == {"access_token": first["access_token"], "expires_in": 7100}
    sim.clock.advance(6850)
    assert stable(http)["access_token"] != first["access_token"]  # in its last five minutes it is replaced
    forced = stable(http, force_refresh=True)
    assert forced["access_token"] != first["access_token"]
    assert stable(http, force_refresh=True)["errcode"] == 45011
    assert stable(http, appid="wx-nobody")["errcode"] == 40013
    assert stable(http, secret="x")["errcode"] == 40125
    query = {"grant_type": "client_credential", "appid": ACCOUNT.app_id, "secret": ACCOUNT.app_secret}
    plain = http.get("/cgi-bin/token", params=query).json()["access_token"]
    assert http.get("/cgi-bin/token", params=query).json()["access_token"] != plain
    assert stable(http)["access_token"] == forced["access_token"]  # the endpoints do not affect each other


@pytest.mark.parametrize(("token", "code"), [(None, 41001), ("nonsense", 40001)])
def test_calls_without_a_good_token(http: httpx.Client, token: str | None, code: int) -> None:
    query = {"access_token": token} if token else {}
    body = http.post("/cgi-bin/draft/get", params=query, json={"media_id": "x"}).json()
    assert body["errcode"] == code
    assert " rid: " in body["errmsg"]


def test_an_expired_token(http: httpx.Client, sim: SimulatorServer, post: Post) -> None:
    sim.clock.advance(7200)
    assert post("/cgi-bin/draft/get", {"media_id": "x"})["errcode"] == 42001


@pytest.mark.parametrize(
    ("data", "code"),
    [(JPEG, None), (PNG, None), (b"", 44001), (b"GIF89a....", 40005), (JPEG + bytes(1024 * 1024), 40009)],
)
def test_inline_pictures(post: Post, data: bytes, code: int | None) -> None:
    answer = post("/cgi-bin/media/uploadimg", files={"media": ("a.jpg", data, "image/jpeg")})
    assert answer.get("errcode") == code
    assert code is not None or answer["url"].startswith("http://mmbiz.qpic.cn/")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"title": "一" * 33}, 45003),
        ({"title": ""}, 45003),
        ({"author": "一" * 17}, 45110),
        ({"digest": "一" * 129}, 45004),
        ({"content": ""}, 44004),
        ({"content": "一" * 20_000}, 45002),
        ({"content": "a" * 20_000}, 45002),
        ({"content_source_url": "https://" + "a" * 1024}, 41039),
        ({"thumb_media_id": "nothing"}, 40007),
    ],
)
def test_drafts(post: Post, cover: str, changes: dict[str, Any], code: int | None) -> None:
    answer = post("/cgi-bin/draft/add", article(cover, **changes))
    assert answer.get("errcode") == code
    assert code is not None or answer["item"] == []


def test_escaped_characters_are_refused(http: httpx.Client, cover: str) -> None:
    token = stable(http)["access_token"]
    escaped = b'{"articles":[{"title":"\\u4f5c","content":"x","thumb_media_id":"' + cover.encode() + b'"}]}'
    answer = http.post("/cgi-bin/draft/add", params={"access_token": token}, content=escaped).json()
    assert answer["errcode"] == 40033


def test_pictures_from_elsewhere_and_scripts_vanish_silently(post: Post, cover: str) -> None:
    content = '<p>a<img src="https://x.example/a.png"><img src="http://mmbiz.qpic.cn/b"/></p><script>x</script>'
    media_id = post("/cgi-bin/draft/add", article(cover, content=content))["media_id"]
    kept = post("/cgi-bin/draft/get", {"media_id": media_id})["news_item"][0]["content"]
    assert kept == '<p>a<img src="http://mmbiz.qpic.cn/b"/></p>'


def test_anothers_pictures_and_drafts_are_nobodys(
    sim: SimulatorServer, http: httpx.Client, post: Post, cover: str
) -> None:
    media_id = post("/cgi-bin/draft/add", article(cover))["media_id"]
    token = stable(http, appid=OTHER.app_id, secret=OTHER.app_secret)["access_token"]
    there = {"access_token": token}
    assert http.post("/cgi-bin/draft/get", params=there, json={"media_id": media_id}).json()["errcode"] == 40007
    assert http.post("/cgi-bin/draft/add", params=there, json=article(cover)).json()["errcode"] == 40007


def test_a_publishing_job_from_draft_to_deletion(sim: SimulatorServer, post: Post, cover: str) -> None:
    media_id = post("/cgi-bin/draft/add", article(cover, need_open_comment=1))["media_id"]
    submitted = post("/cgi-bin/freepublish/submit", {"media_id": media_id})
    assert submitted["errcode"] == 0
    assert isinstance(submitted["publish_id"], int)
    assert "msg_data_id" not in submitted
    assert post("/cgi-bin/draft/get", {"media_id": media_id})["errcode"] == 40007
    assert post("/cgi-bin/freepublish/submit", {"media_id": media_id})["errcode"] == 40007
    job = {"publish_id": str(submitted["publish_id"])}
    under_way = post("/cgi-bin/freepublish/get", job)
    assert (under_way["publish_status"], under_way["fail_idx"]) == (1, [1])
    sim.clock.advance(20)
    done = post("/cgi-bin/freepublish/get", job)
    assert (done["publish_status"], done["fail_idx"]) == (0, [])
    assert f"mid={submitted['publish_id']}" in done["article_detail"]["item"][0]["article_url"]
    listed = post("/cgi-bin/freepublish/batchget", {"offset": 0, "count": 20, "no_content": 1})
    assert (listed["total_count"], listed["item"][0]["article_id"]) == (1, done["article_id"])
    assert listed["item"][0]["content"]["news_item"][0]["content"] == ""
    assert post("/cgi-bin/freepublish/delete", {"article_id": done["article_id"], "index": 1})["errcode"] == 0
    assert post("/cgi-bin/freepublish/get", job)["publish_status"] == 5
    assert post("/cgi-bin/freepublish/getarticle", {"article_id": "x"})["errcode"] == 53600


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"msg_data_id": 1, "index": 0, "begin": 0, "count": 49, "type": 0}, 88001),
        ({"msg_data_id": 1, "index": 0, "begin": 0, "count": 50, "type": 0}, 88010),
        ({"msg_data_id": 1, "index": 0, "begin": -1, "count": 10, "type": 0}, 88010),
    ],
)
def test_comments_refused(post: Post, body: dict[str, int], code: int) -> None:
    answer = post("/cgi-bin/comment/list", body)
    assert answer["errcode"] == code
    assert code != 88001 or (answer["total"], answer["comment"]) == (0, [])


@pytest.mark.parametrize(("begin", "end"), [("2026-3-1", "2026-3-1"), ("x", "x")])
def test_dates_of_another_form(post: Post, begin: str, end: str) -> None:
    assert post("/datacube/getarticletotaldetail", {"begin_date": begin, "end_date": end})["errcode"] == 61500


def test_days_that_have_no_figures(sim: SimulatorServer, post: Post) -> None:
    today = sim.clock.now().astimezone().date().isoformat()
    assert post("/datacube/getusercumulate", {"begin_date": "2999-01-01", "end_date": "2999-01-01"})["errcode"] == 61501
    assert post("/datacube/getusercumulate", {"begin_date": "2025-12-01", "end_date": today})["errcode"] == 61501


def sendall(media_id: str, key: str, **changes: Any) -> dict[str, Any]:
    message = {"filter": {"is_to_all": True}, "msgtype": "mpnews", "send_ignore_reprint": 0, "clientmsgid": key}
    return {**message, "mpnews": {"media_id": media_id}, **changes}


def test_a_mass_send_and_its_key(sim: SimulatorServer, post: Post, cover: str) -> None:
    path = "/cgi-bin/message/mass/sendall"
    media_id = post("/cgi-bin/draft/add", article(cover))["media_id"]
    assert post(path, sendall(media_id, "k" * 33))["errcode"] == 45067
    assert post(path, sendall(media_id, "k-1", msgtype="text"))["errcode"] == 40008
    assert post(path, sendall("nothing", "k-1"))["errcode"] == 40007
    sent = post(path, sendall(media_id, "k-1"))
    assert (sent["errcode"], type(sent["msg_id"]), type(sent["msg_data_id"])) == (0, int, int)
    assert post("/cgi-bin/draft/get", {"media_id": media_id})["errcode"] == 40007
    assert post(path, sendall(media_id, "k-1"))["errcode"] == 45066
    sim.clock.advance(61)
    again = post(path, sendall(media_id, "k-1"))
    assert (again["errcode"], again["msg_id"]) == (45065, sent["msg_id"])
    assert post("/cgi-bin/message/mass/get", {"msg_id": sent["msg_id"]})["msg_status"] == "SEND_SUCCESS"
    assert post("/cgi-bin/freepublish/batchget", {"offset": 0, "count": 20})["total_count"] == 0
    sim.world("wechat").accounts[ACCOUNT.account].state["mass_keys"]["k-1"].first_at -= timedelta(hours=24)
    assert post(path, sendall(media_id, "k-1"))["errcode"] == 40007  # the key is forgotten, the draft is gone
    assert post("/cgi-bin/message/mass/delete", {"msg_id": sent["msg_id"], "article_idx": 0})["errcode"] == 0
    assert post("/cgi-bin/message/mass/get", {"msg_id": sent["msg_id"]})["msg_status"] == "DELETE"
    assert post("/cgi-bin/message/mass/get", {"msg_id": 1})["errcode"] == 40007


def test_a_mass_send_under_way(sim: SimulatorServer, post: Post, cover: str) -> None:
    media_id = post("/cgi-bin/draft/add", article(cover))["media_id"]
    sent = post("/cgi-bin/message/mass/sendall", sendall(media_id, "k-1"))
    assert post("/cgi-bin/message/mass/get", {"msg_id": sent["msg_id"]})["msg_status"] == "SENDING"
    assert post("/cgi-bin/message/mass/delete", {"msg_id": sent["msg_id"]})["errcode"] == 40007


def test_a_mass_send_that_waits_for_the_administrator(sim: SimulatorServer, post: Post, cover: str) -> None:
    sim.world("wechat").accounts[ACCOUNT.account].options["mass_approval"] = "required"
    media_id = post("/cgi-bin/draft/add", article(cover))["media_id"]
    answers = [post("/cgi-bin/message/mass/sendall", sendall(media_id, "k-1"))["errcode"] for _ in range(2)]
    assert answers == [89505, 89504]
    sim.clock.advance(30 * 60)
    assert post("/cgi-bin/message/mass/sendall", sendall(media_id, "k-1"))["errcode"] == 89505
    act = {"platform": "wechat", "account": ACCOUNT.account, "act": "confirm_mass"}
    assert httpx.post(f"{sim.url}/_sim/acts", json=act).json() == {"confirmed": 1}
    assert httpx.post(f"{sim.url}/_sim/acts", json=act).status_code == 400
    assert post("/cgi-bin/draft/get", {"media_id": media_id})["errcode"] == 40007


def test_the_draft_box(post: Post, cover: str) -> None:
    ids = [post("/cgi-bin/draft/add", article(cover, title=f"第 {n} 篇"))["media_id"] for n in range(3)]
    page = post("/cgi-bin/draft/batchget", {"offset": 1, "count": 20, "no_content": 1})
    assert (page["total_count"], page["item_count"]) == (3, 2)
    assert [item["media_id"] for item in page["item"]] == [ids[1], ids[0]]
    news = page["item"][0]["content"]["news_item"][0]
    assert (news["title"], news["content"], news["thumb_media_id"]) == ("第 1 篇", "", cover)
    assert post("/cgi-bin/draft/batchget", {"offset": 0, "count": 21})["errcode"] == 47001
    assert post("/cgi-bin/draft/delete", {"media_id": ids[0]})["errcode"] == 0
    assert post("/cgi-bin/draft/delete", {"media_id": ids[0]})["errcode"] == 40007


def test_quotas(sim: SimulatorServer, post: Post, cover: str) -> None:
    sim.world("wechat").accounts[ACCOUNT.account].options["daily_limit"] = "2"
    asked = {"cgi_path": "/cgi-bin/draft/add"}
    for _ in range(2):
        post("/cgi-bin/draft/add", article(cover))
    quota = post("/cgi-bin/openapi/quota/get", asked)
    assert (quota["errcode"], quota["quota"]) == (0, {"daily_limit": 2, "used": 2, "remain": 0})
    assert post("/cgi-bin/draft/add", article(cover))["errcode"] == 45009
    assert post("/cgi-bin/openapi/quota/get", {"cgi_path": "/nothing"})["errcode"] == 76021


def test_figures_that_are_not_final_say_so(sim: SimulatorServer, post: Post) -> None:
    day = {"begin_date": "2026-01-05", "end_date": "2026-01-05"}
    sim.set_fault("wechat", "datacube/getarticletotaldetail", "statistics_delayed", count=1)
    answers = [post("/datacube/getarticletotaldetail", day)["is_delay"] for _ in range(2)]
    assert answers == [True, False]


def test_another_method_and_another_path(http: httpx.Client) -> None:
    assert http.get("/cgi-bin/stable_token").json()["errcode"] == 43002
    assert http.get("/nothing").status_code == 404
