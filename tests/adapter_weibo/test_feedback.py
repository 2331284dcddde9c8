from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from schemas.events.feedback import Reading
from schemas.events.placement import PostRef
from services.adapter.contract.feedback import CommentPage, LivePost
from services.adapter_weibo import ADAPTER
from services.adapter_weibo import feedback as module
from services.adapter_weibo.client import WeiboClient
from services.adapter_weibo.settings import Listening
from services.adapter_weibo.wire_types import CommentRow, CommentRows
from services.simulator.contract import SimPost
from services.simulator.http.server import SimulatorServer
from tests.adapter_weibo.samples import ACCOUNTS, NOW, carry_on, content, record

Connect = Callable[..., WeiboClient]


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LISTENING", Listening(comments_per_page=7))


def posted(client: WeiboClient, sim: SimulatorServer) -> tuple[LivePost, SimPost]:
    _, live = carry_on(client, record(content(), ACCOUNTS["commercial"], sim.clock.now()))
    post = LivePost("pl-1", "c-1", "qinghe", "spring", "qinghe-tea", "notice", "", live.post)
    return post, sim.world("weibo").posts[0]


def true_ids(sim: SimulatorServer, post: SimPost) -> set[str]:
    with sim.simulation.instant():
        return {comment.native_id for comment in sim.world("weibo").comments(post)}


class Collected:
    """What a collector keeps: comments by id, how often each came, and the position."""

    def __init__(self) -> None:
        self.times: dict[str, int] = {}
        self.position: Mapping[str, Any] = {}

    def poll(self, client: Any, post: LivePost, pages: int = 1000) -> list[CommentPage]:
        walked = []
        known = self.times.__contains__
        for page in ADAPTER.feedback.comment_pages(client, post, self.position, known, NOW):
            for comment in page.comments:
                self.times[comment.comment_id] = self.times.get(comment.comment_id, 0) + 1
            self.position = page.position
            walked.append(page)
            if len(walked) == pages:
                break
        return walked


@pytest.mark.usefixtures("small_pages")
def test_short_pages_do_not_end_the_walk(connect: Connect, sim: SimulatorServer) -> None:
    client = connect("commercial")
    post, truth = posted(client, sim)
    sim.clock.advance(86_400)
    sim.set_fault("weibo", "comments/show", "short_page")
    collected = Collected()
    pages = collected.poll(client, post)
    assert set(collected.times) == true_ids(sim, truth)
    assert len(collected.times) > 20
    assert [page.more for page in pages] == [True] * (len(pages) - 1) + [False]
    assert pages[-1].total == len(collected.times)


@pytest.mark.usefixtures("small_pages")
def test_comments_arriving_between_pages_and_polls_are_all_collected_once(
    connect: Connect, sim: SimulatorServer
) -> None:
    client = connect("commercial")
    post, truth = posted(client, sim)
    collected = Collected()
    for _ in range(40):
        sim.clock.advance(120)
        collected.poll(client, post, pages=1)  # cut off after every page
    sim.clock.advance(86_400)
    collected.poll(client, post)
    assert set(collected.times) == true_ids(sim, truth)
    assert set(collected.times.values()) == {1}


def test_a_poll_without_news_costs_one_call(connect: Connect, sim: SimulatorServer) -> None:
    client = connect("commercial")
    post, _ = posted(client, sim)
    sim.clock.advance(90_000)
    collected = Collected()
    collected.poll(client, post)
    (page,) = collected.poll(client, post)
    assert page.comments == ()
    assert page.more is False


def test_replies_keep_their_parent_and_authors_their_ids(connect: Connect, sim: SimulatorServer) -> None:
    client = connect("commercial")
    post, truth = posted(client, sim)
    sim.clock.advance(90_000)
    comments = {c.comment_id: c for page in Collected().poll(client, post) for c in page.comments}
    with sim.simulation.instant():
        for true in sim.world("weibo").comments(truth):
            got = comments[true.native_id]
            assert (got.text, got.parent_comment_id, got.likes) == (true.text, true.parent, true.likes)
            assert got.written_at == true.at.replace(microsecond=0)
            assert got.author.isdecimal()


