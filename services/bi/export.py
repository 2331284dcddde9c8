"""Writes published topics into files for BI: typed, the newest row per key of a compacted topic, whole or not at all.

A run's files appear by renaming, and count only once the manifest names them; the manifest also holds the offsets
from which the next run goes on, so nothing is exported twice and nothing is missed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import duckdb
import msgspec
from msgspec import Struct

from schemas.codec import DecodeError, decoder
from schemas.contract.event_types import types_of
from services.bi.columns import Column, columns_of, flat
from services.bi.manifest import Run, Selection, manifest_of, write_manifest
from services.bi.staging import database, line, load
from services.runtime.kafka.records import Record

_FORMULA = r"^[=+\-@\t\r\n＝＋－＠]"  # also full width: some spreadsheets take them for the same
_PRIVATE = 0o600  # comments and drafts are nobody else's
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


def export(folder: Path, selection: Selection, records: Iterable[Record], ends: Mapping[int, int]) -> Run:
    """Write what `records` hold as the next run of the folder; `ends` is where they stop in each partition."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = manifest_of(folder, selection)
    number = len(manifest.runs) + 1
    types = types_of(selection.topic)
    unreadable = [0]
    with database() as connection, tempfile.TemporaryDirectory(prefix=".unfinished-", dir=folder) as unfinished:
        columns = {"partition": "INTEGER", "offset": "BIGINT", "row_key": "VARCHAR", "value": _struct(types)}
        load(connection, "record", columns, _lines(records, selection, unreadable))
        rows = _select(connection, selection, types)
        made = _copy(connection, selection, Path(unfinished), f"{selection.topic.name}-{number:06d}") if rows else []
        files = _put_in_place(Path(unfinished), folder, made, f"{selection.topic.name}-{number:06d}")
    run = Run(number=number, files=files, rows=rows, unreadable=unreadable[0], next_offsets=dict(ends))
    manifest.runs.append(run)
    write_manifest(folder, manifest)
    return run


def _lines(records: Iterable[Record], selection: Selection, unreadable: list[int]) -> Iterator[bytes]:
    """Decoded and encoded again, so that fields with defaults which an old record lacks are there."""
    decode = decoder(selection.topic.name)
    for record in records:
        if record.value is None:
            continue
        try:
            event = decode(record.value)
        except DecodeError:
            unreadable[0] += 1
            continue
        key = (record.key or b"").decode("utf-8", "replace")
        yield line(msgspec.json.encode(event), partition=record.partition, offset=record.offset, row_key=key)


def _struct(types: tuple[type[Struct], ...]) -> str:
    return "STRUCT(" + ", ".join(f'"{name}" {kind}' for name, kind in columns_of(types).items()) + ")"


def _select(connection: duckdb.DuckDBPyConnection, selection: Selection, types: tuple[type[Struct], ...]) -> int:
    """Make `chosen`: one column per field, newest per key, filtered. Answers the number of rows."""
    expressions = ['"partition" AS kafka_partition, "offset" AS kafka_offset']
    for column in flat(types):
        value = _for_csv(column) if selection.format == "csv" else column.path
        expressions.append(f'{value} AS "{column.name}"')
    if selection.by_day:
        expressions.append("(value.observed_at AT TIME ZONE $zone)::DATE AS day")
    newest = (
        'QUALIFY row_number() OVER (PARTITION BY row_key ORDER BY "offset" DESC) = 1'
        if "compact" in selection.topic.cleanup_policy
        else ""
    )
    wanted = {"brand": "brand_id", "campaign": "campaign_id", "scope": "scope"}
    filters = ["true"]
    values: dict[str, object] = {"zone": selection.by_day} if selection.by_day else {}
    for name, field in wanted.items():
        if (value := getattr(selection, name)) is not None:
            filters.append(f"value.{field} = ${name}")
            values[name] = value
    if selection.since is not None:
        filters.append("value.observed_at >= $since")
        values["since"] = selection.since
    connection.execute(
        f"CREATE TABLE chosen AS SELECT {', '.join(expressions)} FROM (SELECT * FROM record {newest})"  # noqa: S608
        f" WHERE {' AND '.join(filters)}",
        values,
    )
    return int(connection.execute("SELECT count(*) FROM chosen").fetchall()[0][0])


def _for_csv(column: Column) -> str:
    """Lists and maps as JSON; a text that a spreadsheet would take for a formula begins with an apostrophe."""
    if column.nested:
        return f"to_json({column.path})"
    if column.type != "VARCHAR":
        return column.path
    return f"CASE WHEN regexp_matches({column.path}, '{_FORMULA}') THEN chr(39) || {column.path} ELSE {column.path} END"


def _copy(connection: duckdb.DuckDBPyConnection, selection: Selection, into: Path, name: str) -> list[Path]:
    options = ["FORMAT parquet", "COMPRESSION zstd"]
    if selection.format == "csv":
        options = ["FORMAT csv", "HEADER", f"TIMESTAMPFORMAT '{_TIME}'"]
    order = "ORDER BY kafka_partition, kafka_offset"
    if selection.by_day:
        options += ["PARTITION_BY (day)", f"FILENAME_PATTERN '{name}-{{i}}'", "OVERWRITE_OR_IGNORE"]
        connection.execute(f"COPY (FROM chosen {order}) TO '{_quoted(into)}' ({', '.join(options)})")
    else:
        file = into / f"{name}.{selection.format}"
        connection.execute(f"COPY (FROM chosen {order}) TO '{_quoted(file)}' ({', '.join(options)})")
    return sorted(path.relative_to(into) for path in into.rglob(f"*.{selection.format}"))


def _quoted(path: Path) -> str:
    """A path within an SQL text."""
    return str(path).replace("'", "''")


def _put_in_place(unfinished: Path, folder: Path, made: list[Path], name: str) -> list[str]:
    """Rename the finished files to where they belong; what an aborted run of this number left is removed."""
    for old in folder.rglob(f"{name}[.-]*"):
        if not old.is_relative_to(unfinished):
            old.unlink()
    for path in made:
        os.chmod(unfinished / path, _PRIVATE)
        with (unfinished / path).open("rb") as file:
            os.fsync(file.fileno())
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        os.replace(unfinished / path, folder / path)
    return [str(path) for path in made]
