"""One post while it is being folded: what came in since it was opened, and the rules by which a post changes. Pure.

Snapshots that follow each other in order within a minute wait until another one needs them taken; only the last of
them says anything that the next did not replace.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from schemas.aggregate_state import PostState
from services.engagement_aggregator import moments
from services.engagement_aggregator.sums import contribution, curve_of, shift_activity
from services.engagement_aggregator.windows import PostWindows, Rows
from services.engagement_aggregator.wire import AllRead, Snapshot, snapshot_of

MARKS_H: Final = (1, 2, 3, 6, 12, 24, 48, 72, 168)
REASONS: Final = {None: 0, "unsupported": 1, "not_yet": 2, "failed": 3}
_INSTANT: Final = timedelta(microseconds=1)
_NEVER: Final = datetime.max.replace(tzinfo=UTC)

Pattern = tuple[object, ...]


class Waiting:
    """Snapshots that followed one that was taken, in order and within its minute; only the last of them is kept.

    last: as a record, for one block of bytes lets go sooner than thirty objects. count: how many there are. at: the
    newest observed_at. pattern: which metrics they have and lack. begins, until: event times of those that may follow.
    """

    __slots__ = ("at", "begins", "count", "last", "minute", "pattern", "until")

    def __init__(self, taken: Snapshot, minute: int, pattern: Pattern, marks: tuple[datetime, datetime]) -> None:
        self.last: bytes | None = None
        self.minute, self.pattern, self.count = minute, pattern, 0
        self.at = taken.observed_at
        passed, coming = marks
        self.begins = max(moments.instant(minute), passed + _INSTANT)  # what was read before belongs to that age, too
        self.until = min(moments.instant(minute + 1) - _INSTANT, coming)


class OpenPost:
    """A post between two settlings."""

    __slots__ = (
        "activity", "before", "curve_before", "identity", "key", "next_mark", "post", "sequence", "touched", "waiting",
        "windows",
    )  # fmt: skip

    def __init__(self, rows: Rows, key: str, post: PostState, identity: tuple[str, ...], *, is_new: bool) -> None:
        self.key, self.post, self.identity = key, post, identity
        self.before = None if is_new else contribution(post)
        self.curve_before = curve_of(post)
        self.windows = PostWindows(rows, key, post)
        self.sequence = max(*post.sequences, *post.reason_sequences, post.comments_total_sequence)
        self.next_mark = _next_mark(post)
        self.waiting: Waiting | None = None
        self.activity: dict[int, int] = {}
        self.touched = False

    def take_waiting(self) -> None:
        """Take what waits; afterwards the post is as if each snapshot had been taken when it came."""
        waiting, self.waiting = self.waiting, None
        if waiting is not None and waiting.last is not None:
            last = snapshot_of.decode(waiting.last)
            values, reasons = read(last.readings)
            self._metrics(last.sequence, values, reasons, last.comments_total)
            self._saw(waiting.at)
            minute = waiting.minute  # nothing was closed for it when it came, whatever is by now
            self.windows.snapshot(minute, last.sequence, values, reasons, waiting.at, waiting.count, closed=minute)
            self.post.events += waiting.count

    def take_activity(self) -> dict[str, int]:
        """What came to the hours of the week since the post was opened; the post has it from here on."""
        moved: dict[str, int] = {}
        for hour, change in self.activity.items():
            word = moments.hour_of_week(hour)
            moved[word] = moved.get(word, 0) + change
        shift_activity(self.post.activity, moved)
        return moved

    def snapshot(self, event: Snapshot, at: datetime, closed: int, oldest: int) -> bool:
        """Take one snapshot, whatever it is; True if it changed the post. at: its event time."""
        self.take_waiting()
        post, minute, is_next = self.post, moments.minute_of(at), event.sequence > self.sequence
        values, reasons = read(event.readings)
        changed = self._reach(at)
        changed |= self._amend_marks(event.sequence, values, at)
        before = list(post.values)
        changed |= self._metrics(event.sequence, values, reasons, event.comments_total)
        in_a_window = minute >= oldest and self.windows.snapshot(
            minute, event.sequence, values, reasons, moments.utc(event.observed_at), 1, closed
        )
        if not in_a_window and post.values != before:
            post.late += 1
        if is_next and minute == post.minute and minute >= closed and event.observed_at.tzinfo is UTC:
            pattern = pattern_of(event)
            if not all(pattern[8:16]):  # without any value a second one would change no minute
                self.waiting = Waiting(event, minute, pattern, (_last_mark(post), self.next_mark))
        return changed

    def item(self, change: int, minute: int, observed_at: datetime, closed: int, oldest: int, *, reply: bool) -> None:
        """A comment or reply came (1), went (-1) or stayed what it was (0) for the count."""
        post = self.post
        if reply:
            post.replies += change
        else:
            post.comments += change
            hour = minute // 60
            self.activity[hour] = self.activity.get(hour, 0) + change
        if minute < oldest:
            post.late += 1
        else:
            self.windows.item(minute, 0 if reply else change, change if reply else 0, observed_at, closed)

    def seen(self, at: datetime, *, observed: bool) -> bool:
        """Note when the post was looked at; True if that is news."""
        post = self.post
        if self.waiting is not None:
            self._saw(self.waiting.at)
        moved = at > post.as_of
        if moved:
            post.as_of = at
        if observed and (post.newest is None or at > post.newest):
            post.newest, moved = at, True
        return moved

    def comment(self, minute: int, observed_at: datetime) -> None:
        """A new comment of a minute whose windows are open."""
        self.post.comments += 1
        hour = minute // 60
        self.activity[hour] = self.activity.get(hour, 0) + 1
        self.windows.comment(minute, observed_at)

    def _saw(self, at: datetime) -> None:
        """Snapshots that waited were seen up to then, and brought something."""
        post = self.post
        post.as_of = max(post.as_of, at)
        if post.newest is None or at > post.newest:
            post.newest = at

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
        return changed


def read(readings: AllRead) -> tuple[list[int | None], list[int]]:
    """Values, and codes of the reasons for having none."""
    r = readings
    all_of = (r.views, r.likes, r.comments, r.shares, r.saves, r.follows, r.clicks, r.conversions)
    return [one.value for one in all_of], [REASONS[one.reason] for one in all_of]


def pattern_of(event: Snapshot) -> Pattern:
    """Which metrics a snapshot has, and why it lacks the others."""
    r = event.readings
    all_of = (r.views, r.likes, r.comments, r.shares, r.saves, r.follows, r.clicks, r.conversions)
    missing = [one.value is None for one in all_of]
    return (*[one.reason for one in all_of], *missing, event.comments_total is None)


def _next_mark(post: PostState) -> datetime:
    """The moment after which the next age of the post lies behind it."""
    if post.published_at is None:
        return _NEVER
    age = next((age for age in MARKS_H if age not in post.marks), None)
    return _NEVER if age is None else post.published_at + timedelta(hours=age)


def _last_mark(post: PostState) -> datetime:
    """The moment of the highest age of the post that lies behind it."""
    if post.published_at is None or not post.marks:
        return moments.EPOCH
    return post.published_at + timedelta(hours=max(post.marks))
