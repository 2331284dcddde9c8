"""Call budgets: never above the limit in any window, feedback leaves room, refusals are learned, plans are checked."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest

from services.adapter.accounts.budgets import FILE, BudgetLedger, Purpose, applies, declared_rates
from services.adapter.accounts.quota_forecast import Planned, limits_exceeded
from services.adapter.contract.accounts import Account
from services.adapter.contract.content import RateLimit
from services.adapter.contract.errors import NotSentError, PlatformError
from services.runtime.clock import ManualClock

START = datetime(2026, 11, 11, 2, 0, tzinfo=UTC)
TEA = Account(platform="echo", account="tea", brand_id="qinghe", way="open", app_id="app")
MILK = Account(platform="echo", account="milk", brand_id="qinghe", way="open", app_id="app")
HOURLY = RateLimit("share", 30, 3600)
PURPOSES: tuple[Purpose, Purpose] = ("publishing", "feedback")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def ledger(tmp_path: Path, clock: ManualClock) -> BudgetLedger:
    return BudgetLedger(tmp_path, clock.now)


def _taken(ledger: BudgetLedger, calls: int, rate: RateLimit, purpose: Purpose = "publishing") -> int:
    return sum(_takes(ledger, rate, purpose) for _ in range(calls))


def _takes(ledger: BudgetLedger, rate: RateLimit, purpose: Purpose = "publishing", account: Account = TEA) -> bool:
    try:
        ledger.of(account, [rate], purpose).reserve("/2/statuses/share.json", 0)
    except PlatformError as error:
        refused = error
    else:
        return True
    assert (refused.error_class, refused.sent, refused.retriable) == ("quota", "no", True)
    assert (refused.retry_after_s or 0) > 0
    return False


def test_no_window_ever_holds_more_than_the_limit(ledger: BudgetLedger, clock: ManualClock) -> None:
    made = []
    for _ in range(3 * 3600 // 7):
        if _takes(ledger, HOURLY):
            made.append(clock.now())
        clock.advance(7)
    assert len(made) >= 60
    assert all(sum(one <= two < one + timedelta(hours=1) for two in made) <= 30 for one in made)


def test_a_daily_call_is_possible_again_a_day_later(ledger: BudgetLedger, clock: ManualClock) -> None:
    daily = RateLimit("share", 1, 86_400)
    assert _takes(ledger, daily)
    assert not _takes(ledger, daily)
    clock.advance(86_400 + 180)
    assert _takes(ledger, daily)


def test_another_process_sees_what_was_used(tmp_path: Path, clock: ManualClock) -> None:
    assert _taken(BudgetLedger(tmp_path, clock.now), 20, HOURLY) == 20
    assert _taken(BudgetLedger(tmp_path, clock.now), 20, HOURLY) == 10


def test_feedback_never_uses_what_publishing_needs(ledger: BudgetLedger) -> None:
    assert _taken(ledger, 100, HOURLY, "feedback") == 18
    assert _taken(ledger, 100, HOURLY, "publishing") == 12


def test_publishing_may_use_all_of_it(ledger: BudgetLedger) -> None:
    assert _taken(ledger, 100, HOURLY, "publishing") == 30
    assert _taken(ledger, 1, HOURLY, "feedback") == 0


def test_accounts_have_budgets_of_their_own_and_an_app_has_one(ledger: BudgetLedger) -> None:
    assert _taken(ledger, 31, HOURLY) == 30
    assert _takes(ledger, HOURLY, account=MILK)
    of_app = RateLimit("*", 1, 60, "app")
    assert _takes(ledger, of_app)
    assert not _takes(ledger, of_app, account=MILK)


def test_a_short_wait_is_waited_and_a_long_one_is_refused(ledger: BudgetLedger) -> None:
    budget = ledger.of(TEA, [RateLimit("*", 10, 1.0)], "publishing")
    waits = [budget.reserve("share", 3.0) for _ in range(25)]
    assert waits[:10] == [0.0] * 10
    assert 1.0 <= waits[10] <= 1.2
    assert 2.0 <= waits[24] <= 2.4
    with pytest.raises(PlatformError):
        budget.reserve("share", 0.5)


def test_those_who_are_refused_are_told_different_times(ledger: BudgetLedger) -> None:
    budget = ledger.of(TEA, [RateLimit("share", 10, 1.0)], "publishing")
    for _ in range(10):
        budget.reserve("share", 0)
    told = []
    for _ in range(40):
        with pytest.raises(PlatformError) as refused:
            budget.reserve("share", 0)
        told.append(refused.value.retry_after_s or 0)
    in_second = Counter(int(at) for at in told)
    assert told == sorted(told)
    assert max(in_second.values()) <= 11
    assert max(told) < 6


def test_a_refusal_of_the_platform_parks_that_endpoint_alone(ledger: BudgetLedger, clock: ManualClock) -> None:
    budget = ledger.of(TEA, [HOURLY], "publishing")
    said = PlatformError("10024", error_class="quota", sent="yes", scope="account", retry_after_s=600, code="10024")
    budget.learn("/2/statuses/share.json", said)
    with pytest.raises(PlatformError) as parked:
        ledger.of(TEA, [], "feedback").reserve("/2/statuses/share.json", 5)
    assert parked.value.retry_after_s == pytest.approx(600)
    assert ledger.of(TEA, [], "feedback").reserve("/2/comments/show.json", 0) == 0
    assert ledger.of(MILK, [], "feedback").reserve("/2/statuses/share.json", 0) == 0
    clock.advance(600)
    assert budget.reserve("/2/statuses/share.json", 0) == 0


def test_a_refusal_of_the_app_parks_all_its_accounts(ledger: BudgetLedger) -> None:
    said = PlatformError("28003017", error_class="quota", sent="yes", scope="app", retry_after_s=600)
    ledger.of(TEA, [], "publishing").learn("create", said)
    with pytest.raises(PlatformError):
        ledger.of(MILK, [], "publishing").reserve("create", 5)


def test_our_own_refusal_teaches_nothing(ledger: BudgetLedger) -> None:
    budget = ledger.of(TEA, [], "publishing")
    budget.learn("create", PlatformError("ours", error_class="quota", sent="no", retry_after_s=600))
    assert budget.reserve("create", 0) == 0


def test_what_the_platform_says_is_left_counts(ledger: BudgetLedger, clock: ManualClock) -> None:
    budget = ledger.of(TEA, [], "publishing")
    budget.told("draft/add", 2, START + timedelta(hours=3))
    assert [budget.reserve("draft/add", 0) for _ in range(2)] == [0, 0]
    with pytest.raises(PlatformError) as refused:
        budget.reserve("draft/add", 0)
    assert refused.value.retry_after_s == pytest.approx(3 * 3600)
    clock.advance(3 * 3600)
    assert budget.reserve("draft/add", 0) == 0


def test_a_limit_names_whole_segments_of_a_path() -> None:
    assert applies("upload", "2/statuses/upload/biz")
    assert applies("*", "anything")
    assert applies("draft/add", "cgi-bin/draft/add")
    assert not applies("upload", "2/statuses/upload_pic/biz")


def test_an_account_may_state_its_own_limit_and_a_wrong_one_is_named() -> None:
    own = Account(platform="echo", account="tea", brand_id="q", way="open", options={"budget.share": "2/60"})
    assert declared_rates(own, [HOURLY, RateLimit("*", 1000, 3600)])[0].calls == 2
    assert [rate.endpoint for rate in declared_rates(own, [HOURLY])] == ["share"]
    wrong = Account(platform="echo", account="tea", brand_id="q", way="open", options={"budget.share": "many"})
    with pytest.raises(ValueError, match=r"options\.budget\.share"):
        declared_rates(wrong, [HOURLY])


def _plans(*hours: float) -> list[Planned]:
    return [Planned("mass/sendall", START + timedelta(hours=at), f"pl-{n}") for n, at in enumerate(hours)]


def test_two_mass_sends_on_one_day_do_not_fit() -> None:
    daily = RateLimit("mass/sendall", 1, 86_400)
    problems = limits_exceeded(_plans(0, 5), [daily], patience_s=3600)
    assert [(one.planned, one.placement_ids) for one in problems] == [(2, ("pl-0", "pl-1"))]
    assert "最多 1 次" in problems[0].message
    assert limits_exceeded(_plans(0, 24), [daily]) == []
    assert limits_exceeded(_plans(0, 5), [RateLimit("share", 1, 86_400)]) == []


def test_what_may_be_late_fits_into_the_next_window() -> None:
    assert limits_exceeded(_plans(*[0.0] * 60), [RateLimit("*", 30, 3600)], patience_s=3600) == []
    assert limits_exceeded(_plans(*[0.0] * 61), [RateLimit("*", 30, 3600)], patience_s=3600)[0].planned == 61


def test_calls_that_ask_at_the_same_moment_together_get_no_more_than_the_limit(
    tmp_path: Path, clock: ManualClock
) -> None:
    budgets = [BudgetLedger(tmp_path, clock.now).of(TEA, [HOURLY], purpose) for purpose in PURPOSES]
    together = Barrier(16)

    def ask(number: int) -> int:
        taken = 0
        for _ in range(5):
            together.wait(60)
            with suppress(PlatformError):
                taken += budgets[number % 2].reserve("/2/statuses/share.json", 0) == 0
        return taken

    with ThreadPoolExecutor(16) as pool:
        taken = list(pool.map(ask, range(16)))
    assert sum(taken) == 30
    assert sum(taken[1::2]) <= 18  # those of feedback


def test_a_budget_file_that_cannot_be_used_lets_none_of_those_call_who_asked_together(ledger: BudgetLedger) -> None:
    budget, together = ledger.of(TEA, [HOURLY], "publishing"), Barrier(8)
    ledger.close()

    def ask(_: int) -> str:
        together.wait(60)
        with pytest.raises(PlatformError) as refused:
            budget.reserve("share", 5)
        return refused.value.sent

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == ["no"] * 8


def test_calls_that_wait_together_are_told_moments_that_keep_the_limit(ledger: BudgetLedger) -> None:
    budget, together = ledger.of(TEA, [RateLimit("share", 2, 10)], "publishing"), Barrier(8)

    def ask(_: int) -> float:
        together.wait(60)
        return budget.reserve("share", 100)

    with ThreadPoolExecutor(8) as pool:
        waits = sorted(pool.map(ask, range(8)))
    assert waits[:2] == [0, 0]
    assert all(later - one >= 10 for one, later in zip(waits, waits[2:], strict=False))


_FIRST_STARTS = """
import sys, time
from pathlib import Path
from services.adapter.accounts.budgets import BudgetLedger
folder, begin = Path(sys.argv[1]), float(sys.argv[2])
for number in range(40):
    while time.time() < begin + number * 0.05:
        pass
    BudgetLedger(folder / str(number)).close()
