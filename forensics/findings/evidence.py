"""What findings are drawn from, and the sentences that several of them share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from forensics.case import (
    NO_VALIDATION,
    PLAIN,
    Absent,
    Checkpoint,
    Comparison,
    Correspondence,
    Exhibit,
    Grade,
    Inversion,
    Item,
    LedgerRow,
    LikelihoodRatio,
    Measurement,
    Neighbour,
    NotMeasured,
    Origin,
    Pair,
    Role,
    Statistic,
    ValidationFacts,
    plainly,
)
from forensics.protocol import Protocol
from forensics.statistics.ranks import holm
from forensics.verbal import placed_among_controls

NO_DIFFERENCE = "No difference above the resolution of the measures was found."
NO_CHECKPOINT = Absent(
    "checkpoint",
    "No checkpoint was examined: this is a comparison of pictures.",
    "Use `forensics analyze` with --checkpoint.",
)
NO_RECORD = Absent(
    "likelihood ratio",
    "No validation record exists for this checkpoint and this version of the protocol.",
    "The rank among the control works is offered instead.",
)
NO_RATIO_COMPARED = Absent(
    "likelihood ratio",
    "A likelihood ratio is calibrated on works of known status with a checkpoint; this is a comparison of pictures.",
    "Use `forensics analyze` with a checkpoint that has a validation record.",
)
NO_ORIGIN = Absent(
    "origin",
    "The primary measurement of whether the checkpoint made the disputed image was not made.",
    "Embedded metadata are listed with the items; they can be forged and stripped.",
)
ORIGIN_LIMITS = (
    "The measurement concerns an autoencoder. Other checkpoints of the family share it, so no single one is named.",
    "Pictures that another autoencoder made can lie outside the range of the controls too: in the study of the "
    "embedded checkpoint most of those of a small stranger did.",
    "Saving as JPEG, resizing and cropping remove the trace; a plain picture can score low without having any.",
)
UNALIGNED = (
    "The pictures were compared as they lie: a mirrored, cropped or shifted picture scores lower than it would aligned."
)
BACK_UNALIGNED = (
    "What the checkpoint gave back was compared with its target as it lies: a picture that comes back mirrored, "
    "cropped or shifted scores lower than it would aligned."
)
COMPENSATED = (
    "Position, size, rotation, mirroring, tone and colour were compensated before the pictures were compared; "
    "free-form changes of shape were not."
)
HIT_IS_NOT_TRAINING = (
    "A hit in the index is not training, and the absence of a hit is not absence from the training set."
)
MAY_BE_EDITED = "Unaligned, an edited rendering of the work can receive this grade too."


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the findings are drawn from; empty collections where a stage was not run."""

    disputed: Item
    exhibits: tuple[Exhibit, ...]
    works: tuple[str, ...]
    """Exhibit ids of the works compared: the originals, then the neighbours in the order of rank."""
    measurements: tuple[Measurement | NotMeasured, ...]
    protocol: Protocol
    comparisons: tuple[Comparison, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    inversions: tuple[Inversion, ...] = ()
    checkpoint: Checkpoint | Absent = NO_CHECKPOINT
    ledger: tuple[LedgerRow, ...] = ()
    ratios: Mapping[Pair, LikelihoodRatio | Absent] = field(default_factory=dict)
    """From a validation record that fits; empty without one."""
    origin: Origin | None = None
    correspondences: tuple[Correspondence, ...] = ()
    """The disputed image laid over the works; a work without one is graded by unaligned measures."""
    validation: ValidationFacts | Absent = NO_VALIDATION
    """What the record in use says of its error rates."""

    def ratio(self, pair: Pair) -> LikelihoodRatio | Absent:
        """The likelihood ratio of a pair, or why there is none."""
        return self.ratios.get(pair, NO_RATIO_COMPARED if isinstance(self.checkpoint, Absent) else NO_RECORD)

    def laid_over(self, work: str) -> Correspondence | None:
        """The correspondence with a work, if it was examined."""
        return next((c for c in self.correspondences if c.work == work), None)

    def of(self, work: str) -> dict[str, Measurement]:
        """The measurements between the disputed image and a work, by measure."""
        pair = (self.disputed.exhibit, work)
        return {m.metric: m for m in self.measurements if isinstance(m, Measurement) and (m.a, m.b) == pair}

    def primary(self, pair: Pair) -> Comparison | None:
        """The pre-declared primary comparison of a pair, if it was made."""
        return next((c for c in self.comparisons if c.primary_for is pair), None)

    def rank_of(self, work: str) -> Comparison | None:
        """The comparison by which this work is ranked among the controls, if it was made."""
        if any(n.exhibit == work for n in self.neighbours):
            return self.comparison(Statistic.ALIGNED_TO_NEAREST)
        return self.comparison(Statistic.ALIGNED_TO_WORK, work)

    def comparison(self, statistic: Statistic, of: str = "") -> Comparison | None:
        """The comparison by a statistic, of the work or rung named where it is taken of several; None if not made."""
        return next((c for c in self.comparisons if c.statistic is statistic and c.of == of), None)

    def secondary(self, pair: Pair, role: Role = Role.EVIDENCE) -> tuple[Comparison, ...]:
        """The secondary comparisons that bear on a pair in this role."""
        kinds = [(c, c.statistic.kind) for c in self.comparisons if c.primary_for is None]
        return tuple(c for c, kind in kinds if kind.pair is pair and kind.role is role)

    def announces(self, c: Comparison) -> bool:
        """Whether a comparison may be announced as setting the result apart, by its corrected p where it has one."""
        return self.protocol.announces(_corrected(c), c.n)

    def announces_in_place(self, c: Comparison, primary: Comparison) -> bool:
        """Whether it would be announced were it the primary one of its question: corrected in the place of that."""
        primaries = [c if other is primary else other for other in self.comparisons if other.primary_for is not None]
        corrected = dict(zip((other.id for other in primaries), holm([other.p for other in primaries]), strict=True))
        return self.protocol.announces(corrected.get(c.id, c.p), c.n)

    def same_pixels(self, work: str) -> bool:
        """Whether the decoded pixels of the disputed image and of the work are equal."""
        by_id = {e.id: e.pixel_sha256 for e in self.exhibits}
        return by_id[self.disputed.exhibit] == by_id[work]


POSITIVE = (Grade.SAME_PIXELS, Grade.THROUGHOUT, Grade.IN_PART)


def counted(c: Comparison) -> str:
    return f"{c.title}: {c.k} of {c.n} controls are at least as extreme (p = {p_words(c.p)})."


def p_words(value: float) -> str:
    """Two significant digits, as everywhere in the report: 0.050, 0.20, 1.0."""
    return f"{value:.{1 - math.floor(math.log10(value))}f}"


def sensitivity(evidence: Evidence, pair: Pair, rank: Comparison | None) -> list[str]:
    """Whether the likelihood ratio and the rank, which rest on different measurements, point different ways."""
    ratio = evidence.ratio(pair)
    if isinstance(ratio, Absent) or rank is None:
        return []
    outside = evidence.announces(rank)
    if outside == (ratio.log10 > 0):
        return []
    *most, last = (plainly(feature.name) for feature in ratio.features)
    names = f"{', '.join(most)} and {last}" if most else last
    side = "first" if ratio.log10 > 0 else "second"
    placed = placed_among_controls(rank.k) if outside else "lies inside the range of the controls"
    return [
        f"The likelihood ratio rests on {names}; it speaks for the {side} proposition. The rank rests on "
        f"{PLAIN[rank.statistic]}; it {placed} (p = {p_words(rank.p)}). The two do not agree."
    ]


def asked_of(evidence: Evidence) -> str:
    """The picture that retention was measured on, in words."""
    return evidence.origin.gate.target if evidence.origin is not None and _moved(evidence) else "the disputed image"


def _moved(evidence: Evidence) -> bool:
    """Whether retention was asked of another picture."""
    return evidence.origin is not None and evidence.origin.gate.target != evidence.disputed.exhibit


def ranked(
    rank: Comparison, protocol: Protocol, reach: str = "are at least as close", one: str = "the disputed image"
) -> str:
    low, high = rank.k_interval
    counted = (
        f"{rank.k} of {rank.n} control works put through the same search {reach} (p = {p_words(rank.p)}"
        f"{after_holm(rank)}; 95 % interval for the share of such works {low:.2f} to {high:.2f})."
    )
    if protocol.announces(_corrected(rank), rank.n):
        return f"{counted} The result {placed_among_controls(rank.k)}."
    if rank.k == 0:
        return f"{counted} {too_few(rank, protocol)}"
    said = f"{counted} The measurement does not distinguish {one} from the controls."
    return said + by_correction(rank, protocol)


def _corrected(c: Comparison) -> float:
    return c.p if c.p_holm is None else c.p_holm


def after_holm(c: Comparison) -> str:
    """The corrected p of a primary comparison, to follow its plain one within brackets; empty where nothing changed."""
    if c.p_holm is None or c.p_holm == c.p:
        return ""
    return f", {p_words(c.p_holm)} after Holm’s correction over the questions asked"


def by_correction(c: Comparison, protocol: Protocol) -> str:
    """That one question alone would have announced what all of them together do not, as a sentence to follow another;
    empty where that is not so."""
    if not protocol.announces(c.p, c.n) or protocol.announces(_corrected(c), c.n):
        return ""
    return (
        f" By itself this question would set the result apart at the level of {protocol.rank_level:g}; chance has as "
        "many tries as there are questions."
    )


def too_few(rank: Comparison, protocol: Protocol) -> str:
    needed = math.ceil(protocol.announce_least / protocol.rank_level) - 1
    return (
        f"No control reaches as far, but that happens for one unseen work in {rank.n + 1} as well: {rank.n} controls "
        f"are too few to set a result apart at the level of {protocol.rank_level:g}, which takes {needed}."
    )


def lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
