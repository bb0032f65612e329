"""Could members and controls be told apart without the model? The classifier is `forensics.statistics.blind`.

Each baseline sees one side alone, is trained on one half and tested on the other, both ways round.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from forensics.statistics import blind
from forensics.statistics.blind import LIMIT
from forensics.statistics.discrimination import auc
from forensics.statistics.record import Baseline


def text(captions: Sequence[str], member: Sequence[bool], half: Sequence[str]) -> Baseline:
    """From the captions alone: character n-grams of two to four letters, and the length."""
    inputs = "captions alone: character n-grams of two to four letters, length, commas, words"
    return _baseline("text", inputs, blind.words(captions), member, half)


def image(rows: Sequence[Sequence[float]], member: Sequence[bool], half: Sequence[str]) -> Baseline:
    """From the pictures alone: embedding, complexity, white ground, size."""
    inputs = "pictures alone: embedding, bits per pixel, share of white, size"
    return _baseline("image", inputs, blind.standard(np.array(rows, dtype=np.float64)), member, half)


def _baseline(name: str, inputs: str, x: NDArray[np.float64], member: Sequence[bool], half: Sequence[str]) -> Baseline:
    scores, truth = blind.held_out(x, member, half), np.array(member)
    found = auc(scores[truth], scores[~truth])
    return Baseline(name, inputs, found, LIMIT, found.value > LIMIT or blind.reverses(found))
