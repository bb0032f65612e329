"""The measures at hand, loaded once for the whole examination."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from forensics import similarity
from forensics.case import (
    Absent,
    Fact,
    Metric,
)
from forensics.embedders.copies import CopyDescriptor
from forensics.embedders.open_clip import Embedder
from forensics.errors import WeightsError
from forensics.overlay.glued import Glued
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
    """Digests of the embedder and of the copy descriptor in use, and the identity of the further source: other weights
    give other numbers."""
    source: Glued | Absent | None = None
    """What proposes alignments beside the sources of every comparison, where words are found; or why nothing does.

    The aligned distance, which is ranked among controls and enters ratios, is laid without it: controls whose scores
    are stored, or come with the package, were measured so, and records were made so.
    """

    @classmethod
    def prepare(
        cls,
        embedder: Embedder | None,
        descriptor: CopyDescriptor | None = None,
        source: Glued | Absent | None = None,
    ) -> Instruments:
        """Load every measure of the table; one that cannot be had is recorded, with its remedy."""
        at_hand: dict[str, Similarity] = {}
        absent: dict[str, Absent] = {}
        for name in similarity.METRICS:
            try:
                at_hand[name] = similarity.load(name, embedder=embedder, descriptor=descriptor)
            except WeightsError as exc:
                absent[name] = Absent(f"measure {name}", exc.message, exc.hint)
        networks = tuple(network.digest for network in (embedder, descriptor) if network is not None)
        proposing = (source.identity,) if isinstance(source, Glued) else ()
        return cls(at_hand, absent, (*networks, *proposing), source)

    @property
    def further(self) -> Glued | None:
        """The further source of alignments, where it is at hand."""
        return self.source if isinstance(self.source, Glued) else None

    @property
    def absences(self) -> tuple[Absent, ...]:
        """What could not be had, with its remedy."""
        return (*self.absent.values(), *((self.source,) if isinstance(self.source, Absent) else ()))

    @property
    def means(self) -> tuple[Fact, ...]:
        """What was used beside the measures, as facts of the environment; empty where nothing was."""
        return () if self.further is None else (Fact(self.further.role, self.further.identity),)

    @property
    def facts(self) -> tuple[Metric, ...]:
        """The protocol of every measure at hand."""
        return tuple(measure.facts for measure in self.at_hand.values())

    def value(self, name: str, a: Tensor, b: Tensor) -> float:
        """One measure on one pair of pictures (1, 3, H, W)."""
        return float(self.at_hand[name](a, b)[0])
