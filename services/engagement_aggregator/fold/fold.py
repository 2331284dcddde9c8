"""The fold of feedback: raw records of one partition in, changed rows and refused records out. Pure: no I/O, no clock.

Every figure is a latest value or a count of identities, never a bare `+= 1`, so folding a record again changes
nothing. Any split in batches and any moments of settling give the same rows. Must not know offsets: what has been
read is the caller's concern.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple

from schemas.internal.aggregate_state import ItemState, PostHour, PostState, TableRow, Watermark
from services.engagement_aggregator.fold import rates
from services.engagement_aggregator.fold.open_post import OpenPost, first_seen, identity_of
from services.engagement_aggregator.fold.parents import Parents
from services.engagement_aggregator.fold.refusals import (
    Refused,
    Unfoldable,
    decoded,
    is_whole,
    looked_at,
    moved,
    readings,
    refuse_conflicts,
    refuse_long,
    refuse_unreal,
)
from services.engagement_aggregator.fold.wire import OfPost, ReadComment, ReadFollowers, ReadReply, ReadSnapshot, Wire
from services.engagement_aggregator.native import sections
from services.engagement_aggregator.native.keyed_rows import KeyedRows
from services.engagement_aggregator.native.scanner import COMMENT, FOR_PYTHON, FULL, REPLY, Asked, Scanner
from services.engagement_aggregator.native.sections import Section
from services.engagement_aggregator.native.state import POST_ROWS, Need, StagedRows, State
from services.engagement_aggregator.rows import event_time, keys
from services.engagement_aggregator.rows.cached import Rows
from services.engagement_aggregator.rows.event_time import utc

_ITEM_KEYS = {COMMENT: keys.comment, REPLY: keys.reply}
_ITEMS_OF_A_ROW = 16  # 110 bytes against 1,700
_ROWS_OF_A_POST = 4  # itself, its hour, its day, and a share in its parents
_OPEN_POST_BYTES = 1_000  # of Python's, beside what C has of it
_BYTES_OF_A_CHARACTER, _OWED_HOUR = 3, 12
_BUGS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)  # defects of this code, not of the disk
_account: Callable[[Any], tuple[str, ...]] = attrgetter("brand_id", "campaign_id", "platform", "account")


class Settled(NamedTuple):
    """Keys of the rows that changed here; rows of new comments and replies, and of posts, parents and windows."""

    changed: set[str]
    items: KeyedRows
    rows: StagedRows
    owed: Owed


class Owed(NamedTuple):
    """What the table has and is not published: hours by post_key, with all that follows them, and parents' keys."""

    hours: dict[str, list[int]]
    parents: list[str]

    def size(self) -> int:
        """Bytes that it takes in a row, at most."""
        characters, hours = sum(map(len, (*self.hours, *self.parents))), sum(map(len, self.hours.values()))
        return _BYTES_OF_A_CHARACTER * characters + _OWED_HOUR * (hours + len(self.hours) + len(self.parents))


_NOTHING_OWED = Owed({}, [])


