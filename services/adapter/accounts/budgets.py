"""Call budgets, shared by all processes of a machine: what the limits allow, what was used, what platforms refused.

One SQLite file holds the counts. A reservation is strict: within no stretch of `per_s` seconds are there more calls
than the limit says, in all processes together. Feedback may use a share only, so that publishing always has room.
"""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from services.adapter.accounts.rate_window import RateWindow
from services.adapter.contract.accounts import Account
from services.adapter.contract.content import RateLimit
from services.adapter.contract.errors import NotSentError, PlatformError
from services.runtime import metrics
from services.runtime.logging import get_logger

FILE = "budgets.sqlite3"
PARK_S = 60.0  # after a refusal that does not say for how long
BUSY_S = 5.0
SET_BACK_S = 60.0  # a clock this much earlier than it was has been set back; less is the difference of processes

POST = "post"  # the limit of an account's posts, whatever calls one of them takes

Purpose = Literal["publishing", "feedback"]

log = get_logger(__name__)

_TABLES = """
CREATE TABLE IF NOT EXISTS spent (
  budget TEXT, slot INTEGER, calls INTEGER, feedback INTEGER, PRIMARY KEY (budget, slot)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS line (budget TEXT PRIMARY KEY, free_at REAL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parked (endpoint TEXT PRIMARY KEY, until REAL, reason TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS told (endpoint TEXT PRIMARY KEY, remaining INTEGER, resets_at REAL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS clock (only INTEGER PRIMARY KEY, seen REAL) WITHOUT ROWID;
"""


