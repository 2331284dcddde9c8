"""Warnings before an authorisation ends: one for each threshold, with what would fail, and none without a reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.events.alert import Alert
from schemas.events.placement import PlacementRecord
from schemas.internal.callback import ChangedAuthorisation, PlatformCallback
from services.adapter.accounts.budgets import BudgetLedger
from services.adapter.accounts.credentials import FileCredentials
from services.adapter.accounts.monitor import AccountMonitor, ends_at, failing
from services.adapter.contract.account import AccountHealth, Quota
from services.adapter.contract.accounts import Account
from services.adapter.contract.errors import PlatformError
from services.adapter.contract.shared import Tokens
from services.runtime.clock import ManualClock
from tests.adapter.scripted import ACCOUNT, PATIENCE_S, START, Loop, Platform, content, scripted_adapter
from tests.waiting import wait_for

GRANTED = msgspec.structs.replace(ACCOUNT, access_token="act", refresh_token="rft")


@dataclass
class Care:
    health: AccountHealth

    def check(self, client: Any, now: datetime) -> AccountHealth:
        return self.health


def _placements(*due_in: timedelta) -> list[PlacementRecord]:
    loop = Loop(Platform())
    loop.take(content())
    return [
        msgspec.structs.replace(loop.record, placement_id=f"pl-{n}", due_at=START + due) for n, due in enumerate(due_in)
    ]


class World:
    def __init__(self, folder: Path, ends_in: timedelta) -> None:
        self.clock = ManualClock(START)
        self.care = Care(AccountHealth(refresh_expires_at=START + ends_in))
        self.store = FileCredentials(folder / "credentials", self.clock.now)
        self.budgets = BudgetLedger(folder / "budgets", self.clock.now)
        self.placements = _placements(timedelta(hours=1), ends_in, ends_in + timedelta(days=1))
        self.watch = self.another_process()

    def another_process(self) -> AccountMonitor:
        adapter = replace(scripted_adapter(Platform()), care=self.care)
        return AccountMonitor(
            adapter, (GRANTED,), self.store, lambda account: object(),
            lambda account: self.budgets.of(account, [], "publishing"), lambda: self.placements, self.clock.now,
        )  # fmt: skip

    def said(self, watch: AccountMonitor | None = None) -> list[Alert]:
        """What is said now, and written."""
        watch = watch or self.watch
        watch.look(GRANTED)
        notices = watch.notices()
        for notice in notices:
            notice.given()
        return [notice.alert for notice in notices]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, timedelta(days=8))


def test_one_warning_for_each_threshold_with_what_would_fail(world: World) -> None:
    said: list[Alert] = []
    for _ in range(8 * 24):
        said += world.said()
        world.clock.advance(3600)
    assert [alert.severity for alert in said] == ["info", "warning", "critical"]
    assert {alert.alert_key for alert in said} == {"credential_expiring:echo/tea"}
    assert {alert.value for alert in said} == {2.0}
    assert said[0].evidence == ("pl-1", "pl-2")


def test_a_restart_and_a_second_process_do_not_warn_again(world: World) -> None:
    world.clock.advance(2 * 86_400)
    assert len(world.said()) == 1
    assert world.said(world.another_process()) == []


def test_a_warning_whose_writer_died_is_given_by_another(world: World) -> None:
    world.clock.advance(2 * 86_400)
    world.watch.look(GRANTED)  # and its process dies before the alert is written
    other = world.another_process()
    assert world.said(other) == []
    world.clock.advance(121)
    assert len(world.said(other)) == 1


def test_a_renewal_resolves_and_the_next_end_is_warned_of_anew(world: World) -> None:
    world.clock.advance(2 * 86_400)
    world.said()
    world.care.health = AccountHealth(refresh_expires_at=START + timedelta(days=40))
    assert [alert.status for alert in world.said()] == ["resolved"]
    assert world.said() == []
    world.clock.advance(32 * 86_400)
    assert [alert.status for alert in world.said()] == ["open"]


def test_what_renews_itself_is_no_reason_to_warn() -> None:
    soon, later = START + timedelta(hours=2), START + timedelta(days=30)
    both = AccountHealth(token_expires_at=soon, refresh_expires_at=later)
    by_secret = Account(platform="echo", account="tea", brand_id="q", way="open", app_secret="s")
    assert ends_at(GRANTED, both, Tokens("a", "r")) == later
    assert ends_at(by_secret, AccountHealth(token_expires_at=soon), Tokens("fetched")) is None
    declared = msgspec.structs.replace(by_secret, access_token="a")
    assert ends_at(declared, AccountHealth(token_expires_at=soon), Tokens("a")) == soon


def test_only_what_is_still_to_be_published_there_would_fail() -> None:
    waiting, live, elsewhere = _placements(timedelta(days=9), timedelta(days=9), timedelta(days=9))
    records = [
        waiting,
        msgspec.structs.replace(live, state="LIVE"),
        msgspec.structs.replace(elsewhere, account="milk"),
    ]
    assert failing(records, GRANTED, START + timedelta(days=8)) == ["pl-0"]


def test_quotas_that_the_platform_tells_bind_the_budget(world: World) -> None:
    quota = Quota("share", 30, 0, START + timedelta(hours=1))
    world.care.health = AccountHealth(quotas=(quota,))
    world.said()
    with pytest.raises(PlatformError) as refused:
        world.budgets.of(GRANTED, [], "publishing").reserve("/2/statuses/share.json", 5)
    assert refused.value.retry_after_s == pytest.approx(3600)


def told(*, granted: bool, proven: bool, account: str = "tea") -> PlatformCallback:
    return PlatformCallback(
        event_id="e", occurred_at=START, observed_at=START, brand_id="qinghe", trace_id="t", platform="echo",
        account=account, identity="i", authorisation=ChangedAuthorisation(granted=granted, proven=proven),
    )  # fmt: skip


def answered(world: World, callback: PlatformCallback) -> list[tuple[str, str]]:
    """What is said, and written, about a platform's call."""
    world.watch.hear(callback)
    world.watch.answer_calls()
    notices = world.watch.notices()
    for notice in notices:
        notice.given()
    return [(notice.alert.kind, notice.alert.status) for notice in notices]


