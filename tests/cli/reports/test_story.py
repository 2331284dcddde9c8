"""`tongbo explain` tells what happened, in the order it happened, in both languages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from msgspec.structs import replace

from schemas.events.placement import (
    Draft,
    Dropped,
    ErrorClass,
    Failure,
    HistoryEntry,
    PlacementRecord,
    PostRef,
    State,
    StepRecord,
)
from schemas.words import state_words
from services.cli.reports.story import Language, told
from services.publisher.api.answers import PlacementDetail, PlacementStatus

START = datetime(2026, 11, 1, 4, 0, tzinfo=UTC)
LOST = Failure(error_class="network_unknown", code=None, message="请求已发出但没有答复", sent="unknown")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


RECORD = PlacementRecord(
    event_id="pl-1:5", occurred_at=at(70), observed_at=at(70), brand_id="b", campaign_id="c", trace_id="t",
    placement_id="pl-1", content_id="n", content_version=2, kind="notice", platform="weibo", account="tea", slot="main",
    state="LIVE", since=at(70), due_at=START, late_until=at(3600),
    draft=Draft(
        platform="weibo", account="tea", form="status", text="x", fingerprint="f", rules_version="weibo-1",
        dropped=(Dropped(what="第二句", why="放不下"),), length_used=120, length_limit=140,
    ),
    steps=(StepRecord(name="submit", effect="post", finished_at=at(70)),),
    post=PostRef(native_id="5", url="https://weibo.example/5", published_at=at(2)),
    history=(
        HistoryEntry(at=START, state="INTENDED", note="已接收第 2 版"),
        HistoryEntry(at=at(1), state="CALLING", step="submit", note="开始调用"),
        HistoryEntry(at=at(10), state="UNKNOWN", step="submit", note="结果未知", failure=LOST),
        HistoryEntry(at=at(40), state="UNKNOWN", step="submit", note="第 1 次查找，没有找到"),
        HistoryEntry(at=at(70), state="LIVE", note="已上线"),
    ),
)  # fmt: skip
STATUS = PlacementStatus(
    placement_id="pl-1", campaign_id="c", content_id="n", content_version=2, kind="notice", title="试饮会",
    platform="weibo", account="tea", slot="main", state="LIVE", state_zh="已上线",
    final=True, overdue=False, waiting_on="", since=at(70),
    due_at=START, late_until=at(3600), url="https://weibo.example/5", native_id="5", error=None,
)  # fmt: skip


def text(record: PlacementRecord | None = RECORD, language: Language = "zh") -> str:
    return "\n".join(line.text for line in told(PlacementDetail(status=STATUS, record=record), "微博", language))


def test_the_story_has_plan_form_every_step_and_the_link_in_order() -> None:
    story = text()
    parts = ["试饮会", "微博 tea", "最晚", "120/140", "第二句", "已接收第 2 版", "开始调用", "结果未知", "已上线",
             "已完成的步骤：submit", "https://weibo.example/5"]  # fmt: skip
    places = [story.index(part) for part in parts]
    assert places == sorted(places)


def test_times_are_told_on_the_clock_of_shanghai_with_what_was_waited() -> None:
    assert "11-01 12:00:10 +08:00 +9.0 秒 UNKNOWN [submit]" in text()


def test_an_unknown_outcome_says_how_it_was_cleared() -> None:
    assert "未知状态持续 1 分 0 秒 后解除：查找到了这条帖子，没有重发" in text()
    assert "cleared after 60.0 s: the post was found, nothing was sent twice" in text(language="en")


def test_an_error_is_told_with_meaning_whether_it_was_sent_and_the_next_step() -> None:
    story = text()
    assert "请求发出后没有收到答复：请求已发出但没有答复" in story
    assert "下一步：不用处理，系统先查找再决定，不会重复发布" in story


def test_a_placement_nobody_took_over_yet_says_so() -> None:
    assert "还没有适配器接手" in text(None)
    assert "no adapter has taken it over" in text(None, "en")


def test_what_it_waits_for_is_told_while_it_is_not_final() -> None:
    waiting = replace(RECORD, state="ACCEPTED", waiting_on="微信发布中", next_attempt_at=at(75), post=None)
    assert "正在等：微信发布中" in text(waiting)
    assert "11-01 12:01:15" in text(waiting)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_state_and_every_error_class_has_words(language: Language) -> None:
    for state in get_args(State):
        words = state_words(state).says
        assert (words.zh if language == "zh" else words.en) in text(replace(RECORD, state=state), language)
    for error_class in get_args(ErrorClass):
        failure = Failure(error_class=error_class, code="123", message="平台的话", sent="yes", recognised=False)
        entry = HistoryEntry(at=START, state="REJECTED", failure=failure)
        story = text(replace(RECORD, history=(entry,)), language)
        assert "123" in story
        assert ("未识别" if language == "zh" else "unrecognised") in story


def test_a_parked_placement_names_its_brake_and_shows_no_failure() -> None:
    held = Failure(error_class="needs_human", message="调用前一刻被拦下", sent="no")
    parked = HistoryEntry(at=at(9), state="PARKED", step="submit", note="被刹车拦下，没有发出：价格有误", failure=held)
    record = replace(
        RECORD, state="PARKED", post=None, waiting_on="刹车“价格有误”（li），直到有人解除", parked_by="k1",
        history=(*RECORD.history[:2], parked),
    )  # fmt: skip
    shown = text(record)
    assert "正在等：刹车“价格有误”（li），直到有人解除" in shown
    assert "原因：" not in shown
    assert "下一步" not in shown
