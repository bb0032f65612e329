"""The text-only baseline: how well captions can be told apart by their style alone, without loading any model.

A score over captions is evidence about a model only as far as captions of both kinds look alike to a reader. Where this
classifier already separates them (AUC well above 0.5), a rank among them says nothing about the model (Das, Zhang &
Tramèr 2024, "Blind baselines beat membership inference attacks").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forensics.statistics.discrimination import auc

FEATURES = (
    "characters",
    "words",
    "characters a word",
    "digits",
    "capitals",
    "commas",
    "full stops",
    "other marks",
    "characters outside ASCII",
)
"""Style alone: no feature says what a caption is about."""
FOLDS = 5
ALIKE = 0.5
"""Share of common words (Jaccard) from which two captions stay in one fold."""


@dataclass(frozen=True, slots=True)
class Blind:
    """What the baseline reached."""

    auc: float
    """Area under the ROC curve on held-out folds; 0.5 is chance."""
    ours: int
    others: int
    groups: int
    """Groups of near-duplicate captions, which never cross a fold: the number of independent captions at most."""

    @property
    def sentence(self) -> str:
        return (
            f"A classifier that sees nine features of style and no model separates the {self.ours} captions from the "
            f"{self.others} control captions with an AUC of {self.auc:.3f} (0.5 is chance; {FOLDS} folds over "
            f"{self.groups} groups of similar captions)"
        )


def features(captions: Sequence[str]) -> NDArray[np.float64]:
    """(n, 9) in the order of `FEATURES`; counts of marks are shares of the characters."""
    rows = []
    for text in captions:
        count = max(1, len(text))
        words = text.split()
        shares = [
            sum(test(c) for c in text) / count
            for test in (str.isdigit, str.isupper, ",".__eq__, ".".__eq__, _mark, lambda c: ord(c) > 127)
        ]
        rows.append([float(len(text)), float(len(words)), sum(map(len, words)) / max(1, len(words)), *shares])
    return np.array(rows, dtype=np.float64).reshape(-1, len(FEATURES))


def blind_baseline(ours: Sequence[str], others: Sequence[str]) -> Blind | None:
    """How well style alone tells two sets of captions apart; None where a set is smaller than the number of folds.

    Logistic regression on standardised features, cross-validated over groups of near-duplicate captions.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    groups = similar([*ours, *others])
    label = np.array([1] * len(ours) + [0] * len(others))
    if min(len(set(groups[label == 1])), len(set(groups[label == 0]))) < FOLDS:
        return None
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, class_weight="balanced"))
    scores = cross_val_predict(
        classifier, features([*ours, *others]), label, groups=groups, cv=folds, method="decision_function"
    )
    return Blind(auc(scores[label == 1], scores[label == 0]).value, len(ours), len(others), len(set(groups)))


def outlying(captions: Sequence[str]) -> list[float]:
    """How far each caption's style lies from the middle of all of them: Mahalanobis distance, >= 0.

    Mean and shrunk covariance are those of all captions together, so that captions drawn alike are ranked alike,
    whichever of them is under examination.

    Raises:
        ValueError: fewer than two captions.
    """
    from sklearn.covariance import LedoitWolf
    from sklearn.preprocessing import StandardScaler

    if len(captions) < 2:
        raise ValueError("at least two captions are needed")
    scaled = StandardScaler().fit_transform(features(captions))
    return [float(v) ** 0.5 for v in LedoitWolf().fit(scaled).mahalanobis(scaled)]


def similar(captions: Sequence[str]) -> NDArray[np.int64]:
    """(n,) group of each caption: captions linked by a share of common words of at least `ALIKE`."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    sets = [sorted(set(re.findall(r"\w+", text.lower()))) for text in captions]
    number = {word: i for i, word in enumerate(sorted({w for words in sets for w in words}))}
    rows = [i for i, words in enumerate(sets) for _ in words]
    columns = [number[w] for words in sets for w in words]
    present = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(sets), max(1, len(number))))
    common = (present @ present.T).tocoo()
    size = np.array([len(words) for words in sets])
    alike = common.data >= ALIKE * (size[common.row] + size[common.col] - common.data)
    links = csr_matrix((np.ones(int(alike.sum())), (common.row[alike], common.col[alike])), shape=(len(sets),) * 2)
    _, label = connected_components(links, directed=False)
    return np.asarray(label, dtype=np.int64)


def _mark(character: str) -> bool:
    return not character.isalnum() and not character.isspace() and character not in ",."
