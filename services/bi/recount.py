"""The recount in SQL: reads raw feedback, adds up every published figure, and compares number by number.

Shares no code with the fold nor with `engagement_aggregator/recount.py`, so that all three can testify about each
other. Revisions (and event ids, which hold them) are not recounted: they count changes, which only the fold sees.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import duckdb

from schemas.events.feedback import METRICS
from services.bi.acceptance import Acceptance
from services.bi.staging import database, line, load, run
from services.runtime.kafka.partitions import partition_of

_READING = 'STRUCT("value" BIGINT, reason VARCHAR)'
_EVENT = (
    'STRUCT("type" VARCHAR, brand_id VARCHAR, campaign_id VARCHAR, content_id VARCHAR, placement_id VARCHAR,'
    " platform VARCHAR, account VARCHAR, post_key VARCHAR, comment_id VARCHAR, reply_id VARCHAR, version BIGINT,"
    ' deleted BOOLEAN, "sequence" BIGINT, comments_total BIGINT, observed_at VARCHAR, occurred_at VARCHAR,'
    " published_at VARCHAR,"
    f" followers {_READING}, readings MAP(VARCHAR, {_READING}))"
)
NOT_RECOUNTED = frozenset({"event_id", "revision"})
OF_WINDOWS = frozenset({"as_of", "occurred_at", "observed_at"})  # of the last change, which only the fold sees
_SORTED = "map_from_entries(list_sort(map_entries({})))"
_WINDOWS = b'{"type":"EngagementWindows'
SCRIPTS = ("feedback.sql", "recount.sql", "moments.sql", "rates.sql", "windows.sql")


class FeedbackRecord(NamedTuple):
    """A record of the feedback topic, in offset order within its partition."""

    partition: int
    offset: int
    value: bytes | None


class Difference(NamedTuple):
    """One number in which a published row differs from the recount; `field` is a path such as `totals.likes.value`.

    A row that is missing or should not be there has the field `row`. Values are JSON, None where there is nothing.
    """

    key: str
    field: str
    expected: str | None
    got: str | None

    def __str__(self) -> str:
        return f"{self.key}  {self.field}：应为 {self.expected}，实为 {self.got} / expected, got"


class Recount:
    """Every figure as it should be, kept in DuckDB. refused: by cause, how many records do not count."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, refused: Counter[str], events: int) -> None:
        self.connection = connection
        self.refused = refused
        self.events = events

    def rows(self) -> dict[str, dict[str, Any]]:
        """The figures by row key."""
        return dict(self.connection.execute("SELECT key, figures FROM expected ORDER BY key").fetchall())

    def differences(self, published: Iterable[tuple[str, bytes]], limit: int = 1_000) -> list[Difference]:
        """Every number that differs from the newest published rows (`key`, JSON), at most `limit` of them."""
        rows = ((key, value) for key, value in published if not value.startswith(_WINDOWS))
        return _compared(self.connection, "expected", rows, limit)

    def window_differences(self, published: Iterable[tuple[str, bytes]], limit: int = 1_000) -> list[Difference]:
        """The same for rows of windows; those of aggregates are passed over."""
        rows = ((key, value) for key, value in published if value.startswith(_WINDOWS))
        return _compared(self.connection, "expected_windows", rows, limit)


@contextmanager
def recounted(records: Iterable[FeedbackRecord], partitions: int) -> Iterator[Recount]:
    """Count the feedback anew; `partitions` is the partition count of the topic."""
    refused: Counter[str] = Counter()
    with database() as connection:
        connection.execute("CREATE TABLE metric (name VARCHAR)")
        connection.executemany("INSERT INTO metric VALUES (?)", [[name] for name in METRICS])
        columns = {"partition": "INTEGER", "offset": "BIGINT", "value": _EVENT}
        events = load(connection, "raw", columns, _accepted(records, partitions, refused))
        for script in SCRIPTS:
            run(connection, script)
        yield Recount(connection, refused, events)


def _accepted(records: Iterable[FeedbackRecord], partitions: int, refused: Counter[str]) -> Iterator[bytes]:
    at: dict[int, Acceptance] = {}
    for partition, offset, value in records:
        if partition not in at:
            at[partition] = Acceptance(lambda campaign, here=partition: partition_of(campaign, partitions) == here)  # type: ignore[misc]
        cause = at[partition].refusal(value)
        if cause is None and value is not None:
            yield line(value, partition=partition, offset=offset)
        else:
            refused[cause or "undecodable"] += 1


def _compared(
    connection: duckdb.DuckDBPyConnection,
    expected: str,
    published: Iterable[tuple[str, bytes]],
    limit: int,
) -> list[Difference]:
    kinds = connection.execute(f"SELECT typeof(figures) FROM {expected} LIMIT 1").fetchall()  # noqa: S608
    kind = str(kinds[0][0]) if kinds else 'STRUCT("key" VARCHAR)'
    lines = (line(value, row_key=key) for key, value in published)
    load(connection, "published", {"row_key": "VARCHAR", "value": kind.replace("'", "''")}, lines)
    connection.execute(f"CREATE OR REPLACE VIEW wanted AS SELECT * FROM {expected}")  # noqa: S608
    figures = _in_order(expected) if kinds else "value"
    connection.execute(f"CREATE OR REPLACE VIEW found AS SELECT row_key, {figures} AS figures FROM published")  # noqa: S608
    run(connection, "compare.sql")
    return found_differences(connection, limit)


def _in_order(expected: str) -> str:
    """The published value with its maps in order: they are equal whatever the order of their entries."""
    if expected == "expected":
        maps = ("totals", "newest_observation", "activity", "stale_after", "freshness_s")
        return (
            "struct_update(value, " + ", ".join(f"{name} := {_SORTED.format(f'value.{name}')}" for name in maps) + ")"
        )
    partial = f"struct_update(w, partial := {_SORTED.format('w.partial')})"
    return (
        f"struct_update(value, missing := {_SORTED.format('value.missing')},"
        f" windows := list_transform(value.windows, lambda w: {partial}))"
    )


def found_differences(connection: duckdb.DuckDBPyConnection, limit: int) -> list[Difference]:
    """The rows that a comparison left in the table `unequal`, number by number."""
    run(connection, "difference.sql")
    rows = connection.execute("SELECT key, field, expected, got FROM difference ORDER BY key, field LIMIT ?", [limit])
    return [Difference(*row) for row in rows.fetchall()]
