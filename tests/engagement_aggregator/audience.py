"""Feedback events as strategies and builders, and the rows a fold makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import strategies as st

from schemas.events.aggregate import EngagementAggregate
from schemas.events.feedback import (
    METRICS,
    Absence,
    CommentObserved,
    FeedbackEvent,
    FollowersObserved,
    MetricsObserved,
    Reading,
    Readings,
    ReplyPosted,
)
from schemas.events.window import EngagementWindows
from schemas.internal.aggregate_state import TableRow
from services.engagement_aggregator.fold.brand import Folded, fold_campaigns
from services.engagement_aggregator.fold.fold import Fold, Settled
from services.engagement_aggregator.fold.refusals import Refused
from services.engagement_aggregator.native.sections import Section, of_batch
from tests.engagement_aggregator.fold.written import published

START = datetime(2025, 3, 8, 2, 0, tzinfo=UTC)
_PLATFORMS = ("weibo", "wechat", "douyin")


class Audience:
    """Makes feedback events of a small world: two brands, three campaigns, several posts on three platforms."""

    def post(self, number: int) -> dict[str, Any]:
        campaign, platform = number % 3, _PLATFORMS[number % len(_PLATFORMS)]
        return {
            "brand_id": "brand-a" if campaign < 2 else "brand-b",
            "campaign_id": f"camp-{campaign}",
            "content_id": f"content-{campaign}-{number % 2}",
            "placement_id": f"pl-{number}",
            "post_key": f"{platform}:{500 + number}",
            "native_id": str(500 + number),
            "platform": platform,
            "account": f"{platform}-{number % 2}",
            "trace_id": "t",
            "published_at": None if number % 4 == 3 else START - timedelta(minutes=10 * number),
        }

    def comment(
        self, number: int, comment: int, at: int = 0, written: int | None = None, **more: Any
    ) -> CommentObserved:
        post = self.post(number)
        return CommentObserved(
            event_id=f"{post['post_key']}:{comment}:{more.get('version', 1)}",
            occurred_at=START + timedelta(seconds=at if written is None else written),
            observed_at=START + timedelta(seconds=at),
            comment_id=f"c{comment}",
            author="某人",
            text="好看👍",
            **post,
            **more,
        )

    def metrics(
        self, number: int, sequence: int, at: int = 0, total: int | None = None, **readings: Any
    ) -> MetricsObserved:
        post = self.post(number)
        shown = {m: r if isinstance(r, Reading) else Reading(value=r) for m, r in readings.items()}
        return MetricsObserved(
            event_id=f"{post['post_key']}:metrics:{sequence}",
            occurred_at=START + timedelta(seconds=at),
            observed_at=START + timedelta(seconds=at),
            sequence=sequence,
            readings=Readings(**shown),
            comments_total=total,
            **post,
        )

    def reply(self, number: int, reply: int, at: int = 0) -> ReplyPosted:
        post = self.post(number)
        return ReplyPosted(
            event_id=f"{post['post_key']}:reply:{reply}",
            occurred_at=START + timedelta(seconds=at),
            observed_at=START + timedelta(seconds=at),
            comment_id="c1",
            reply_id=f"r{reply}",
            text="谢谢",
            actor="运营",
            **post,
        )

    def followers(self, number: int, reading: Reading, at: int = 0) -> FollowersObserved:
        post = self.post(number)
        return FollowersObserved(
            event_id=f"followers:{number}:{at}",
            occurred_at=START + timedelta(seconds=at),
            observed_at=START + timedelta(seconds=at),
            brand_id=post["brand_id"],
            campaign_id=post["campaign_id"],
            platform=post["platform"],
            account=post["account"],
            trace_id="t",
            followers=reading,
        )


AUDIENCE = Audience()

_posts = st.integers(0, 7)
_DAY = 24 * 3_600
# Seconds: mostly within a minute or an hour, some so late that windows have closed or are beyond all waiting.
_moments = st.one_of(
    st.integers(0, 30),
    st.integers(0, 30),
    st.integers(0, 2 * 3_600),
    st.integers(0, 3 * _DAY),
    st.integers(0, 9 * _DAY),
)
_counts = st.integers(0, 1_000)
_reasons: st.SearchStrategy[Absence] = st.sampled_from(("unsupported", "not_yet", "failed"))
_readings = st.one_of(
    _counts.map(lambda value: Reading(value=value)), _reasons.map(lambda reason: Reading(reason=reason))
)
_snapshots = st.builds(
    lambda number, sequence, at, total, readings: AUDIENCE.metrics(number, sequence, at, total, **readings),
    _posts,
    st.integers(1, 12),
    _moments,
    st.none() | st.integers(0, 20),
    st.fixed_dictionaries({}, optional=dict.fromkeys(METRICS, _readings)),
)
_comments = st.builds(
    lambda number, comment, at, written, version, deleted: AUDIENCE.comment(
        number, comment, at, written, version=version, deleted=deleted
    ),
    _posts,
    st.integers(1, 6),
    _moments,
    _moments,
    st.integers(1, 3),
    st.booleans(),
)
_replies = st.builds(AUDIENCE.reply, _posts, st.integers(1, 3), _moments)
_followers = st.builds(AUDIENCE.followers, _posts, _readings, _moments)
_runs: st.SearchStrategy[list[FeedbackEvent]] = st.builds(
    lambda number, first, at, steps, readings: [
        AUDIENCE.metrics(number, first + step, at + sum(steps[: step + 1]), **readings) for step in range(len(steps))
    ],
    _posts,
    st.integers(1, 12),
    _moments,
    st.lists(st.sampled_from((0, 0, 1, 20, 50, 400)), min_size=2, max_size=8),
    st.fixed_dictionaries({}, optional=dict.fromkeys(METRICS, _readings)),
)
_singles: st.SearchStrategy[FeedbackEvent] = st.one_of(_snapshots, _comments, _replies, _followers)
# Runs of orderly snapshots, which the fold lets wait, among everything that can come in between.
histories: st.SearchStrategy[list[FeedbackEvent]] = st.lists(
    st.one_of(_singles.map(lambda event: [event]), _singles.map(lambda event: [event]), _runs), min_size=1, max_size=40
).map(lambda parts: [event for part in parts for event in part])


_row: msgspec.json.Decoder[TableRow] = msgspec.json.Decoder(TableRow)


def encoded(events: Sequence[FeedbackEvent]) -> list[bytes | None]:
    return [msgspec.json.encode(event) for event in events]


_contract = msgspec.json.Decoder(EngagementAggregate | EngagementWindows)


def as_sent(values: Sequence[bytes | None]) -> Section:
    """A broker batch of the values, under the keys that the collector gives them."""
    rows = [(_key_of(value), value) for value in values]
    return of_batch(memoryview(records_of(rows)), base_offset=0, count=len(rows), start=0)


def _key_of(value: bytes | None) -> bytes:
    try:
        event = msgspec.json.decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return b""
    return str(event.get("post_key", "")).encode() if isinstance(event, dict) else b""


def records_of(rows: Sequence[tuple[bytes | None, bytes | None]]) -> bytes:
    """The records of a broker batch, without its head; every other one has a header."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 2**30)
    for number, (key, value) in enumerate(rows):
        builder.append(number, 1_700_000_000_000 + number, key, value, [("name", b"x")] if number % 2 else [])
    whole = bytes(builder.build())
    return whole[61:]


