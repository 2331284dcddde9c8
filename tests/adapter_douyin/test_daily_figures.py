"""Figures of the 30-day statistics, where `video_data` is offline."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from services.adapter.contract.feedback import LivePost
from services.adapter_douyin.client import DouyinClient
from services.adapter_douyin.feedback import DouyinFeedback
from services.simulator.http.server import SimulatorServer

DAY = 86400


def test_figures_come_a_day_late_where_video_data_is_offline(
    sim: SimulatorServer, client: DouyinClient, post: LivePost
) -> None:
    sim.set_fault("douyin", "video/video_data", "api_offline")
    found = DouyinFeedback().metrics(client, [post], sim.clock.now())[post.post.native_id]
    world = sim.world("douyin")
    assert found.views.value == world.true_counts(world.posts[0])["views"]
    assert (found.views.native, found.saves.reason) == ("total_play", "unsupported")


def test_zeros_of_a_young_post_are_no_figures_yet(
    client: DouyinClient, post: LivePost, monkeypatch: pytest.MonkeyPatch, sim: SimulatorServer
) -> None:
    sim.set_fault("douyin", "video/video_data", "api_offline")
    monkeypatch.setattr(client, "item_figures", lambda _item: {"total_play": 0, "total_like": 0})
    young: datetime = post.post.published_at + timedelta(hours=20)
    assert DouyinFeedback().metrics(client, [post], young)[post.post.native_id].views.reason == "not_yet"
    old = young + timedelta(days=2)
    assert DouyinFeedback().metrics(client, [post], old)[post.post.native_id].views.value == 0


def test_a_post_beyond_the_thirty_days_has_no_figures_and_no_zero(
    sim: SimulatorServer, client: DouyinClient, post: LivePost
) -> None:
    sim.clock.advance(31 * DAY)
    sim.world("douyin").accounts["qinghe-tea"].state["tokens"]["act.demoQingheTea"] = "2999-01-01T00:00:00+00:00"
    sim.set_fault("douyin", "video/video_data", "api_offline")
    found = DouyinFeedback().metrics(client, [post], sim.clock.now())[post.post.native_id]
    assert (found.views.value, found.views.reason) == (None, "failed")
