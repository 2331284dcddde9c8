"""What the harness needs to know of a contender."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from benchmarks.load.exactness import SCOPES, Claim
from benchmarks.load.truth import FIGURES, FOLLOWERS, Row, WindowKey

ROOT = Path(__file__).parents[2]
PRODUCT_PYTHON = ROOT / ".venv" / "bin" / "python"
BENCH_PYTHON = Path(sys.executable)
Latest = Mapping[bytes, bytes]
MANY_POSTS = 100_000
Read = tuple[dict[str, Row], dict[WindowKey, Row]]


@dataclass(frozen=True)
class Stage:
    """Where a run happens. Every topic and group of the run begins with `prefix`."""

    bootstrap: str
    prefix: str
    folder: Path
    events: int
    flush_s: float = 1.0
    posts: int = 5_000

    @property
    def window_scopes(self) -> tuple[str, ...]:
        """Of which rows windows are read and checked: with very many posts only of those with few rows."""
        return SCOPES if self.posts < MANY_POSTS else ("campaign_platform", "campaign")

    def reads_windows_of(self, key: bytes) -> bool:
        return key.partition(b":")[0].decode() in self.window_scopes

    @property
    def feedback_topic(self) -> str:
        return f"{self.prefix}feedback-unified"

    @property
    def output_topic(self) -> str:
        return f"{self.prefix}engagement-aggregate"


@dataclass(frozen=True)
class Command:
    """One process of a contender."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Contender:
    """members: processes of its group. slow: gets fewer events. missing: why it cannot run here, None if it can."""

    name: str
    what: str
    commands: Callable[[Stage], list[Command]]
    group: Callable[[Stage], str]
    topics: Callable[[Stage], list[str]] = lambda stage: [stage.output_topic]
    read: Callable[[Stage, Callable[[str], Latest]], Read] = lambda stage, latest: flat(
        stage, latest(stage.output_topic)
    )
    claim: Claim = field(default_factory=Claim)
    members: int = 1
    slow: bool = False
    missing: Callable[[], str | None] = lambda: None


class FlatWindow(msgspec.Struct):
    """Growth in one window, in plain numbers; times in seconds."""

    length: int
    start: int
    views: int = 0
    likes: int = 0
    comments: int = 0
    shares: int = 0
    saves: int = 0
    follows: int = 0
    comments_collected: int = 0
    replies: int = 0


class FlatRow(msgspec.Struct):
    """What the contenders of the benchmark write: plain numbers, or the windows of the row `aggregate_key`."""

    views: int = 0
    likes: int = 0
    comments: int = 0
    shares: int = 0
    saves: int = 0
    follows: int = 0
    comments_collected: int = 0
    replies: int = 0
    followers: int = 0
    as_of: str = ""
    aggregate_key: str = ""
    windows: list[FlatWindow] = []


_flat = msgspec.json.Decoder(FlatRow)


def flat(stage: Stage, latest: Latest) -> Read:
    """Rows and windows of a topic in the form of `FlatRow`."""
    rows: dict[str, Row] = {}
    windows: dict[WindowKey, Row] = {}
    for key, value in latest.items():
        if b"@" in key and not stage.reads_windows_of(key):
            continue
        row = _flat.decode(value)
        if row.aggregate_key:
            for window in row.windows:
                place = WindowKey(row.aggregate_key, window.length, window.start)
                windows[place] = {name: getattr(window, name) for name in FIGURES}
        else:
            rows[key.decode()] = {name: getattr(row, name) for name in (*FIGURES, FOLLOWERS)}
    return rows, windows
