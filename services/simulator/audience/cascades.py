"""The recorded audience: real cascades, read from a file of one JSON object a line and replayed post by post."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
from msgspec import Meta, Struct

from schemas.events.feedback import Metric
from services.simulator.audience.reactions import Curve, Reactions, Remark

_GZIP = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_Instant = Annotated[datetime, Meta(tz=True)]
_Total = Annotated[int, Meta(ge=0)]


class CascadeError(Exception):
    """Raised for a file that is no file of cascades; the text names file, line and field."""


class Interaction(Struct, frozen=True):
    """A repost or comment. parent: mid of the interaction it answers. text None: a bare repost."""

    mid: str
    at: _Instant
    parent: str | None = None
    user: str = ""
    text: str | None = None


class Final(Struct, frozen=True):
    reposts: _Total | None = None
    comments: _Total | None = None
    likes: _Total | None = None


class Cascade(Struct, frozen=True):
    """One line of the file; what else it says (label, text, author) is of no use here."""

    post_id: str
    posted_at: _Instant
    interactions: tuple[Interaction, ...]
    final: Final = Final()


class CascadeAudience:
    """Each post takes the next cascade of the file, after the last one the first again.

    "Next" must not depend on which platform happens to publish first: the accounts take turns in the order in which
    they are declared, so an account's n-th post always meets the same cascade.
    """

    def __init__(self, path: Path, accounts: Iterable[tuple[str, str]]) -> None:
        self._replays = [replay(cascade) for cascade in read_cascades(path)]
        if not self._replays:
            raise CascadeError(f"{path} 里没有任何传播记录 / the file has no cascade")
        self._turns = {account: turn for turn, account in enumerate(accounts)}
        self.description = f"{len(self._replays)} recorded cascades of {path.name}"

    def reactions(self, platform: str, account: str, ordinal: int, kind: str) -> Reactions:
        turn = self._turns.get((platform, account), 0)
        return self._replays[((ordinal - 1) * max(1, len(self._turns)) + turn) % len(self._replays)]


def read_cascades(path: Path) -> Iterator[Cascade]:
    """The cascades of a file, line by line. Raises CascadeError for a missing file or a broken line."""
    decoder = msgspec.json.Decoder(Cascade)
    number = 0
    try:
        with _opened(path) as file:
            for number, line in enumerate(file, start=1):  # noqa: B007 - the number is told when reading fails
                record = line.removeprefix(_BYTE_ORDER_MARK).strip()
                if record:
                    yield decoder.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CascadeError(f"{path} 第 {number} 行有误 / line {number} is wrong: {error}") from None
    except (gzip.BadGzipFile, EOFError) as error:
        raise CascadeError(f"{path} 在第 {number} 行之后损坏 / broken after line {number}: {error}") from None
    except OSError as error:
        raise CascadeError(f"无法读取 {path}：{error.strerror} / cannot read the file of cascades") from None


def replay(cascade: Cascade) -> Reactions:
    """What was recorded, at its own distance from the post; reads, likes and the like in the same rhythm."""
    told = sorted(_once(cascade.interactions), key=lambda interaction: interaction.at)
    times = [max(0.0, (interaction.at - cascade.posted_at).total_seconds()) for interaction in told]
    remarks: list[Remark] = []
    ordinals: dict[str, int] = {}
    shared: list[float] = []
    for interaction, after in zip(told, times, strict=True):
        if interaction.text is None:
            shared.append(after)
            continue
        parent = ordinals.get(interaction.parent or "")
        remarks.append(Remark(after, interaction.user, interaction.text, parent))
        ordinals[interaction.mid] = len(remarks)
    return Reactions.of(remarks, _curves(cascade, times, shared))


def _curves(cascade: Cascade, times: Sequence[float], shared: Sequence[float]) -> dict[Metric, Curve]:
    """Totals from the record where it has them, else in proportion; always more reads than reactions."""
    rng = random.Random(cascade.post_id)
    final = cascade.final
    likes = final.likes if final.likes is not None else len(times) // 2
    reacted = max((final.reposts or 0) + (final.comments or 0), len(times)) + likes
    views = reacted * rng.randrange(20, 60)
    return {
        "views": Curve(views, times),
        "likes": Curve(likes, times),
        "shares": Curve(len(shared), shared),
        "saves": Curve(likes // 5, times),
        "follows": Curve(views // 800, times),
        "clicks": Curve(views // 60, times),
        "conversions": Curve(views // 1_500, times),
    }


def _once(interactions: Iterable[Interaction]) -> Iterator[Interaction]:
    """Recordings repeat a line now and then; the same mid is the same interaction."""
    seen: set[str] = set()
    for interaction in interactions:
        if interaction.mid not in seen:
            seen.add(interaction.mid)
            yield interaction


def _opened(path: Path) -> BinaryIO | gzip.GzipFile:
    """Gzip is told by its first bytes, not by the name."""
    with path.open("rb") as file:
        zipped = file.read(len(_GZIP)) == _GZIP
    return gzip.open(path) if zipped else path.open("rb")
