"""The invented audience: figures and comments drawn from (seed, platform, account, ordinal) and from nothing else."""

from __future__ import annotations

import math
import random
from statistics import NormalDist

from schemas.events.feedback import Metric
from services.simulator.audience import remarks
from services.simulator.audience.reactions import Curve, Reactions, Remark

DAY_S = 86_400.0
MEDIAN_READ_S = 14 * 60.0
SPREAD = 1.73
"""Lognormal: four reads in five fall into the first hour, the rest within the day."""

MEDIAN_READS, READS_SPREAD, FEWEST_READS, MOST_READS = 2_500, 0.5, 700, 9_000
FLOP = 0.04
"""Share of posts that nearly nobody sees."""

REPLIES = 0.22
_USUAL: dict[Metric, float] = {
    "likes": 0.045,
    "comments": 0.015,
    "shares": 0.006,
    "saves": 0.008,
    "follows": 0.002,
    "clicks": 0.02,
    "conversions": 0.0015,
}
"""Reactions per read."""

_BY_KIND: dict[str, dict[Metric, float]] = {
    "video": {"likes": 0.07, "comments": 0.017, "shares": 0.008},
    "pictures": {"likes": 0.06, "saves": 0.016},
    "article": {"likes": 0.02, "comments": 0.011, "saves": 0.02, "clicks": 0.035},
    "news": {"likes": 0.02, "comments": 0.011, "saves": 0.02, "clicks": 0.035},
    "notice": {"likes": 0.025, "comments": 0.012},
}
_ACTS_AFTER_S = 25.0
_BELL = NormalDist()


class SeededAudience:
    """A finite audience for every post; 24 simulated hours after going live nothing more happens."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.description = f"seeded model, seed {seed}"

    def reactions(self, platform: str, account: str, ordinal: int, kind: str) -> Reactions:
        rng = random.Random(f"{self._seed}/{platform}/{account}/{ordinal}")
        reads = _read_times(rng, _reads(rng))
        curves: dict[Metric, Curve] = {"views": Curve(len(reads), reads)}
        written: list[float] = []
        for metric, share in (_USUAL | _BY_KIND.get(kind, {})).items():
            times = _acts(rng, reads, share * rng.lognormvariate(0, 0.25))
            if metric == "comments":
                written = times
            else:
                curves[metric] = Curve(len(times), times)
        return Reactions.of(_remarks(rng, written), curves)


def _reads(rng: random.Random) -> int:
    if rng.random() < FLOP:
        return rng.randrange(15, 120)
    drawn = int(rng.lognormvariate(math.log(MEDIAN_READS), READS_SPREAD))
    return min(max(drawn, FEWEST_READS), MOST_READS)


def _read_times(rng: random.Random, reads: int) -> list[float]:
    """Times of all reads, ascending: one draw from each of `reads` equal slices of the distribution."""
    within_a_day = _BELL.cdf(math.log(DAY_S / MEDIAN_READ_S) / SPREAD)
    slices = ((slice_ + rng.random()) / reads * within_a_day for slice_ in range(reads))
    return [MEDIAN_READ_S * math.exp(SPREAD * _BELL.inv_cdf(max(share, 1e-12))) for share in slices]


def _acts(rng: random.Random, reads: list[float], share: float) -> list[float]:
    """When readers act: each act follows a read of its own, so no figure ever overtakes the reads."""
    readers = rng.sample(reads, min(len(reads), round(len(reads) * share)))
    return sorted(min(read + rng.expovariate(1 / _ACTS_AFTER_S), DAY_S) for read in readers)


def _remarks(rng: random.Random, times: list[float]) -> list[Remark]:
    written: list[Remark] = []
    for after in times:
        parent = rng.randrange(1, len(written) + 1) if written and rng.random() < REPLIES else None
        text = remarks.answer(rng) if parent else remarks.remark(rng)
        likes = int(rng.paretovariate(0.9)) - 1
        written.append(Remark(after, remarks.nickname(rng), text, parent, min(likes, 2_000)))
    return written
