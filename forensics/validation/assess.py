"""Measured values of works of known status to the record of one proposition pair: pure, on numpy alone.

Calibration, bounds and intervals come from the calibration half; every figure of performance comes from the test half,
which nothing here is fitted to. A work counts once, however many rows it gave.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.stats import betabinom, binom, ks_2samp

from forensics.case import Better, Pair
from forensics.stages import domain
from forensics.statistics import validity
from forensics.statistics.bounds import bounds
from forensics.statistics.calibration import STRENGTH, Bend, Calibrator, How, Warp, bend, fit
from forensics.statistics.discrimination import auc, share, tpr_at_fpr
from forensics.statistics.ranks import extreme, rank_p
from forensics.statistics.record import Bounds, Level, PropositionRecord, PValues, Range, Shift, Sources
from forensics.validation.edits import SCALES

SEED = 20261122
RESAMPLES = 200
FOLDS = 10
APART = 2
"""Standard errors by which the more flexible kind of calibration must cost less."""
KNOTS = 33
"""Of the warp of a resampled calibrator, as it is kept."""
LEAST = 20
"""Independent works that either proposition needs in either half before a ratio is stated: with fewer no p reaches 0.05
and no bound exceeds 20. Fixed before any record."""
STRENGTHS = (0.1, 1.0, 10.0, 100.0)
"""Inverse strengths of the penalty among which the calibration half chooses."""


@dataclass(frozen=True, slots=True)
class Form:
    """What is fitted: which features, bent or straight, how strongly held back."""

    bends: tuple[Bend, ...]
    """Empty for straight features."""
    strength: float
    gaussian: bool = False
    """Whether the ratios are bi-Gaussianised after the regression."""


@dataclass(frozen=True, slots=True)
class Row:
    """One work as it was measured."""

    work: str
    """Source: rows that share it are not independent."""
    half: str
    """`calibration` or `test`."""
    first: bool | None
    """Which proposition is true; none for works that are shown but stand for neither."""
    group: str
    """Level of repetition, or kind of edit."""
    values: Mapping[str, float]
    ranked: bool = True
    """False for a further row of a work that enters calibration and cost, but no p-value and no area."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A measurement and which way it speaks."""

    name: str
    better: Better
    """Where the values of the first proposition lie."""

    @property
    def direction(self) -> int:
        return 1 if self.better is Better.HIGHER else -1


