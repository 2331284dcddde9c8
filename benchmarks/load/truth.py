"""What the totals must be: counted by the generator while it writes, the plainest way. Knows no contender.

A row is eight figures and the followers. Windows are of event time: what the last snapshot of a window says more than
the last one before it, and the comments and replies that fell into it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

VIEWS, LIKES, TOTAL_COMMENTS, SHARES, SAVES, FOLLOWS, COLLECTED, REPLIES = range(8)
FIGURES = ("views", "likes", "comments", "shares", "saves", "follows", "comments_collected", "replies")
FOLLOWERS = "followers"
MINUTE_S = 60
WINDOWS_S = (60, 300, 3_600, 86_400)

Row = dict[str, int]
Vector = list[int]


class WindowKey(NamedTuple):
    """A window of one row: its length and its beginning, in seconds of the epoch."""

    row: str
    length_s: int
    start_s: int


class Names(NamedTuple):
    """How the posts of a workload are called: number → name."""

    post: Callable[[int], str]
    content: Callable[[int], str]
    campaign: Callable[[int], str]
    platform: Callable[[int], str]


class Truth:
    """The count of one workload; `start_s` is where its event time begins, on a full minute."""

    def __init__(self, posts: int, names: Names, start_s: int) -> None:
        if start_s % MINUTE_S:
            raise ValueError("event time must begin on a full minute")
        self.values: list[Vector] = [[0] * 8 for _ in range(posts)]
        self._names, self._start_s = names, start_s
        self._minute = 0
        self._seen: set[int] = set()
        self._touched: set[int] = set()
        self._before: dict[int, Vector] = {}
        self._minutes: dict[tuple[str, int], Vector] = defaultdict(lambda: [0] * 8)
        self._followers: dict[str, dict[str, int]] = defaultdict(dict)

    def snapshot(self, post: int) -> None:
        """The values of a post have been moved on by the caller."""
        self._touched.add(post)

    def comment(self, post: int) -> None:
        self.values[post][COLLECTED] += 1
        self._touched.add(post)

    def reply(self, post: int) -> None:
        self.values[post][REPLIES] += 1
        self._touched.add(post)

    def followed(self, campaign: str, platform: str, account: str, value: int) -> None:
        self._followers[f"campaign:{campaign}"][account] = value
        self._followers[f"campaign_platform:{campaign}:{platform}"][account] = value

    def reach(self, minute: int) -> None:
        """Event time has come to this minute after the start; it never goes back."""
        if minute != self._minute:
            self._close_minute()
            self._minute = minute

    def rows(self) -> dict[str, Row]:
        """Every post, content, campaign on a platform and campaign that any event spoke of."""
        self._close_minute()
        totals: dict[str, Vector] = defaultdict(lambda: [0] * 8)
        for post in self._seen:
            for name in (self._post(post), self._content(post), *self._parents(post)):
                total = totals[name]
                for place, value in enumerate(self.values[post]):
                    total[place] += value
        rows = {name: dict(zip(FIGURES, total, strict=True)) for name, total in totals.items()}
        for name, accounts in self._followers.items():
            rows.setdefault(name, dict.fromkeys(FIGURES, 0))[FOLLOWERS] = sum(accounts.values())
        return rows

    def windows(self) -> dict[WindowKey, Row]:
        """The windows of campaigns and campaigns on a platform in which anything changed, up to one hour."""
        self._close_minute()
        found: dict[WindowKey, Vector] = defaultdict(lambda: [0] * 8)
        for (name, minute), delta in self._minutes.items():
            at = self._start_s + minute * MINUTE_S
            for length in WINDOWS_S[:-1]:
                window = found[WindowKey(name, length, at - at % length)]
                for place, value in enumerate(delta):
                    window[place] += value
        return {key: dict(zip(FIGURES, window, strict=True)) for key, window in found.items() if any(window)}

    def _close_minute(self) -> None:
        for post in self._touched:
            now, before = self.values[post], self._before.get(post)
            for name in self._parents(post):
                window = self._minutes[name, self._minute]
                for place, value in enumerate(now):
                    window[place] += value - before[place] if before else value
            self._before[post] = now.copy()
        self._seen |= self._touched
        self._touched.clear()

    def _post(self, post: int) -> str:
        return f"post:{self._names.post(post)}"

    def _content(self, post: int) -> str:
        return f"content:{self._names.content(post)}"

    def _parents(self, post: int) -> tuple[str, str]:
        campaign = self._names.campaign(post)
        return f"campaign:{campaign}", f"campaign_platform:{campaign}:{self._names.platform(post)}"
