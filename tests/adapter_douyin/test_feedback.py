"""Comments, metrics and followers as the collector reads them, with short pages, pins and comments in between."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.events.content import MasterContent
from schemas.events.feedback import Reading
from schemas.events.placement import PostRef
from services.adapter.contract.feedback import LivePost
from services.adapter_douyin.client import DouyinClient
from services.adapter_douyin.feedback import FULL_WALK_EVERY, DouyinFeedback
from services.simulator.http.server import SimulatorServer

NOW = datetime(2026, 3, 3, tzinfo=UTC)
FEEDBACK = DouyinFeedback()


def live(item_id: str) -> LivePost:
    return LivePost(
        "pl-1", "c1", "qinghe", "spring", "qinghe-tea", "pictures", "茶", PostRef(native_id=item_id, published_at=NOW)
    )


@dataclass
class Collector:
    """Remembers what the collector would: the comments it has, and the position the last page left."""

    client: Any
    post: LivePost
    seen: dict[str, str | None] = field(default_factory=dict)
    position: dict[str, Any] = field(default_factory=dict)
    pages: int = 0

    def poll(self, between: Callable[[], None] = lambda: None) -> None:
        known = set(self.seen)
        for page in FEEDBACK.comment_pages(self.client, self.post, self.position, known.__contains__, NOW):
            self.pages += 1
            self.seen |= {comment.comment_id: comment.parent_comment_id for comment in page.comments}
            self.position = page.position
            if not page.more:
                return
            between()
        raise AssertionError("the last page says that there are more")


@pytest.fixture
def post(sim: SimulatorServer, drive: Callable[..., Any], content: Callable[..., MasterContent]) -> LivePost:
    driver = drive(content())
    driver.run()
    sim.clock.advance(25)
    driver.follow()
    return live(driver.record.post.native_id)


def true_comments(sim: SimulatorServer) -> dict[str, str | None]:
    """Comment → the top-level comment that it stands below."""
    world = sim.world("douyin")
    with sim.simulation.instant():
        comments = world.comments(world.posts[0])
    roots: dict[str, str] = {}
    for one in comments:
        roots[one.native_id] = roots[one.parent] if one.parent else one.native_id
    return {one.native_id: roots[one.native_id] if one.parent else None for one in comments}


@pytest.mark.parametrize("short", [False, True])
def test_every_comment_is_collected_with_its_parent(
    sim: SimulatorServer, client: DouyinClient, post: LivePost, short: bool
) -> None:
    if short:
        sim.set_fault("douyin", "item/comment/list", "short_page")
        sim.set_fault("douyin", "item/comment/reply/list", "short_page")
    collector = Collector(client, post)
    for seconds in (60, 600, 3600, 40_000):
        sim.clock.advance(seconds)
        collector.poll()
    sim.simulation.mount("douyin").world.stop_audience()
    collector.poll()
    truth = true_comments(sim)
    assert len(truth) > 20
    assert any(truth.values()), "the audience must have written replies"
    assert collector.seen == truth


def test_pinned_comments_neither_hide_others_nor_end_the_walk(
    sim: SimulatorServer, client: DouyinClient, post: LivePost
) -> None:
    sim.clock.advance(600)
    collector = Collector(client, post)
    collector.poll()
    top = [one for one, parent in true_comments(sim).items() if parent is None]
    sim.world("douyin").posts[0].data["pinned"] = top[:2]
    sim.clock.advance(80_000)
    sim.world("douyin").stop_audience()
    collector.poll()
    assert collector.seen == true_comments(sim)


def test_nothing_new_costs_one_call(sim: SimulatorServer, client: DouyinClient, post: LivePost) -> None:
    sim.clock.advance(90_000)
    collector = Collector(client, post)
    collector.poll()
    collector.pages, before = 0, len(sim.simulation.calls)
    collector.poll()
    assert collector.pages == 1
    assert len(sim.simulation.calls) == before + 1


def test_metrics_equal_the_truth_and_absent_ones_have_reasons(
    sim: SimulatorServer, client: DouyinClient, post: LivePost
) -> None:
    sim.clock.advance(90_000)
    sim.world("douyin").stop_audience()
    found = FEEDBACK.metrics(client, [post, live("@gone==")], NOW)
    world = sim.world("douyin")
    truth = world.true_counts(world.posts[0])
    mine = found[post.post.native_id]
    assert mine.views == Reading(value=truth["views"], native="play_count")
    assert mine.likes == Reading(value=truth["likes"], native="digg_count")
    assert mine.comments == Reading(value=truth["comments"], native="comment_count")
    assert mine.shares == Reading(value=truth["shares"], native="share_count")
    assert mine.saves.reason == mine.clicks.reason == "unsupported"
    assert found["@gone=="].views == Reading(reason="failed", native="play_count")


@pytest.mark.parametrize("status", [6, "7"])
def test_plays_of_a_private_post_are_not_shown_as_zero(status: Any) -> None:
    figures = {"play_count": 0, "digg_count": "3", "comment_count": 0}
    platform = Scripted(row={"video_status": status, "statistics": figures})
    readings = FEEDBACK.metrics(platform, [live("@item")], NOW)["@item"]  # type: ignore[arg-type]
    assert readings.views.reason == "failed"
    assert (readings.likes.value, readings.comments.value) == (3, 0)
    assert readings.shares.reason == "not_yet"


def test_followers_or_the_reason_why_not(sim: SimulatorServer, client: DouyinClient) -> None:
    assert FEEDBACK.followers(client, NOW) == Reading(value=12000, native="total_fans")
    sim.world("douyin").accounts["qinghe-tea"].options["enterprise"] = "false"
    assert FEEDBACK.followers(client, NOW) == Reading(reason="unsupported", native="total_fans")


# --- the walk on a scripted platform, where time stands still or runs as the test wants -----------------------------


@dataclass
class Scripted:
    """Comments as Douyin lists them: newest first by offset, pinned on top, replies apart."""

    roots: list[str] = field(default_factory=list)  # oldest first
    below: dict[str, list[str]] = field(default_factory=dict)
    pinned: list[str] = field(default_factory=list)
    hidden: int = 0  # counted by the platform, never shown
    page: int = 5
    row: dict[str, Any] = field(default_factory=dict)  # what video_data says of the post instead of the total
    calls: int = 0

    def write(self, rng: random.Random) -> None:
        name = f"@{len(self.roots)}.{sum(map(len, self.below.values()))}"
        if self.roots and rng.random() < 0.4:
            self.below.setdefault(rng.choice(self.roots), []).append(f"{name}r")
        else:
            self.roots.append(name)

    @property
    def total(self) -> int:
        return len(self.roots) + sum(map(len, self.below.values())) + self.hidden

    def everything(self) -> set[str]:
        return {*self.roots, *(one for replies in self.below.values() for one in replies)}

    def video_data(self, item_ids: list[str]) -> list[dict[str, Any]]:
        return [{"item_id": item_ids[0], "statistics": {"comment_count": str(self.total)}, **self.row}]

    def comments(self, item_id: str, cursor: int, count: int) -> dict[str, Any]:
        rows = [one for one in reversed(self.roots) if one not in self.pinned]
        top = [self._row(one, top=True) for one in self.pinned] if cursor == 0 else []
        return self._page(top, rows, cursor)

    def replies(self, item_id: str, comment_id: str, cursor: int, count: int) -> dict[str, Any]:
        return self._page([], self.below.get(comment_id, []), cursor)

    def _page(self, top: list[dict[str, Any]], rows: list[str], cursor: int) -> dict[str, Any]:
        self.calls += 1
        end = cursor + self.page
        listed = top + [self._row(one) for one in rows[cursor:end]]
        return {"list": listed, "cursor": min(end, len(rows)), "has_more": end < len(rows)}

    def _row(self, one: str, top: bool = False) -> dict[str, Any]:
        replies = len(self.below.get(one, []))
        return {"comment_id": one, "content": "好", "create_time": 1, "reply_comment_total": replies, "top": top}


@pytest.fixture(params=range(12))
def rng(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(request.param)


def test_no_comment_is_missed_while_others_arrive_between_the_pages(rng: random.Random) -> None:
    platform = Scripted()
    collector = Collector(platform, live("@item"))
    for _ in range(15):
        for _ in range(rng.randrange(12)):
            platform.write(rng)
        if platform.roots and rng.random() < 0.3:
            platform.pinned = [rng.choice(platform.roots)]
        collector.poll(between=lambda: platform.write(rng) if rng.random() < 0.5 else None)
    collector.poll()
    collector.poll()
    assert set(collector.seen) == platform.everything()


def test_deleted_comments_do_not_hide_new_ones_for_long(rng: random.Random) -> None:
    platform = Scripted()
    collector = Collector(platform, live("@item"))
    for _ in range(30):
        platform.write(rng)
    collector.poll()
    for _ in range(5):
        gone = rng.choice(platform.roots)
        platform.roots.remove(gone)
        platform.below.pop(gone, None)
        platform.write(rng)
        collector.poll(between=lambda: platform.write(rng))
    for _ in range(FULL_WALK_EVERY):
        collector.poll()
    assert platform.everything() <= set(collector.seen)


def test_a_total_that_is_never_reached_does_not_cost_a_full_walk_each_time() -> None:
    platform = Scripted(roots=[f"@{n}" for n in range(40)], hidden=3)
    collector = Collector(platform, live("@item"))
    for _ in range(3):
        collector.poll()
    before = platform.calls
    collector.poll()
    assert platform.calls == before
    platform.roots.append("@late")
    collector.poll()
    assert set(collector.seen) == platform.everything()


def test_a_pinned_comment_does_not_end_the_walk_where_the_total_lags_behind() -> None:
    platform = Scripted(roots=[f"@{n}" for n in range(8)], pinned=["@0"])
    collector = Collector(platform, live("@item"))
    collector.poll()
    platform.roots += [f"@new{n}" for n in range(7)]
    platform.hidden = -4
    collector.poll()
    assert set(collector.seen) == platform.everything()


def test_an_interrupted_walk_is_taken_up_again() -> None:
    platform = Scripted(roots=[f"@{n}" for n in range(23)], below={"@1": ["@r1", "@r2"]})
    collector = Collector(platform, live("@item"))
    pages = FEEDBACK.comment_pages(platform, collector.post, {}, lambda _: False, NOW)  # type: ignore[arg-type]
    first = next(pages)
    collector.seen |= {comment.comment_id: None for comment in first.comments}
    collector.position = first.position
    collector.poll()
    assert set(collector.seen) == platform.everything()


def test_a_cursor_that_does_not_move_ends_the_walk() -> None:
    platform = Scripted(roots=[f"@{n}" for n in range(9)])
    platform.comments = lambda *_: {"list": [], "cursor": 0, "has_more": True}  # type: ignore[method-assign]
    Collector(platform, live("@item")).poll()


def test_written_times_are_utc(sim: SimulatorServer, client: DouyinClient, post: LivePost) -> None:
    sim.clock.advance(3600)
    for page in FEEDBACK.comment_pages(client, post, {}, lambda _: False, NOW):
        for comment in page.comments:
            assert comment.written_at.tzinfo is UTC
            assert comment.written_at - post.post.published_at < timedelta(days=900)
