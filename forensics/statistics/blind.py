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
        """Whether the sets differ without the model."""
        return self.auc.value > self.limit


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
            fall below one half and hide a difference that is there.

    Raises:
        ValueError: paired sets of different numbers.
    """
    if paired and len(first) != len(second):
        raise ValueError(f"pairs of {len(first)} and {len(second)} rows")
    if min(len(first), len(second)) < LEAST:
        return None
    truth = [True] * len(first) + [False] * len(second)
    draw = np.random.default_rng(seed)
    # Each set is dealt out by itself, so that every fold holds both in proportion; of pairs, both to the same fold.
    dealt = draw.permutation(len(first)) % FOLDS
    part = np.concatenate([dealt, dealt if paired else draw.permutation(len(second)) % FOLDS])
    scores = held_out(np.vstack([first, second]), truth, part.tolist())
    return Told(inputs, auc(scores[: len(first)], scores[len(first) :]), LIMIT)
