"""Whole publications against the simulated Douyin over real HTTP, with answers that get lost on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from schemas.events.content import MasterContent
from schemas.events.placement import PlacementRecord
from services.adapter.contract.publication import Accepted, Live, NotFound, Pending, Rejected, Removed, Undecidable
from services.adapter_douyin.client import share_signature
from services.adapter_douyin.publish import DouyinPublication
from services.adapter_douyin.settings import Uploading
from services.simulator.http.server import SimulatorServer

MIB = 1024 * 1024
IN_PARTS = DouyinPublication(Uploading(in_parts_above=6 * MIB, part_bytes=5 * MIB))

Content = Callable[..., MasterContent]
Drive = Callable[..., Any]


@pytest.fixture
def video(content: Content, library: Any) -> Content:
    def make(size: int = 1000, **changes: Any) -> MasterContent:
        media = (
            library.add("v1", b"v" * size, role="video", content_type="video/mp4", duration_s=12.0),
            library.add("c1", b"cover", role="cover"),
        )
        return content(kind="video", media=media, **changes)

    return make


def posts(sim: SimulatorServer) -> list[Any]:
    return sim.world("douyin").posts


def test_a_video_goes_up_with_its_cover_and_is_live_after_the_review(
    sim: SimulatorServer, drive: Drive, video: Content
) -> None:
    driver = drive(video())
    assert driver.run() == ["upload_video", "upload_cover", "create_video"]
    assert driver.record.state == "ACCEPTED"
    assert driver.follow() == "Pending"
    sim.clock.advance(25)
    assert driver.follow() == "Live"
    (post,) = posts(sim)
    assert driver.record.post.native_id == post.native_id
    assert driver.record.post.url == f"https://www.douyin.com/video/{post.ids['video_id']}"
    assert post.text == driver.record.draft.text
    assert len(post.media) == 2


def test_a_picture_set_becomes_a_note_with_its_pictures_in_order(
    sim: SimulatorServer, drive: Drive, content: Content, library: Any
) -> None:
    driver = drive(content())
    assert driver.run() == ["upload_image:1", "upload_image:2", "create_image_text"]
    sim.clock.advance(25)
    assert driver.follow() == "Live"
    (post,) = posts(sim)
    assert driver.record.post.url == f"https://www.douyin.com/note/{post.ids['video_id']}"
    assert post.media == tuple(media.sha256 for media in driver.record.draft.media)


def test_a_large_video_goes_in_parts_and_a_restart_resumes_at_the_part(
    sim: SimulatorServer, drive: Drive, video: Content
) -> None:
    driver = drive(video(size=12 * MIB), IN_PARTS)
    assert [driver.step() for _ in range(3)] == ["init_upload", "upload_part:1", "upload_part:2"]
    restarted = replace(driver.record, state="INTENDED")
    following = IN_PARTS.next_step(restarted)
    assert following is not None
    assert following.name == "upload_part:3"
    driver.record = restarted
    assert driver.run() == ["upload_part:3", "complete_upload", "upload_cover", "create_video"]
    assert len(posts(sim)) == 1
    assert posts(sim)[0].media[0].count("+") == 2


def test_an_expired_upload_id_starts_the_upload_again(sim: SimulatorServer, drive: Drive, video: Content) -> None:
    driver = drive(video(size=12 * MIB), IN_PARTS)
    driver.step(), driver.step()
    sim.clock.advance(2 * 3600 + 1)
    assert driver.step() == "upload_part:2"
    assert driver.record.state == "INTENDED"
    assert driver.run()[:3] == ["init_upload", "upload_part:1", "upload_part:2"]
    assert driver.record.state == "ACCEPTED"


def test_an_upload_id_that_is_never_accepted_is_given_up(sim: SimulatorServer, drive: Drive, video: Content) -> None:
    driver = drive(video(size=12 * MIB), IN_PARTS)
    for _ in range(4):
        driver.step()
        sim.world("douyin").state["uploads"].clear()
        driver.step()
    assert driver.record.state == "REJECTED"
    assert driver.record.failure.code == "upload_expired"


@pytest.mark.parametrize(
    ("kind", "endpoint"), [("video", "video/create_video"), ("pictures", "video/create_image_text")]
)
def test_a_create_whose_answer_is_lost_is_found_and_never_repeated(
    sim: SimulatorServer, drive: Drive, content: Content, video: Content, kind: str, endpoint: str
) -> None:
    driver = drive(video() if kind == "video" else content())
    sim.set_fault("douyin", endpoint, "drop_after", count=1)
    driver.run()
    assert driver.record.state == "UNKNOWN"
    assert driver.look() == "Accepted"
    assert driver.record.state == "ACCEPTED"
    sim.clock.advance(25)
    assert driver.follow() == "Live"
    assert len(posts(sim)) == 1


@pytest.mark.parametrize(
    "endpoint",
    [
        "video/init_video_part_upload",
        "video/upload_video_part",
        "video/complete_video_part_upload",
        "video/upload_image",
    ],
)
@pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
def test_a_lost_upload_is_repeated_and_leaves_one_post(
    sim: SimulatorServer, drive: Drive, video: Content, endpoint: str, fault: str
) -> None:
    driver = drive(video(size=12 * MIB), IN_PARTS)
    sim.set_fault("douyin", endpoint, fault, count=1)
    for _ in range(4):
        driver.run()
    assert driver.record.state == "ACCEPTED"
    assert len(posts(sim)) == 1


@pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
@pytest.mark.parametrize("endpoint", ["video/upload_video", "oauth/refresh_token"])
def test_a_lost_upload_or_refresh_leaves_one_post(
    sim: SimulatorServer, drive: Drive, video: Content, endpoint: str, fault: str
) -> None:
    driver = drive(video())
    sim.set_fault("douyin", endpoint, fault, count=1)
    if endpoint.startswith("oauth/"):
        sim.set_fault("douyin", "video/create_video", "token_expired", count=1)
    for _ in range(3):
        driver.run()
    assert driver.record.state == "ACCEPTED"
    assert len(posts(sim)) == 1


def test_a_create_that_never_arrived_is_not_found_and_made_again_with_fresh_uploads(
    sim: SimulatorServer, drive: Drive, content: Content
) -> None:
    driver = drive(content())
    sim.set_fault("douyin", "video/create_image_text", "drop_before", count=1)
    driver.run()
    assert [driver.look(), driver.look()] == ["NotFound", "NotFound"]
    assert driver.record.state == "INTENDED"
    assert driver.run() == ["upload_image:1", "upload_image:2", "create_image_text"]
    assert driver.record.state == "ACCEPTED"
    assert len(posts(sim)) == 1


def test_a_handle_that_the_platform_calls_used_leads_to_a_fresh_upload(
    sim: SimulatorServer, drive: Drive, video: Content
) -> None:
    driver = drive(video())
    driver.step(), driver.step()
    sim.world("douyin").state["handles"].clear()
    assert driver.step() == "create_video"
    assert driver.record.failure.code == "2190007"
    assert driver.run() == ["upload_video", "upload_cover", "create_video"]
    assert len(posts(sim)) == 1


@pytest.mark.parametrize("fault", ["rate_limit", "daily_limit"])
def test_a_create_turned_away_at_the_door_keeps_its_uploads(
    sim: SimulatorServer, drive: Drive, video: Content, fault: str
) -> None:
    driver = drive(video())
    sim.set_fault("douyin", "video/create_video", fault, count=1)
    driver.run()
    assert driver.record.state == "INTENDED"
    assert driver.run() == ["create_video"]
    assert driver.record.state == "ACCEPTED"


def test_a_daily_limit_waits_for_the_next_day_in_beijing(sim: SimulatorServer, drive: Drive, content: Content) -> None:
    driver = drive(content())
    sim.set_fault("douyin", "video/create_image_text", "daily_limit", count=1)
    driver.run()
    wait = (driver.record.next_attempt_at - driver.clock.now).total_seconds()
    into_the_day = (sim.clock.now().timestamp() + 8 * 3600) % 86400
    assert wait == pytest.approx(86400 - into_the_day + 60, abs=30)


def test_a_crash_while_creating_is_in_doubt_and_a_crash_while_uploading_again_is_not(
    sim: SimulatorServer, drive: Drive, content: Content
) -> None:
    driver = drive(content())
    driver.step(), driver.step()
    step = driver.publication.next_step(driver.record)
    called = replace(driver.record, step=step.name, state="CALLING")
    assert driver.publication.next_step(called).effect == "post"
    sim.set_fault("douyin", "video/create_image_text", "drop_before", count=1)
    driver.step(), driver.look(), driver.look(), driver.step()
    assert driver.record.step == "upload_image:1"
    assert driver.publication.next_step(driver.record).name == "upload_image:2"


def test_an_older_post_with_the_same_words_is_not_mistaken_for_ours(
    sim: SimulatorServer, drive: Drive, content: Content
) -> None:
    first = drive(content())
    first.run()
    sim.clock.advance(3600)
    second = drive(content(content_id="c2"))
    second.clock.now = sim.clock.now()
    sim.set_fault("douyin", "video/create_image_text", "drop_before", count=1)
    second.run()
    assert second.look() == "NotFound"


def test_a_post_of_another_placement_is_not_claimed_twice(sim: SimulatorServer, drive: Drive, content: Content) -> None:
    first, second = drive(content()), drive(content(content_id="c2"))
    first.run()
    sim.set_fault("douyin", "video/create_image_text", "drop_before", count=1)
    second.run()
    second.claimed = frozenset({posts(sim)[0].native_id})
    assert second.look() == "NotFound"
    second.claimed = frozenset()
    assert second.look() == "Accepted"


def test_the_search_walks_past_pinned_old_posts_and_short_pages(
    sim: SimulatorServer, drive: Drive, content: Content
) -> None:
    old = drive(content(title="去年的茶", content_id="c0"))
    old.run()
    posts(sim)[0].data["is_top"] = True
    sim.clock.advance(86400)
    lost = drive(content())
    lost.clock.now = sim.clock.now()
    sim.set_fault("douyin", "video/create_image_text", "drop_after", count=1)
    lost.run()
    for number in range(30):
        other = drive(content(title=f"别的茶 {number}", content_id=f"o{number}"))
        other.run()
    sim.set_fault("douyin", "video/video_list", "short_page")
    assert lost.look() == "Accepted"
    assert lost.record.result_of("create_image_text")["item_id"] == posts(sim)[1].native_id


def test_a_list_that_is_offline_cannot_decide(sim: SimulatorServer, drive: Drive, content: Content) -> None:
    driver = drive(content())
    sim.set_fault("douyin", "video/create_image_text", "drop_after", count=1)
    sim.set_fault("douyin", "video/video_list", "api_offline")
    driver.run()
    assert driver.look() == "Undecidable"
    assert driver.record.state == "NEEDS_HUMAN"
    assert "28001056" in driver.record.waiting_on
    assert driver.publication.next_step(driver.record).effect == "post"


def test_a_capability_that_is_gone_goes_to_a_human(sim: SimulatorServer, drive: Drive, content: Content) -> None:
    driver = drive(content())
    sim.set_fault("douyin", "video/create_image_text", "api_offline")
    driver.run()
    assert driver.record.state == "NEEDS_HUMAN"
    assert posts(sim) == []


def test_a_refused_review_rejects_the_placement(sim: SimulatorServer, drive: Drive, content: Content) -> None:
    sim.set_fault("douyin", "video/create_image_text", "review_refused", count=1)
    driver = drive(content())
    driver.run()
    sim.clock.advance(25)
    assert driver.follow() == "Rejected"
    assert driver.record.state == "REJECTED"
    assert driver.record.failure.code == "video_status_2"


@pytest.mark.parametrize(
    ("status", "reviewed", "followed"),
    [
        (4, False, Pending),
        (1, True, Live),
        (1, False, Pending),
        (6, True, Pending),
        (7, True, Pending),
        (2, True, Rejected),
    ],
)
def test_every_status_of_an_accepted_post_has_its_meaning(
    sim: SimulatorServer, drive: Drive, content: Content, status: int, reviewed: bool, followed: type
) -> None:
    driver = drive(content())
    driver.run()
    if reviewed:
        sim.clock.advance(25)
        driver.client.video_data([posts(sim)[0].native_id])
    posts(sim)[0].data["video_status"] = status
    assert isinstance(driver.publication.follow(driver.client, driver.record), followed)


@pytest.mark.parametrize("status", [2, 6, 7])
def test_a_live_post_that_is_no_longer_public_was_removed(
    sim: SimulatorServer, drive: Drive, content: Content, status: int
) -> None:
    driver = drive(content())
    driver.run()
    sim.clock.advance(25)
    driver.follow()
    assert isinstance(driver.publication.follow(driver.client, driver.record), Live)
    posts(sim)[0].data["video_status"] = status
    assert isinstance(driver.publication.follow(driver.client, driver.record), Removed)
    posts(sim)[0].state = "removed"
    assert isinstance(driver.publication.follow(driver.client, driver.record), Removed)


def test_the_share_signature_equals_the_documented_vector() -> None:
    ticket = "@ml6sqYBGgTKmQNajnKNkaj8yksCAY++adIhlGIqfTiKyvBqOIkzdJ6WRgP+nO+wtVItqKbX4iZ+mFIYkyPJjpQ=="
    assert share_signature("Wm3WZYTPz0wzccnW", ticket, "1650941858") == "3f7b739a91a52cb7d85c4f89c5f611fe"


def test_looking_without_a_first_call_cannot_decide(drive: Drive, content: Content) -> None:
    driver = drive(content())
    record: PlacementRecord = driver.record
    assert isinstance(driver.publication.find(driver.client, record, frozenset()), Undecidable)
    found = driver.publication.find(driver.client, replace(record, first_called_at=driver.clock.now), frozenset())
    assert isinstance(found, NotFound)
    assert not isinstance(found, Accepted)
