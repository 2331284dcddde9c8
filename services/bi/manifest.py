"""`manifest.json` of an export: which files count, and from where the next run goes on. Replaced as a whole."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from schemas.topics import TopicSpec

Format = Literal["parquet", "csv"]
FILE = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What to export; None means all. since: by observed_at, inclusive. by_day: a folder per day of this zone."""

    topic: TopicSpec
    format: Format = "parquet"
    since: datetime | None = None
    brand: str | None = None
    campaign: str | None = None
    scope: str | None = None
    by_day: str | None = None


class Run(Struct, frozen=True, kw_only=True):
    """One run of the export. next_offsets: by partition, where the next one begins; unreadable: records left out."""

    number: int
    files: list[str]
    rows: int
    unreadable: int
    next_offsets: dict[int, int]


class Manifest(Struct, kw_only=True):
    """`manifest.json`: what the files of a folder hold. The runs together are the export."""

    topic: str
    format: Format
    since: datetime | None
    brand: str | None
    campaign: str | None
    scope: str | None
    by_day: str | None
    runs: list[Run] = []

    def next_offsets(self) -> dict[int, int]:
        return self.runs[-1].next_offsets if self.runs else {}


class ManifestError(Exception):
    """Raised where a folder holds another export than the one asked for; speaks to people."""


def manifest_of(folder: Path, selection: Selection) -> Manifest:
    """The manifest of a folder, a fresh one where there is none; raises ManifestError for one of something else."""
    fresh = Manifest(
        topic=selection.topic.name,
        **{name: getattr(selection, name) for name in ("format", "since", "brand", "campaign", "scope", "by_day")},
    )
    path = folder / FILE
    if not path.exists():
        return fresh
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except msgspec.DecodeError as error:
        raise ManifestError(f"{path} 无法读取，请换一个目录 / cannot be read, use another folder: {error}") from None
    for name in ("topic", "format", "brand", "campaign", "scope", "by_day"):
        mine, theirs = getattr(fresh, name), getattr(found, name)
        if mine != theirs:
            raise ManifestError(
                f"{folder} 里是另一份导出：{name} 当时是 {theirs}，现在是 {mine}；请换一个目录"
                f" / the folder holds an export with another {name}, use another folder"
            )
    return found


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest; before this returns the run does not count."""
    content = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".manifest-", delete=False) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(file.name, folder / FILE)
