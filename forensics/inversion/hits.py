"""How often a checkpoint gave the target back, how many tries that means, and whether its seeds fall together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from forensics.case import Fact
from forensics.inversion.fidelity import NEAR, tiled_distance
from forensics.inversion.where import region
from forensics.pictures.tensors import resize

LEVEL = 0.95
"""Coverage of the interval of the hit rate."""
COLLAPSE_PX = 128
"""Side at which pictures of different seeds are compared with each other."""


@dataclass(frozen=True, slots=True)
class HitRate:
    """Near-copies among independent draws."""

    hits: int
    draws: int
    """>= 1."""

    @property
    def rate(self) -> float:
        return self.hits / self.draws

    @property
    def interval(self) -> tuple[float, float]:
        """Exact two-sided 95 % interval (Clopper & Pearson 1934)."""
        from scipy.stats import binomtest  # takes most of a second, and few commands come here

        found = binomtest(self.hits, self.draws).proportion_ci(LEVEL, method="exact")
        return float(found.low), float(found.high)

    @property
    def tries(self) -> float:
        """Draws that give at least one hit with probability one half; infinite where the rate is 0."""
        return tries(self.rate)

    @property
    def bits(self) -> float:
        """log2(1 / rate): the price of choosing a seed that hits.

        Without a hit, log2(draws): choosing the best of what was drawn, and no more than a lower bound for a hit.
        """
        return math.log2(self.draws / max(1, self.hits))

    @property
    def choice(self) -> str:
        """What the choice of the seed was, as the end of a sentence on what was supplied."""
        if self.draws == 1:
            return "one seed, not chosen"
        if self.hits:
            return f"the choice of a seed that gives a near-copy, as {self.hits} of {self.draws} do"
        return f"the choice of the best among {self.draws} seeds, none of which gives a near-copy"

    @property
    def sentence(self) -> str:
        """The rate in words, with interval and tries."""
        low, high = self.interval
        few, many = _tries_text(tries(high)), _tries_text(tries(low))
        return (
            f"{self.hits} of {self.draws} draws, {self.rate:.3f} (95 % interval {low:.3f} to {high:.3f}); draws for an "
            f"even chance of at least one: {_tries_text(self.tries)} ({few} to {many})"
        )


def tries(rate: float) -> float:
    """Independent draws for a chance of one half of at least one hit: ln 0.5 / ln(1 - rate), rounded up, >= 1."""
    if rate <= 0:
        return math.inf
    # 1e-9: a rate of exactly 1 - 0.5^(1/n) needs n draws, whatever the rounding of the logarithms.
    return 1.0 if rate >= 0.5 else float(math.ceil(math.log(0.5) / math.log1p(-rate) - 1e-9))


@dataclass(frozen=True, slots=True)
class Collapse:
    """How alike the pictures of different seeds are to each other. No target is needed for this."""

    pictures: int
    distance: float
    """Median tiled distance over all pairs, in [0, 1]."""
    together: int
    """Pictures of the largest group in which every pair is a near-copy (complete linkage), 1 where no pair is."""

    @property
    def sentence(self) -> str:
        return (
            f"largest group of mutual near-copies: {self.together} of {self.pictures}; median tiled distance between "
            f"two seeds {self.distance:.3f}"
        )


def seed_collapse(pictures: Tensor) -> Collapse | None:
    """Of the pictures (N, 3, H, W) of N seeds under one prompt; None for fewer than two.

    Carlini et al. 2023, section 4.2, look for cliques among 500 pictures of a prompt; a group of complete linkage is a
    clique, and found without search.
    """
    count = len(pictures)
    if count < 2:
        return None
    small = resize(pictures, COLLAPSE_PX, COLLAPSE_PX)
    both = combinations(range(count), 2)
    pairs = np.array([float(tiled_distance(small[i : i + 1], small[j : j + 1])) for i, j in both])
    from scipy.cluster.hierarchy import fcluster, linkage

    groups = fcluster(linkage(pairs, method="complete"), t=NEAR, criterion="distance")
    return Collapse(count, float(np.median(pairs)), int(np.bincount(groups).max()))


def judged(
    pictures: Tensor, target: Tensor, hit: Tensor
) -> tuple[HitRate, tuple[Fact, ...], tuple[tuple[str, float], ...]]:
    """What every rung that draws seeds reports: the rate, its facts, and its scores.

    Scores: `hits` and `draws`; `area` and `detail`, the shares of the picture that at least half of the seeds
    reproduce; `seed distance` and `seeds together`, which need no target, where there are two seeds or more.

    Args:
        pictures: (N, 3, H, W), one a seed.
        target: (1, 3, H, W), as the autoencoder shows it.
        hit: (N,) bool.
    """
    part = region(target, pictures)
    rate = HitRate(int(torch.count_nonzero(hit)), len(hit))
    facts = [Fact("near-copies of the target", rate.sentence), Fact("region that came back", part.sentence)]
    scores = [("hits", float(rate.hits)), ("draws", float(rate.draws)), *part.scores]
    collapse = seed_collapse(pictures)
    if collapse is not None:
        facts.append(Fact("agreement between seeds", collapse.sentence))
        scores += [("seed distance", collapse.distance), ("seeds together", float(collapse.together))]
    return rate, tuple(facts), tuple(scores)


def _tries_text(value: float) -> str:
    return "no number" if math.isinf(value) else f"{value:.0f}"
