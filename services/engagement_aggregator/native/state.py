"""Posts and the rows they count in, as C keeps them: what Python loads, changes and takes out to write.

Rows are loaded once, from disk or new; from then on C has them, and an object of Python's is a copy for the moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from schemas.events.aggregate import Scope
from schemas.internal.aggregate_state import Day, PostHour, PostState, TableRow, TotalHour, TotalState
from services.engagement_aggregator.native.flat import (
    NONE,
    Index,
    Level,
    index_of,
    instant,
    level,
    levels,
    micros,
    minute_of,
    minutes_of,
    numbers_of,
    plain,
    texts_of,
)
from services.engagement_aggregator.native.keyed_rows import Block, KeyedRows
from services.engagement_aggregator.native.library import ffi, lib
from services.engagement_aggregator.rows import event_time, keys

POST_HOUR, POST_DAY, TOTAL_HOUR, TOTAL_DAY = range(4)
POST_ROWS = (POST_HOUR, POST_DAY)
SCOPES: tuple[Scope, ...] = ("post", "content", "campaign_platform", "campaign")
_NEEDS, _MINUTES, _MARKS = 512, 60, 16
_MINUTE, _MARK = 39, 17
_NUMBERS, _CHANGED_BY_PYTHON = 45, 42  # the index is put on its own
_EVENTS, _INDEX = 39, slice(42, 45)
_NO_SUMS = [0] * 31
Marks = dict[int, tuple[list[int], list[Level]]]


class Need(NamedTuple):
    """A row that has to be loaded before all can be settled; number: of the hour or day."""

    kind: int
    owner: int
    number: int


class State:
    """posts: as a Scanner has them. Raises MemoryError, after which nothing of it may be used."""

    def __init__(self, posts: Any) -> None:
        self._posts = posts
        self._missing = ffi.new("int64_t *")
        self._needs = ffi.new("tb_need[]", _NEEDS)
        self._head, self._minutes = ffi.new("int64_t[2]"), ffi.new("int64_t[]", _MINUTE * _MINUTES)
        self._marks = ffi.new("int64_t[]", _MARK * _MARKS)

    def touched(self) -> int:
        """How many posts something came in for that is not settled."""
        return int(lib.tb_posts_touched(self._posts))

    # --- a post ---------------------------------------------------------------------------------------------------

    def load_post(self, number: int, key: str, post: PostState, totals: Sequence[int], *, is_settled: bool) -> None:
        """totals: numbers of its content, its campaign on the platform, its campaign. is_settled: they have it."""
        names = (
            "post", post.brand_id, post.campaign_id, post.content_id, post.platform, post.account, post.post_key,
            post.placement_id,
        )  # fmt: skip
        texts = texts_of(key, names)
        sizes = [len(text) for text in texts]
        _check(lib.tb_post_load(self._posts, number, b"".join(texts), sizes, totals, is_settled))
        into = lib.tb_post_numbers(self._posts, number)
        into[0:_CHANGED_BY_PYTHON] = numbers_of(post)
        into[_INDEX] = index_of(post.index)
        for word, count in post.activity.items():
            self.activity(number, event_time.hour_of_word(word), count, came=False)
        self.put_marks(number, post.marks, is_settled=is_settled)
        if is_settled:
            lib.tb_post_loaded(self._posts, number)

    def apply(self, number: int) -> int | None:
        """Take what waits for a post; or the hour of it that has to be loaded before."""
        return self._outcome(lib.tb_post_apply(self._posts, number, self._missing))

    def count(self, number: int, minute: int, comments: int, replies: int, at: int) -> int | None:
        """The same for comments or replies of an open minute; at: µs."""
        return self._outcome(lib.tb_post_count(self._posts, number, minute, comments, replies, at, self._missing))

    def happened(self, number: int) -> None:
        """One event more of a post, which its parents are to follow."""
        lib.tb_post_numbers(self._posts, number)[_EVENTS] += 1
        self.changed(number)

    def changed(self, number: int, *, is_counted: bool = True) -> None:
        """A post is to be written; is_counted: and its parents are to follow."""
        _check(lib.tb_post_changed(self._posts, number, is_counted))

    def post(self, number: int, identity: Sequence[str]) -> PostState:
        """A copy, without activity, and without the index."""
        post_key, brand, campaign, content, placement, platform, account = identity
        of = ffi.unpack(lib.tb_post_numbers(self._posts, number), _CHANGED_BY_PYTHON)
        newest, published, comments, total, total_sequence, replies, events, late, minute = of[33:]
        return PostState(
            brand, campaign, content, placement, platform, account, post_key, event_time.from_micros(of[32]),
            levels(of[:8]), of[8:16], of[16:24], of[24:32], instant(newest), instant(published),
            comments, level(total), total_sequence, replies, events, late, level(minute), {}, self._marks_of(number),
        )  # fmt: skip

    def put_post(self, number: int, post: PostState) -> None:
        """Put a changed copy in its place; marks, activity and index have their own ways."""
        lib.tb_post_numbers(self._posts, number)[0:_CHANGED_BY_PYTHON] = numbers_of(post)

    def activity(self, number: int, hour_of_week: int, change: int, *, came: bool = True) -> None:
        """came: it is news for the parents."""
        _check(lib.tb_post_activity(self._posts, number, hour_of_week, change, came))

    def put_marks(self, number: int, marks: Marks, *, is_settled: bool = False) -> None:
        flat = [one for age, (sequences, values) in marks.items() for one in (age, *sequences, *plain(values))]
        _check(lib.tb_post_marks_put(self._posts, number, flat, len(marks), is_settled))

    def _marks_of(self, number: int) -> Marks:
        count = lib.tb_post_marks_get(self._posts, number, self._marks, _MARKS)
        of = ffi.unpack(self._marks, count * _MARK) if count else []
        return {of[at]: (of[at + 1 : at + 9], levels(of[at + 9 : at + 17])) for at in range(0, count * _MARK, _MARK)}

    def set_index(self, number: int, index: Index | None) -> bool:
        """True if it was another."""
        numbers = lib.tb_post_numbers(self._posts, number)
        found, wanted = ffi.unpack(numbers + _INDEX.start, 3), index_of(index)
        if found == wanted:
            return False
        numbers[_INDEX] = wanted
        return True

    # --- hours and days -------------------------------------------------------------------------------------------

    def load_hour(self, number: int, hour: int, row: PostHour | None) -> None:
        """None: it is new."""
        as_of, revision, minutes = (
            (0, 0, []) if row is None else (event_time.micros(row.as_of), row.revision, row.minutes)
        )
        flat = minutes_of(minutes)
        _check(lib.tb_post_hour_load(self._posts, number, hour, as_of, revision, flat, len(minutes)))

    def put_hour(self, number: int, row: PostHour) -> None:
        """Put a changed copy in its place."""
        at, flat = event_time.micros(row.as_of), minutes_of(row.minutes)
        _check(lib.tb_post_hour_put(self._posts, number, row.hour, at, row.revision, flat, len(row.minutes)))

    def hour(self, number: int, hour: int) -> PostHour | None:
        """A copy without its owner; None if it has not been loaded."""
        count = lib.tb_post_hour_get(self._posts, number, hour, self._head, self._minutes, _MINUTES)
        if count < 0:
            return None
        of = ffi.unpack(self._minutes, count * _MINUTE) if count else []
        minutes = [minute_of(of[at : at + _MINUTE]) for at in range(0, count * _MINUTE, _MINUTE)]
        return PostHour((), hour, event_time.from_micros(max(self._head[0], 0)), minutes, self._head[1])

    def load_row(self, need: Need, key: str, load: Callable[[str], TableRow | None]) -> None:
        """What is needed of the row `key`; load: a row as it is on disk, None where there is none."""
        kind, owner, number = need
        row = load(keys.hour(key, number) if kind in (POST_HOUR, TOTAL_HOUR) else keys.day(key, number))
        if kind == POST_HOUR:
            self.load_hour(owner, number, row if isinstance(row, PostHour) else None)
        elif kind == TOTAL_HOUR:
            self.load_total_hour(owner, number, row if isinstance(row, TotalHour) else None)
        else:
            self.load_day(owner, number, row if isinstance(row, Day) else None, is_total=kind == TOTAL_DAY)

    def load_total_hour(self, total: int, hour: int, row: TotalHour | None) -> None:
        as_of, revision = (NONE, 0) if row is None else (event_time.micros(row.as_of), row.revision)
        minutes = {} if row is None else row.minutes
        flat = [one for minute, sums in minutes.items() for one in (minute, *sums)]
        _check(lib.tb_total_hour_load(self._posts, total, hour, as_of, revision, flat, len(minutes)))

    def load_day(self, owner: int, day: int, row: Day | None, *, is_total: bool) -> None:
        as_of, revision, sums = (
            (NONE, 0, _NO_SUMS) if row is None else (event_time.micros(row.as_of), row.revision, row.sums)
        )
        _check(lib.tb_day_load(self._posts, is_total, owner, day, as_of, revision, sums))

    # --- parents --------------------------------------------------------------------------------------------------

    def load_total(self, key: str, total: TotalState, home: int, *, is_new: bool) -> int:
        """Its number. home: partition of its brand. Followers are put on their own."""
        texts = texts_of(key, (
            total.scope, total.brand_id, total.campaign_id, total.content_id, total.platform, None, None, None,
        ))  # fmt: skip
        numbers = [*total.sums, micros(total.as_of), micros(total.published_at), total.follower_events, home]
        sizes, scope = [len(text) for text in texts], SCOPES.index(total.scope)
        number: int = lib.tb_total_add(self._posts, b"".join(texts), sizes, numbers, scope, is_new)
        _check(min(number, 0))
        for word, count in total.activity.items():
            _check(lib.tb_total_activity(self._posts, number, event_time.hour_of_word(word), count))
        for age, point in total.curve.items():
            _check(lib.tb_total_point(self._posts, number, [age, *point]))
        for platform, at in total.newest.items():
            name = platform.encode()
            _check(lib.tb_total_seen(self._posts, number, name, len(name), event_time.micros(at)))
        return number

    def put_followers(self, total: int, row: bytes, shown: bytes, value: Level) -> None:
        """row, shown: as the row of the table and what is published have them; value: of all, if each is known."""
        number = NONE if value is None else value
        _check(lib.tb_total_followers(self._posts, total, row, len(row), shown, len(shown), number))

    def followed(self, total: int, at: datetime, *, is_news: bool) -> None:
        """Followers of an account were observed."""
        lib.tb_total_followed(self._posts, total, event_time.micros(at), is_news)

    # --- flushes --------------------------------------------------------------------------------------------------

    def needs(self) -> Iterator[Need]:
        """Rows to load; ask again until there are none, then settle."""
        count = lib.tb_needs(self._posts, self._needs, _NEEDS)
        _check(min(count, 0))
        return (Need(one.kind, one.owner, one.number) for one in self._needs[0:count])

    def settle(self) -> None:
        _check(lib.tb_settle(self._posts))

    def staged(self, *, is_full: bool) -> StagedRows:
        """What changed since the last call. is_full: parents and windows are published, too; then nothing is owed."""
        found = ffi.new("tb_flush *")
        _check(lib.tb_stage(self._posts, is_full, found))
        homes = ffi.gc(found.homes, lib.tb_free)
        return StagedRows(
            _rows(found.table), _rows(found.aggregates), _rows(found.windows), _rows(found.campaigns),
            ffi.unpack(homes, found.campaigns.count) if found.campaigns.count else [],
            dict(zip(SCOPES, found.scopes, strict=True)),
        )  # fmt: skip

    def owed(self) -> tuple[list[tuple[int, int]], list[int]]:
        """What is not published yet: posts and hours in pairs, and parents, by number."""
        pairs = ffi.new("int64_t[]", 2 * lib.tb_owed(self._posts, ffi.NULL))
        parents = ffi.new("int64_t[]", lib.tb_owed_totals(self._posts, ffi.NULL))
        lib.tb_owed(self._posts, pairs)
        lib.tb_owed_totals(self._posts, parents)
        flat = list(pairs)
        return list(zip(flat[::2], flat[1::2], strict=True)), list(parents)

    def owe(self, number: int, hour: int) -> list[Need]:
        """An hour of a post and all that follows it is owed from a process before; or what has to be loaded first."""
        count = lib.tb_owe(self._posts, number, hour, self._needs)
        return [Need(one.kind, one.owner, one.number) for one in self._needs[0:count]]

    def owe_total(self, total: int) -> None:
        lib.tb_owe_total(self._posts, total)

    def written(self) -> int:
        """What was staged is on disk. How many bytes are held."""
        return int(lib.tb_written(self._posts))

    def forget(self, posts: int, totals: int) -> tuple[list[int], list[int]]:
        """Let go of what is on disk as it is; the new number of each of so many posts and parents, or -1."""
        numbers, of_totals = ffi.new("int64_t[]", posts + 1), ffi.new("int64_t[]", totals + 1)
        _check(min(lib.tb_forget(self._posts, numbers, of_totals), 0))
        return ffi.unpack(numbers, posts) if posts else [], ffi.unpack(of_totals, totals) if totals else []

    def _outcome(self, outcome: int) -> int | None:
        _check(-1 if outcome > 1 else 0)
        return int(self._missing[0]) if outcome else None


class StagedRows(NamedTuple):
    """Rows of the table, and what is published of them. homes: the partition of each campaign's brand. scopes: how many
    aggregates of each.
    """

    table: KeyedRows
    aggregates: KeyedRows
    windows: KeyedRows
    campaigns: KeyedRows
    homes: list[int]
    scopes: dict[str, int]


def _rows(of: Any) -> KeyedRows:
    """Takes the memory over from C."""
    rows, sizes = ffi.gc(of.bytes, lib.tb_free), ffi.gc(of.sizes, lib.tb_free)
    if not of.count:
        return KeyedRows()
    pairs = ffi.buffer(sizes, of.count * 2 * ffi.sizeof("int32_t"))
    return KeyedRows(Block(ffi.buffer(rows, of.size), pairs, (rows, sizes)))


def _check(outcome: int) -> None:
    if outcome < 0:
        raise MemoryError