class BudgetLedger:
    """The counts of all accounts in one file. Safe from any thread and any process of this machine."""

    def __init__(self, folder: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path = folder / FILE
        self._now = now
        self.turn = threading.RLock()
        self._db: sqlite3.Connection | None = None
        with suppress(NotSentError):  # said in the log; each call tries again
            self._opened()

    def close(self) -> None:
        with self.turn:
            if self._db is not None:
                self._db.close()

    def of(self, account: Account, rates: Sequence[RateLimit], purpose: Purpose) -> AccountBudget:
        """The budget of one account; what its options state (`budget.<endpoint>: "<calls>/<seconds>"`) comes first."""
        return AccountBudget(self, account, declared_rates(account, rates), purpose)

    def time(self) -> float:
        return self._now().timestamp()

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """One process at a time, all or nothing. Without its counts nobody calls: raises PlatformError(sent="no")."""
        with self.turn:
            try:
                db = self._opened()
                db.execute("BEGIN IMMEDIATE")
                with db:  # commits, or rolls back
                    _follow_clock(db, self.time())
                    yield db
            except sqlite3.Error as error:
                if (
                    type(error) is sqlite3.DatabaseError and self._db is not None
                ):  # damaged: the next call opens it anew
                    self._db.close()
                    self._db = None
                raise self._unusable(error) from error

    def _opened(self) -> sqlite3.Connection:
        """The file, made where there is none. One that is no database is set aside, and counting begins anew."""
        if self._db is None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                # While the file is new, switching its journal asks for it alone, and fails at once instead of waiting.
                with self._path.with_name(f"{FILE}.made").open("w") as making:
                    fcntl.flock(making, fcntl.LOCK_EX)
                    self._db = _connected(self._path)
            except (sqlite3.Error, OSError) as error:
                raise self._unusable(error) from error
        return self._db

    def _unusable(self, error: Exception) -> NotSentError:
        log.error("budget_file_unusable", file=str(self._path), error=f"{type(error).__name__}: {error}")
        return NotSentError(
            f"额度账本 {self._path} 暂不可用（{error}），请求未发出；请检查磁盘空间和文件权限"
            f" / the budget file {self._path} cannot be used now ({error}): check disk space and permissions"
        )


def _connected(path: Path) -> sqlite3.Connection:
    try:
        return _prepared(path)
    except sqlite3.OperationalError:  # locked, no room, no permission: the file itself may be good
        raise
    except sqlite3.DatabaseError as error:
        aside = path.with_name(f"{path.name}.damaged")
        path.replace(aside)
        for rest in ("-wal", "-shm"):
            path.with_name(path.name + rest).unlink(missing_ok=True)
        log.error(
            "budget_file_damaged", file=str(path), set_aside=str(aside), error=str(error),
            message="额度账本已损坏，已移到一旁并重新计数；一个窗口内可能超过平台限额"
            " / the budget file is damaged and was set aside; within one window the limits may be exceeded",
        )  # fmt: skip
        return _prepared(path)


def _prepared(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=64)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=OFF")  # a power cut may forget calls of the last seconds, a crash does not
        db.executescript(_TABLES)
        (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
    except BaseException:
        db.close()
        raise
    return db


def _follow_clock(db: sqlite3.Connection, now: float) -> None:
    """A clock that is set back takes with it the pauses and the turns in line that it had given."""
    row = db.execute("SELECT seen FROM clock").fetchone()
    if row is None:
        db.execute("INSERT INTO clock VALUES (0, ?)", (now,))
        return
    back_s = row[0] - now
    if back_s > SET_BACK_S:
        log.warning("clock_set_back", seconds=round(back_s))
        db.execute("UPDATE parked SET until = until - ?", (back_s,))
        db.execute("UPDATE line SET free_at = free_at - ?", (back_s,))
    if back_s > SET_BACK_S or back_s < -SET_BACK_S / 2:
        db.execute("UPDATE clock SET seen = ?", (now,))


@dataclass(frozen=True, slots=True)
class AccountBudget:
    """The contract's Budget."""

    ledger: BudgetLedger
    account: Account
    rates: tuple[RateLimit, ...]
    purpose: Purpose
    _waiting: deque[_Asked] = field(default_factory=deque, repr=False, compare=False)

    def reserve(self, endpoint: str, most_wait_s: float) -> float:
        """Calls that ask at the same time are answered in one transaction, one after the other, by the first of them.

        A transaction costs much more than an answer, and dozens of threads waiting for theirs cost still more.
        """
        asked = _Asked(plain(endpoint), most_wait_s)
        self._waiting.append(asked)
        with self.ledger.turn:
            if asked.answer is None:
                self._answer_all(asked)
        if isinstance(asked.answer, PlatformError):
            raise asked.answer
        assert asked.answer is not None
        metrics.BUDGET_WAIT_SECONDS.labels(self.account.platform).observe(asked.answer)
        return asked.answer

    def _answer_all(self, first: _Asked) -> None:
        together = {id(first): first}
        while self._waiting:
            one = self._waiting.popleft()
            together[id(one)] = one
        asked = [one for one in together.values() if one.answer is None]
        try:
            with self.ledger.change() as db:
                answers = _Answering(self, db, self.ledger.time()).answers(asked)
        except NotSentError as error:  # nothing was written
            answers = [NotSentError(error.message) for _ in asked]
        for one, answer in zip(asked, answers, strict=True):
            one.answer = answer

    def learn(self, endpoint: str, error: PlatformError) -> None:
        if error.error_class != "quota" or error.sent != "yes":
            return
        until = self.ledger.time() + (PARK_S if error.retry_after_s is None else error.retry_after_s)
        key = self.key(plain(endpoint), of_app=error.scope == "app")
        with suppress(NotSentError), self.ledger.change() as db:  # the refusal itself matters more than our note of it
            db.execute(
                "INSERT INTO parked VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET until = max(until, excluded.until)",
                (key, until, error.code or ""),
            )

    def told(self, endpoint: str, remaining: int, resets_at: datetime) -> None:
        with suppress(NotSentError), self.ledger.change() as db:
            row = (self.key(plain(endpoint)), remaining, resets_at.timestamp())
            db.execute("INSERT OR REPLACE INTO told VALUES (?, ?, ?)", row)

    def key_of(self, rate: RateLimit) -> str:
        return f"{self._owner(rate.scope == 'app')}|{rate.endpoint}|{rate.calls}/{rate.per_s:g}"

    def key(self, endpoint: str, *, of_app: bool = False) -> str:
        return f"{self._owner(of_app)}|{endpoint}"

    def _owner(self, of_app: bool) -> str:
        account = self.account
        return f"{account.platform}|app:{account.app_id}" if of_app else f"{account.platform}|{account.account}"


@dataclass(slots=True, eq=False)
class _Asked:
    """answer: the seconds to wait before the call, or why there may be none; None until somebody answered."""

    endpoint: str
    most_wait_s: float
    answer: float | PlatformError | None = None


class _Answering:
    """One transaction's answers, as if each had been asked alone, one after the other, at the same moment."""

    def __init__(self, budget: AccountBudget, db: sqlite3.Connection, now: float) -> None:
        self._budget, self._db, self._now = budget, db, now
        self._feedback = budget.purpose == "feedback"
        self._windows: dict[str, RateWindow] = {}
        self._parked: dict[str, float] = {}
        own = budget.key("")
        told = db.execute("SELECT endpoint, remaining, resets_at FROM told").fetchall()
        self._told: dict[str, list[float]] = {
            key.removeprefix(own): [left, ends] for key, left, ends in told if key.startswith(own)
        }
        self._used = Counter[str]()

    def answers(self, asked: Sequence[_Asked]) -> list[float | PlatformError]:
        answers = [self._answer(one) for one in asked]
        for window in self._windows.values():
            window.write(self._db)
        for name, calls in self._used.items():
            key = self._budget.key(name)
            self._db.execute("UPDATE told SET remaining = remaining - ? WHERE endpoint = ?", (calls, key))
        return answers

    def _answer(self, asked: _Asked) -> float | PlatformError:
        """All limits of the endpoint have to have room at one moment; that moment is then promised in each of them.

        Nothing is promised where the wait is too long: a promise that nobody keeps would take the room from others.
        """
        told = [name for name in self._told if applies(name, asked.endpoint)]
        applying = [rate for rate in self._budget.rates if applies(rate.endpoint, asked.endpoint)]
        resets = [self._told[name][1] for name in told if self._told[name][0] <= 0]
        wait = max(0.0, *(at - self._now for at in (self._parked_until(asked.endpoint), *resets)))
        wait = max(wait, *(self._window(rate).until_room() for rate in applying), 0.0)
        if wait > asked.most_wait_s:
            return used_up(max([wait, *(self._join_line(rate, wait) for rate in applying)]))
        for rate in applying:
            self._window(rate).spend(self._now + wait)
        for name in told:
            self._told[name][0] -= 1
            self._used[name] += 1
        return wait

    def _window(self, rate: RateLimit) -> RateWindow:
        key = self._budget.key_of(rate)
        if key not in self._windows:
            self._windows[key] = RateWindow(self._db, key, rate, self._now, feedback=self._feedback)
        return self._windows[key]

    def _parked_until(self, endpoint: str) -> float:
        """When the platform, by its own words, takes calls of this endpoint again."""
        if endpoint not in self._parked:
            keys = (self._budget.key(endpoint), self._budget.key(endpoint, of_app=True))
            (until,) = self._db.execute("SELECT max(until) FROM parked WHERE endpoint IN (?, ?)", keys).fetchone()
            self._parked[endpoint] = float(until or 0.0)
        return self._parked[endpoint]

    def _join_line(self, rate: RateLimit, wait: float) -> float:
        """When to come back: those who were refused are told different times, so that they do not all come at once."""
        if self._feedback:
            return wait
        budget = f"{self._budget.key_of(rate)}|{self._budget.purpose}"
        row = self._db.execute("SELECT free_at FROM line WHERE budget = ?", (budget,)).fetchone()
        free_at = max(self._now + wait, row[0] if row else 0.0)
        self._db.execute("INSERT OR REPLACE INTO line VALUES (?, ?)", (budget, free_at + rate.per_s / rate.calls))
        return free_at - self._now


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
