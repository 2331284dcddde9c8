"""Says in time, once for each threshold, that an account's authorisation ends, and how many placements would fail;
and at once, where a callback says so, that it was withdrawn.

Asks the platform through AccountCare on a thread of its own; what is to be said is taken by the worker's loop, which
writes it. Publishes nothing itself.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from schemas.events.alert import Alert, Severity
from schemas.events.placement import PlacementRecord
from schemas.internal.callback import PlatformCallback
from schemas.moments import shown
from services.adapter.accounts import alerts
from services.adapter.accounts.credentials import FileCredentials
from services.adapter.contract.account import AccountHealth
from services.adapter.contract.accounts import Account
from services.adapter.contract.adapter import Adapter
from services.adapter.contract.errors import PlatformError
from services.adapter.contract.shared import Budget, Tokens
from services.runtime.logging import get_logger

THRESHOLDS: tuple[tuple[str, timedelta, Severity], ...] = (
    ("1h", timedelta(hours=1), "critical"),
    ("24h", timedelta(hours=24), "warning"),
    ("7d", timedelta(days=7), "info"),
)
KIND = "credential_expiring"
FIRST_CHECK_S = 30.0
AGAIN_S = 15.0
_WAITING = frozenset({"INTENDED", "PARKED"})

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AccountNotice:
    """An alert to write; `given` is called when it is written."""

    alert: Alert
    given: Callable[[], None]


def ends_at(account: Account, health: AccountHealth, tokens: Tokens) -> datetime | None:
    """When the account can no longer be used unless a person does something; None = not known, or never.

    A token that is renewed by itself, with a refresh token or the app's secret, ends without harm.
    """
    if tokens.refresh_token:
        return health.refresh_expires_at or tokens.refresh_expires_at
    if account.access_token:
        return health.token_expires_at or tokens.access_expires_at
    return None


def reached(left: timedelta) -> tuple[str, Severity] | None:
    """The narrowest threshold that so much time is below."""
    return next(((name, severity) for name, span, severity in THRESHOLDS if left <= span), None)


def failing(records: Iterable[PlacementRecord], account: Account, ends: datetime) -> list[str]:
    """Placements that are still to be published on the account after it has ended."""
    return sorted(
        record.placement_id
        for record in records
        if (record.platform, record.account) == (account.platform, account.account)
        and record.state in _WAITING
        and record.due_at >= ends
    )


@dataclass(slots=True)
class AccountMonitor:
    """Looks after the accounts of one adapter.

    client: of an account. placements: every newest ledger record, read only when a warning is due, as it reads much.
    """

    adapter: Adapter
    accounts: tuple[Account, ...]
    credentials: FileCredentials
    client: Callable[[Account], Any]
    budget: Callable[[Account], Budget]
    placements: Callable[[], Iterable[PlacementRecord]]
    now: Callable[[], datetime]
    every_s: float = 600.0
    _notices: SimpleQueue[AccountNotice] = field(default_factory=SimpleQueue)
    _stop: threading.Event = field(default_factory=threading.Event)
    _heard: SimpleQueue[PlatformCallback] = field(default_factory=SimpleQueue)
    _wake: threading.Event = field(default_factory=threading.Event)
    _again_at: float = math.inf  # when what could not be told is tried again

    def start(self) -> None:
        if self.adapter.care is not None and self.accounts:
            threading.Thread(target=self._run, name="account-watch", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()
        self._wake.set()

    def hear(self, callback: PlatformCallback, _at: datetime | None = None) -> None:
        """A platform called about an authorisation; what is not proven only makes us ask. From any thread."""
        if callback.platform == self.adapter.platform and callback.authorisation is not None:
            self._heard.put(callback)
            self._wake.set()

    def notices(self) -> list[AccountNotice]:
        """What is to be said since the last time."""
        found: list[AccountNotice] = []
        while True:
            try:
                found.append(self._notices.get_nowait())
            except Empty:
                return found

    def answer_calls(self) -> None:
        """What was heard since the last time is believed where it is proven, and asked about otherwise."""
        accounts = {account.account: account for account in self.accounts}
        while True:
            try:
                callback = self._heard.get_nowait()
            except Empty:
                return
            account, told = accounts.get(callback.account), callback.authorisation
            if account is None or told is None:
                continue
            log.warning("authorisation_changed", platform=account.platform, account=account.account,
                        granted=told.granted, proven=told.proven)  # fmt: skip
            if told.proven and not told.granted:
                self._told_or_again(account, callback)
                continue
            health = self.look(account)
            if not told.granted and health.error is not None and health.error.error_class == "auth":
                self._withdrawn(account)

    def _told_or_again(self, account: Account, callback: PlatformCallback) -> None:
        """The platform says it once: what keeps it from being told now is no reason to forget it."""
        try:
            self._withdrawn(account)
        except Exception:  # Kafka away, a full disk: whatever it is, it may be over soon
            log.exception("withdrawal_told_later", platform=account.platform, account=account.account)
            self._heard.put(callback)
            self._again_at = time.monotonic() + AGAIN_S
            raise

    def _withdrawn(self, account: Account) -> None:
        if alerts.MARK in self.credentials.warnings_given(account):
            return
        now = self.now()
        placements = failing(self.placements(), account, now)  # before the claim, which nobody else could take over
        if self.credentials.claim_warning(account, alerts.MARK):
            alert = alerts.raised(account, now, placements)
            given = self.credentials.warning_given
            self._notices.put(AccountNotice(alert, lambda: given(account, alerts.MARK)))

    def look(self, account: Account) -> AccountHealth:
        """One check of one account."""
        assert self.adapter.care is not None
        health = self.adapter.care.check(self.client(account), self.now())
        for quota in health.quotas:
            if quota.resets_at is not None:
                self.budget(account).told(quota.endpoint, quota.remaining, quota.resets_at)
        if health.problem:
            code = health.error.code if health.error else None
            log.warning("account_in_trouble", platform=account.platform, account=account.account, code=code)
        elif alerts.MARK in self.credentials.warnings_given(account):
            forget = self.credentials.forget_warnings
            alert = alerts.over(account, self.now())
            self._notices.put(AccountNotice(alert, lambda: forget(account, frozenset({alerts.MARK}))))
        ends = ends_at(account, health, self.credentials.load(account))
        if ends is not None:
            self._weigh(account, ends)
        return health

    def _weigh(self, account: Account, ends: datetime) -> None:
        now = self.now()
        found = reached(ends - now)
        if found is None:
            self._all_clear(account, ends)
            return
        name, severity = found
        if not self.credentials.claim_warning(account, name):
            return
        placements = failing(self.placements(), account, ends)
        log.warning(
            "credential_expiring", platform=account.platform, account=account.account, threshold=name,
            expires_at=ends.isoformat(), placements_failing=len(placements),
        )  # fmt: skip
        alert = _warning(account, name, severity, ends, now, placements)
        self._notices.put(AccountNotice(alert, lambda: self.credentials.warning_given(account, name)))

    def _all_clear(self, account: Account, ends: datetime) -> None:
        """The authorisation was renewed: a later end is warned of anew."""
        given = self.credentials.warnings_given(account) - {alerts.MARK}
        if given:
            self._notices.put(
                AccountNotice(
                    _resolved(account, ends, self.now()), lambda: self.credentials.forget_warnings(account, given)
                )
            )

    def _run(self) -> None:
        due_at = time.monotonic() + min(FIRST_CHECK_S, self.every_s)
        while True:
            self._wake.wait(max(0.0, min(due_at, self._again_at) - time.monotonic()))
            self._wake.clear()
            if self._stop.is_set():
                return
            self._again_at = math.inf
            self._guarded(self.answer_calls)
            if time.monotonic() >= due_at:
                due_at = time.monotonic() + self.every_s
                for account in self.accounts:
                    self._guarded(partial(self.look, account), account.account)

    def _guarded(self, work: Callable[[], object], account: str = "") -> None:
        try:
            work()
        except PlatformError as error:
            log.warning("account_check_failed", platform=self.adapter.platform, account=account,
                        error_class=error.error_class, code=error.code)  # fmt: skip
        except Exception:  # the thread's own border: the next check may work again
            log.exception("account_check_bug", platform=self.adapter.platform, account=account)


def _warning(
    account: Account, name: str, severity: Severity, ends: datetime, now: datetime, placements: list[str]
) -> Alert:
    who, count = f"{account.platform}/{account.account}", len(placements)
    return Alert(
        event_id=f"alert:{KIND}:{who}:{name}:{ends.date().isoformat()}", occurred_at=now, observed_at=now,
        brand_id=account.brand_id, trace_id=who, alert_key=f"{KIND}:{who}", kind=KIND, severity=severity,
        status="open", since=now, platform=account.platform, account=account.account,
        value=float(count), title=f"{who} 的授权将于 {shown(ends)} 到期，之后计划的 {count} 条发布会失败",
        title_en=f"authorisation of {who} ends at {shown(ends)}; {count} scheduled placements would fail",
        way_out="到期前重新授权该账号", way_out_en="authorise the account anew before that",
        evidence=tuple(placements[:100]),
    )  # fmt: skip


def _resolved(account: Account, ends: datetime, now: datetime) -> Alert:
    who = f"{account.platform}/{account.account}"
    return Alert(
        event_id=f"alert:{KIND}:{who}:resolved:{ends.date().isoformat()}", occurred_at=now, observed_at=now,
        brand_id=account.brand_id, trace_id=who, alert_key=f"{KIND}:{who}", kind=KIND, severity="info",
        status="resolved", since=now, platform=account.platform, account=account.account,
        title=f"{who} 的授权已更新，有效至 {shown(ends)}",
        title_en=f"authorisation of {who} is good until {shown(ends)}",
    )  # fmt: skip
