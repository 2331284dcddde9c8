"""Whether a contender's totals are those that the generator counted. A contender that is not exact does not count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.load.truth import FIGURES, FOLLOWERS, Row, WindowKey

SCOPES = ("post", "content", "campaign_platform", "campaign")


@dataclass(frozen=True)
class Claim:
    """What a contender says it computes. A figure that it does not claim is not checked, and the report says so."""

    scopes: tuple[str, ...] = SCOPES
    figures: tuple[str, ...] = (*FIGURES, FOLLOWERS)
    windows: bool = True


class Difference(NamedTuple):
    """One figure that is not what was counted; None for a row that is missing or should not be there."""

    where: str
    figure: str
    expected: int | None
    got: int | None


def differences(
    claim: Claim,
    expected: tuple[Mapping[str, Row], Mapping[WindowKey, Row]],
    got: tuple[Mapping[str, Row], Mapping[WindowKey, Row]],
    window_scopes: tuple[str, ...] = SCOPES,
) -> list[Difference]:
    """Everything in which the rows and windows got differ from those expected; empty when all is exact.

    window_scopes: the rows whose windows have been read.
    """
    scopes = set(claim.scopes)
    wanted = {key: row for key, row in expected[0].items() if key.partition(":")[0] in scopes}
    found = {key: row for key, row in got[0].items() if key.partition(":")[0] in scopes}
    differing = _compare(wanted, found, claim.figures)
    if claim.windows:
        figures = tuple(name for name in claim.figures if name != FOLLOWERS)
        checked = {key for key in got[1] if key.row.startswith(("campaign:", "campaign_platform:"))}
        hours = {key: got[1][key] for key in checked if key.length_s <= 3_600 and any(got[1][key].values())}
        differing += _compare(
            {str(tuple(key)): row for key, row in expected[1].items()},
            {str(tuple(key)): row for key, row in hours.items()},
            figures,
        )
        summed = {key: row for key, row in wanted.items() if key.partition(":")[0] in window_scopes}
        differing += _sums(summed, got[1], figures)
    return differing


def _compare(expected: Mapping[str, Row], got: Mapping[str, Row], figures: Iterable[str]) -> list[Difference]:
    found = []
    for key in expected.keys() | got.keys():
        if key not in got or key not in expected:
            found.append(Difference(key, "row", 1 if key in expected else None, 1 if key in got else None))
            continue
        for name in figures:
            want, have = expected[key].get(name, 0), got[key].get(name, 0)
            if want != have:
                found.append(Difference(key, name, want, have))
    return sorted(found, key=str)


def _sums(rows: Mapping[str, Row], windows: Mapping[WindowKey, Row], figures: tuple[str, ...]) -> list[Difference]:
    """Every row began at nothing, so the windows of one length add up to its totals."""
    sums: dict[tuple[str, int], dict[str, int]] = {}
    for key, window in windows.items():
        total = sums.setdefault((key.row, key.length_s), dict.fromkeys(figures, 0))
        for name in figures:
            total[name] += window.get(name, 0)
    lengths = {length for _, length in sums}
    found = []
    for (name, length), total in sums.items():
        for figure in figures:
            if name in rows and rows[name].get(figure, 0) != total[figure]:
                found.append(Difference(f"{name} Σ{length}s", figure, rows[name].get(figure, 0), total[figure]))
    for name, row in rows.items():
        if any(row.get(figure, 0) for figure in figures):
            missing = (length for length in lengths if (name, length) not in sums)
            found += [Difference(f"{name} Σ{length}s", "row", 1, None) for length in missing]
    if rows and not lengths:
        found.append(Difference("windows", "row", 1, None))
    return found
