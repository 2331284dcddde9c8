"""Replies to comments: sent once, found again when the answer is lost."""

from __future__ import annotations

import pytest

from services.adapter.contract.accounts import Account
from services.adapter.contract.errors import NoAnswerError, PlatformError
from services.adapter.contract.feedback import LivePost
from services.adapter_douyin.after_posting import DouyinReplies
from services.adapter_douyin.client import DouyinClient
from services.simulator.contract import SimComment
from services.simulator.http.server import SimulatorServer


def calls(sim: SimulatorServer, endpoint: str) -> int:
    return sum(kept.endpoint == endpoint for kept in sim.simulation.calls)


def comments(sim: SimulatorServer) -> list[SimComment]:
    world = sim.world("douyin")
    with sim.simulation.instant():
        return list(world.comments(world.posts[0]))


def roots(sim: SimulatorServer) -> list[str]:
    return [comment.native_id for comment in comments(sim) if comment.parent is None]


def ours(sim: SimulatorServer, account: Account) -> list[SimComment]:
    return [comment for comment in comments(sim) if comment.author == account.open_id]


def test_a_reply_stands_below_the_comment_it_answers(
    sim: SimulatorServer, client: DouyinClient, post: LivePost
) -> None:
    answered = roots(sim)[0]
    reply_id = DouyinReplies().reply(client, post, answered, "谢谢支持 🍵")
    (reply,) = ours(sim, client.account)
    assert (reply.native_id, reply.parent, reply.text) == (reply_id, answered, "谢谢支持 🍵")


@pytest.mark.parametrize("fault", ["drop_after", "drop_before"])
def test_a_reply_whose_answer_is_lost_is_one_attempt_and_found_by_looking(
    sim: SimulatorServer, client: DouyinClient, post: LivePost, fault: str
) -> None:
    replies, answered, since = DouyinReplies(), roots(sim)[0], sim.clock.now()
    sim.set_fault("douyin", "item/comment/reply", fault, count=1)
    with pytest.raises(NoAnswerError):
        replies.reply(client, post, answered, "谢谢支持")
    assert calls(sim, "item/comment/reply") == 1
    written = [comment.native_id for comment in ours(sim, client.account)]
    found = replies.find_reply(client, post, answered, "谢谢支持", since)
    assert ([found] if found else []) == written
    assert bool(written) == (fault == "drop_after")


def test_the_same_words_below_another_comment_are_not_taken_for_the_reply(
    sim: SimulatorServer, client: DouyinClient, post: LivePost
) -> None:
    replies, since = DouyinReplies(), sim.clock.now()
    first, second = roots(sim)[:2]
    replies.reply(client, post, first, "谢谢支持")
    assert replies.find_reply(client, post, second, "谢谢支持", since) is None


def test_an_old_reply_with_the_same_words_is_not_taken_for_the_new_one(
    sim: SimulatorServer, client: DouyinClient, post: LivePost
) -> None:
    replies, answered = DouyinReplies(), roots(sim)[0]
    replies.reply(client, post, answered, "谢谢支持")
    sim.clock.advance(3600)
    assert replies.find_reply(client, post, answered, "谢谢支持", sim.clock.now()) is None


@pytest.mark.parametrize("pages", ["whole", "short_page"])
def test_a_reply_to_a_reply_is_found_in_its_thread(
    sim: SimulatorServer, client: DouyinClient, post: LivePost, pages: str
) -> None:
    replies, since, world = DouyinReplies(), sim.clock.now(), sim.world("douyin")
    root = roots(sim)[0]
    for number in range(8):
        world.add_comment(world.posts[0], SimComment(f"@n{number}", "某人", "在哪买", sim.clock.now(), root))
    reply_id = replies.reply(client, post, "@n7", "旗舰店")
    if pages == "short_page":
        for endpoint in ("item/comment/list", "item/comment/reply/list"):
            sim.set_fault("douyin", endpoint, "short_page")
    assert replies.find_reply(client, post, "@n7", "旗舰店", since) == reply_id
    assert replies.find_reply(client, post, "@n6", "旗舰店", since) is None


@pytest.mark.parametrize("text", ["", "  ", "茶" * 101, "🍵" * 51])
def test_a_reply_that_does_not_fit_is_never_sent(
    sim: SimulatorServer, client: DouyinClient, post: LivePost, text: str
) -> None:
    with pytest.raises(PlatformError) as caught:
        DouyinReplies().reply(client, post, "@x", text)
    assert (caught.value.sent, caught.value.error_class) == ("no", "content")
    assert calls(sim, "item/comment/reply") == 0


def test_what_the_platform_refuses_as_a_reply_has_its_class(
    sim: SimulatorServer, client: DouyinClient, post: LivePost
) -> None:
    for comment, text, code in (("@elsewhere", "谢谢", "2111007"), (roots(sim)[0], "敏感词示例", "2111001")):
        with pytest.raises(PlatformError) as caught:
            DouyinReplies().reply(client, post, comment, text)
        assert (caught.value.code, caught.value.outcome) == (code, "refused")
    assert ours(sim, client.account) == []


def test_a_reply_without_an_id_is_there_all_the_same(client: DouyinClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_post", lambda *_args, **_named: {"error_code": 0})
    with pytest.raises(PlatformError) as caught:
        client.reply("@i", "@c", "谢谢")
    assert caught.value.outcome == "published"
