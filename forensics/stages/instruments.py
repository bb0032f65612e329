"""The measures at hand, loaded once for the whole examination."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from forensics import similarity
from forensics.case import (
    Absent,
    Metric,
)
from forensics.embedders.copies import CopyDescriptor
from forensics.embedders.open_clip import Embedder
from forensics.errors import WeightsError
from forensics.similarity.base import Similarity

PERCEPTUAL = "lpips"
"""The measure by which the outputs of a rung are ordered; pre-declared in the protocol."""
ALIGNED = "aligned"
"""The measure of derivation; pre-declared in the protocol. Taken between works: what a rung gives back is compared with
its target as it came out."""


@dataclass(frozen=True, slots=True)
class Instruments:
    """The measures at hand, and the reasons for those that are not."""

    at_hand: dict[str, Similarity]
    absent: dict[str, Absent]
    networks: tuple[str, ...] = ()
    """Digests of the embedder and of the copy descriptor in use: other weights give other numbers."""

    @classmethod
    def prepare(cls, embedder: Embedder | None, descriptor: CopyDescriptor | None = None) -> Instruments:
        """Load every measure of the table; one that cannot be had is recorded, with its remedy."""
        at_hand: dict[str, Similarity] = {}
        absent: dict[str, Absent] = {}
        for name in similarity.METRICS:
            try:
                at_hand[name] = similarity.load(name, embedder=embedder, descriptor=descriptor)
            except WeightsError as exc:
                absent[name] = Absent(f"measure {name}", exc.message, exc.hint)
        networks = tuple(network.digest for network in (embedder, descriptor) if network is not None)
        return cls(at_hand, absent, networks)

    @property
    def facts(self) -> tuple[Metric, ...]:
        """The protocol of every measure at hand."""
        return tuple(measure.facts for measure in self.at_hand.values())

    def value(self, name: str, a: Tensor, b: Tensor) -> float:
        """One measure on one pair of pictures (1, 3, H, W)."""
        return float(self.at_hand[name](a, b)[0])
