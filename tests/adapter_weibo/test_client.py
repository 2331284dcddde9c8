from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
import pytest

from services.adapter.contract.errors import NoAnswerError, NotSentError, PlatformError
from services.adapter.wire.http import Answer
from services.adapter_weibo import client as client_module
from services.adapter_weibo import wire_types as wire
from services.adapter_weibo.client import WeiboClient
from services.adapter_weibo.wire_types import Picture, base62, created_at, post_url
from services.simulator.http.server import SimulatorServer
from tests.adapter_weibo.samples import JPEG

Connect = Callable[..., WeiboClient]
LINKED = "一口喝到今年的春天 https://qinghe.example/x"
PICTURE = Picture("a.jpg", "image/jpeg", JPEG)


@pytest.mark.parametrize(
    ("mid", "short"), [("3436240135184587", "yfcLPlKKn"), ("3436255091659029", "yfd9X6XAx"), ("61", "Z"), ("0", "0")]
)
def test_base62_of_known_pairs(mid: str, short: str) -> None:
    assert base62(mid) == short


def test_groups_of_a_mid_keep_their_leading_zeros() -> None:
    assert base62("10000000") == "10000"
    assert post_url("1900000001", "3436240135184587") == "https://weibo.com/1900000001/yfcLPlKKn"


@pytest.mark.parametrize(
    ("stamp", "instant"),
    [
        ("Wed Oct 24 23:49:17 +0800 2012", datetime(2012, 10, 24, 15, 49, 17, tzinfo=UTC)),
        ("Tue Mar 03 00:15:02 +0800 2026", datetime(2026, 3, 2, 16, 15, 2, tzinfo=UTC)),
        ("Sun Mar  1 00:00:00 -0330 2026", datetime(2026, 3, 1, 3, 30, tzinfo=UTC)),
    ],
)
def test_created_at_is_read_whatever_the_zone(stamp: str, instant: datetime) -> None:
    assert created_at(stamp) == instant
    assert created_at(stamp).tzinfo is UTC


@pytest.mark.parametrize("stamp", [None, "", "2026-03-03T00:00:00Z", "Tue Foo 03 00:15:02 +0800 2026"])
def test_an_unreadable_created_at_is_an_error_not_a_guess(stamp: object) -> None:
    with pytest.raises(NoAnswerError):
        created_at(stamp)


def test_both_dialects_of_an_error_code_are_read() -> None:
    for code in ("20019", 20019):
        with pytest.raises(PlatformError) as caught:
            client_module._checked(Answer(400, {"error": "repeat content!", "error_code": code}, b""))
        assert caught.value.outcome == "already_posted"


@pytest.mark.parametrize(
    "answer", [Answer(403, None, b"<html>"), Answer(500, {}, b"{}"), Answer(200, None, b"ok"), Answer(200, 7, b"7")]
)
def test_an_answer_that_says_nothing_leaves_the_outcome_unknown(answer: Answer) -> None:
    with pytest.raises(NoAnswerError):
        client_module._checked(answer)


@pytest.mark.parametrize(
    "body",
    [
        {"id": 5012345678901234, "mid": "5012345678901234"},
        {"idstr": "5012345678901234", "mid": 5012345678901234},
        {"mid": "5012345678901234"},
    ],
)
def test_ids_are_strings_whatever_their_type_on_the_wire(body: dict[str, Any]) -> None:
    status = wire.read_status({**body, "created_at": "Tue Mar 03 10:15:02 +0800 2026", "user": {"id": 1900000001}})
    assert (status.id, status.mid, status.uid) == ("5012345678901234", "5012345678901234", "1900000001")


def test_a_success_without_an_id_is_no_success() -> None:
    with pytest.raises(NoAnswerError):
        wire.read_status({"created_at": "Tue Mar 03 10:15:02 +0800 2026"})


def test_a_count_that_cannot_be_read_is_missing_not_zero() -> None:
    assert wire.read_counts({"id": 1, "comments": "3", "reposts": None}) == ("1", wire.StatusCounts(None, 3, None))


# --- over real HTTP ---


def test_share_returns_the_post_with_text_encoded_once(connect: Connect, sim: SimulatorServer) -> None:
    status = connect("open").share("喝茶🍵 & 聊天+% https://qinghe.example/x", PICTURE)
    (post,) = sim.world("weibo").posts
    assert post.text == "喝茶🍵 & 聊天+% https://qinghe.example/x"
    assert post.native_id == status.id == status.mid
    assert status.created_at.replace(microsecond=0) == post.created_at.replace(microsecond=0)
    assert "http://t.cn/" in status.text


