"""Answering a comment on Weibo, and finding the answer after an unknown outcome."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.adapter.contract.after_posting import Replies
from services.adapter.contract.errors import NoAnswerError, PlatformError
from services.adapter_weibo import after_posting as module
from services.adapter_weibo.after_posting import WeiboReplies
from services.adapter_weibo.client import WeiboClient
from services.adapter_weibo.settings import Looking
from services.simulator.http.server import SimulatorServer
from tests.adapter_weibo.published import comments, ours, paths, published, some_comment
from tests.adapter_weibo.samples import ACCOUNTS

Connect = Callable[..., WeiboClient]
REPLIES: Replies = WeiboReplies()
THANKS = "谢谢喜欢，春茶三月二十日开采🍵"


def test_a_reply_stands_under_the_comment_in_our_words_alone(connect: Connect, sim: SimulatorServer) -> None:
    client = connect("commercial")
    _, post = published(client, sim)
    comment = some_comment(sim)
    reply_id = REPLIES.reply(client, post, comment.native_id, THANKS)
    (made,) = ours(sim)
    assert (made.native_id, made.text, made.parent) == (reply_id, THANKS, comment.native_id)
    shown = {row.id: row for row in client.comments(post.post.native_id, count=200).rows}
    assert (shown[reply_id].parent, shown[reply_id].author) == (comment.native_id, ACCOUNTS["commercial"].open_id)


def test_without_a_comment_the_post_itself_is_commented_on(connect: Connect, sim: SimulatorServer) -> None:
    client = connect("open")
    _, post = published(client, sim, "open")
    reply_id = REPLIES.reply(client, post, "", THANKS)
    (made,) = ours(sim)
    assert (made.native_id, made.parent) == (reply_id, None)
    assert REPLIES.find_reply(client, post, "", THANKS, sim.clock.now()) == reply_id


def test_the_same_words_under_another_post_are_not_taken_for_ours(connect: Connect, sim: SimulatorServer) -> None:
    client = connect("commercial")
    _, post = published(client, sim)
    other = client.update("另一条微博", "0", "[]")
    client.comment(other.id, THANKS)
    assert REPLIES.find_reply(client, post, "", THANKS, sim.clock.now()) is None


@pytest.mark.parametrize(("comment_id", "code"), [("1", "20201"), ("x", "20201")])
def test_an_answer_to_a_comment_that_is_gone_is_refused(
    connect: Connect, sim: SimulatorServer, comment_id: str, code: str
) -> None:
    client = connect("commercial")
    _, post = published(client, sim)
    with pytest.raises(PlatformError) as caught:
        REPLIES.reply(client, post, comment_id, THANKS)
    assert (caught.value.code, caught.value.outcome) == (code, "refused")


@pytest.mark.parametrize("text", ["", " \n", "茶" * 141, "好 " + "a" * 300])
def test_a_reply_that_cannot_fit_never_leaves(connect: Connect, sim: SimulatorServer, text: str) -> None:
    client = connect("commercial")
    _, post = published(client, sim)
    before = len(paths(sim))
    with pytest.raises(PlatformError) as caught:
        REPLIES.reply(client, post, "1", text)
    assert (caught.value.error_class, caught.value.sent) == ("content", "no")
    assert "140" in caught.value.message
    assert len(paths(sim)) == before


def test_the_longest_reply_is_taken(connect: Connect, sim: SimulatorServer) -> None:
    client = connect("commercial")
    _, post = published(client, sim)
    REPLIES.reply(client, post, some_comment(sim).native_id, "茶" * REPLIES.most_characters())
    assert len(ours(sim)) == 1


@pytest.mark.parametrize("fault", ["drop_after", "drop_before", "http_500"])
def test_a_reply_without_an_answer_is_tried_once_and_found_only_if_it_is_there(
    connect: Connect, sim: SimulatorServer, fault: str
) -> None:
    client = connect("commercial")
    _, post = published(client, sim)
    comment, since = some_comment(sim), sim.clock.now()
    sim.set_fault("weibo", "comments/reply", fault, count=1)
    with pytest.raises(NoAnswerError):
        REPLIES.reply(client, post, comment.native_id, THANKS)
    assert paths(sim).count("/2/comments/reply.json") == 1
    found = REPLIES.find_reply(client, post, comment.native_id, THANKS, since)
    assert found == (ours(sim)[0].native_id if fault == "drop_after" else None)


def test_only_our_own_answer_to_this_comment_in_these_words_and_this_time_is_found(
    connect: Connect, sim: SimulatorServer
) -> None:
    client, other = connect("commercial"), connect("open")
    _, post = published(client, sim)
    asked, another = some_comment(sim), comments(sim)[1]
    REPLIES.reply(client, post, asked.native_id, THANKS)  # last week's
    sim.clock.advance(7 * 86_400)
    since = sim.clock.now()
    REPLIES.reply(other, post, asked.native_id, THANKS)  # a colleague's account
    REPLIES.reply(client, post, another.native_id, THANKS)  # the same thanks to somebody else
    REPLIES.reply(client, post, asked.native_id, "不客气")
    assert REPLIES.find_reply(client, post, asked.native_id, THANKS, since) is None
    reply_id = REPLIES.reply(client, post, asked.native_id, THANKS)
    assert REPLIES.find_reply(client, post, asked.native_id, THANKS, since) == reply_id


def test_an_answer_is_known_though_links_came_shortened_and_a_name_was_put_before_it(
    connect: Connect, sim: SimulatorServer
) -> None:
    client = connect("commercial")
    _, post = published(client, sim)
    comment, text = some_comment(sim), "看这里 https://www.qinghe.example/spring 谢谢"
    fields = {"id": post.post.native_id, "cid": comment.native_id, "comment": text, "without_mention": "0"}
    body = client._post(client._open, "/2/comments/reply.json", fields)
    assert body["text"].startswith("回复@")
    found = REPLIES.find_reply(client, post, comment.native_id, text.replace("spring", "s"), sim.clock.now())
    assert found == body["idstr"]


def test_the_search_goes_through_all_pages(
    connect: Connect, sim: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOKING", Looking(comments_per_page=4))
    client = connect("commercial")
    _, post = published(client, sim)
    comment, since = some_comment(sim), sim.clock.now()
    reply_id = REPLIES.reply(client, post, comment.native_id, THANKS)
    for number in range(12):
        REPLIES.reply(client, post, comment.native_id, f"第 {number} 句")
    sim.set_fault("weibo", "comments/by_me", "short_page")
    assert REPLIES.find_reply(client, post, comment.native_id, THANKS, since) == reply_id
    assert paths(sim).count("/2/comments/by_me.json") > 4


@pytest.mark.parametrize(
    ("kind", "error_class"),
    [
        ("rate_limit", "quota"),
        ("review_refused", "content"),
        ("captcha", "account_risk"),
        ("repeat_content", "content"),
    ],
)
def test_refused_replies_leave_nothing_behind(
    connect: Connect, sim: SimulatorServer, kind: str, error_class: str
) -> None:
    client = connect("commercial")
    _, post = published(client, sim)
    comment = some_comment(sim)
    sim.set_fault("weibo", "comments/reply", kind, count=1)
    with pytest.raises(PlatformError) as caught:
        REPLIES.reply(client, post, comment.native_id, THANKS)
    assert caught.value.error_class == error_class
    assert ours(sim) == []


def test_the_same_answer_twice_is_refused_as_repeated(connect: Connect, sim: SimulatorServer) -> None:
    client = connect("commercial")
    _, post = published(client, sim)
    comment = some_comment(sim)
    REPLIES.reply(client, post, comment.native_id, THANKS)
    with pytest.raises(PlatformError) as caught:
        REPLIES.reply(client, post, comment.native_id, THANKS)
    assert (caught.value.code, caught.value.outcome) == ("20019", "already_posted")
    assert len(ours(sim)) == 1
