from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.adapter.contract.registry import adapter
from services.adapter_weibo.publish import SHARE, UPDATE, UPLOAD, UPLOAD_URL_TEXT
from services.adapter_weibo.simulator import SIMULATOR
from services.simulator.contract import SimPost
from services.simulator.http.server import SimulatorServer


def test_the_registry_finds_the_adapter_with_all_its_parts() -> None:
    found = adapter("weibo")
    assert found.platform == found.errors.platform == SIMULATOR.platform == "weibo"
    assert found.ways == ("open", "commercial")
    assert set(found.limits.kinds) == {"article", "video", "pictures", "notice"}


def test_the_simulator_exposes_exactly_the_metrics_that_are_read() -> None:
    assert set(SIMULATOR.exposed) == set(adapter("weibo").feedback.native_metrics())


def test_simulated_comment_ids_are_unique_and_rise_with_time() -> None:
    at = datetime(2026, 3, 3, tzinfo=UTC)
    world = SimulatorServer([], platforms=[SIMULATOR]).world("weibo")
    post = SimPost("weibo", "1", "a", "status", "", "", at, "live", data={"number": 3})
    ids = [int(SIMULATOR.comment_id(world, post, n, at + timedelta(seconds=n // 50))) for n in range(500)]
    assert ids == sorted(set(ids))


def test_every_step_that_posts_and_every_comment_has_an_hourly_budget() -> None:
    limited = {rate.endpoint for rate in adapter("weibo").limits.rates if rate.per_s == 3600}
    assert {SHARE.name, UPDATE.name, UPLOAD.name, UPLOAD_URL_TEXT.name} <= limited
    assert {"comments/create", "comments/reply", "*"} <= limited
    assert {rate.scope for rate in adapter("weibo").limits.rates if rate.endpoint == "*"} == {"app", "account"}
    assert all("[client]" in rate.source for rate in adapter("weibo").limits.rates)
