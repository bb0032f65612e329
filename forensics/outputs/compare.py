"""Every picture beside the works: the judge of `forensics compare`, over candidates that the copy descriptor names.

A picture is always laid over the works its prompt aims at, whatever the descriptor says. Beside them it is laid over
the works and controls nearest to it by the descriptor, as many as the plan states, and over one at least where the
prompt aims at none: to lay every picture over every work would take a second or two for each pair. The further source
of alignments is not asked: rates of one service are compared with those of control works, all of them measured one way.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from forensics.case import Outcome
from forensics.embedders.copies import CopyDescriptor
from forensics.outputs.results import Judged
from forensics.overlay import outcome
from forensics.overlay.correspondence import Prepared, pair, prepare
from forensics.pictures.tensors import to_tensor
from forensics.portfolio import PortfolioWork

KEPT = 256
"""Works that are kept ready at once, a few megabytes each."""


@dataclass
class Table:
    """The works and controls, each decoded, described and prepared once."""

    works: Sequence[PortfolioWork]
    copies: CopyDescriptor | None
    _prepared: dict[str, Prepared] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Sums in another order would differ in the last digit.
        cv2.setNumThreads(1)

    @cached_property
    def vectors(self) -> NDArray[np.float32]:
        """(works, dims) of unit length. Asked for only where there is a descriptor."""
        assert self.copies is not None
        rows = [self.copies.embed(to_tensor(work.picture())) for work in self.works]
        return np.asarray(torch.cat(rows), dtype=np.float32)

    def cosines(self, picture: Image.Image) -> dict[str, float]:
        """Each work's identifier -> cosine with the picture; empty without a descriptor."""
        if self.copies is None or not self.works:
            return {}
        found = self.vectors @ np.asarray(self.copies.embed(to_tensor(picture)), dtype=np.float32)[0]
        return {work.id: float(value) for work, value in zip(self.works, found, strict=True)}

    def judge(self, picture: Image.Image, aimed: Collection[str], candidates: int) -> list[Judged]:
        """The picture over each work aimed at and the nearest others, those aimed at first, then by cosine."""
        cosines = self.cosines(picture)
        chosen = chosen_of([work.id for work in self.works], aimed, cosines, candidates)
        laid = prepare(np.asarray(picture, np.uint8))
        found = []
        for name in chosen:
            pairing = pair(laid, self._work(name))
            word = outcome.decide(pairing)
            share = pairing.parts[0].judged.share if pairing.parts and word is not Outcome.INSUFFICIENT else 0.0
            found.append(Judged(name, word, float(share), cosines.get(name), name in aimed))
        return found

    def _work(self, name: str) -> Prepared:
        if name not in self._prepared:
            if len(self._prepared) >= KEPT:
                del self._prepared[next(iter(self._prepared))]
            work = next(w for w in self.works if w.id == name)
            self._prepared[name] = prepare(np.asarray(work.picture(), np.uint8))
        return self._prepared[name]


def chosen_of(
    works: Sequence[str], aimed: Collection[str], cosines: Mapping[str, float], candidates: int
) -> tuple[str, ...]:
    """Works that a picture is laid over: all aimed at, then so many others of the largest cosine; one at least in all.

    Without cosines every work is taken: nothing else could choose.
    """
    first = [name for name in works if name in aimed]
    others = [name for name in works if name not in aimed]
    if not cosines:
        return (*first, *others)
    more = candidates if first else max(1, candidates)
    return (*first, *sorted(others, key=lambda name: -cosines[name])[:more])
