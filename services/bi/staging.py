"""The way of records into DuckDB: JSON lines in a folder of their own, read typed and in bulk. Decides nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import duckdb
import msgspec

_CHUNK_LINES = 20_000


@contextmanager
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database that spills to a folder which goes with it; times are read and shown in UTC."""
    with tempfile.TemporaryDirectory(prefix="tongbo-duckdb-") as folder:
        connection = duckdb.connect(str(Path(folder) / "recount.db"))
        try:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET preserve_insertion_order = false")
            yield connection
        finally:
            connection.close()


def run(connection: duckdb.DuckDBPyConnection, script: str) -> None:
    """Execute one of the SQL files beside this module."""
    connection.execute(files(__package__).joinpath(script).read_text("utf-8"))


def line(value: bytes, **beside: object) -> bytes:
    """A record as one line: its JSON under `value`, untouched but for line ends, which only stand between tokens."""
    return msgspec.json.encode({**beside, "value": msgspec.Raw(value.replace(b"\n", b" ").replace(b"\r", b" "))})


def load(connection: duckdb.DuckDBPyConnection, table: str, columns: dict[str, str], lines: Iterable[bytes]) -> int:
    """Make a table of JSON lines with these columns; fields that are not named are left out. Answers how many."""
    with tempfile.NamedTemporaryFile(prefix="tongbo-lines-", suffix=".ndjson") as file:
        count = 0
        chunk: list[bytes] = []
        for one in lines:
            chunk.append(one)
            if len(chunk) == _CHUNK_LINES:
                count += _written(file, chunk)
        count += _written(file, chunk)
        file.flush()
        shape = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
        connection.execute(
            f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM read_json(?, format = 'newline_delimited',"  # noqa: S608
            f" columns = {{{shape}}}, maximum_object_size = 33554432)",
            [file.name],
        )
    return count


def _written(file: tempfile._TemporaryFileWrapper[bytes], chunk: list[bytes]) -> int:
    if chunk:
        file.write(b"\n".join(chunk) + b"\n")
    written = len(chunk)
    chunk.clear()
    return written