class Fold:
    """Folds batch after batch of one partition; parents and windows follow only when it is settled, once per flush.

    Between two calls of `settle` the rows are not fit to be written, and what is `held` may not leave memory. load: a
    row as it was last written. owns: whether a campaign belongs to this partition. home: the partition of a brand.
    limit: bytes that posts and parents may take while they are not in use.
    """

    def __init__(
        self,
        rows: Rows,
        owns: Callable[[str], bool],
        *,
        load: Callable[[str], TableRow | None] | None = None,
        home: Callable[[str], int] = lambda _: 0,
        limit: Callable[[], int] = lambda: 2**63,
    ) -> None:
        self._rows, self._owns, self._load, self._limit = rows, owns, load or rows.get, limit
        self._changed: set[str] = set()
        self._opened: dict[str, OpenPost] = {}
        self._by_number: list[OpenPost] = []
        self._accounts: set[tuple[str, ...]] = set()
        self._begun = False
        self._scanner = Scanner()
        self._state = State(self._scanner.posts)
        self._parents = Parents(self._state, self._load, home)
        self._clock = self._scanner.state
        self._written = self._closed = self._oldest = 0

    def __len__(self) -> int:
        """How many rows wait to be written, about; comments and replies are so small that they count little."""
        items = len(self._scanner) // _ITEMS_OF_A_ROW
        return len(self._changed) + items + _ROWS_OF_A_POST * self._state.touched()

    def take(self, values: Sequence[bytes | None]) -> list[Refused]:
        """Fold records in the order of the partition; returns those that were refused."""
        return self.take_section(sections.of_values(values))

    def take_section(self, section: Section) -> list[Refused]:
        """The same for records as they came; a refusal counts from the first of them."""
        refused: list[Refused] = []
        if not self._begun:
            self._begin()
        scanner, clock = self._scanner, self._clock
        clock.next, status = section.first, FULL
        while status:
            status = scanner.scan(section)
            for asked in scanner.asked():
                self._answer(asked, section)
            if status == FOR_PYTHON:
                number = clock.next
                if (refusal := self._other(section.value(number))) is not None:
                    refused.append(Refused(number - section.first, *refusal))
                clock.next = number + 1
        return refused

    def _other(self, value: bytes | None) -> tuple[str, str] | None:
        """Fold one record that the scanner did not; why not, if it is refused."""
        try:
            self._apply(looked_at(value), value)
        except Unfoldable as refusal:
            return refusal.cause, str(refusal)
        except _BUGS as error:
            return "bug", f"处理时出错 / failed to fold: {error!r}"
        return None

    def _begin(self) -> None:
        """Go on where the rows were left; they can be read only once the partition has been recovered."""
        self._clock.turn = self._clock.open_from = self._clock.watermark = 0
        mark = self._rows.get(keys.WATERMARK)
        if isinstance(mark, Watermark):
            self._written = event_time.micros(mark.at)
            self._reach(self._written)
        self._begun = True

    def held(self) -> set[str]:
        """Keys of the rows that must stay in memory until they are settled and written."""
        return set(self._changed)

    def settle(self, *, is_full: bool = True) -> Settled:
        """Let parents and windows follow; returns all that changed since the last call.

        is_full: parents and windows are published with the posts, and nothing is owed any more.
        """
        self._parents.settle_followers()
        while needed := list(self._state.needs()):
            self._load_rows(needed)
        self._state.settle()
        watermark, changed = self._clock.watermark, self._changed
        if watermark > self._written:
            self._rows[keys.WATERMARK] = Watermark(event_time.from_micros(watermark))
            self._written = watermark
            changed.add(keys.WATERMARK)
        self._changed, self._accounts = set(), set()
        rows = self._state.staged(is_full=is_full)
        return Settled(changed, self._scanner.staged(), rows, _NOTHING_OWED if is_full else self._owed())

    def owe(self, owed: Owed) -> None:
        """Go on with what a process before has left owed."""
        for post_key, hours in owed.hours.items():
            one = self._known(post_key)
            for hour in hours:
                while one is not None and (needed := self._state.owe(one.number, hour)):
                    self._load_rows(needed)
        for key in owed.parents:
            if (parent := self._parents.known(key)) is not None:
                self._state.owe_total(parent.number)

    def _owed(self) -> Owed:
        pairs, parents = self._state.owed()
        hours: dict[str, list[int]] = {}
        for number, hour in pairs:
            hours.setdefault(self._by_number[number].identity[0], []).append(hour)
        return Owed(hours, [self._parents.key(number) for number in parents])

    def _load_rows(self, needed: Iterable[Need]) -> None:
        for need in needed:
            key = self._by_number[need.owner].key if need.kind in POST_ROWS else self._parents.key(need.owner)
            self._state.load_row(need, key, self._load)

    def written(self) -> None:
        """What the last call of `settle` returned can be loaded."""
        if self._state.written() + _OPEN_POST_BYTES * len(self._by_number) <= self._limit():
            return
        numbers, of_parents = self._state.forget(len(self._by_number), len(self._parents))
        kept = [one for one, number in zip(self._by_number, numbers, strict=True) if number >= 0]
        for number, one in enumerate(kept):
            one.number = number
        self._by_number, self._opened = kept, {one.identity[0]: one for one in kept}
        self._parents.renumber(of_parents)

    def _answer(self, asked: Asked, section: Section) -> None:
        """Fold a comment or reply of an open post in a window that is open; it may be known already."""
        one, kind = self._by_number[asked.post], asked.kind
        item = ItemState(asked.version, bool(asked.deleted), asked.minute)
        counted = self._item(one, kind, section.text(asked.id_at, asked.id_size), item)
        if counted is None:
            if asked.moved:
                self._state.happened(one.number)
            return
        change, minute = counted
        if change and minute < self._closed:
            self._take(one)
            one.item(
                change, minute, event_time.from_micros(asked.seen), self._closed, self._oldest, reply=kind == REPLY
            )
            one.checkin(self._scanner)
        elif change:
            came = (0, change) if kind == REPLY else (change, 0)
            while (hour := self._state.count(one.number, minute, *came, asked.seen)) is not None:
                self._load_hour(one, hour)
        self._state.happened(one.number)

    def _take(self, one: OpenPost) -> None:
        """Let Python change a post, after all that came in for it before."""
        while (hour := self._state.apply(one.number)) is not None:
            self._load_hour(one, hour)
        one.checkout(partial(self._hour, one))

    def _hour(self, one: OpenPost, number: int) -> PostHour:
        copy = self._state.hour(one.number, number)
        if copy is None:
            self._load_hour(one, number)
            copy = self._state.hour(one.number, number)
        assert copy is not None
        return copy

    def _load_hour(self, one: OpenPost, number: int) -> None:
        row = self._load(keys.hour(one.key, number))
        self._state.load_hour(one.number, number, row if isinstance(row, PostHour) else None)

    def _apply(self, event: Wire, value: bytes | None) -> None:
        """Fold one record of any kind; raises Refusal."""
        at = event_time.event_time(event.occurred_at, event.observed_at)
        refuse_unreal(at)
        refuse_unreal(utc(event.observed_at))  # rows say from when on they are old, which no calendar may lack
        if isinstance(event, ReadFollowers):
            self._followers(event, value, at)
            return
        if isinstance(event, ReadSnapshot) and not all(is_whole(one) for one in readings(event)):
            decoded(value)
        one, is_new = self._open(event, value)
        self._advance(at)
        self._take(one)
        try:
            self._change(one, event, at, is_new=is_new)
        finally:
            post = one.checkin(self._scanner)
        if one.marks_changed:
            self._follow_account(post)

    def _change(self, one: OpenPost, event: OfPost, at: datetime, *, is_new: bool) -> None:
        seen, observed = utc(event.observed_at), True
        if isinstance(event, ReadSnapshot):
            changed = one.snapshot(event, at, self._closed, self._oldest)
            observed = any(reading.value is not None for reading in readings(event))
        else:
            changed = self._change_item(one, event, at, seen)
        news = one.seen(seen, observed=observed)
        if changed or news or is_new:
            one.post.events += 1
            one.touched = True

    def _change_item(self, one: OpenPost, event: ReadComment | ReadReply, at: datetime, seen: datetime) -> bool:
        if isinstance(event, ReadReply):
            kind, name, item = REPLY, event.reply_id, ItemState(1, False, event_time.minute_of(at))
        else:
            kind, name = COMMENT, event.comment_id
            item = ItemState(event.version, event.deleted, event_time.minute_of(at))
        counted = self._item(one, kind, name, item)
        if counted is None:
            return False
        change, minute = counted
        if change:
            one.item(change, minute, seen, self._closed, self._oldest, reply=kind == REPLY)
        return True

    def _follow_account(self, post: PostState) -> None:
        """An age of a post was reached or amended: the index of the account's posts follows."""
        if (followed := rates.follow_account(self._rows, post)) is None:
            return
        account, indexes = followed
        self._changed.add(account)
        for post_key, index in indexes.items():
            other = self._known(post_key)
            if other is not None and self._state.set_index(other.number, index):
                self._state.changed(other.number, is_counted=False)

    def _item(self, one: OpenPost, kind: int, name: str, item: ItemState) -> tuple[int, int] | None:
        """A comment or reply counts once whatever its versions; of one version, the deletion wins.

        By how much the count changes, and in which minute; None if nothing of it is new.
        """
        post_key = one.identity[0]
        key = _ITEM_KEYS[kind](post_key, name)
        before = self._rows.get(key)
        if before is None and (kept := self._scanner.item(one.number, kind, name)) is not None:
            before = ItemState(*kept)
        if isinstance(before, ItemState):
            if (before.version, before.deleted) >= (item.version, item.deleted):
                return None
            change = int(before.deleted) - int(item.deleted)
            item = ItemState(item.version, item.deleted, before.minute)
        else:
            change = int(not item.deleted)
            self._scanner.kept(one.number, kind, name)
        self._rows[key] = item
        self._changed.add(key)
        return change, item.minute

    def _followers(self, event: ReadFollowers, value: bytes | None, at: datetime) -> None:
        account = _account(event)
        if account not in self._accounts or not is_whole(event.followers):
            decoded(value)
            self._refuse_conflicts(event, keys.campaign(event.campaign_id))
            self._accounts.add(account)
        self._advance(at)
        self._parents.followed(event, utc(event.observed_at))

    def _open(self, event: OfPost, value: bytes | None) -> tuple[OpenPost, bool]:
        """The post of an event, opened; whether it is new."""
        one = self._known(event.post_key)
        if one is None:
            return self._opened_with(self._new(event, value), is_new=True), True
        if one.identity != identity_of(event):
            decoded(value)
            raise moved(one.identity, event)
        return one, False

    def _known(self, post_key: str) -> OpenPost | None:
        one = self._opened.get(post_key)
        if one is None and isinstance(post := self._load(keys.post(post_key)), PostState):
            one = self._opened_with(post, is_new=False)
        return one

    def _opened_with(self, post: PostState, *, is_new: bool) -> OpenPost:
        """From here on its parents hold their names against another brand or campaign."""
        number = self._scanner.add(identity_of(post), is_new=is_new)
        one = OpenPost(keys.post(post.post_key), number, post, self._state)
        self._state.load_post(number, one.key, post, self._parents.of(post), is_settled=not is_new)
        one.tell(self._scanner, post)
        self._opened[post.post_key] = one
        self._by_number.append(one)
        return one

    def _new(self, event: OfPost, value: bytes | None) -> PostState:
        decoded(value)
        refuse_long(event)
        self._refuse_conflicts(event, keys.campaign(event.campaign_id), keys.content(event.content_id))
        return first_seen(event)

    def _refuse_conflicts(self, event: Wire, *names: str) -> None:
        """Refuse what would mix two brands or campaigns in one row, before anything is written."""
        known = [(name, parent) for name in names if (parent := self._parents.known(name)) is not None]
        refuse_conflicts(known, event, self._owns)

    def _advance(self, at: datetime) -> None:
        """The partition has come to this event time; windows close by the newest."""
        time = event_time.micros(at)
        if time > self._clock.watermark:
            self._clock.watermark = time
            if time >= self._clock.turn:
                self._reach(time)

    def _reach(self, watermark: int) -> None:
        """Set out from a minute of event time: what is closed in it, and what is too late for any window."""
        minute = watermark // event_time.MINUTE_MICROS
        self._closed, self._oldest = event_time.closed_up_to(minute), minute - event_time.LONGEST_WAIT
        self._clock.watermark, self._clock.turn = watermark, (minute + 1) * event_time.MINUTE_MICROS
        self._clock.open_from = self._closed * event_time.MINUTE_MICROS
