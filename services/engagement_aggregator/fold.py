"""The fold of feedback: `(rows, batch of raw records) → changed keys and refused records`. Pure: no I/O, no clock.

Every figure is a latest value or a count of identities, never a bare `+= 1`, so folding a record again changes
nothing. Parents move by the difference of a post's contribution before and after the batch. Folding in any split of
batches gives the same rows. Must not be told offsets: what has been read is the caller's concern.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from schemas.aggregate import FollowersState, Scope, Sums
from schemas.aggregate_state import ItemState, MetricState, PostState, TableRow, TotalState
from schemas.feedback import METRICS, CommentObserved, FeedbackEvent, FollowersObserved, MetricsObserved, ReplyPosted
from services.engagement_aggregator import keys
from services.engagement_aggregator.sums import contribution, follow, shift

PostEvent = CommentObserved | MetricsObserved | ReplyPosted
LONGEST_POST_KEY = 256
LARGEST_COUNT = 10**15  # sums of such stay exact integers for every reader
_BUGS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)  # of ours; trouble with the disk is not
_NOTHING = Sums()
_decoder: msgspec.json.Decoder[FeedbackEvent] = msgspec.json.Decoder(FeedbackEvent)


class Rows(Protocol):
    """The rows of one partition. A row that was got may be changed in place."""

    def get(self, key: str, /) -> TableRow | None: ...

    def __setitem__(self, key: str, row: TableRow, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that was not folded: its place in the batch, a constant cause, and words for people."""

    index: int
    cause: str
    message: str


@dataclass(slots=True)
class Folded:
    """What a batch did."""

    changed: set[str] = field(default_factory=set)
    refused: list[Refused] = field(default_factory=list)


class Refusal(Exception):  # noqa: N818 - it is an outcome of one record, caught at once
    """Raised inside the fold for a record that cannot be counted without making some row wrong."""

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause


def fold(rows: Rows, values: Sequence[bytes | None], owns: Callable[[str], bool]) -> Folded:
    """One batch folded and settled: what `Fold` does over many batches."""
    folding = Fold(rows, owns)
    refused = folding.take(values)
    return Folded(folding.settle(), refused)


def decoded(value: bytes | None) -> FeedbackEvent:
    """The event of a record; raises Refusal."""
    if value is None:
        raise Refusal("undecodable", "空记录（墓碑）不是反馈事件 / a tombstone is no feedback event")
    try:
        return _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal("undecodable", f"无法解读为反馈事件：{error} / not a feedback event") from None


