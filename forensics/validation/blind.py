"""Could members and controls be told apart without the model? Then telling them apart with it would say nothing.

Meeus et al. 2024 ("SoK: membership inference on LLMs is rushing nowhere") and Duan et al. 2024: many published tests
measured how the two groups were chosen. Each baseline sees one side alone, is trained on one half and tested on the
other, both ways round; the areas are of the pooled held-out scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from forensics.statistics.discrimination import auc
from forensics.statistics.record import Baseline

LIMIT = 0.55
"""Area above which the groups differ without the model, and calibrated statements are refused. Fixed beforehand."""


def text(captions: Sequence[str], member: Sequence[bool], half: Sequence[str]) -> Baseline:
    """From the captions alone: character n-grams of two to four letters, and the length."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    grams = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), min_df=2, sublinear_tf=True)
    found = grams.fit_transform(captions).toarray()
    lengths = np.array([[len(c), c.count(","), c.count(" ")] for c in captions], dtype=np.float64)
    inputs = "captions alone: character n-grams of two to four letters, length, commas, words"
    return _baseline("text", inputs, np.hstack([found, _standard(lengths)]), member, half)


def image(rows: Sequence[Sequence[float]], member: Sequence[bool], half: Sequence[str]) -> Baseline:
    """From the pictures alone: embedding, complexity, white ground, size."""
    inputs = "pictures alone: embedding, bits per pixel, share of white, size"
    return _baseline("image", inputs, _standard(np.array(rows, dtype=np.float64)), member, half)


def _standard(x: Any) -> Any:
    spread = x.std(0)
    return (x - x.mean(0)) / np.where(spread > 0, spread, 1.0)


def _baseline(name: str, inputs: str, x: Any, member: Sequence[bool], half: Sequence[str]) -> Baseline:
    from sklearn.linear_model import LogisticRegression

    truth, side = np.array(member), np.array(half)
    scores = np.zeros(len(truth))
    for part in sorted(set(half)):
        held = side == part
        model = LogisticRegression(C=1.0, class_weight="balanced", max_iter=5000).fit(x[~held], truth[~held])
        # Ranks inside the half: the two models need not share a scale.
        scores[held] = np.argsort(np.argsort(model.decision_function(x[held]))) / held.sum()
    found = auc(scores[truth], scores[~truth])
    return Baseline(name, inputs, found, LIMIT, found.value > LIMIT)