@pytest.mark.parametrize(
    ("way", "call", "code", "error_class"),
    [
        ("open", lambda c: c.share("没有链接"), "10017", "content"),
        ("open", lambda c: c.share("有话题 #茶# https://qinghe.example/x"), "10017", "content"),
        ("open", lambda c: c.share("茶" * 140 + LINKED), "20012", "content"),
        ("open", lambda c: c.share(" "), "20008", "content"),
        ("open", lambda c: c.share(LINKED, Picture("a.webp", "image/webp", b"RIFF")), "20005", "media"),
        (
            "open",
            lambda c: c.share(LINKED, Picture("a.jpg", "image/jpeg", JPEG[:4] + bytes(5 << 20))),
            "20006",
            "media",
        ),
        ("open", lambda c: c.update("茶", "0", "[]"), "10014", "needs_human"),
        ("commercial", lambda c: c.upload_url_text("茶", "0", "[]", ["nobody"]), "10008", "bug"),
        ("commercial", lambda c: c.show("1"), "20101", "content"),
    ],
)
def test_refusals_arrive_as_the_error_table_says(
    connect: Connect, sim: SimulatorServer, way: str, call: Callable[[WeiboClient], Any], code: str, error_class: str
) -> None:
    with pytest.raises(PlatformError) as caught:
        call(connect(way))
    assert (caught.value.code, caught.value.error_class, caught.value.sent) == (code, error_class, "yes")
    assert sim.world("weibo").posts == []


def test_the_same_words_again_are_refused_as_already_posted(connect: Connect) -> None:
    client = connect("open")
    client.share(LINKED)
    with pytest.raises(PlatformError) as caught:
        client.share(LINKED)
    assert (caught.value.code, caught.value.outcome) == ("20019", "already_posted")


def test_a_slow_server_says_published_and_shows_the_post_later(connect: Connect, sim: SimulatorServer) -> None:
    client = connect("open")
    sim.set_fault("weibo", "statuses/share", "slow_success", count=1)
    with pytest.raises(PlatformError) as caught:
        client.share(LINKED)
    assert (caught.value.code, caught.value.outcome) == ("20032", "published")
    assert client.user_timeline().rows == ()
    sim.clock.advance(61)
    (shown,) = client.user_timeline().rows
    assert shown.id == sim.world("weibo").posts[0].native_id


@pytest.mark.parametrize(
    ("kind", "code", "error_class"),
    [
        ("rate_limit", "10024", "quota"),
        ("repeat_content", "20019", "content"),
        ("review_refused", "20021", "content"),
        ("token_expired", "21327", "auth"),
    ],
)
def test_faults_answer_in_the_platforms_words_and_post_nothing(
    connect: Connect, sim: SimulatorServer, kind: str, code: str, error_class: str
) -> None:
    sim.set_fault("weibo", "statuses/share", kind, count=1)
    with pytest.raises(PlatformError) as caught:
        connect("open").share(LINKED)
    assert (caught.value.code, caught.value.error_class) == (code, error_class)
    assert sim.world("weibo").posts == []


def test_an_expired_token_is_renewed_once_and_the_call_repeated_once(connect: Connect, sim: SimulatorServer) -> None:
    sim.set_fault("weibo", "statuses/update/biz", "token_expired", count=1)
    client = connect("commercial")
    client.update("茶", "0", "[]")
    assert len(sim.world("weibo").posts) == 1
    paths = [kept.path for kept in sim.simulation.calls]
    assert paths.count("/oauth2/access_token") == 1
    assert paths.count("/2/statuses/update/biz.json") == 2


def test_a_token_that_stays_refused_is_not_asked_for_again_and_again(connect: Connect, sim: SimulatorServer) -> None:
    sim.set_fault("weibo", "statuses/update/biz", "token_expired")
    with pytest.raises(PlatformError) as caught:
        connect("commercial").update("茶", "0", "[]")
    assert caught.value.error_class == "auth"
    assert [kept.path for kept in sim.simulation.calls].count("/2/statuses/update/biz.json") == 2