class Table(dict[str, TableRow]):
    """One partition in memory with both stages on it, as the app runs them."""

    _fold: Fold | None = None
    _owns: Callable[[str], bool]
    limit = 2**63  # bytes that posts may take in memory while nothing comes for them

    def fold(self, values: Sequence[bytes | None], owns: Callable[[str], bool] = lambda _: True) -> Folded:
        """What was written to the topic, and a flush."""
        return self.fold_sent(as_sent(values), owns)

    def fold_sent(self, section: Section, owns: Callable[[str], bool] = lambda _: True) -> Folded:
        """A batch and a flush; the same fold goes on from batch to batch, as long as the table is the same one."""
        if self._fold is None:
            self._fold = Fold(
                self,
                lambda campaign: self._owns(campaign),  # noqa: PLW0108 - may be another by then
                limit=lambda: self.limit,
            )
        self._owns = owns
        refused = self._fold.take_section(section)
        return self.flush(self._fold, refused)

    def flush(self, fold: Fold, refused: list[Refused]) -> Folded:
        settled = fold.settle()
        rows, written = settled.rows, self.written_by(settled, self)
        self.update(written)
        changed = set(written)
        for key, value in (*rows.aggregates, *rows.windows):
            assert_written_as_python_would(self, key.decode(), value or b"")
        fold.written()
        brands = fold_campaigns(self, [value for _, value in rows.campaigns])
        return Folded(changed | brands.changed, refused + brands.refused)

    @staticmethod
    def written_by(settled: Settled, rows: Mapping[str, TableRow]) -> dict[str, TableRow]:
        """What a flush writes to the changelog; rows: those that the fold keeps outside of C."""
        ready = {key.decode(): _row.decode(value or b"") for key, value in (*settled.items, *settled.rows.table)}
        return ready | {key: rows[key] for key in settled.changed}

    def rows(self) -> dict[str, EngagementAggregate]:
        return {row.key: row for row in self.published() if isinstance(row, EngagementAggregate)}

    def windows(self) -> dict[str, EngagementWindows]:
        return {row.key: row for row in self.published() if isinstance(row, EngagementWindows)}

    def published(self) -> list[EngagementAggregate | EngagementWindows]:
        found = (published(key, row) for key, row in sorted(self.items()))
        return [_contract.decode(msgspec.json.encode(row)) for row in found if row is not None]


def assert_written_as_python_would(table: Table, key: str, value: bytes) -> None:
    row = published(f"window\x1f{key}" if "@20" in key else key, table.get(key) or table[f"window\x1f{key}"])
    assert row is not None
    wanted = msgspec.json.encode(row)
    if wanted != value:
        assert _contract.decode(value) == _contract.decode(wanted)