class Platform:
    """A comments endpoint made of ids: those in `hidden` are counted and not shown, `pinned` leads every page."""

    def __init__(self, ids: list[int], hidden: set[int], pinned: int | None = None) -> None:
        self.ids, self.hidden, self.pinned, self.calls = ids, hidden, pinned, 0

    def comments(self, status_id: str, *, count: int, since_id: int, max_id: int) -> CommentRows:
        self.calls += 1
        asked = sorted((i for i in self.ids if i > since_id and (not max_id or i <= max_id)), reverse=True)
        page, left = asked[:count], asked[count:]
        page = page if self.pinned is None else [self.pinned, *page]
        rows = tuple(CommentRow(str(i), "1", "好", NOW, None, 0) for i in page if i not in self.hidden)
        return CommentRows(rows, left[0] if left else 0, len(self.ids))


@pytest.mark.usefixtures("small_pages")
def test_a_page_emptied_by_the_filter_does_not_end_the_walk() -> None:
    platform = Platform(list(range(100, 130)), set(range(110, 123)))
    collected = Collected()
    collected.poll(platform, _post())
    assert {int(i) for i in collected.times} == set(platform.ids) - platform.hidden


@pytest.mark.usefixtures("small_pages")
def test_a_comment_released_late_below_the_line_is_collected() -> None:
    platform = Platform(list(range(100, 130)), {101, 115})
    collected = Collected()
    collected.poll(platform, _post())
    platform.ids.append(50)  # was in review, not even counted
    collected.poll(platform, _post())
    assert "50" in collected.times
    calls = platform.calls
    collected.poll(platform, _post())
    assert platform.calls == calls + 1  # what stays hidden is not searched for again


@pytest.mark.usefixtures("small_pages")
def test_a_pinned_old_comment_hides_no_others() -> None:
    platform = Platform(list(range(100, 130)), set(), pinned=103)
    collected = Collected()
    collected.poll(platform, _post())
    assert {int(i) for i in collected.times} == set(platform.ids)
    platform.ids += range(140, 160)
    collected.poll(platform, _post())
    assert {int(i) for i in collected.times} == set(platform.ids)
    calls = platform.calls
    collected.poll(platform, _post())
    assert platform.calls == calls + 1


def _post() -> LivePost:
    return LivePost("pl-1", "c-1", "b", "c", "a", "notice", "", PostRef(native_id="9", published_at=NOW))


def test_metrics_are_the_platforms_figures_under_their_native_names(connect: Connect, sim: SimulatorServer) -> None:
    client = connect("commercial")
    post, truth = posted(client, sim)
    sim.clock.advance(90_000)
    readings = ADAPTER.feedback.metrics(client, [post], sim.clock.now())[post.post.native_id]
    with sim.simulation.instant():
        counts = sim.world("weibo").counts(truth)
    assert readings.likes == Reading(value=counts["likes"], native="attitudes")
    assert readings.shares == Reading(value=counts["shares"], native="reposts")
    assert readings.comments == Reading(value=counts["comments"], native="comments")
    assert readings.views == Reading(reason="unsupported")
    assert counts["comments"] > 0


def test_a_post_missing_in_the_answer_has_a_reason_and_no_zero(connect: Connect, sim: SimulatorServer) -> None:
    client = connect("commercial")
    post, truth = posted(client, sim)
    truth.state = "removed"
    published = post.post.published_at
    for age, reason in ((timedelta(minutes=1), "not_yet"), (timedelta(hours=1), "failed")):
        readings = ADAPTER.feedback.metrics(client, [post], published + age)[post.post.native_id]
        assert (readings.likes.value, readings.likes.reason) == (None, reason)


def test_followers_are_read_from_users_counts(connect: Connect, sim: SimulatorServer) -> None:
    followers = sim.world("weibo").accounts["qinghe-tea"].followers
    reading = ADAPTER.feedback.followers(connect("commercial"), NOW)
    assert reading == Reading(value=followers, native="followers_count")
