"""Health that means progress: a process that runs but gets nothing done is not ready."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the service is ready, why (Chinese, English), and the age of its last progress."""

    ready: bool
    zh: str
    en: str
    assigned: int | None
    progress_age_s: float | None


class Health:
    """Thread-safe. Ready while progress is younger than `stale_after_s` and nothing says otherwise.

    A service that consumes reports `assigned(n)`; it is ready only while it owns a partition. One that does not
    consume never calls it.
    """

    def __init__(self, stale_after_s: float = 15.0, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._stale_after_s = stale_after_s
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._progress_at: float | None = None
        self._assigned: int | None = None
        self._waiting: str | None = None
        self._failed: str | None = None
        self._hindrances: dict[str, str] = {}

    def progress(self) -> None:
        """Something was done, or it was found that there was nothing to do."""
        with self._lock:
            self._progress_at, self._waiting, self._failed = self._monotonic(), None, None

    def waiting(self, reason: str) -> None:
        """Alive but held up by something outside, such as Kafka being away."""
        with self._lock:
            self._waiting = reason

    def assigned(self, partitions: int) -> None:
        with self._lock:
            self._assigned = partitions

    def failed(self, reason: str) -> None:
        """An error the service is trying to recover from; the next progress clears it."""
        with self._lock:
            self._failed, self._waiting = reason, None

    def hindered(self, by: str, reason: str | None) -> None:
        """Something that progress does not cure, told by the part that watches it; None once it is over."""
        with self._lock:
            if reason is None:
                self._hindrances.pop(by, None)
            else:
                self._hindrances[by] = reason

    def verdict(self) -> Verdict:
        with self._lock:
            age = None if self._progress_at is None else self._monotonic() - self._progress_at
            zh, en = self._hindrance(age)
            return Verdict(not en, zh or "正常", en or "making progress", self._assigned, age)

    def _hindrance(self, age: float | None) -> tuple[str, str]:
        if known := self._known():  # all of it: what keeps others waiting must not hide that Kafka is away
            zh = "；".join(f"{kind}：{what}" for kind, _, what in known)
            return zh, "; ".join(f"{kind}: {what}" for _, kind, what in known)
        if self._assigned == 0:
            return "未分到任何分区", "no partition assigned"
        if age is None:
            return "尚未开始工作", "no progress yet"
        if age > self._stale_after_s:
            return f"已 {age:.0f} 秒没有进展", f"no progress for {age:.0f} s"
        return "", ""

    def _known(self) -> list[tuple[str, str, str]]:
        """What is said to be wrong: what it is to the service (Chinese, English), and the words."""
        known = [("出错", "failed", self._failed)] if self._failed is not None else []
        known += [("受阻", "hindered", hindrance) for hindrance in self._hindrances.values()]
        return known + ([("等待", "waiting", self._waiting)] if self._waiting is not None else [])
