"""Whether rows of metadata describe the vectors beside them: pictures that the rows name are embedded again.

A fresh vector must be nearest to the stored vector of its own row among those of all rows drawn. This needs no bound on
a cosine, which differs from model to model and from one way of quantising to the next. Files whose rows were shuffled
or exchanged, vectors of another model, and pictures prepared in another way all fail it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from forensics.errors import ImageError, IndexError_
from forensics.pictures.intake import decode
from forensics.pictures.tensors import to_tensor
from forensics.retrieval.base import Row
from forensics.retrieval.encoders import Encoder

DRAWN = 64
"""Rows compared, spread over the files of metadata."""
_LEAST = 16
"""With fewer pictures at hand nothing is said."""
_TRIED = 10 * DRAWN
_DISAGREE = 0.05
"""Largest share of rows that may disagree: a picture may have been replaced since."""
_FIRST = 1 << 20
"""Rows of one file are drawn among so many of its first ones."""
_SEED = 0


@dataclass(frozen=True, slots=True)
class Alignment:
    """Whether it was shown, and how, as a sentence."""

    shown: bool
    sentence: str


UNPROBED = Alignment(False, "not shown: no pictures of the rows were at hand to compare with")


def check(
    name: str,
    files: Sequence[range],
    fetch: Callable[[list[int]], list[Row]],
    stored: Callable[[list[int]], NDArray[np.float64]],
    encoder: Encoder,
) -> Alignment:
    """What was found.

    Args:
        name: of the collection, for messages.
        files: rows of each file of metadata.
        fetch: rows by number, with their pictures where these are at hand.
        stored: (n, D) vectors of these rows, as exactly as the collection has them.
        encoder: the model that made them.

    Raises:
        IndexError_: rows and vectors do not belong together, or the model is another one.
    """
    numbers, pictures = _draw(files, fetch)
    if len(numbers) < _LEAST:
        few = f"not shown: of {_TRIED} rows drawn, {len(numbers)} have a picture at hand"
        return Alignment(False, few) if numbers else UNPROBED
    fresh = encoder.pictures(pictures).astype(np.float64)
    vectors = stored(numbers)
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = fresh @ vectors.T  # (fresh, stored)
    own = np.diagonal(cosines)
    agree = int(np.count_nonzero(own >= cosines.max(axis=1) - 1e-6))  # of equal vectors each is as good
    if agree < (1 - _DISAGREE) * len(numbers):
        raise IndexError_(
            f"The metadata of {name} do not describe its vectors: of {len(numbers)} rows whose pictures were embedded "
            f"again, {agree} agree with the vector of their row.",
            hint="The metadata are in another order, or another model made the vectors; nothing here can be cited.",
        )
    return Alignment(
        True,
        f"{agree} of {len(numbers)} rows, drawn from all files, agree with the vectors of their own pictures, embedded "
        f"again with {encoder.name} {encoder.digest}; mean cosine {own.mean():.2f}",
    )


def _draw(files: Sequence[range], fetch: Callable[[list[int]], list[Row]]) -> tuple[list[int], list[Tensor]]:
    """Rows and their pictures, (1, 3, H, W) each, from the files in turn."""
    rng = np.random.default_rng(_SEED)
    chosen_files = [files[i] for i in rng.permutation(len(files))[:_TRIED]]
    orders = [iter((f.start + rng.permutation(min(len(f), _FIRST))).tolist()) for f in chosen_files if len(f)]
    numbers: list[int] = []
    pictures: list[Tensor] = []
    for tried in range(_TRIED):
        if len(numbers) == DRAWN or not orders:
            break
        chosen = orders[tried % len(orders)]
        number = next(chosen, None)
        if number is None:
            orders.remove(chosen)
            continue
        row = fetch([number])[0]
        data = row.image if row.image is not None else row.picture.read_bytes() if row.picture else None
        if data is None:
            continue
        try:
            pictures.append(to_tensor(decode(data, row.training_id).picture))
        except ImageError:
            continue
        numbers.append(number)
    return numbers, pictures
