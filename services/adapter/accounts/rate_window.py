"""The counts of one limit within its sliding window: how long until one more call fits, and what has been promised.

Read once from the budget file, changed in memory, written back within the same transaction.
"""

from __future__ import annotations

import sqlite3
from collections import Counter

from services.adapter.contract.content import RateLimit

SLOTS = 500  # a window is counted in so many pieces; the oldest piece counts until all of it has passed
SLACK_S = 1.0  # at most so much longer is a window for us than for the platform, which counts when calls arrive
FEEDBACK_SHARE = 0.6
LONGEST_PROMISE_S = 300.0  # no call waits longer than half of its time-out for its turn
_ADD = (
    "INSERT INTO spent VALUES (?, ?, ?, ?)"
    " ON CONFLICT DO UPDATE SET calls = calls + excluded.calls, feedback = feedback + excluded.feedback"
)


class RateWindow:
    """budget: its key in the file. feedback: whether those who ask are bound to the share of feedback."""

    def __init__(self, db: sqlite3.Connection, budget: str, rate: RateLimit, now: float, *, feedback: bool) -> None:
        self._budget, self._rate, self._now, self._feedback = budget, rate, now, feedback
        self._piece, self._window = rate.per_s / SLOTS, rate.per_s + min(SLACK_S, rate.per_s / 10)
        db.execute(
            "DELETE FROM spent WHERE budget = ? AND (slot + 1) * ? + ? <= ?", (budget, self._piece, self._window, now)
        )
        self._bring_back(db)
        rows = db.execute("SELECT slot, calls, feedback FROM spent WHERE budget = ?", (budget,)).fetchall()
        self._calls = Counter({slot: calls for slot, calls, _ in rows})
        self._own = Counter({slot: own for slot, _, own in rows})
        self._all, self._share = self._calls.total(), self._own.total()
        self._promised = Counter[int]()

    def _bring_back(self, db: sqlite3.Connection) -> None:
        """Slots later than any promise were counted before the clock was set back: their calls count as made now.

        Left where they are, they would block the account for as long as the clock had been ahead.
        """
        last = int((self._now + LONGEST_PROMISE_S) // self._piece)
        calls, feedback = db.execute(
            "SELECT sum(calls), sum(feedback) FROM spent WHERE budget = ? AND slot > ?", (self._budget, last)
        ).fetchone()
        if calls:
            db.execute("DELETE FROM spent WHERE budget = ? AND slot > ?", (self._budget, last))
            db.execute(_ADD, (self._budget, int(self._now // self._piece), calls, feedback))

    def until_room(self) -> float:
        """Seconds until one more call fits, with what has been promised to calls that are still waiting."""
        over = self._all + 1 - self._rate.calls
        over_share = self._share + 1 - max(1, int(self._rate.calls * FEEDBACK_SHARE)) if self._feedback else 0
        free_at = self._now
        for slot in sorted(self._calls) if over > 0 or over_share > 0 else ():
            over, over_share = over - self._calls[slot], over_share - self._own[slot]
            free_at = (slot + 1) * self._piece + self._window
            if over <= 0 and over_share <= 0:
                break
        return max(0.0, free_at - self._now)

    def spend(self, at: float) -> None:
        """Promise a call to be made at that moment."""
        slot, own = int(at // self._piece), int(self._feedback)
        self._promised[slot] += 1
        self._calls[slot] += 1
        self._own[slot] += own
        self._all, self._share = self._all + 1, self._share + own

    def write(self, db: sqlite3.Connection) -> None:
        for slot, calls in self._promised.items():
            db.execute(_ADD, (self._budget, slot, calls, calls if self._feedback else 0))
