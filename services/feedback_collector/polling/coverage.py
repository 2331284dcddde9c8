"""When all comments of a post are walked again because the platform counts more than were collected. Pure."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_PAUSE = 5
LONGEST_PAUSE = 320


@dataclass(slots=True)
class Shortfall:
    """Comments that the platform counts and nobody showed us. The first time, everything is walked again at once.

    Some platforms count what they never show: where walking again brings nothing, the pauses (in polls) grow.
    """

    missing: int = 0
    pause: int = FIRST_PAUSE
    polls_left: int = 0

    @property
    def walk_again(self) -> bool:
        return self.missing > 0 and self.polls_left == 0

    def after_walk(self, missing: int, fresh: int, *, again: bool) -> bool:
        """Take note of a finished walk that brought `fresh` comments; True where `missing` is news worth telling."""
        news = missing > 0 and missing != self.missing
        self.missing = max(0, missing)
        if fresh or not self.missing:
            self.pause = FIRST_PAUSE
        elif again:
            self.pause = min(self.pause * 2, LONGEST_PAUSE)
        self._count(again=again)
        return news

    def after_part(self, *, again: bool) -> None:
        """A walk that was cut off goes on from its position, so it counts as walked again too."""
        self._count(again=again)

    def _count(self, *, again: bool) -> None:
        self.polls_left = self.pause if again else max(0, self.polls_left - 1)
