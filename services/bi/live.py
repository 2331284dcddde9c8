"""Compares published rows with refolded ones, byte by byte and then number by number, in DuckDB: both may be large."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable

import duckdb
import msgspec

from services.bi.recount import Difference, found_differences
from services.bi.staging import load, run

_COLUMNS = {"row_key": "VARCHAR", "value": "VARCHAR"}


class RowFile:
    """Rows (`key`, JSON) put aside until they are compared; of a key only the last one stays."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="tongbo-rows-")  # noqa: SIM115 - closed by __exit__
        self.count = 0

    def add(self, rows: Iterable[tuple[str, bytes]]) -> None:
        for key, value in rows:
            self.count += 1
            text = {"n": self.count, "row_key": key, "value": value.decode()}
            self._file.write(msgspec.json.encode(text) + b"\n")

    def into(self, connection: duckdb.DuckDBPyConnection, table: str) -> None:
        self._file.seek(0)
        load(connection, "every_row", {"n": "BIGINT", **_COLUMNS}, (one.rstrip(b"\n") for one in self._file))
        connection.execute(
            f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM every_row"  # noqa: S608
            " QUALIFY row_number() OVER (PARTITION BY row_key ORDER BY n DESC) = 1"
        )

    def values(self) -> Iterable[tuple[str, bytes]]:
        """All that was added, in order."""
        self._file.seek(0)
        for one in self._file:
            row = msgspec.json.decode(one)
            yield row["row_key"], row["value"].encode()

    def __enter__(self) -> RowFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def row_differences(
    connection: duckdb.DuckDBPyConnection, refolded: RowFile, live: RowFile, limit: int
) -> list[Difference]:
    """Every number in which the live rows differ from the refolded ones, revisions included."""
    refolded.into(connection, "refolded")
    live.into(connection, "live")
    run(connection, "texts.sql")
    return found_differences(connection, limit)