class Fold:
    """Folds batch after batch of one partition; parents and windows follow only when it is settled, once per flush.

    Between two calls of `settle` the rows are not fit to be written, and what is `held` may not leave memory. `owns`
    says whether a campaign belongs to this partition.
    """

    def __init__(self, rows: Rows, owns: Callable[[str], bool]) -> None:
        self._rows, self._owns = rows, owns
        self._changed: set[str] = set()
        self._before: dict[str, Sums] = {}

    def __len__(self) -> int:
        """How many rows wait to be written, about."""
        return len(self._changed)

    def take(self, values: Sequence[bytes | None]) -> list[Refused]:
        """Fold records in the order of the partition; returns those that were refused."""
        refused = []
        for index, value in enumerate(values):
            try:
                self._apply(decoded(value))
            except Refusal as refusal:
                refused.append(Refused(index, refusal.cause, str(refusal)))
            except _BUGS as error:
                refused.append(Refused(index, "bug", f"处理时出错 / failed to fold: {error!r}"))
        return refused

    def held(self) -> set[str]:
        """Keys of the rows that must stay in memory until they are settled and written."""
        return self._changed | self._before.keys()

    def settle(self) -> set[str]:
        """Let parents and windows follow; returns the keys of all rows that changed since the last call."""
        self._settle_parents()
        changed, self._changed, self._before = self._changed, set(), {}
        return changed

    def _apply(self, event: FeedbackEvent) -> None:
        if isinstance(event, FollowersObserved):
            self._followers(event)
            return
        if isinstance(event, MetricsObserved):
            _plausible("comments_total", event.comments_total)
            for metric in METRICS:
                _plausible(f"readings.{metric}", getattr(event.readings, metric).value)
        key = keys.post(event.post_key)
        post, known = self._post(key, event)
        if key not in self._before:
            self._before[key] = contribution(post) if known else _NOTHING
        changed, observed = self._take(post, event)
        moved = _seen(post, utc(event.observed_at), observed)
        if changed or moved or not known:
            post.events += 1
            self._changed.add(key)

    def _settle_parents(self) -> None:
        for key, before in self._before.items():
            post = self._rows.get(key)
            if key not in self._changed or not isinstance(post, PostState):
                continue
            after = contribution(post)
            for parent, total in self._parents(post):
                shift(total.sums, after, before)
                total.as_of = max(total.as_of, post.as_of)
                if post.newest is not None:
                    total.newest[post.platform] = max(total.newest.get(post.platform, post.newest), post.newest)
                self._changed.add(parent)

    def _post(self, key: str, event: PostEvent) -> tuple[PostState, bool]:
        post = self._rows.get(key)
        if isinstance(post, PostState):
            _same_post(post, event)
            return post, True
        if len(event.post_key) > LONGEST_POST_KEY:
            raise Refusal(
                "post_key_too_long",
                f"post_key 超过 {LONGEST_POST_KEY} 个字符，请缩短 native_id / post_key too long, shorten native_id",
            )
        self._refuse_conflicts(event, keys.campaign(event.campaign_id), keys.content(event.content_id))
        post = PostState(
            brand_id=event.brand_id,
            campaign_id=event.campaign_id,
            content_id=event.content_id,
            placement_id=event.placement_id,
            platform=event.platform,
            account=event.account,
            post_key=event.post_key,
            as_of=utc(event.observed_at),
        )
        self._rows[key] = post
        self._parents(post)  # from here on they hold their names against another brand or campaign
        return post, False

    def _take(self, post: PostState, event: PostEvent) -> tuple[bool, bool]:
        """Put the event into the post; whether that changed it, and whether it observed anything."""
        if isinstance(event, MetricsObserved):
            return _metrics(post, event), any(getattr(event.readings, m).value is not None for m in METRICS)
        if isinstance(event, CommentObserved):
            key = keys.comment(event.post_key, event.comment_id)
            before, after = self._item(key, ItemState(version=event.version, deleted=event.deleted))
            post.comments += _alive(after) - _alive(before)
            return before != after, True
        before, after = self._item(keys.reply(event.post_key, event.reply_id), ItemState(version=1))
        post.replies += _alive(after) - _alive(before)
        return before != after, True

    def _item(self, key: str, seen: ItemState) -> tuple[ItemState | None, ItemState]:
        """The state of a comment or reply before and after it was seen; of one version, the deletion wins."""
        before = self._rows.get(key)
        if isinstance(before, ItemState) and (before.version, before.deleted) >= (seen.version, seen.deleted):
            return before, before
        self._rows[key] = seen
        self._changed.add(key)
        return before if isinstance(before, ItemState) else None, seen

    def _followers(self, event: FollowersObserved) -> None:
        account, at = keys.followers(event.platform, event.account), utc(event.observed_at)
        _plausible("followers", event.followers.value)
        self._refuse_conflicts(event, keys.campaign(event.campaign_id))
        for parent, total in (
            self._total(keys.campaign(event.campaign_id), "campaign", event, at),
            self._total(
                keys.campaign_platform(event.campaign_id, event.platform),
                "campaign_platform",
                event,
                at,
                event.platform,
            ),
        ):
            changed = follow(total.followers.setdefault(account, FollowersState()), event.followers, at)
            if changed or at > total.as_of:
                total.as_of = max(total.as_of, at)
                total.follower_events += 1
                self._changed.add(parent)

    def _parents(self, post: PostState) -> list[tuple[str, TotalState]]:
        on_platform = keys.campaign_platform(post.campaign_id, post.platform)
        return [
            self._total(keys.campaign(post.campaign_id), "campaign", post, post.as_of),
            self._total(keys.content(post.content_id), "content", post, post.as_of),
            self._total(on_platform, "campaign_platform", post, post.as_of, post.platform),
        ]

    def _total(
        self, key: str, scope: Scope, source: PostState | FollowersObserved, as_of: datetime, platform: str = "all"
    ) -> tuple[str, TotalState]:
        total = self._rows.get(key)
        if not isinstance(total, TotalState):
            total = TotalState(
                scope=scope,
                brand_id=source.brand_id,
                campaign_id=source.campaign_id,
                content_id=source.content_id if scope == "content" and isinstance(source, PostState) else None,
                platform=platform,
                as_of=as_of,
                sums=Sums(),
            )
            self._rows[key] = total
        return key, total

    def _refuse_conflicts(self, event: FeedbackEvent, *parents: str) -> None:
        """Refuse what would mix two brands or campaigns in one row, before anything is written."""
        known = [(key, total) for key in parents if isinstance(total := self._rows.get(key), TotalState)]
        for key, total in known:
            if (total.brand_id, total.campaign_id) != (event.brand_id, event.campaign_id):
                raise Refusal(
                    "identity_conflict",
                    f"{key} 属于品牌 {total.brand_id} 的活动 {total.campaign_id}，事件却写 brand_id={event.brand_id} "
                    f"campaign_id={event.campaign_id}：请换一个 id / the id is taken by another brand or campaign",
                )
        if not known and not self._owns(event.campaign_id):
            raise Refusal(
                "foreign_partition",
                f"活动 {event.campaign_id} 不属于这个分区：写入方须按 campaign_id 分区"
                " / this campaign belongs to another partition, its producer must partition by campaign_id",
            )


