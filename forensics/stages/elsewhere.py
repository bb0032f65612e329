"""Look-elsewhere: what the same search of the same index finds for works that are known not to be in it.

In a large collection something always lies near. How near is learned by asking for every control what is asked for the
disputed image: the same models, the same rows, the same scores. The answers depend on the snapshot and the control
alone, so they are kept from case to case with the other scores of controls, under the digest of the snapshot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from forensics.controls.cache import Cache, Key, Values, rounded
from forensics.protocol import VERSION
from forensics.retrieval.base import TrainingIndex
from forensics.retrieval.encoders import Encoder
from forensics.stages.works import ControlGroup

METHOD, METHOD_VERSION = "nearest", "1"
_SPLIT = 10**6
"""A row id is kept as two numbers, for a cache keeps nine digits and a collection may have more rows."""


@dataclass(frozen=True, slots=True)
class First:
    """The nearest row of the index by one model."""

    row: int
    cosine: float


def firsts(
    index: TrainingIndex, models: Sequence[Encoder], controls: ControlGroup, cache: Cache | None, arithmetic: str
) -> tuple[dict[str, First], ...]:
    """For every control the nearest row in every column, computed now or as kept.

    Args:
        index: searched exactly.
        models: one for each column.
        controls: in the order of the answer.
        cache: None keeps nothing.
        arithmetic: kind of device and precision of the models.

    Raises:
        IndexError_: the index cannot be searched with these models.
    """
    keys = _keys(index, models, controls, arithmetic) if cache is not None else []
    kept = [cache.get(key) for key in keys] if cache is not None else []
    missing = [i for i in range(len(controls.works)) if i >= len(kept) or kept[i] is None]
    fresh = dict(zip(missing, _search(index, models, [controls.works[i].pixels for i in missing]), strict=True))
    if cache is not None:
        cache.hits, cache.misses = cache.hits + len(keys) - len(missing), cache.misses + len(missing)
        for i, key in enumerate(keys):
            if i in fresh:
                cache.put(key, _packed(fresh[i]))
    answers = []
    for i in range(len(controls.works)):
        if i in fresh:
            answers.append(fresh[i])
        elif (values := kept[i]) is not None:
            answers.append(_unpacked(values, [m.column for m in models]))
    return tuple(answers)


def first(index: TrainingIndex, models: Sequence[Encoder], pixels: Tensor) -> dict[str, First]:
    """For one picture (1, 3, H, W) what `firsts` gives for every control; nothing of it is kept."""
    return _search(index, models, [pixels])[0]


def _keys(index: TrainingIndex, models: Sequence[Encoder], controls: ControlGroup, arithmetic: str) -> list[Key]:
    """None where a control or the index has no digest: its answer can then not be recognised again."""
    info = index.info()
    if not info.snapshot or len(controls.digests) != len(controls.works):
        return []
    parameters = tuple(sorted((m.column, m.digest) for m in models))
    return [
        Key(METHOD, METHOD_VERSION, VERSION, info.facts.digest, digest, "", parameters, arithmetic)
        for digest in controls.digests
    ]


def _search(index: TrainingIndex, models: Sequence[Encoder], pictures: Sequence[Tensor]) -> list[dict[str, First]]:
    answers: list[dict[str, First]] = [{} for _ in pictures]
    if not pictures:
        return answers
    for model in models:
        # One at a time: in a batch a network rounds differently; what is kept must not depend on what else was asked.
        vectors = np.concatenate([model.pictures([one]) for one in pictures])
        for answer, hits in zip(answers, index.search(vectors, 1, column=model.column), strict=True):
            answer[model.column] = First(int(hits.row_ids[0]), rounded(float(hits.scores[0])))
    return answers


def _packed(found: Mapping[str, First]) -> Values:
    return {
        column: (float(first.row // _SPLIT), float(first.row % _SPLIT), first.cosine) for column, first in found.items()
    }


def _unpacked(values: Values, columns: Sequence[str]) -> dict[str, First]:
    return {c: First(int(values[c][0]) * _SPLIT + int(values[c][1]), values[c][2]) for c in columns}
