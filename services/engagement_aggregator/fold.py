"""The fold of feedback: raw records of one partition in, changed rows and refused records out. Pure: no I/O, no clock.

Every figure is a latest value or a count of identities, never a bare `+= 1`, so folding a record again changes
nothing. Any split in batches and any moments of settling give the same rows. Must not be told offsets: what has been
read is the caller's concern.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

from schemas.aggregate import FollowersState
from schemas.aggregate_state import ItemState, PostState, Watermark
from services.engagement_aggregator import keys, moments
from services.engagement_aggregator.moments import utc
from services.engagement_aggregator.native import sections
from services.engagement_aggregator.native.keyed_rows import KeyedRows
from services.engagement_aggregator.native.scanner import COMMENT, FOR_PYTHON, FULL, REPLY, Asked, Scanner
from services.engagement_aggregator.native.sections import Section
from services.engagement_aggregator.opened import OpenPost, first_seen, identity_of
from services.engagement_aggregator.refusals import (
    Refusal,
    Refused,
    decoded,
    is_whole,
    looked_at,
    moved,
    readings,
    refuse_conflicts,
    refuse_long,
    refuse_unreal,
)
from services.engagement_aggregator.settling import parents, settle, total_of
from services.engagement_aggregator.sums import follow
from services.engagement_aggregator.windows import Rows
from services.engagement_aggregator.wire import Followers, OfPost, Reply, Snapshot, Wire

_STAY_OPEN = 8_192  # posts that stay open from one settling to the next
_ITEM_KEYS = {COMMENT: keys.comment, REPLY: keys.reply}
_ITEMS_OF_A_ROW = 16  # 110 bytes against 1,700
_ROWS_OF_A_POST = 4  # itself, its hour, its day, and a share in its parents
_BUGS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)  # of ours; trouble with the disk is not
_account: Callable[[Any], tuple[str, ...]] = attrgetter("brand_id", "campaign_id", "platform", "account")


class Settled(NamedTuple):
    """Keys of the rows that changed, and the rows of new comments and replies, which are in no cache."""

    changed: set[str]
    items: KeyedRows


class Fold:
    """Folds batch after batch of one partition; parents and windows follow only when it is settled, once per flush.

    Between two calls of `settle` the rows are not fit to be written, and what is `held` may not leave memory. `owns`
    says whether a campaign belongs to this partition.
    """

    def __init__(self, rows: Rows, owns: Callable[[str], bool]) -> None:
        self._rows, self._owns = rows, owns
        self._changed: set[str] = set()
        self._opened: dict[str, OpenPost] = {}
        self._by_number: list[OpenPost] = []
        self._touched: dict[int, OpenPost] = {}
        self._accounts: set[tuple[str, ...]] = set()
        self._begun = False
        self._scanner = Scanner()
        self._clock = self._scanner.state
        self._written = self._closed = self._oldest = 0

    def __len__(self) -> int:
        """How many rows wait to be written, about; comments and replies are so small that they count little."""
        items = len(self._scanner) // _ITEMS_OF_A_ROW
        return len(self._changed) + items + _ROWS_OF_A_POST * len(self._touched)

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
        except Refusal as refusal:
            return refusal.cause, str(refusal)
        except _BUGS as error:
            return "bug", f"处理时出错 / failed to fold: {error!r}"
        return None

    def _begin(self) -> None:
        """Go on where the rows were left; they can be read only once the partition has been recovered."""
        self._clock.turn = self._clock.open_from = self._clock.watermark = 0
        mark = self._rows.get(keys.WATERMARK)
        if isinstance(mark, Watermark):
            self._written = moments.micros(mark.at)
            self._reach(self._written)
        self._begun = True

    def held(self) -> set[str]:
        """Keys of the rows that must stay in memory until they are settled and written."""
        held = set(self._changed)
        for one in self._opened.values():
            held.add(one.key)
            held.update(one.windows.keys())
        return held

    def settle(self) -> Settled:
        """Let parents and windows follow; returns all that changed since the last call."""
        touched = self._touched
        for number in self._scanner.touched():
            touched[number] = self._by_number[number]
        changed = self._changed | settle(self._rows, touched.values())
        watermark = self._clock.watermark
        if watermark > self._written:
            self._rows[keys.WATERMARK] = Watermark(moments.from_micros(watermark))
            self._written = watermark
            changed.add(keys.WATERMARK)
        self._changed, self._touched, self._accounts = set(), {}, set()
        if len(self._by_number) > _STAY_OPEN:
            self._opened, self._by_number = {}, []
            self._scanner.clear()
        return Settled(changed, self._scanner.staged())

    def written(self) -> None:
        """What the last call of `settle` returned can be read from the rows, or is on disk."""
        self._scanner.written()

    def _answer(self, asked: Asked, section: Section) -> None:
        """Fold a comment or reply of an open post in a window that is open; it may be known already."""
        one, seen = self._by_number[asked.post], moments.from_micros(asked.seen)
        one.take_waiting()
        item = ItemState(asked.version, bool(asked.deleted), asked.minute)
        if self._item(one, asked.kind, section.text(asked.id_at, asked.id_size), item, seen) or asked.moved:
            one.post.events += 1
            self._touch(one)

    def _touch(self, one: OpenPost) -> None:
        one.touched = True
        self._touched[one.number] = one

    def _apply(self, event: Wire, value: bytes | None) -> None:
        """Fold one record of any kind; raises Refusal."""
        at = moments.event_time(event.occurred_at, event.observed_at)
        refuse_unreal(at)
        if isinstance(event, Followers):
            self._followers(event, value, at)
            return
        if isinstance(event, Snapshot) and not all(is_whole(one) for one in readings(event)):
            decoded(value)
        one, is_new = self._open(event, value)
        self._advance(at)
        one.take_waiting()
        try:
            self._change(one, event, at, is_new=is_new)
        finally:
            one.resume()

    def _change(self, one: OpenPost, event: OfPost, at: datetime, *, is_new: bool) -> None:
        seen, observed = utc(event.observed_at), True
        if isinstance(event, Snapshot):
            changed = one.snapshot(event, at, self._closed, self._oldest)
            observed = any(reading.value is not None for reading in readings(event))
        elif isinstance(event, Reply):
            item = ItemState(1, False, moments.minute_of(at))
            changed = self._item(one, REPLY, event.reply_id, item, seen)
        else:
            item = ItemState(event.version, event.deleted, moments.minute_of(at))
            changed = self._item(one, COMMENT, event.comment_id, item, seen)
        news = one.seen(seen, observed=observed)
        if changed or news or is_new:
            one.post.events += 1
            self._touch(one)
        elif one.windows.changed:
            self._touched[one.number] = one

    def _item(self, one: OpenPost, kind: int, name: str, item: ItemState, seen: datetime) -> bool:
        """A comment or reply counts once whatever its versions; of one version, the deletion wins."""
        key = _ITEM_KEYS[kind](one.post.post_key, name)
        before = self._rows.get(key)
        if before is None and (kept := self._scanner.item(one.number, kind, name)) is not None:
            before = ItemState(*kept)
        if isinstance(before, ItemState):
            if (before.version, before.deleted) >= (item.version, item.deleted):
                return False
            change = int(before.deleted) - int(item.deleted)
            item = ItemState(item.version, item.deleted, before.minute)
        else:
            change = int(not item.deleted)
            self._scanner.kept(one.number, kind, name)
        self._rows[key] = item
        self._changed.add(key)
        if change:
            one.item(change, item.minute, seen, self._closed, self._oldest, reply=kind == REPLY)
        return True

    def _followers(self, event: Followers, value: bytes | None, at: datetime) -> None:
        account = _account(event)
        if account not in self._accounts or not is_whole(event.followers):
            decoded(value)
            self._refuse_conflicts(event, keys.campaign(event.campaign_id))
            self._accounts.add(account)
        self._advance(at)
        observed_at, reading = utc(event.observed_at), event.followers
        seen = (
            FollowersState(reason=reading.reason, reason_at=observed_at)
            if reading.value is None
            else FollowersState(value=reading.value, value_at=observed_at)
        )
        name = keys.followers(event.platform, event.account)
        on_platform = keys.campaign_platform(event.campaign_id, event.platform)
        for key, total in (
            total_of(self._rows, keys.campaign(event.campaign_id), "campaign", event, observed_at),
            total_of(self._rows, on_platform, "campaign_platform", event, observed_at, event.platform),
        ):
            changed = follow(total.followers.setdefault(name, FollowersState()), seen)
            if changed or observed_at > total.as_of:
                total.as_of = max(total.as_of, observed_at)
                total.follower_events += 1
                self._changed.add(key)

    def _open(self, event: OfPost, value: bytes | None) -> tuple[OpenPost, bool]:
        """The post of an event, opened; whether it is new."""
        identity = identity_of(event)
        one = self._opened.get(event.post_key)
        if one is not None:
            if one.identity != identity:
                decoded(value)
                raise moved(one.post, event)
            return one, False
        key = keys.post(event.post_key)
        post = self._rows.get(key)
        is_new = not isinstance(post, PostState)
        if not isinstance(post, PostState):
            post = self._new(event, value)
            self._rows[key] = post
            # From here on they hold their names against another brand or campaign.
            self._changed.update(name for name, _ in parents(self._rows, post))
        elif identity_of(post) != identity:
            decoded(value)
            raise moved(post, event)
        one = self._opened[event.post_key] = OpenPost(self._rows, key, post, self._scanner, is_new=is_new)
        self._by_number.append(one)
        return one, is_new

    def _new(self, event: OfPost, value: bytes | None) -> PostState:
        decoded(value)
        refuse_long(event)
        self._refuse_conflicts(event, keys.campaign(event.campaign_id), keys.content(event.content_id))
        return first_seen(event)

    def _refuse_conflicts(self, event: Wire, *names: str) -> None:
        """Refuse what would mix two brands or campaigns in one row, before anything is written."""
        refuse_conflicts(self._rows, event, names, self._owns)

    def _advance(self, at: datetime) -> None:
        """The partition has come to this event time; windows close by the newest."""
        time = moments.micros(at)
        if time > self._clock.watermark:
            self._clock.watermark = time
            if time >= self._clock.turn:
                self._reach(time)

    def _reach(self, watermark: int) -> None:
        """Set out from a minute of event time: what is closed in it, and what is too late for any window."""
        minute = watermark // moments.MINUTE_MICROS
        self._closed, self._oldest = moments.closed_up_to(minute), minute - moments.LONGEST_WAIT
        self._clock.watermark, self._clock.turn = watermark, (minute + 1) * moments.MINUTE_MICROS
        self._clock.open_from = self._closed * moments.MINUTE_MICROS
