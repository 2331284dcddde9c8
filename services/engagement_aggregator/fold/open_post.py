"""An open post, which C has, and the rules by which an odd record changes a copy of it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, Final

from schemas.internal.aggregate_state import PostHour, PostState
from services.engagement_aggregator.fold.windows import PostWindows
from services.engagement_aggregator.fold.wire import AllRead, OfPost, ReadSnapshot
from services.engagement_aggregator.native.scanner import NEVER_SEEN, Follows, Scanner
from services.engagement_aggregator.native.state import State
from services.engagement_aggregator.rows import event_time

MARKS_H: Final = (1, 2, 3, 6, 12, 24, 48, 72, 168)
REASONS: Final = {None: 0, "unsupported": 1, "not_yet": 2, "failed": 3}
_HAS_NO_TOTAL: Final = 1 << 16
IDENTITY: Final = ("post_key", "brand_id", "campaign_id", "content_id", "placement_id", "platform", "account")
identity_of: Callable[[Any], tuple[str, ...]] = attrgetter(*IDENTITY)  # of a post, or of an event of one
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


class OpenPost:
    """A post by its number in C. Only between `take` and `give` Python has a copy of it, as `post` and `windows`."""

    __slots__ = (
        "_state", "follows", "identity", "key", "marks_changed", "next_mark", "number", "post", "sequence", "touched",
        "windows",
    )  # fmt: skip

    post: PostState
    windows: PostWindows

    def __init__(self, key: str, number: int, post: PostState, state: State) -> None:
        self.key, self.number, self._state = key, number, state
        self.identity = identity_of(post)
        self.next_mark = _next_mark(post)
        self.follows: Follows | None = None
        self.sequence = _sequence(post)
        self.touched = self.marks_changed = False

    def checkout(self, hours: Callable[[int], PostHour]) -> None:
        """Begin to change it; nothing of it may wait in C."""
        self.post = post = self._state.post(self.number, self.identity)
        self.windows = PostWindows(hours, post)
        if self.follows is not None and post.minute is not None:
            self.follows = self.follows._replace(minute=post.minute)
        self.sequence = _sequence(post)
        self.touched = self.marks_changed = False

    def checkin(self, scanner: Scanner) -> PostState:
        """Put the changes in their place, and let the scanner go on from there; returns what the copy was."""
        number, post, state = self.number, self.post, self._state
        state.put_post(number, post)
        if self.marks_changed:
            state.put_marks(number, post.marks)
        for hour in self.windows.changed_hours():
            state.put_hour(number, hour)
        if self.touched or self.windows.changed:
            state.changed(number)
        self.tell(scanner, post)
        del self.post, self.windows  # four times as large as the rest, and they hold each other
        return post

    def tell(self, scanner: Scanner, post: PostState) -> None:
        """What the scanner goes on from. Without this it counts a known reading as a new one."""
        newest = NEVER_SEEN if post.newest is None else event_time.micros(post.newest)
        scanner.resume(self.number, self.sequence, newest, self.follows)

    def snapshot(self, event: ReadSnapshot, at: datetime, closed: int, oldest: int) -> bool:
        """Take one snapshot, whatever it is; True if it changed the post. at: its event time."""
        post, minute, is_next = self.post, event_time.minute_of(at), event.sequence > self.sequence
        values, reasons = read(event.readings)
        changed = self._reach(at)
        changed |= self._amend_marks(event.sequence, values, at)
        before = list(post.values)
        changed |= self._metrics(event.sequence, values, reasons, event.comments_total)
        in_a_window = minute >= oldest and self.windows.snapshot(
            minute, event.sequence, values, reasons, event_time.utc(event.observed_at), closed
        )
        if not in_a_window and post.values != before:
            post.late += 1
        if is_next:
            # Without any value a second one would change no minute, and one that came late says nothing of the next.
            goes_on = minute == post.minute and minute >= closed and any(value is not None for value in values)
            marks = event_time.micros(_last_mark(post)), event_time.micros(self.next_mark)
            self.follows = Follows(_pattern(reasons, event.comments_total), minute, *marks) if goes_on else None
        return changed

    def item(self, change: int, minute: int, observed_at: datetime, closed: int, oldest: int, *, reply: bool) -> None:
        """A comment or reply came (1), went (-1) or stayed what it was (0) for the count."""
        post = self.post
        if reply:
            post.replies += change
        else:
            post.comments += change
            self._state.activity(self.number, event_time.hour_of_week(minute // 60), change)
        if minute < oldest:
            post.late += 1
        else:
            self.windows.item(minute, 0 if reply else change, change if reply else 0, observed_at, closed)

    def seen(self, at: datetime, *, observed: bool) -> bool:
        """Note when the post was looked at; True if that is news."""
        post = self.post
        moved = at > post.as_of
        if moved:
            post.as_of = at
        if observed and (post.newest is None or at > post.newest):
            post.newest, moved = at, True
        return moved

    def _metrics(self, sequence: int, values: list[int | None], reasons: list[int], comments_total: int | None) -> bool:
        """Per metric the value of the highest sequence; counters may go backwards, an older snapshot never wins."""
        post, changed = self.post, False
        for metric, value in enumerate(values):
            if value is not None:
                if sequence > post.sequences[metric]:
                    post.values[metric], post.sequences[metric], changed = value, sequence, True
            elif sequence > post.reason_sequences[metric]:
                post.reasons[metric], post.reason_sequences[metric], changed = reasons[metric], sequence, True
        if comments_total is not None and sequence > post.comments_total_sequence:
            post.comments_total, post.comments_total_sequence, changed = comments_total, sequence, True
        self.sequence = max(self.sequence, sequence)
        return changed

    def _reach(self, at: datetime) -> bool:
        """Keep the values of the ages that lie behind at this moment; True if there are any new ones."""
        post, reached = self.post, at > self.next_mark
        while at > self.next_mark:
            age = next(age for age in MARKS_H if age not in post.marks)
            post.marks[age] = list(post.sequences), list(post.values)
            self.next_mark = _next_mark(post)
        self.marks_changed |= reached
        return reached

    def _amend_marks(self, sequence: int, values: list[int | None], at: datetime) -> bool:
        """A snapshot that came late belongs to the ages that it was read before, too; True if it is news there."""
        published, changed = self.post.published_at, False
        if published is None:
            return False
        for age, (sequences, known) in self.post.marks.items():
            if at <= published + timedelta(hours=age):
                for metric, value in enumerate(values):
                    if value is not None and sequence > sequences[metric]:
                        sequences[metric], known[metric], changed = sequence, value, True
        self.marks_changed |= changed
        return changed


def read(readings: AllRead) -> tuple[list[int | None], list[int]]:
    """Values, and codes of the reasons for having none."""
    r = readings
    all_of = (r.views, r.likes, r.comments, r.shares, r.saves, r.follows, r.clicks, r.conversions)
    return [one.value for one in all_of], [REASONS[one.reason] for one in all_of]


def _pattern(reasons: list[int], comments_total: int | None) -> int:
    """Which metrics a snapshot has, and why it lacks the others, as the scanner reads it."""
    pattern = _HAS_NO_TOTAL if comments_total is None else 0
    for metric, code in enumerate(reasons):
        pattern |= code << 2 * metric
    return pattern


def _sequence(post: PostState) -> int:
    return max(*post.sequences, *post.reason_sequences, post.comments_total_sequence)


def _next_mark(post: PostState) -> datetime:
    """The moment after which the next age of the post lies behind it."""
    if post.published_at is None:
        return _NEVER
    age = next((age for age in MARKS_H if age not in post.marks), None)
    return _NEVER if age is None else post.published_at + timedelta(hours=age)


def _last_mark(post: PostState) -> datetime:
    """The moment of the highest age of the post that lies behind it."""
    if post.published_at is None or not post.marks:
        return event_time.EPOCH
    return post.published_at + timedelta(hours=max(post.marks))


def first_seen(event: OfPost) -> PostState:
    """A post that nothing is known of but the event that names it."""
    published = event.published_at
    return PostState(
        event.brand_id,
        event.campaign_id,
        event.content_id,
        event.placement_id,
        event.platform,
        event.account,
        event.post_key,
        event_time.utc(event.observed_at),
        [None] * 8,
        [0] * 8,
        [0] * 8,
        [0] * 8,
        published_at=None if published is None or published.year > event_time.LAST_YEAR else event_time.utc(published),
    )
