"""A platform's call about a publication makes the worker ask now; it never counts as the answer itself."""

from __future__ import annotations

import threading

from schemas.internal.callback import ChangedAuthorisation, ChangedPublication, PlatformCallback
from services.adapter.contract.publication import Accepted, Done, NeedsHuman, NotFound, Pending, Step
from tests.adapter.scripted import PATIENCE_S, START, Loop, Platform, content, live

LINK, HAND = Step("link", "orphan", "生成链接"), Step("hand_over", "none", "等人确认")


def told(account: str = "tea", platform: str = "echo", **ids: str) -> PlatformCallback:
    return PlatformCallback(
        event_id="echo:1#1", occurred_at=START, observed_at=START, brand_id="qinghe", trace_id="t", platform=platform,
        account=account, identity="echo:1", publication=ChangedPublication(ids=ids),
    )  # fmt: skip


def accepted() -> tuple[Loop, Platform]:
    platform = Platform(follows=[Pending("审核"), live("7")])
    platform.answers["submit"] = [Accepted({"publish_id": "p7"}, "审核")]
    loop = Loop(platform)
    loop.take(content())
    loop.run(2)
    loop.clock.advance(5)
    loop.run(2)
    assert loop.record.state == "ACCEPTED"
    assert platform.calls.count("follow") == 1
    return loop, platform


def test_a_call_about_an_accepted_post_brings_the_question_forward() -> None:
    loop, _ = accepted()
    loop.news.put(told(publish_id="p7"))
    assert loop.run(2).state == "LIVE", "it waited for the next poll"


def test_without_a_call_the_next_poll_has_its_own_time() -> None:
    loop, platform = accepted()
    loop.run(3)
    assert platform.calls.count("follow") == 1
    loop.clock.advance(5)
    assert loop.run(2).state == "LIVE", "the poll must find it without any call"


def test_a_call_about_something_else_changes_nothing() -> None:
    loop, platform = accepted()
    for callback in (
        told(publish_id="p8"), told(msg_id="p7"), told(publish_id="p7", account="milk"),
        told(publish_id="p7", platform="other"), told(publish_id=""),
    ):  # fmt: skip
        loop.news.put(callback)
    loop.run(2)
    assert platform.calls.count("follow") == 1


def test_a_call_is_no_answer() -> None:
    """A forged or early call changes no state: the platform is asked, and says what it says."""
    loop, platform = accepted()
    platform.follows[:] = [Pending("审核")]
    loop.news.put(told(publish_id="p7", article_id="a7"))
    assert loop.run(2).state == "ACCEPTED"
    assert platform.calls.count("follow") == 2


def test_a_call_while_the_question_is_on_its_way_is_not_forgotten() -> None:
    """What is being asked may have been answered before the platform had news."""
    loop, platform = accepted()
    platform.follows[:] = [Pending("审核"), live("7")]
    gate = threading.Event()
    follow = platform.follow
    platform.follow = lambda client, record: (gate.wait(PATIENCE_S), follow(client, record))[1]  # type: ignore[method-assign]
    loop.clock.advance(5)
    loop.commit(loop.stage.tick())
    loop.news.put(told(publish_id="p7"))
    loop.commit(loop.stage.tick())
    gate.set()
    assert loop.run(3).state == "LIVE"


def handed_over() -> tuple[Loop, Platform]:
    platform = Platform(steps=(LINK, HAND))
    platform.answers["link"] = [Done({"share_id": "s1"})]
    platform.answers["hand_over"] = [NeedsHuman("请扫码发布")]
    loop = Loop(platform)
    loop.take(content())
    assert loop.run(3).state == "NEEDS_HUMAN"
    return loop, platform


def test_what_a_person_published_in_the_app_is_found_by_the_names_the_platform_told() -> None:
    loop, platform = handed_over()
    platform.looks = [live("i9")]
    loop.news.put(told(share_id="s1", item_id="i9"))
    assert loop.run(3).state == "LIVE"
    results = [step.result for record in loop.records for step in record.steps]
    assert {"share_id": "s1", "item_id": "i9"} in results, "the adapter was not told by which name to look"


def test_what_was_said_to_be_published_is_never_called_again_though_it_is_not_found() -> None:
    loop, platform = handed_over()
    platform.looks = [NotFound()] * 40
    loop.news.put(told(share_id="s1", item_id="i9"))
    for _ in range(40):
        loop.run(1)
        loop.clock.advance(30)
    assert loop.record.state == "NEEDS_HUMAN"
    assert [one for one in platform.calls if one not in ("find", "follow")] == ["link", "hand_over"]


def test_news_of_authorisations_is_not_the_worker_s() -> None:
    loop, _ = accepted()
    withdrawn = PlatformCallback(
        event_id="e", occurred_at=START, observed_at=START, brand_id="q", trace_id="t", platform="echo", account="tea",
        identity="i", authorisation=ChangedAuthorisation(granted=False, proven=True),
    )  # fmt: skip
    loop.news.put(withdrawn)
    assert loop.news.take() == []
