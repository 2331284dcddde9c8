from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta, timezone

import pytest
from msgspec.structs import replace

from schemas.events.placement import PlacementRecord
from services.adapter.contract.errors import NoAnswerError, PlatformError
from services.adapter.contract.feedback import LivePost
from services.adapter.contract.publication import Removed
from services.adapter_wechat import ADAPTER
from services.adapter_wechat.account import WATCHED, WechatCare
from services.adapter_wechat.after_posting import WechatReplies, WechatRetraction
from services.adapter_wechat.client import WechatClient
from services.adapter_wechat.feedback import WechatFeedback
from services.adapter_wechat.wire_types import AuthorReply, WechatComment
from services.simulator.http.server import SimulatorServer
from tests.adapter_wechat.samples import ACCOUNT, content, draft_of, intended
from tests.adapter_wechat.worker import Worker

RETRACTION, REPLIES, CARE = WechatRetraction(), WechatReplies(), WechatCare()
BEIJING = timezone(timedelta(hours=8))


def published(sim: SimulatorServer, client: WechatClient, way: str = "publish") -> PlacementRecord:
    draft = draft_of(content(), replace(ACCOUNT, way=way))
    record = Worker(sim, client).run(replace(intended(content(), sim.clock.now()), draft=draft))
    assert record.state == "LIVE"
    return record


def state(sim: SimulatorServer) -> str:
    (post,) = sim.world("wechat").posts
    return post.state


def test_the_adapter_offers_all_of_it() -> None:
    assert (ADAPTER.retraction, ADAPTER.replies, ADAPTER.care, ADAPTER.callbacks).count(None) == 0
    assert ADAPTER.limits.can_delete


# --- taking down ---


@pytest.mark.parametrize("way", ["publish", "mass"])
def test_a_live_article_is_taken_down_and_a_second_time_is_no_failure(
    sim: SimulatorServer, client: WechatClient, way: str
) -> None:
    record = published(sim, client, way)
    RETRACTION.retract(client, record)
    assert state(sim) == "removed"
    assert isinstance(Worker(sim, client).publication.follow(client, record), Removed)
    RETRACTION.retract(client, record)


@pytest.mark.parametrize(("way", "endpoint"), [("publish", "freepublish/delete"), ("mass", "message/mass/delete")])
def test_taking_down_is_one_attempt_whose_lost_answer_is_told(
    sim: SimulatorServer, client: WechatClient, way: str, endpoint: str
) -> None:
    record = published(sim, client, way)
    sim.set_fault("wechat", endpoint, "drop_after", count=1)
    with pytest.raises(NoAnswerError):
        RETRACTION.retract(client, record)
    assert sum(1 for call in sim.simulation.calls if call.endpoint == endpoint) == 1
    RETRACTION.retract(client, record)
    assert state(sim) == "removed"


def test_an_article_that_the_platform_does_not_know_any_more_is_gone(
    sim: SimulatorServer, client: WechatClient
) -> None:
    record = published(sim, client)
    assert record.post is not None
    RETRACTION.retract(client, replace(record, post=replace(record.post, native_id="no-such-article")))


def test_a_refused_withdrawal_is_a_failure(sim: SimulatorServer, client: WechatClient) -> None:
    record = published(sim, client)
    sim.set_fault("wechat", "freepublish/delete", "rate_limit", count=1)
    with pytest.raises(PlatformError) as caught:
        RETRACTION.retract(client, record)
    assert caught.value.code == "45011"
    with pytest.raises(PlatformError):
        RETRACTION.retract(client, replace(record, post=None))


# --- answering ---


@pytest.fixture
def commented(sim: SimulatorServer, client: WechatClient) -> tuple[LivePost, list[str]]:
    """An article a day old and the ids of its comments as the collector knows them."""
    record = published(sim, client)
    assert record.post is not None
    sim.clock.advance(24 * 3600)
    post = LivePost("pl-1", "c-1", "qinghe", "spring", ACCOUNT.account, "article", "青禾春茶开园", record.post)
    pages = WechatFeedback().comment_pages(client, post, {}, lambda _: False, sim.clock.now())
    ids = [comment.comment_id for page in pages for comment in page.comments]
    assert len(ids) > 20
    sim.set_fault("wechat", "comment/list", "short_page")  # so that they stand on several pages
    return post, ids


Commented = tuple[LivePost, list[str]]


@pytest.mark.parametrize("shape", ["object", "list"])
def test_a_reply_is_written_once_and_found_again(
    sim: SimulatorServer, client: WechatClient, commented: Commented, shape: str
) -> None:
    sim.world("wechat").accounts[ACCOUNT.account].options["comment_reply"] = shape
    (post, ids), since = commented, sim.clock.now()
    for comment_id in (ids[0], ids[-1]):
        assert REPLIES.find_reply(client, post, comment_id, "谢谢 🍵", since) is None
        reply_id = REPLIES.reply(client, post, comment_id, "谢谢 🍵")
        assert REPLIES.find_reply(client, post, comment_id, "谢谢 🍵", since) == reply_id
    assert REPLIES.find_reply(client, post, ids[1], "谢谢 🍵", since) is None
    assert len(sim.world("wechat").posts[0].data["replies"]) == 2