def test_a_refused_renewal_is_an_auth_error_and_keeps_the_token(connect: Connect, sim: SimulatorServer) -> None:
    client = connect("commercial", refresh_token="wrong")
    sim.set_fault("weibo", "statuses/update/biz", "token_expired", count=1)
    with pytest.raises(PlatformError) as caught:
        client.update("茶", "0", "[]")
    assert (caught.value.code, caught.value.error_class) == ("21325", "auth")
    client.update("茶", "0", "[]")


def test_no_connection_is_never_sent(sim: SimulatorServer, connect: Connect) -> None:
    client = connect("open", base_url="http://127.0.0.1:9")
    with pytest.raises(NotSentError):
        client.share(LINKED)


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "http_500"])
def test_a_post_without_an_answer_is_tried_exactly_once(connect: Connect, sim: SimulatorServer, fault: str) -> None:
    sim.set_fault("weibo", "statuses/share", fault)
    with pytest.raises(NoAnswerError):
        connect("open").share(LINKED)
    assert len(list(sim.simulation.calls)) == 1
    assert len(sim.world("weibo").posts) == (1 if fault == "drop_after" else 0)


def test_a_read_survives_a_dropped_connection(connect: Connect, sim: SimulatorServer) -> None:
    sim.set_fault("weibo", "users/counts", "drop_before", count=1)
    assert connect("open").followers() == sim.world("weibo").accounts["qinghe-life"].followers


def test_the_own_uid_is_asked_for_where_the_account_does_not_declare_it(connect: Connect) -> None:
    client = connect("open", open_id="")
    assert client.uid() == "1900000002"
    assert client.followers() is not None


def test_the_timeline_shows_an_ordinary_app_five_posts(connect: Connect) -> None:
    client = connect("commercial")
    ids = [client.update(f"第 {n} 泡", "0", "[]").id for n in range(7)]
    timeline = client.user_timeline()
    assert [row.id for row in timeline.rows] == ids[:1:-1]
    assert timeline.total == 7


def test_counts_ask_for_a_hundred_posts_at_a_time(connect: Connect, sim: SimulatorServer) -> None:
    client = connect("commercial")
    status = client.update("茶", "0", "[]")
    found = client.counts([str(n) for n in range(150)] + [status.id])
    assert set(found) == {status.id}
    assert [kept.path for kept in sim.simulation.calls].count("/2/statuses/count.json") == 2


def test_times_on_the_wire_are_beijing_and_ours_are_utc(connect: Connect, sim: SimulatorServer) -> None:
    status = connect("commercial").update("茶", "0", "[]")
    assert abs(status.created_at - sim.clock.now()) < timedelta(minutes=5)
    assert status.created_at.astimezone(timezone(timedelta(hours=8))).utcoffset() == timedelta(hours=8)


# --- what the simulated platform does about tokens and the pace of comments ---


def test_a_permission_given_back_ends_the_token_and_its_renewal_until_the_user_grants_anew(
    connect: Connect, sim: SimulatorServer
) -> None:
    client = connect("commercial")
    token = sim.world("weibo").accounts["qinghe-tea"].access_token
    revoked = httpx.post(f"{sim.url}/weibo/oauth2/revokeoauth2", data={"access_token": token})
    assert revoked.json() == {"result": "true"}
    with pytest.raises(PlatformError) as caught:
        client.user_timeline()
    assert caught.value.code == "21325"  # the renewal is refused
    app = {"client_id": "3100000001", "client_secret": "secret-1", "grant_type": "authorization_code"}
    granted = httpx.post(f"{sim.url}/weibo/oauth2/access_token", data={**app, "code": "1900000001"}).json()
    assert connect("commercial", access_token=granted["access_token"]).user_timeline().rows == ()


def test_comments_beyond_the_hourly_pace_are_refused_until_the_next_hour(
    connect: Connect, sim: SimulatorServer
) -> None:
    sim.clock.set_speed(0)
    sim.world("weibo").accounts["qinghe-tea"].options["comments_per_hour"] = "2"
    client = connect("commercial")
    status = client.update("茶", "0", "[]")
    for number in range(2):
        client.comment(status.id, f"第 {number} 句")
    with pytest.raises(PlatformError) as caught:
        client.comment(status.id, "第三句")
    assert (caught.value.code, caught.value.error_class) == ("10024", "quota")
    sim.clock.advance(3600)
    client.comment(status.id, "第三句")


def test_an_answer_without_a_comment_id_is_no_success() -> None:
    with pytest.raises(NoAnswerError):
        wire.read_comment({"text": "谢谢", "created_at": "Tue Mar 03 10:15:02 +0800 2026"})
