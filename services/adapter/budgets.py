"""Call budgets, shared by all processes of a machine: what the limits allow, what was used, what platforms refused.

One SQLite file holds the counts. A reservation is strict: within no stretch of `per_s` seconds are there more calls
than the limit says, whoever makes them. Feedback may use a share only, so that publishing always has room.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from services.adapter.accounts import Account
from services.adapter.contract import RateLimit
from services.adapter.errors import NotSentError, PlatformError
from services.runtime.logging import get_logger

FILE = "budgets.sqlite3"
FEEDBACK_SHARE = 0.6
SLOTS = 500  # a window is counted in so many pieces; the oldest piece counts until all of it has passed
SLACK_S = 1.0  # at most so much longer is a window for us than for the platform, which counts when calls arrive
PARK_S = 60.0  # after a refusal that does not say for how long
BUSY_S = 5.0

POST = "post"  # the limit of an account's posts, whatever calls one of them takes

Purpose = Literal["publishing", "feedback"]

log = get_logger(__name__)

_TABLES = """
CREATE TABLE IF NOT EXISTS spent (
  budget TEXT, slot INTEGER, calls INTEGER, feedback INTEGER, PRIMARY KEY (budget, slot)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS line (budget TEXT PRIMARY KEY, free_at REAL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parked (endpoint TEXT PRIMARY KEY, until REAL, reason TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS told (endpoint TEXT PRIMARY KEY, remaining INTEGER, resets_at REAL) WITHOUT ROWID;
"""


class BudgetLedger:
    """The counts of all accounts in one file. Safe from any thread and any process of this machine."""

    def __init__(self, folder: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._now = now
        self._lock = threading.Lock()
        self._db = sqlite3.connect(
            folder / FILE, timeout=BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")  # a power cut may forget calls of the last seconds, a crash does not
        self._db.executescript(_TABLES)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def of(self, account: Account, rates: Sequence[RateLimit], purpose: Purpose) -> AccountBudget:
        """The budget of one account; what its options state (`budget.<endpoint>: "<calls>/<seconds>"`) comes first."""
        return AccountBudget(self, account, declared_rates(account, rates), purpose)

    def time(self) -> float:
        return self._now().timestamp()

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """One process at a time, all or nothing. Without its counts nobody calls: raises PlatformError(sent="no")."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                with self._db:  # commits, or rolls back
                    yield self._db
            except sqlite3.Error as error:
                log.error("budget_file_unusable", error=type(error).__name__)
                raise NotSentError("额度账本暂不可用，请求未发出 / the budget file cannot be used now") from error


@dataclass(frozen=True, slots=True)
class AccountBudget:
    """The contract's Budget."""

    ledger: BudgetLedger
    account: Account
    rates: tuple[RateLimit, ...]
    purpose: Purpose

    def reserve(self, endpoint: str, most_wait_s: float) -> float:
        name, refused = plain(endpoint), None
        with self.ledger.change() as db:
            now = self.ledger.time()
            wait = self._parked(db, name, now)
            applying = [rate for rate in self.rates if applies(rate.endpoint, name)]
            for rate in applying:
                wait = max(wait, self._until_room(db, rate, now))
            if wait > most_wait_s:
                refused = max([wait, *(self._join_line(db, rate, now, wait) for rate in applying)])
            else:
                for rate in applying:
                    self._spend(db, rate, now + wait)
                for key, _, _ in self._told(db, name):
                    db.execute("UPDATE told SET remaining = remaining - 1 WHERE endpoint = ?", (key,))
        if refused is not None:
            raise used_up(refused)
        return wait

    def learn(self, endpoint: str, error: PlatformError) -> None:
        if error.error_class != "quota" or error.sent != "yes":
            return
        until = self.ledger.time() + (PARK_S if error.retry_after_s is None else error.retry_after_s)
        key = self._key(plain(endpoint), of_app=error.scope == "app")
        with suppress(NotSentError), self.ledger.change() as db:  # the refusal itself matters more than our note of it
            db.execute(
                "INSERT INTO parked VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET until = max(until, excluded.until)",
                (key, until, error.code or ""),
            )

    def told(self, endpoint: str, remaining: int, resets_at: datetime) -> None:
        with suppress(NotSentError), self.ledger.change() as db:
            row = (self._key(plain(endpoint)), remaining, resets_at.timestamp())
            db.execute("INSERT OR REPLACE INTO told VALUES (?, ?, ?)", row)

    def _parked(self, db: sqlite3.Connection, endpoint: str, now: float) -> float:
        """Seconds until the platform, by its own words, takes calls of this endpoint again."""
        keys = (self._key(endpoint), self._key(endpoint, of_app=True))
        (until,) = db.execute("SELECT max(until) FROM parked WHERE endpoint IN (?, ?)", keys).fetchone()
        resets = [resets_at for _, remaining, resets_at in self._told(db, endpoint) if remaining <= 0]
        return max(0.0, *(at - now for at in (until or 0.0, *resets)))

    def _told(self, db: sqlite3.Connection, endpoint: str) -> list[tuple[str, int, float]]:
        """(key, remaining, resets_at) of what the platform said about these calls."""
        own = self._key("")
        rows = db.execute("SELECT endpoint, remaining, resets_at FROM told").fetchall()
        return [row for row in rows if row[0].startswith(own) and applies(row[0].removeprefix(own), endpoint)]

    def _until_room(self, db: sqlite3.Connection, rate: RateLimit, now: float) -> float:
        """Seconds until one more call fits, with what has been promised to calls that are still waiting."""
        budget, piece, window = self._budget(rate), rate.per_s / SLOTS, rate.per_s + min(SLACK_S, rate.per_s / 10)
        db.execute("DELETE FROM spent WHERE budget = ? AND (slot + 1) * ? + ? <= ?", (budget, piece, window, now))
        rows = db.execute(
            "SELECT slot, calls, feedback FROM spent WHERE budget = ? ORDER BY slot", (budget,)
        ).fetchall()
        over = sum(calls for _, calls, _ in rows) + 1 - rate.calls
        over_share = sum(own for _, _, own in rows) + 1 - max(1, int(rate.calls * FEEDBACK_SHARE))
        free_at = now
        for slot, calls, own in rows:
            if over <= 0 and (self.purpose == "publishing" or over_share <= 0):
                break
            over, over_share = over - calls, over_share - own
            free_at = (slot + 1) * piece + window
        return max(0.0, free_at - now)

    def _spend(self, db: sqlite3.Connection, rate: RateLimit, at: float) -> None:
        slot, own = int(at // (rate.per_s / SLOTS)), int(self.purpose == "feedback")
        db.execute(
            "INSERT INTO spent VALUES (?, ?, 1, ?)"
            " ON CONFLICT DO UPDATE SET calls = calls + 1, feedback = feedback + excluded.feedback",
            (self._budget(rate), slot, own),
        )

    def _join_line(self, db: sqlite3.Connection, rate: RateLimit, now: float, wait: float) -> float:
        """When to come back: those who were refused are told different times, so that they do not all come at once."""
        if self.purpose == "feedback":
            return wait
        budget = f"{self._budget(rate)}|{self.purpose}"
        row = db.execute("SELECT free_at FROM line WHERE budget = ?", (budget,)).fetchone()
        free_at = max(now + wait, row[0] if row else 0.0)
        db.execute("INSERT OR REPLACE INTO line VALUES (?, ?)", (budget, free_at + rate.per_s / rate.calls))
        return free_at - now

    def _budget(self, rate: RateLimit) -> str:
        return f"{self._owner(rate.scope == 'app')}|{rate.endpoint}|{rate.calls}/{rate.per_s:g}"

    def _key(self, endpoint: str, *, of_app: bool = False) -> str:
        return f"{self._owner(of_app)}|{endpoint}"

    def _owner(self, of_app: bool) -> str:
        account = self.account
        return f"{account.platform}|app:{account.app_id}" if of_app else f"{account.platform}|{account.account}"


def plain(endpoint: str) -> str:
    """`/2/statuses/share.json` → `2/statuses/share`."""
    return endpoint.strip("/").removesuffix(".json")


def applies(limited: str, endpoint: str) -> bool:
    """Whether a limit is about this endpoint: `*`, or whole segments of the path (`share` in `2/statuses/share`)."""
    return limited == "*" or f"/{limited}/" in f"/{endpoint}/"


def used_up(wait_s: float) -> PlatformError:
    return PlatformError(
        f"调用额度已用完，约 {max(1, round(wait_s))} 秒后恢复 / no calls left within the limits",
        error_class="quota",
        sent="no",
        retriable=True,
        scope="account",
        retry_after_s=wait_s,
    )


def declared_rates(account: Account, rates: Sequence[RateLimit]) -> tuple[RateLimit, ...]:
    """The platform's limits, with those in their place that the account's options state for an endpoint."""
    own = tuple(
        _stated(account, name.removeprefix("budget."), value)
        for name, value in sorted(account.options.items())
        if name.startswith("budget.")
    )
    stated = {rate.endpoint for rate in own}
    return (*own, *(rate for rate in rates if rate.endpoint not in stated))


def _stated(account: Account, endpoint: str, value: str) -> RateLimit:
    calls, _, per_s = value.partition("/")
    try:
        rate = RateLimit(endpoint, int(calls), float(per_s), "account", "account option")
        if rate.calls < 1 or not 0 < rate.per_s < float("inf"):
            raise ValueError
    except ValueError:
        raise ValueError(
            f"{account.platform}/{account.account} 的 options.budget.{endpoint} 应为 次数/秒数，例如 30/3600"
            f" / must be calls/seconds"
        ) from None
    return rate


@dataclass(frozen=True, slots=True)
class Planned:
    """A call that would make a post: which endpoint, when."""

    endpoint: str
    due_at: datetime
    placement_id: str = ""


@dataclass(frozen=True, slots=True)
class Overfull:
    """A limit that the plans cannot keep. planned: calls within one window, from `starts_at` on."""

    rate: RateLimit
    planned: int
    starts_at: datetime
    placement_ids: tuple[str, ...]

    @property
    def message(self) -> str:
        return (
            f"{self.rate.per_s:g} 秒内最多 {self.rate.calls} 次“{self.rate.endpoint}”，"
            f"计划中有 {self.planned} 次（从 {self.starts_at.isoformat()} 起）"
            f" / {self.planned} planned, {self.rate.calls} allowed"
        )


def fits(plans: Sequence[Planned], rates: Sequence[RateLimit], patience_s: float = 0.0) -> list[Overfull]:
    """The limits that these plans of one account cannot keep, each once with its first overfull window. Pure.

    patience_s: how late a post may be; what fits within its window and that much more time is no problem.
    """
    found = []
    for rate in rates:
        own = sorted((one for one in plans if applies(rate.endpoint, plain(one.endpoint))), key=lambda one: one.due_at)
        overfull = _first_overfull(own, rate, patience_s)
        if overfull is not None:
            found.append(overfull)
    return found


def _first_overfull(plans: Sequence[Planned], rate: RateLimit, patience_s: float) -> Overfull | None:
    """Each plan goes out when it is due or, if the window is full by then, when the window has room again."""
    sent: list[float] = []
    for number, one in enumerate(plans):
        due = one.due_at.timestamp()
        at = due if len(sent) < rate.calls else max(due, sent[-rate.calls] + rate.per_s)
        if at > due + patience_s:
            within = [two for two in plans[: number + 1] if (one.due_at - two.due_at).total_seconds() < rate.per_s]
            return Overfull(rate, len(within), within[0].due_at, tuple(two.placement_id for two in within))
        sent.append(at)
    return None