"""


def test_processes_that_start_at_the_same_moment_for_the_first_time_all_have_the_budgets(tmp_path: Path) -> None:
    """Three of them met in every third new file."""
    begin = time.time() + 1.5
    command = [sys.executable, "-c", _FIRST_STARTS, str(tmp_path), str(begin)]
    starting = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(100) for process in starting] == [0, 0, 0]


# --- clocks and files that are wrong ---


def test_calls_counted_by_a_clock_that_was_ahead_block_no_longer_than_their_window(tmp_path: Path) -> None:
    for ahead in (timedelta(days=1), timedelta(hours=1), timedelta(minutes=20)):
        folder = tmp_path / str(ahead.total_seconds())
        wrong = BudgetLedger(folder, ManualClock(START + ahead).now)
        assert _taken(wrong, 40, HOURLY) == 30
        wrong.of(TEA, [HOURLY], "publishing").learn("comments", PlatformError("慢点", error_class="quota", sent="yes"))
        right = ManualClock(START)
        ledger = BudgetLedger(folder, right.now)
        assert not _takes(ledger, HOURLY), "they were made, so they count for one window"
        with pytest.raises(PlatformError) as raised:
            ledger.of(TEA, [HOURLY], "publishing").reserve("share", 0)
        assert (raised.value.retry_after_s or 0) <= 2 * HOURLY.per_s, "the place in line is not a day away"
        right.advance(61)
        assert ledger.of(TEA, [HOURLY], "publishing").reserve("comments", 0) == 0.0, "a pause of a minute is over"
        right.advance(HOURLY.per_s)
        assert _taken(ledger, 40, HOURLY) == 30


@pytest.mark.parametrize("damage", [b"no database" * 1_000, b"SQLite format 3\0" + b"\xff" * 8_000])
def test_a_budget_file_that_is_no_database_is_set_aside_and_counting_goes_on(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / FILE).write_bytes(damage)
    assert _taken(BudgetLedger(tmp_path), 40, HOURLY) == 30
    assert (tmp_path / f"{FILE}.damaged").read_bytes() == damage


def test_a_budget_file_that_is_overwritten_under_a_running_process_costs_one_call_at_most(tmp_path: Path) -> None:
    ledger = BudgetLedger(tmp_path)
    assert _taken(ledger, 5, HOURLY) == 5
    with sqlite3.connect(tmp_path / FILE) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (tmp_path / FILE).write_bytes(b"\xff" * 50_000)
    with suppress(NotSentError):
        ledger.of(TEA, [HOURLY], "publishing").reserve("share", 0)
    assert _taken(ledger, 40, HOURLY) >= 29


def test_a_budget_file_that_cannot_be_opened_holds_calls_back_and_crashes_nothing(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    ledger = BudgetLedger(tmp_path)
    with pytest.raises(NotSentError, match=FILE):
        ledger.of(TEA, [HOURLY], "publishing").reserve("share", 0)
    (tmp_path / FILE).rmdir()
    assert _taken(ledger, 40, HOURLY) == 30