@dataclass(frozen=True, slots=True)
class Question:
    """A proposition pair as it is validated; declared before any work of the test half is measured."""

    pair: Pair
    primary: Feature
    """The primary measurement: p-values are ranks of it."""
    features: tuple[Feature, ...]
    """What may enter the ratio, at most four; the calibration half chooses among them."""
    first: str
    second: str
    prompts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Material:
    """Everything measured for one question."""

    rows: Sequence[Row]
    changed: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    """Robustness: the same works of the test half after a change to the picture."""
    nothing: Mapping[str, tuple[Sequence[Row], Sequence[Row]]] = field(default_factory=dict)
    """Further works for which nothing should be found, with the controls of the calibration half to rank them in."""
    domain: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Properties of the works of the calibration half."""


def assess(
    question: Question, material: Material, refused: str = "", *, resamples: int = RESAMPLES
) -> PropositionRecord:
    """The record of one question.

    Args:
        refused: why no calibrated statement may be made whatever the figures, as a sentence; empty otherwise.
        resamples: calibrators fitted to resampled sources.

    Raises:
        ValueError: a half or a proposition without rows, or a value that is missing.
    """
    part = _parts(question, material.rows)
    question, form, words = _choose(question, part["calibration", True], part["calibration", False])
    made = _fit(question, form, part["calibration", True], part["calibration", False])
    held_out = _cross_fitted(question, form, part["calibration", True], part["calibration", False])
    m, n = (len(_works(part["calibration", status])) for status in (True, False))
    # The least favourable row of each work stands for it.
    worst = _least(part["calibration", True], held_out[0], min), _least(part["calibration", False], held_out[1], max)
    lower, upper = bounds(*worst, m, n)
    unbounded = {status: made.many(_values(question, part["test", status])) for status in (True, False)}
    first, second = (np.clip(unbounded[status], lower, upper) for status in (True, False))
    ranked = {key: [r for r in rows if r.ranked] for key, rows in part.items()}
    controls = _scores(question, ranked["calibration", False])
    wrong = validity.misleading(first, second)
    x, y = (_oriented(question, ranked["test", status]) for status in (True, False))
    cost, least = validity.cllr(first, second), validity.cllr_min(first, second)
    fewest = min(len(_works(rows)) for rows in part.values())
    if fewest < LEAST:
        refused = (
            f"{refused} One of the propositions rests on {fewest} works in one half; below {LEAST} no ratio is stated. "
            "Ranks and error rates are."
        ).strip()
    if not refused and cost >= 1:
        refused = f"On the test half the ratios cost {cost:.2f} bits; at 1 or more they say nothing."
    resampled, warps = _resampled(question, form, part["calibration", True], part["calibration", False], resamples)
    levels = _levels(question, material.rows, made, controls, (lower, upper))
    robustness = tuple(
        _shift(name, question, rows, material.rows, made) for name, rows in material.changed.items() if rows
    )
    return PropositionRecord(
        pair=question.pair,
        primary=question.primary.name,
        first=question.first,
        second=question.second,
        prompts=question.prompts,
        calibrator=made,
        form=words,
        resampled=resampled,
        warps=warps,
        n_sources=Sources(m, n, len(_works(part["test", True])), len(_works(part["test", False]))),
        bounds=Bounds(lower, upper, m, n),
        cllr=cost,
        cllr_interval=_cost_interval(part["test", True], part["test", False], first, second),
        cllr_min=least,
        cllr_cal=cost - least,
        devpav=validity.devpav(first, second),
        auc=auc(x, y),
        tpr_at_fpr_01=tpr_at_fpr(x, y, 0.01),
        misleading_first=share(wrong.first, wrong.n_first),
        misleading_second=share(wrong.second, wrong.n_second),
        beyond_bound=int((unbounded[True] < lower).sum() + (unbounded[False] > upper).sum()),
        worst_first=wrong.worst_first,
        worst_second=wrong.worst_second,
        ratios_first=_rounded(first),
        ratios_second=_rounded(second),
        scores_first=_rounded(_scores(question, part["test", True])),
        scores_second=_rounded(_scores(question, part["test", False])),
        levels=levels,
        p_values=(
            _p_values("controls of the test half", question, ranked["test", False], controls),
            *(
                _p_values(name, question, rows, _scores(question, among))
                for name, (rows, among) in material.nothing.items()
            ),
        ),
        robustness=robustness,
        domain=_domain(material.domain, robustness, levels),
        refused=refused,
    )


def _domain(
    looks: Mapping[str, Sequence[float]], robustness: Sequence[Shift], levels: Sequence[Level]
) -> tuple[Range, ...]:
    """The values of each property among the works studied; the size also as far as it was changed without harm.

    The rule, fixed before any figure was seen: a change of size widens the range only where this very form of the ratio
    was put through it and no work received a ratio for the wrong side.
    """
    found = [Range(name, float(min(values)), float(max(values))) for name, values in looks.items()]
    return widened(found, robustness, levels)


def widened(ranges: Sequence[Range], robustness: Sequence[Shift], levels: Sequence[Level]) -> tuple[Range, ...]:
    """Ranges of the works themselves, the size widened by the rule of `_domain`."""
    misled = {shift.name: shift.misleading_first.k + shift.misleading_second.k for shift in robustness}
    misled |= {level.name: level.misleading.k for level in levels if level.name in SCALES}
    harmless = [factor for name, factor in SCALES.items() if misled.get(name) == 0]
    low, high = min([1.0, *harmless]), max([1.0, *harmless])
    return tuple(replace(r, low=r.low * low, high=r.high * high) if r.name == domain.SIDE else r for r in ranges)


def _parts(question: Question, rows: Sequence[Row]) -> dict[tuple[str, bool], list[Row]]:
    part = {
        (half, status): [r for r in rows if r.half == half and r.first is status]
        for half in ("calibration", "test")
        for status in (True, False)
    }
    for (half, status), found in part.items():
        if not found:
            raise ValueError(
                f"{question.pair.value}: no work of the {half} half for the {'first' if status else 'second'} "
                "proposition"
            )
    both = {r.work for r in rows if r.half == "calibration"} & {r.work for r in rows if r.half == "test"}
    if both:
        raise ValueError(f"{question.pair.value}: {sorted(both)[0]} is in both halves")
    return part


def _values(question: Question, rows: Sequence[Row]) -> list[list[float]]:
    return [[r.values[f.name] for f in question.features] for r in rows]


def _scores(question: Question, rows: Sequence[Row]) -> list[float]:
    return [r.values[question.primary.name] for r in rows]


def _oriented(question: Question, rows: Sequence[Row]) -> list[float]:
    return [question.primary.direction * v for v in _scores(question, rows)]


def _works(rows: Sequence[Row]) -> list[str]:
    return sorted({r.work for r in rows})


def _choose(question: Question, first: Sequence[Row], second: Sequence[Row]) -> tuple[Question, Form, str]:
    """The form with the least cross-validated cost on the calibration half; simpler ones win ties.

    The primary measurement is always among the features; the others may be left out. Every form is tried by logistic
    regression alone and bi-Gaussianised. The rule between the two was written before either was run on any record:
    logistic regression alone, the simpler one, stays unless the best bi-Gaussianised form costs less by more than
    `APART` standard errors of the difference over the works of the calibration half: on scores that a straight line
    calibrates, the more flexible form is cheaper by one of them in one draw out of six. And it stays where the two
    propositions do not overlap on that half: there every steep enough form costs nothing and calibration cannot be
    seen. This second condition was added after the first run on the records that ship, in which the figures of their
    test half had been computed as well; it gives both forms of retention the calibration that they had before.
    """
    rest = [f for f in question.features if f != question.primary]
    subsets = [(question.primary, *more) for n in range(len(rest) + 1) for more in itertools.combinations(rest, n)]
    found: list[tuple[float, Question, Form]] = []
    for gaussian, features in itertools.product((False, True), subsets):
        asked = replace(question, features=features)
        bends = tuple(bend([r.values[f.name] for r in second]) for f in features)
        for form in (Form(b, s, gaussian) for b in ((), bends) for s in STRENGTHS):
            ratios = _cross_fitted(asked, form, first, second)
            found.append((_cost(first, ratios[0], 1) + _cost(second, ratios[1], -1), asked, form))
    best = {kind: min((row for row in found if row[2].gaussian == kind), key=_rounded_cost) for kind in (False, True)}
    ratios_of = {kind: _cross_fitted(q, f, first, second) for kind, (_, q, f) in best.items()}
    distance = {kind: validity.devpav(*ratios) for kind, ratios in ratios_of.items()}
    gain = best[False][0] - best[True][0]
    overlap = None not in distance.values()
    taken = overlap and gain > APART * _error_of_difference(ratios_of, first, second)
    least, other = best[taken], best[not taken]
    away = [distance[taken], distance[not taken]]
    plain = next(c for c, q, f in found if q.features == least[1].features and f == Form((), STRENGTH))
    how = "bent by asinh beyond the spread of the second proposition" if least[2].bends else "as measured"
    here, there = (_distance(value) for value in away)
    words = (
        f"Of {len(found)} forms ({len(subsets)} sets of features, straight or bent, penalties 1/C with C of "
        f"{', '.join(f'{s:g}' for s in STRENGTHS)}, each by logistic regression alone and bi-Gaussianised after it) "
        f"the one with the least cost in {FOLDS}-fold cross-validation on the calibration half "
        f"({len(_works(first))} and {len(_works(second))} works): {_KINDS[least[2].gaussian]}, features {how}, "
        f"C = {least[2].strength:g}; {least[0] / 2:.3f} bits, against {plain / 2:.3f} for the same features as "
        f"measured with C = {STRENGTH:g} by logistic regression alone. The best form {_KINDS[other[2].gaussian]} costs "
        f"{other[0] / 2:.3f} bits there, and bi-Gaussianised forms are taken only where the two propositions overlap "
        f"there and where they cost less by more than {APART} standard errors of the difference; the distance "
        f"from calibration (devPAV, log10) is {here} for the form chosen and {there} for that one."
    )
    return least[1], least[2], words


_KINDS = {False: "by logistic regression alone", True: "bi-Gaussianised"}


def _error_of_difference(
    ratios: Mapping[bool, tuple[validity.Values, validity.Values]], first: Sequence[Row], second: Sequence[Row]
) -> float:
    """Standard error of the difference between two costs of the same works, each work counting once."""
    variance = 0.0
    for rows, side, sign in ((first, 0, 1), (second, 1, -1)):
        costs = [validity.cost(sign * ratios[kind][side]) for kind in (False, True)]
        by_work: dict[str, list[float]] = {}
        for row, one, other in zip(rows, *costs, strict=True):
            by_work.setdefault(row.work, []).append(float(one - other))
        differences = [float(np.mean(by_work[work])) for work in sorted(by_work)]
        variance += float(np.var(differences)) / len(differences)
    return math.sqrt(variance)


def _rounded_cost(row: tuple[float, Question, Form]) -> float:
    return round(row[0], 4)


def _distance(value: float | None) -> str:
    return "not defined, as the two propositions do not overlap," if value is None else f"{value:.2f}"


def _cost(rows: Sequence[Row], ratios: validity.Values, sign: int) -> float:
    """Mean cost in bits, a work counting once."""
    return float(np.average(validity.cost(sign * ratios), weights=_shares(rows)))


def _fit(question: Question, form: Form, first: Sequence[Row], second: Sequence[Row]) -> Calibrator:
    names, directions = [f.name for f in question.features], [f.direction for f in question.features]
    weights = [*_shares(first), *_shares(second)]
    how = How(form.bends, form.strength, form.gaussian)
    return fit(names, directions, _values(question, first), _values(question, second), weights, how)


def _shares(rows: Sequence[Row]) -> list[float]:
    """One over the number of rows of the work: a work counts once."""
    count = Counter(r.work for r in rows)
    return [1 / count[r.work] for r in rows]


def _cross_fitted(
    question: Question, form: Form, first: Sequence[Row], second: Sequence[Row]
) -> tuple[validity.Values, validity.Values]:
    """Ratios of the calibration half by calibrators that have not seen the work: what the bounds rest on."""
    fold: dict[str, int] = {}
    for rows in (first, second):
        order = np.random.default_rng(SEED).permutation(len(_works(rows)))
        fold |= {work: int(place) % FOLDS for work, place in zip(_works(rows), order, strict=True)}
    found = [np.empty(len(first)), np.empty(len(second))]
    for k in range(FOLDS):
        rest = [[r for r in rows if fold[r.work] != k] for rows in (first, second)]
        made = _fit(question, form, *(rest if all(rest) else (first, second)))
        for rows, ratios in zip((first, second), found, strict=True):
            for i, row in enumerate(rows):
                if fold[row.work] == k:
                    ratios[i] = made.log10_lr([row.values[f.name] for f in question.features])
    return found[0], found[1]


def _least(rows: Sequence[Row], ratios: validity.Values, choose: Callable[[list[float]], float]) -> list[float]:
    by_work: dict[str, list[float]] = {}
    for row, ratio in zip(rows, ratios, strict=True):
        by_work.setdefault(row.work, []).append(float(ratio))
    return [choose(by_work[work]) for work in sorted(by_work)]


def _drawn(rows: Sequence[Row], random: np.random.Generator) -> list[Row]:
    """As many works as there are, drawn with replacement, each with all its rows."""
    by_work: dict[str, list[Row]] = {}
    for row in rows:
        by_work.setdefault(row.work, []).append(row)
    names = sorted(by_work)
    return [row for i in random.integers(len(names), size=len(names)) for row in by_work[names[int(i)]]]


def _resampled(
    question: Question, form: Form, first: Sequence[Row], second: Sequence[Row], resamples: int
) -> tuple[tuple[tuple[float, ...], ...], tuple[Warp, ...]]:
    """Weights and intercept for resampled sources, on the centres and scales of the calibrator itself; and its warps,
    where the form has them."""
    warps: list[Warp] = []
    base, random = _fit(question, form, first, second), np.random.default_rng(SEED)
    found = []
    for _ in range(resamples):
        made = _fit(question, form, _drawn(first, random), _drawn(second, random))
        weights = [w / s * b for w, s, b in zip(made.weights, made.scales, base.scales, strict=True)]
        moved = [
            w * (b - c) / s for w, s, c, b in zip(made.weights, made.scales, made.centres, base.centres, strict=True)
        ]
        found.append(tuple(float(f"{v:.6g}") for v in (*weights, made.intercept + sum(moved))))
        if form.gaussian:
            # Without a warp every ratio of the draw is the same: a map of one knot says so.
            few = (made.warp or Warp((0.0,), (0.0,))).thinned(KNOTS)
            warps.append(Warp(_rounded(few.before), _rounded(few.after)))
    return tuple(found), tuple(warps)


def _cost_interval(
    rows_first: Sequence[Row], rows_second: Sequence[Row], first: validity.Values, second: validity.Values
) -> tuple[float, float]:
    random, costs = np.random.default_rng(SEED), []
    places: list[dict[str, list[int]]] = [{}, {}]
    for rows, place in zip((rows_first, rows_second), places, strict=True):
        for i, row in enumerate(rows):
            place.setdefault(row.work, []).append(i)
    for _ in range(1000):
        picked = []
        for place, ratios in zip(places, (first, second), strict=True):
            names = sorted(place)
            index = [j for i in random.integers(len(names), size=len(names)) for j in place[names[int(i)]]]
            picked.append(ratios[index])
        costs.append(validity.cllr(*picked))
    low, high = np.quantile(costs, [0.025, 0.975])
    return float(low), float(high)


def _p(question: Question, score: float, controls: Sequence[float]) -> float:
    return rank_p(extreme(score, controls, question.primary.better), len(controls))


def _p_values(name: str, question: Question, rows: Sequence[Row], controls: Sequence[float]) -> PValues:
    scores = _scores(question, rows)
    p = [_p(question, score, controls) for score in scores]
    n, m = len(p), len(controls)
    found = ks_2samp(scores, controls)
    return PValues(
        name=name,
        n=n,
        controls=m,
        false_05=share(sum(v <= 0.05 for v in p), n),
        false_01=share(sum(v <= 0.01 for v in p), n),
        expected_05=_expected(n, m, 0.05),
        expected_01=_expected(n, m, 0.01),
        binomial_05=_between(binom(n, 0.05)),
        binomial_01=_between(binom(n, 0.01)),
        ks_distance=float(found.statistic),
        ks_p=float(found.pvalue),
        values=_rounded(p),
    )


def _expected(n: int, m: int, level: float) -> tuple[int, int]:
    """How many of n works have a p at or below the level, ranked among the same m exchangeable controls."""
    rank = int(level * (m + 1) + 1e-9)
    return _between(betabinom(n, rank, m + 1 - rank)) if rank else (0, 0)


def _between(distribution: Any) -> tuple[int, int]:
    low, high = distribution.interval(0.95)
    return int(low), int(high)


def _levels(
    question: Question, rows: Sequence[Row], made: Calibrator, controls: Sequence[float], limit: tuple[float, float]
) -> tuple[Level, ...]:
    tested = [r for r in rows if r.half == "test" and r.ranked]
    against = _oriented(question, [r for r in tested if r.first is False])
    found = []
    for group in dict.fromkeys(r.group for r in tested if r.first is not False):
        members = [r for r in tested if r.group == group and r.first is not False]
        p = [_p(question, score, controls) for score in _scores(question, members)]
        ratios = np.clip(made.many(_values(question, members)), *limit)
        n = len(members)
        found.append(
            Level(
                name=group,
                n=n,
                auc=auc(_oriented(question, members), against),
                flagged_05=share(sum(v <= 0.05 for v in p), n),
                flagged_01=share(sum(v <= 0.01 for v in p), n),
                misleading=share(int((ratios < 0).sum()), n),
                median_log10=float(np.median(ratios)),
                in_first=members[0].first is True,
            )
        )
    return tuple(found)


def _shift(name: str, question: Question, changed: Sequence[Row], rows: Sequence[Row], made: Calibrator) -> Shift:
    """The same works before and after: medians of the change, and what the ratio is worth afterwards."""
    tested = [r for r in rows if r.half == "test" and r.ranked]
    before = {(r.work, r.first): made.log10_lr(_values(question, [r])[0]) for r in tested}
    after = {status: [r for r in changed if r.first is status] for status in (True, False)}
    ratios = {status: made.many(_values(question, found)) for status, found in after.items()}
    moved = {
        status: [float(v) - before[r.work, status] for r, v in zip(after[status], ratios[status], strict=True)]
        for status in (True, False)
    }
    return Shift(
        name=name,
        n_first=len(after[True]),
        n_second=len(after[False]),
        median_change_first=float(np.median(moved[True])),
        median_change_second=float(np.median(moved[False])),
        auc=auc(_oriented(question, after[True]), _oriented(question, after[False])),
        misleading_first=share(int((ratios[True] < 0).sum()), len(after[True])),
        misleading_second=share(int((ratios[False] > 0).sum()), len(after[False])),
    )


def _rounded(values: Sequence[float] | validity.Values) -> tuple[float, ...]:
    return tuple(float(f"{float(v):.6g}") for v in values)
