from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, cast

import pytest
from msgspec.structs import replace

from schemas.events.feedback import Readings
from schemas.events.placement import PostRef
from services.adapter.contract.errors import PlatformError
from services.adapter.contract.feedback import CommentPage, LivePost
from services.adapter_wechat.client import WechatClient
from services.adapter_wechat.feedback import NATIVE, WechatFeedback
from services.adapter_wechat.simulator import SIMULATOR
from services.adapter_wechat.wire_types import ArticleTotals, Comments, WechatComment
from services.simulator.contract import SimPost
from services.simulator.http.server import SimulatorServer
from tests.adapter_wechat.samples import content, intended
from tests.adapter_wechat.worker import Worker

BEIJING = timezone(timedelta(hours=8))
FEEDBACK = WechatFeedback()


def live_post(post: PostRef) -> LivePost:
    return LivePost("pl-1", "c-1", "qinghe", "spring", "qinghe-tea", "article", "青禾春茶开园", post)


@pytest.fixture
def posted(sim: SimulatorServer, client: WechatClient) -> LivePost:
    """An article that went live at 20:00 Beijing time."""
    now = sim.clock.now().astimezone(BEIJING)
    evening = (now + timedelta(days=1)).replace(hour=20, minute=0, second=0, microsecond=0)
    sim.clock.advance((evening - now).total_seconds())
    record = Worker(sim, client).run(intended(content(), sim.clock.now()))
    assert record.post is not None
    return live_post(record.post)


def until(sim: SimulatorServer, post: LivePost, days: int, hour: int, minute: int = 0) -> datetime:
    """Let time pass to that hour, Beijing time, so many days after publishing."""
    then = post.post.published_at.astimezone(BEIJING) + timedelta(days=days)
    then = then.replace(hour=hour, minute=minute, second=0, microsecond=0)
    sim.clock.advance((then - sim.clock.now()).total_seconds())
    return sim.clock.now()


def walk(client: WechatClient, post: LivePost, sim: SimulatorServer) -> list[CommentPage]:
    return list(FEEDBACK.comment_pages(client, post, {}, lambda _: False, sim.clock.now()))


def true_comments(sim: SimulatorServer) -> set[str]:
    with sim.simulation.instant():
        world = sim.world("wechat")
        return {comment.native_id for post in world.posts for comment in world.comments(post)}


# --- comments ---


@pytest.mark.parametrize("fault", [None, "short_page"])
def test_every_comment_is_met_also_under_short_pages(
    sim: SimulatorServer, client: WechatClient, posted: LivePost, fault: str | None
) -> None:
    if fault:
        sim.set_fault("wechat", "comment/list", fault)
    until(sim, posted, 1, 20)
    pages = walk(client, posted, sim)
    comments = [comment for page in pages for comment in page.comments]
    assert {comment.comment_id for comment in comments} == true_comments(sim)
    assert len(true_comments(sim)) > 5
    assert pages[-1].total == len(true_comments(sim))
    assert [page.more for page in pages] == [True] * (len(pages) - 1) + [False]
    assert all(comment.author and comment.written_at.tzinfo for comment in comments)


def test_the_comment_ids_of_two_articles_never_meet(sim: SimulatorServer, client: WechatClient) -> None:
    """The platform counts them from 1 in every article."""
    worker = Worker(sim, client)
    posts = [worker.run(intended(content(), sim.clock.now(), slot=slot)).post for slot in ("a", "b")]
    sim.clock.advance(86_400)
    ids = [
        {comment.comment_id for page in walk(client, live_post(post), sim) for comment in page.comments}
        for post in posts
        if post is not None
    ]
    assert all(ids)
    assert not ids[0] & ids[1]
    assert ids[0] | ids[1] == true_comments(sim)