def test_a_proven_withdrawal_is_an_alert_at_once_and_once(world: World) -> None:
    assert answered(world, told(granted=False, proven=True)) == [("authorisation_withdrawn", "open")]
    assert answered(world, told(granted=False, proven=True)) == []


def test_a_withdrawal_that_could_not_be_told_at_once_is_told_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.adapter.accounts.monitor.AGAIN_S", 0.05)
    kept, tries = world.placements, list[int]()

    def away() -> list[PlacementRecord]:
        tries.append(1)
        if len(tries) < 3:
            raise OSError("Kafka is away")
        return kept

    world.watch.placements = away
    world.watch.every_s = 3600.0
    world.watch.start()
    world.watch.hear(told(granted=False, proven=True))
    notices = wait_for(world.watch.notices, "it is told once the ledger can be read", PATIENCE_S)
    world.watch.stop()
    assert [(one.alert.kind, one.alert.status) for one in notices] == [("authorisation_withdrawn", "open")]
    assert len(tries) == 3


def test_a_withdrawal_that_anybody_could_have_sent_is_only_a_reason_to_ask(world: World) -> None:
    assert answered(world, told(granted=False, proven=False)) == [], "the platform says that all is well"
    refused = PlatformError("授权已取消", error_class="auth", sent="yes", scope="account", code="21332")
    world.care.health = AccountHealth(problem="授权已取消", error=refused)
    assert answered(world, told(granted=False, proven=False)) == [("authorisation_withdrawn", "open")]
    away = PlatformError("没有应答", error_class="platform_down", sent="unknown")
    world.store.forget_warnings(GRANTED, frozenset({"withdrawn"}))
    world.care.health = AccountHealth(problem="没有应答", error=away)
    assert answered(world, told(granted=False, proven=False)) == [], "no answer proves nothing"


def test_a_new_grant_resolves_the_withdrawal_once_and_no_other_warning(world: World) -> None:
    world.clock.advance(2 * 86_400)
    assert [alert.kind for alert in world.said()] == ["credential_expiring"]
    answered(world, told(granted=False, proven=True))
    assert answered(world, told(granted=True, proven=True)) == [("authorisation_withdrawn", "resolved")]
    assert answered(world, told(granted=True, proven=True)) == []
    assert world.store.warnings_given(GRANTED) == {"7d"}


def test_calls_about_accounts_of_others_are_nobody_s(world: World) -> None:
    assert answered(world, told(granted=False, proven=True, account="milk")) == []


def test_a_call_wakes_the_watch_before_its_next_turn(world: World) -> None:
    world.watch.every_s = 3600.0
    world.watch.start()
    world.watch.hear(told(granted=False, proven=True))
    notices = wait_for(world.watch.notices, "the watch has woken up", PATIENCE_S)
    world.watch.stop()
    assert notices[0].alert.severity == "critical"
