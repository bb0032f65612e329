"""Could two sets be told apart without the model? Then telling them apart with it would say nothing.

Meeus et al. 2024 ("SoK: membership inference on LLMs is rushing nowhere") and Duan et al. 2024: many published tests
measured how the two groups were chosen. A classifier that sees one side of the material alone, the pictures or the
words, is trained on one part of both sets and scored on the rest; the area under the curve is of the held-out scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forensics.statistics.discrimination import Rate, auc

LIMIT = 0.55
"""Area above which two sets differ without the model, and calibrated statements are refused. Fixed beforehand."""
FOLDS = 5
LEAST = 10
"""Works of each set below which nothing is said: a fold would hold one of them."""


@dataclass(frozen=True, slots=True)
class Told:
    """How well two sets are told apart by one side of the material."""

    inputs: str
    """What the classifier saw, as a noun phrase."""
    auc: Rate
    limit: float

    @property
    def exceeded(self) -> bool:
        """Whether the sets differ without the model, or whether they do cannot be seen."""
        return self.auc.value > self.limit or reverses(self.auc, self.limit)

    @property
    def what(self) -> str:
        """What the classifier does by these inputs, with the area; a predicate about works and controls."""
        area = f"(area under the curve {self.auc.value:.2f}, 95 % interval {self.auc.low:.2f} to {self.auc.high:.2f})"
        if reverses(self.auc, self.limit):
            return (
                f"takes works for controls and controls for works by {self.inputs} {area}: whether they differ cannot "
                "be seen"
            )
        return f"tells the works from the controls by {self.inputs} {area}"


def reverses(area: Rate, limit: float = LIMIT) -> bool:
    """Whether held-out rows are called by the wrong name more surely than chance calls them.

    A classifier that learned nothing has an area of one half, by the luck of the folds as often below it as above. One
    that errs surely was misled: rows of the two sets have their likes in the other set, and a like was in the part that
    taught. That says neither that the sets differ nor that they do not, and a difference may be hidden under it. Unlike
    above one half, where the point decides, the whole interval must lie below 1 - `limit`: the point alone falls there
    in one of three to six draws of sets that do not differ.
    """
    return area.high < 1 - limit


def words(captions: Sequence[str]) -> NDArray[np.float64]:
    """(n, d) features of captions alone: character n-grams of two to four letters, length, commas, spaces."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    lengths = np.array([[len(c), c.count(","), c.count(" ")] for c in captions], dtype=np.float64)
    grams = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), min_df=min(2, len(captions)), sublinear_tf=True)
    try:
        found = grams.fit_transform(captions).toarray()
    except ValueError:  # no n-gram is left: empty captions, or none that two of them share
        return standard(lengths)
    return np.hstack([found, standard(lengths)])


def standard(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns with mean 0 and deviation 1; constant ones 0."""
    spread = x.std(0)
    return (x - x.mean(0)) / np.where(spread > 0, spread, 1.0)


def matched(first: NDArray[np.float64], second: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Pairs (row of the one, row of the other) of least total distance, each used once; as many as the smaller set has.

    Args:
        first, second: (n, d) and (m, d) properties of the material; nothing that a checkpoint was asked for. Columns
            are brought to one scale.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    both = standard(np.vstack([first, second]))
    cost = cdist(both[: len(first)], both[len(first) :])
    return [(int(a), int(b)) for a, b in zip(*linear_sum_assignment(cost), strict=True)]


def held_out(x: NDArray[np.float64], first: Sequence[bool], part: Sequence[Any]) -> NDArray[np.float64]:
    """(n,) ranks in [0, 1) of logistic regression, each part scored by a model trained on the others.

    Args:
        x: (n, d) features.
        first: whether a row is of the first set.
        part: which rows are held out together; every part needs rows of both sets outside it.
    """
    from scipy.stats import rankdata
    from sklearn.linear_model import LogisticRegression

    truth, side = np.array(first), np.array(part)
    scores = np.zeros(len(truth))
    for one in sorted(set(part)):
        held = side == one
        model = LogisticRegression(C=1.0, class_weight="balanced", max_iter=5000).fit(x[~held], truth[~held])
        # Ranks inside the part: the models need not share a scale. Equal scores share one, else order would decide.
        scores[held] = (rankdata(model.decision_function(x[held]).round(12)) - 1) / held.sum()
    return scores


def told(
    inputs: str, first: NDArray[np.float64], second: NDArray[np.float64], seed: int = 0, *, paired: bool = False
) -> Told | None:
    """How well the rows of two sets are told apart by cross-validation; None below `LEAST` of either.

    Args:
        inputs: what the features are of, as a noun phrase.
        first, second: (n, d) features, prepared alike.
        seed: of the draw of the folds.
        paired: row i of the one was chosen for its likeness to row i of the other. The two are then held out together:
            a model that has learned the partner under the other name calls its like by that name, and the area would
            fall below one half and hide a difference that is there. Sets that were not paired can be full of likes as
            well, controls by the same hand for instance. Where that turns the names round (`reverses`), likes are
            paired (`matched`) and it is tried again; not always, because of sets without likes the area would be too
            large.

    Raises:
        ValueError: paired sets of different numbers.
    """
    if paired and len(first) != len(second):
        raise ValueError(f"pairs of {len(first)} and {len(second)} rows")
    if min(len(first), len(second)) < LEAST:
        return None
    found = Told(inputs, _area(first, second, seed, [(n, n) for n in range(len(first))] if paired else []), LIMIT)
    if not paired and reverses(found.auc):
        return Told(f"{inputs}, likes held out together", _area(first, second, seed, matched(first, second)), LIMIT)
    return found


def _area(first: NDArray[np.float64], second: NDArray[np.float64], seed: int, pairs: Sequence[tuple[int, int]]) -> Rate:
    """Area under the curve of held-out ranks, the rows of a pair held out together."""
    draw, sides = np.random.default_rng(seed), [np.full(len(x), -1) for x in (first, second)]
    if pairs:
        dealt = draw.permutation(len(pairs)) % FOLDS
        for side, rows in zip(sides, zip(*pairs, strict=True), strict=True):
            side[list(rows)] = dealt
    # Each set is dealt out by itself, so that every fold holds both in proportion; of pairs, both to the same fold.
    for side in sides:
        side[side < 0] = draw.permutation(int((side < 0).sum())) % FOLDS
    truth = [True] * len(first) + [False] * len(second)
    scores = held_out(np.vstack([first, second]), truth, np.concatenate(sides).tolist())
    return auc(scores[: len(first)], scores[len(first) :])