class Shifting:
    """A platform on which comments arrive at the front while somebody reads, and which may serve what it likes."""

    def __init__(self, most: int, arrivals: int, page: int = 49, counted: bool = True) -> None:
        self.ids = list(range(most, 0, -1))
        self.arrivals, self.page, self.counted, self.asked = arrivals, page, counted, 0

    def comments(self, msg_data_id: int, index: int, begin: int, count: int) -> Comments:
        assert (msg_data_id, index) == (2650177668, 0)
        assert 0 < count < 50
        self.asked += 1
        shown = [WechatComment(n, "1772510000", "好") for n in self.ids[begin : begin + min(count, self.page)]]
        total = len(self.ids) if self.counted else None
        for _ in range(min(self.arrivals, 1)):
            self.arrivals -= 1
            self.ids.insert(0, max(self.ids, default=0) + 1)
        return Comments(len(shown), shown, total)


POST = live_post(
    PostRef(
        native_id="article-1",
        url="http://mp.weixin.qq.com/s?__biz=M&mid=2650177668&idx=1&sn=x",
        published_at=datetime(2026, 3, 3, 3, 0, tzinfo=BEIJING),
        ids={"msg_data_id": "2650177668", "idx": "1"},
    )
)


def pages_of(platform: Shifting, position: Mapping[str, Any], post: LivePost = POST) -> Iterator[CommentPage]:
    return FEEDBACK.comment_pages(cast(WechatClient, platform), post, position, lambda _: False, POST.post.published_at)


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("page", [49, 7, 1])
@pytest.mark.parametrize(("most", "arrivals"), [(0, 0), (1, 0), (48, 0), (49, 0), (50, 3), (140, 20)])
def test_comments_that_arrive_in_between_hide_none(most: int, arrivals: int, page: int, counted: bool) -> None:
    platform = Shifting(most, arrivals, page, counted)
    pages = list(pages_of(platform, {}))
    met = {comment.comment_id for one in pages for comment in one.comments}
    assert {f"2650177668_1:{n}" for n in range(1, most + 1)} <= met
    if counted:
        again = list(pages_of(platform, pages[-1].position))
        assert len({c.comment_id for one in again for c in one.comments}) == len(platform.ids)


def test_a_walk_that_was_cut_off_still_comes_to_the_beginning() -> None:
    platform = Shifting(140, 0)
    position = next(pages_of(platform, {})).position
    platform.ids.insert(0, 141)
    rest = list(pages_of(platform, position))
    assert len({comment.comment_id for one in rest for comment in one.comments}) == 141


def test_a_platform_that_counts_more_than_it_shows_does_not_trap_the_walk() -> None:
    platform = Shifting(10, 0)
    shown = platform.comments

    def boasting(*asked: int) -> Comments:
        return replace(shown(*asked), comment_cnt=500)

    platform.comments = boasting  # type: ignore[method-assign,assignment]
    assert len(list(pages_of(platform, {}))) < 12


def test_a_comment_without_identity_is_nobody_elses() -> None:
    pages = pages_of(Shifting(2, 0), {})
    authors = {comment.author for page in pages for comment in page.comments}
    assert authors == {"unknown:2650177668_1:1", "unknown:2650177668_1:2"}


def test_a_post_without_msg_data_id_says_so_instead_of_having_no_comments() -> None:
    bare = live_post(PostRef(native_id="a", published_at=POST.post.published_at))
    with pytest.raises(PlatformError, match="msg_data_id"):
        list(pages_of(Shifting(1, 0), {}, bare))


# --- statistics ---


def readings(sim: SimulatorServer, client: WechatClient, post: LivePost) -> Readings:
    return FEEDBACK.metrics(client, [post], sim.clock.now())[post.post.native_id]


def true_figures(sim: SimulatorServer, at: datetime) -> dict[str, int]:
    with sim.simulation.instant():
        world = sim.world("wechat")
        (post,) = world.posts
        return {metric: world.counts(post, at)[metric] for metric in SIMULATOR.exposed}


def values(found: Readings) -> dict[str, int | None]:
    return {metric: getattr(found, metric).value for metric in SIMULATOR.exposed}


