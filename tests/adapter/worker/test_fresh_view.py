"""No call leaves on a view of commands and contents that may be old."""

from __future__ import annotations

import threading

import pytest

from services.adapter.commands.freshness import Freshness
from tests.adapter.scripted import PATIENCE_S, Loop, Platform, content


def test_no_call_leaves_on_an_old_view_of_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.adapter.worker.caller.HEAR_WITHIN_S", 0.05)
    platform = Platform()
    loop = Loop(platform, freshness=(fresh := Freshness(within_s=0.02)))
    fresh.heard(0.0, {})  # long ago
    loop.take(content())
    record = loop.run(1)
    loop.turn(call=False)
    record = loop.record
    assert [entry.state for entry in record.history[-2:]] == ["CALLING", "INTENDED"]
    assert platform.calls == []


def test_no_call_is_even_recorded_before_the_commands_were_read_once() -> None:
    platform = Platform()
    loop = Loop(platform, freshness=Freshness())
    loop.take(content())
    loop.run()
    assert [record.state for record in loop.records] == ["INTENDED"]
    assert platform.calls == []


def test_a_view_is_fresh_only_with_commands_and_contents_read_to_where_they_just_ended() -> None:
    now = 100.0
    fresh = Freshness(within_s=0.5, now=lambda: now)
    assert not fresh.wait(0, now)
    fresh.heard(99.8, {0: 7})
    assert not fresh.wait(0, now), "the loop has not come to offset 7 yet: a cancel may stand there"
    fresh.taken({0: 6})
    assert not fresh.wait(0, now)
    fresh.taken({0: 7})
    assert fresh.wait(0, now)
    now = 100.4
    assert not fresh.wait(0, now), "0.6 s old"


def test_whoever_waits_for_a_fresh_view_goes_on_as_soon_as_there_is_one() -> None:
    fresh = Freshness(within_s=PATIENCE_S)
    waited: list[bool] = []
    thread = threading.Thread(target=lambda: waited.append(fresh.wait(0, fresh._now() + PATIENCE_S)))
    thread.start()
    fresh.taken({0: 1})
    fresh.heard(fresh._now(), {0: 1})
    thread.join(PATIENCE_S)
    assert waited == [True]