def test_a_reply_whose_answer_got_lost_is_found_and_a_repetition_writes_no_second(
    sim: SimulatorServer, client: WechatClient, commented: Commented
) -> None:
    (post, ids), since = commented, sim.clock.now()
    sim.set_fault("wechat", "comment/reply/add", "drop_after", count=1)
    with pytest.raises(NoAnswerError) as lost:
        REPLIES.reply(client, post, ids[3], "欢迎来喝茶")
    assert lost.value.outcome == "unknown"
    assert sum(1 for call in sim.simulation.calls if call.endpoint == "comment/reply/add") == 1
    assert REPLIES.find_reply(client, post, ids[3], "欢迎来喝茶", since) is not None
    with pytest.raises(PlatformError) as again:
        REPLIES.reply(client, post, ids[3], "欢迎来喝茶")
    assert (again.value.code, again.value.outcome) == ("88005", "already_posted")


def test_an_older_or_another_reply_is_not_taken_for_ours(
    sim: SimulatorServer, client: WechatClient, commented: Commented
) -> None:
    post, ids = commented
    REPLIES.reply(client, post, ids[0], "谢谢")
    assert REPLIES.find_reply(client, post, ids[0], "欢迎", sim.clock.now()) is None
    sim.clock.advance(3600)
    assert REPLIES.find_reply(client, post, ids[0], "谢谢", sim.clock.now()) is None


@pytest.mark.parametrize(("text", "code"), [("", "88007"), ("茶" * 601, "88007")])
def test_a_reply_that_does_not_fit_is_refused(client: WechatClient, commented: Commented, text: str, code: str) -> None:
    post, ids = commented
    with pytest.raises(PlatformError) as caught:
        REPLIES.reply(client, post, ids[0], text)
    assert (caught.value.code, caught.value.outcome) == (code, "refused")
    assert REPLIES.most_characters() == 600


def test_a_comment_that_is_none_is_refused(client: WechatClient, commented: Commented) -> None:
    post, ids = commented
    with pytest.raises(PlatformError) as caught:
        REPLIES.reply(client, post, ids[0].rpartition(":")[0] + ":99999", "谢谢")
    assert caught.value.code == "88008"
    with pytest.raises(PlatformError):
        REPLIES.reply(client, post, "weibo-501", "谢谢")


def test_a_reply_can_be_taken_back(sim: SimulatorServer, client: WechatClient, commented: Commented) -> None:
    (post, ids), since = commented, sim.clock.now()
    REPLIES.reply(client, post, ids[0], "谢谢")
    client.delete_reply(int(post.post.ids["msg_data_id"]), 0, int(ids[0].rpartition(":")[2]))
    assert REPLIES.find_reply(client, post, ids[0], "谢谢", since) is None


def test_a_comment_without_a_reply_has_none() -> None:
    assert WechatComment(user_comment_id=1, create_time=1).replies == []
    assert WechatComment(user_comment_id=1, create_time=1, reply=AuthorReply()).replies == []


# --- the account ---


def test_a_sound_account_tells_its_quotas_and_when_they_begin_anew(sim: SimulatorServer, client: WechatClient) -> None:
    published(sim, client)
    sim.world("wechat").accounts[ACCOUNT.account].options["daily_limit"] = "200"
    health = CARE.check(client, sim.clock.now())
    assert (health.problem, health.error) == ("", None)
    assert {quota.endpoint for quota in health.quotas} == {
        path.removeprefix("/").removeprefix("cgi-bin/") for path in WATCHED
    }
    remaining = {quota.endpoint: quota.remaining for quota in health.quotas}
    assert remaining["freepublish/submit"] == 199
    assert remaining["message/mass/sendall"] == 200
    resets = health.quotas[0].resets_at
    assert resets is not None
    assert resets > sim.clock.now()
    assert (resets.astimezone(BEIJING).hour, resets.astimezone(BEIJING).minute) == (0, 0)


def test_a_used_up_quota_is_told_and_then_refused(sim: SimulatorServer, client: WechatClient) -> None:
    sim.world("wechat").accounts[ACCOUNT.account].options["daily_limit"] = "9"
    for _ in range(9):
        client.published()
    with pytest.raises(PlatformError) as caught:
        client.published()
    assert caught.value.code == "45009"
    sim.clock.advance(24 * 3600)
    client.published()


@pytest.mark.parametrize(("changes", "code"), [({"app_secret": "wrong"}, "40125"), ({"app_id": "wx-nobody"}, "40013")])
def test_an_account_in_trouble_says_why_and_raises_nothing(
    sim: SimulatorServer, connect: Callable[..., WechatClient], changes: dict[str, str], code: str
) -> None:
    health = CARE.check(connect(**changes), sim.clock.now())
    assert health.error is not None
    assert health.error.code == code
    assert "请核对账号配置" in health.problem


@pytest.mark.parametrize("endpoint", ["stable_token", "openapi/quota/get"])
def test_an_account_that_cannot_be_asked_is_not_shown_as_sound(
    sim: SimulatorServer, client: WechatClient, endpoint: str
) -> None:
    sim.set_fault("wechat", endpoint, "http_500")
    health = CARE.check(client, sim.clock.now())
    assert health.problem
    assert health.quotas == ()


def test_questions_beyond_their_own_quota_make_no_problem(sim: SimulatorServer, client: WechatClient) -> None:
    sim.set_fault("wechat", "openapi/quota/get", "rate_limit")
    health = CARE.check(client, sim.clock.now())
    assert (health.problem, health.quotas) == ("", ())


def test_a_stolen_token_is_replaced_without_taking_it_back_by_force(sim: SimulatorServer, client: WechatClient) -> None:
    client.published()
    sim.set_fault("wechat", "freepublish/batchget", "token_stolen", count=1)
    client.published()
    account = sim.world("wechat").accounts[ACCOUNT.account]
    assert len(account.state["tokens"]) == 2
    assert "forced" not in account.state
