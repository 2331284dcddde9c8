"""Refolds the feedback beside the live aggregator, counts it again in SQL, and holds the rows against both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from services.bi.live import RowFile, row_differences
from services.bi.recount import Difference, FeedbackRecord, recounted
from services.cli.rebuild.snapshot import LiveSnapshot
from services.engagement_aggregator.fold.refold import Refold
from services.engagement_aggregator.settings import AggregatorSettings
from services.runtime.kafka.reader import extents, read_range

_BATCH = 2_000
Told = Callable[[str, int, int], None]


@dataclass(slots=True)
class Comparison:
    """What came of it. refold, sql: the numbers that differ. lost: feedback records that retention has taken away."""

    rows: int = 0
    events: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    refold: list[Difference] = field(default_factory=list)
    sql: list[Difference] = field(default_factory=list)
    brands_compared: bool = True

    @property
    def differences(self) -> int:
        return len(self.refold) + len(self.sql)


def compare(settings: AggregatorSettings, at: LiveSnapshot, told: Told, limit: int = 1_000) -> Comparison:
    """Compare the rows of a snapshot with a refold and a recount of the feedback that is in them."""
    result = Comparison(brands_compared=at.whole)
    with RowFile() as refolded, RowFile() as live:
        live.add(_live_rows(settings, at, told))
        with recounted(_feedback(settings, at, refolded, result, told), len(at.feedback)) as sql:
            told("比较 / comparing", 0, 1)
            result.events, result.refused = sql.events, sql.refused
            counted = [*sql.differences(live.values(), limit), *sql.window_differences(live.values(), limit)]
            result.sql = _judged(counted, at)
            result.refold = _judged(row_differences(sql.connection, refolded, live, limit), at)
            (result.rows,) = sql.connection.execute("SELECT count(*) FROM live").fetchall()[0]
    return result


def _judged(found: list[Difference], at: LiveSnapshot) -> list[Difference]:
    """While campaigns move, the brand rows of another moment prove nothing."""
    return [each for each in found if at.whole or not each.key.startswith("brand:")]


def _live_rows(settings: AggregatorSettings, at: LiveSnapshot, told: Told) -> Iterator[tuple[str, bytes]]:
    """The newest row of every key within the snapshot; a deleted one is none."""
    places = [(name, number, extent) for name, rows in at.rows.items() for number, extent in sorted(rows.items())]
    for done, (name, number, extent) in enumerate(places):
        told("读取汇总 / reading rows", done, len(places))
        newest: dict[str, bytes] = {}
        for record in read_range(settings.kafka, name, {}, {number: extent.end}):
            key = (record.key or b"").decode("utf-8", "replace")
            if record.value is None:
                newest.pop(key, None)
            else:
                newest[key] = record.value
        yield from newest.items()


def _feedback(
    settings: AggregatorSettings, at: LiveSnapshot, refolded: RowFile, result: Comparison, told: Told
) -> Iterator[FeedbackRecord]:
    """The feedback of the snapshot, once read for both: each partition goes through the refold on its way."""
    known = extents(settings.kafka, settings.feedback_topic)
    result.lost = sum(min(known[number].first, place) for number, place in at.feedback.items())
    refold, total, done = Refold(len(at.feedback)), sum(at.feedback.values()), 0
    for number, end in sorted(at.feedback.items()):
        batch: list[bytes | None] = []
        for record in read_range(settings.kafka, settings.feedback_topic, {}, {number: end}):
            batch.append(record.value)
            yield FeedbackRecord(number, record.offset, record.value)
            if len(batch) == _BATCH:
                refold.take(number, batch)
                batch = []
                told("重算反馈 / refolding", done + record.offset, total)
        refold.take(number, batch)
        refolded.add(refold.rows())
        done += end
    refolded.add(refold.brands())