def utc(at: datetime) -> datetime:
    """The same instant in UTC, so that equal instants are written in equal bytes."""
    return at if at.tzinfo is UTC else at.astimezone(UTC)


def _plausible(name: str, value: int | None) -> None:
    if value is not None and value > LARGEST_COUNT:
        raise Refusal(
            "number_out_of_range",
            f"{name} = {value} 超过 {LARGEST_COUNT}，不可能是真实计数，请检查适配器 / no real count, check the adapter",
        )


def _same_post(post: PostState, event: PostEvent) -> None:
    for name in ("brand_id", "campaign_id", "content_id", "placement_id", "platform", "account"):
        if getattr(post, name) != getattr(event, name):
            raise Refusal(
                "identity_conflict",
                f"帖子 {event.post_key} 的 {name} 原为 {getattr(post, name)}，事件却写 {getattr(event, name)}"
                f" / {name} of this post was another one, a post cannot move",
            )


def _metrics(post: PostState, event: MetricsObserved) -> bool:
    """Per metric the value of the highest sequence; counters may go backwards, an older snapshot never wins."""
    changed = False
    for metric in METRICS:
        reading = getattr(event.readings, metric)
        state = post.metrics.get(metric) or MetricState()
        if reading.value is not None and event.sequence > state.sequence:
            state.value, state.sequence, changed = reading.value, event.sequence, True
        elif reading.value is None and event.sequence > state.reason_sequence:
            state.reason, state.reason_sequence, changed = reading.reason, event.sequence, True
        post.metrics[metric] = state
    if event.comments_total is not None and event.sequence > post.comments_total_sequence:
        post.comments_total, post.comments_total_sequence, changed = event.comments_total, event.sequence, True
    return changed


def _seen(post: PostState, at: datetime, observed: bool) -> bool:
    moved = at > post.as_of
    post.as_of = max(post.as_of, at)
    if observed and (post.newest is None or at > post.newest):
        post.newest, moved = at, True
    return moved


def _alive(item: ItemState | None) -> int:
    return int(item is not None and not item.deleted)