@pytest.mark.parametrize(("days", "hour"), [(0, 23), (1, 0), (1, 7)])
def test_before_the_first_day_is_out_the_figures_are_not_yet_and_never_zero(
    sim: SimulatorServer, client: WechatClient, posted: LivePost, days: int, hour: int
) -> None:
    until(sim, posted, days, hour, 59)
    found = readings(sim, client, posted)
    assert {getattr(found, metric).reason for metric in NATIVE} == {"not_yet"}
    assert set(values(found).values()) == {None}
    assert (found.clicks.reason, found.conversions.reason) == ("unsupported", "unsupported")


def test_from_eight_oclock_the_figures_of_yesterday_are_exact(
    sim: SimulatorServer, client: WechatClient, posted: LivePost
) -> None:
    now = until(sim, posted, 1, 8)
    midnight = now.astimezone(BEIJING).replace(hour=0, minute=0)
    assert values(readings(sim, client, posted)) == true_figures(sim, midnight)
    assert readings(sim, client, posted).views.native == "read_user"
    until(sim, posted, 3, 9)
    final = values(readings(sim, client, posted))
    assert final == true_figures(sim, sim.clock.now())
    assert min(final["views"] or 0, final["likes"] or 0) > 0


def test_a_clock_that_differs_by_a_day_still_finds_the_post(
    sim: SimulatorServer, client: WechatClient, posted: LivePost
) -> None:
    until(sim, posted, 3, 9)
    for shift in (-1, 1):
        moved = replace_post(posted, posted.post.published_at + timedelta(days=shift))
        assert values(readings(sim, client, moved)) == true_figures(sim, sim.clock.now())


def replace_post(post: LivePost, published_at: datetime) -> LivePost:
    return live_post(replace(post.post, published_at=published_at))


def test_a_platform_whose_clock_is_behind_ours_is_not_yet_and_no_failure(
    sim: SimulatorServer, client: WechatClient, posted: LivePost
) -> None:
    until(sim, posted, 1, 9)
    tomorrow = sim.clock.now() + timedelta(days=1)
    found = FEEDBACK.metrics(client, [posted], tomorrow)[posted.post.native_id]
    assert found.views.value is not None


def test_delayed_figures_are_not_taken_for_final(posted: LivePost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WechatClient, "article_totals", lambda *_: ArticleTotals((), True))
    now = posted.post.published_at + timedelta(days=3)
    client = WechatClient.__new__(WechatClient)
    assert FEEDBACK.metrics(client, [posted], now)[posted.post.native_id].views.reason == "not_yet"


def test_posts_of_one_day_share_the_questions(sim: SimulatorServer, client: WechatClient) -> None:
    worker = Worker(sim, client)
    records = [worker.run(intended(content(), sim.clock.now(), slot=slot)) for slot in ("a", "b", "c")]
    posts = [live_post(record.post) for record in records if record.post is not None]
    sim.clock.advance(4 * 86_400)
    found = FEEDBACK.metrics(client, posts, sim.clock.now())
    answered = [call for call in sim.simulation.calls if '"detail_list"' in call.answer or '"list":[]' in call.answer]
    assert len(answered) == 3
    assert len({found[post.post.native_id].views.value for post in posts}) == 3


def test_followers_are_those_of_the_newest_day_with_statistics(
    sim: SimulatorServer, client: WechatClient, posted: LivePost
) -> None:
    world = sim.world("wechat")
    before = FEEDBACK.followers(client, sim.clock.now())
    assert before.value == world.accounts["qinghe-tea"].followers
    until(sim, posted, 3, 9)
    (post,) = [p for p in world.posts if isinstance(p, SimPost)]
    with sim.simulation.instant():
        gained = world.counts(post)["follows"]
    assert FEEDBACK.followers(client, sim.clock.now()).value == world.accounts["qinghe-tea"].followers + gained
