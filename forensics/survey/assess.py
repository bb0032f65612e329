"""From raw numbers to ranks, the false discovery rate and the test of the set; pure.

The controls are the same for every work, so the p of the works depend on each other, and positively: there the
procedure of Benjamini & Hochberg (1995) keeps its level (Bates et al. 2023, "Testing for outliers with conformal
p-values"). The test of the set follows CDI (Dubiński et al. 2025): a direction is learned on one part of works and
controls, and the rest is tested with it, once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from forensics.case import Absent, Hits, Statistic
from forensics.controls.cache import Values
from forensics.inversion.codelength import share_saved
from forensics.statistics.blind import Told, held_out, standard
from forensics.statistics.discrimination import Rate, auc, share
from forensics.statistics.ranks import clopper_pearson, extreme, rank_p
from forensics.survey.bench import ELSEWHERE, GENERATED, PLAIN, PROMPTED
from forensics.survey.results import ByRepeats, Ranked, SetTest, Surveyed

LEVEL = 0.05
"""False discovery rate at which works are set apart."""
SET_LEAST = 20
"""Pairs below which the set is not tested: half of them would be fewer than ten."""

Scores = Mapping[Statistic, float]


@dataclass(frozen=True, slots=True)
class Among:
    """The scores of the controls, and which statistic is primary."""

    controls: Sequence[Scores]
    primary: Statistic

    def rank(self, statistic: Statistic, value: float) -> Ranked:
        """One value among those of the controls."""
        values = [scores[statistic] for scores in self.controls]
        k = extreme(value, values, statistic.kind.better)
        return Ranked(statistic, value, k, len(values), rank_p(k, len(values)))


def scores(taken: Mapping[str, Values]) -> dict[Statistic, float]:
    """The statistics of one work or control from what was measured of it."""
    bits = {kind: _mean(taken[kind]["bits"]) for kind in (PROMPTED, PLAIN, ELSEWHERE) if kind in taken}
    found = {Statistic.SAVED_BY_PROMPT: share_saved(bits[PROMPTED], bits[PLAIN])}
    if ELSEWHERE in bits:
        found[Statistic.SAVED_AGAINST_CONTROL] = share_saved(bits[PROMPTED], bits[ELSEWHERE])
    found[Statistic.PROMPT_DETAIL] = taken[GENERATED].get("score detail", (0.0,))[0]
    return found


def hits(taken: Mapping[str, Values]) -> Hits:
    """Near-copies among the generated pictures."""
    k, n = (int(taken[GENERATED][f"score {name}"][0]) for name in ("hits", "draws"))
    return Hits(k, n, *clopper_pearson(k, n))


def benjamini_hochberg(p_values: Sequence[float]) -> tuple[float, ...]:
    """q of each p, in the order given."""
    from scipy.stats import false_discovery_control

    return tuple(map(float, false_discovery_control(p_values, method="bh"))) if len(p_values) else ()


def least_together(works: int, smallest_p: float, level: float = LEVEL) -> int:
    """Works that must share the smallest p that the controls allow before any of so many can be set apart."""
    return math.ceil(works * smallest_p / level - 1e-9)


def set_test(works: Sequence[Scores], controls: Sequence[Scores], blind: Sequence[Told], seed: int) -> SetTest | Absent:
    """The works as a set beside their matched controls.

    Args:
        works, controls: scores of the matched ones, pair by pair.
        blind: how well the two sets are told apart without the model.
        seed: of the draw of the half that teaches the direction.
    """
    what = "test of the works as a set"
    if len(works) < SET_LEAST:
        return Absent(
            what,
            f"{len(works)} works could be paired with a control, and the test needs {SET_LEAST}.",
            "Add works, or controls, to the smaller of the two sets.",
        )
    if told := [t for t in blind if t.exceeded]:
        seen = " and ".join(t.what for t in told)
        return Absent(
            what,
            f"A classifier that never saw the checkpoint {seen}. Above {told[0].limit:.2f} a difference between the "
            "sets says how they were chosen, and the test is refused.",
            "Bring controls that are like the works: later works by the same hand, with captions written the same way.",
        )
    features = tuple(sorted(works[0]))
    x = np.array([[s[f] for f in features] for s in (*works, *controls)])
    taught = np.random.default_rng(seed).permutation(len(works)) % 2 == 0
    half = np.concatenate([taught, taught])
    ranks = held_out(standard(x), [True] * len(works) + [False] * len(controls), half.tolist())
    tested_works, tested_controls = (part[~taught] for part in np.split(ranks, 2))
    from scipy.stats import mannwhitneyu

    p = float(mannwhitneyu(tested_works, tested_controls, alternative="greater").pvalue)
    return SetTest(len(works), int((~taught).sum()), features, auc(tested_works, tested_controls), p)


def by_repeats(works: Sequence[Surveyed]) -> tuple[ByRepeats, ...]:
    """The works grouped by how often the training set is stated to hold them, else by near-duplicates in the index."""
    by = "stated" if any(w.stated is not None for w in works) else "near"
    groups: dict[int, list[Surveyed]] = {}
    for work in works:
        count = work.stated if by == "stated" else work.near
        if count is not None:
            groups.setdefault(count, []).append(work)
    return tuple(
        ByRepeats(count, by, len(group), _flagged(group), float(np.median([w.primary.p for w in group])))
        for count, group in sorted(groups.items())
    )


def _flagged(group: Sequence[Surveyed]) -> Rate:
    return share(sum(w.flagged for w in group), len(group))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
