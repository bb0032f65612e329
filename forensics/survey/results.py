"""What a survey found, as it is written to `survey.json`: everything the pages and the table show, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from forensics.case import Absent, Fact, Hits, Statistic
from forensics.statistics.blind import Told
from forensics.statistics.discrimination import Rate

SCHEMA = "survey 1"
FILE = "survey.json"


@dataclass(frozen=True, slots=True)
class Ranked:
    """One statistic of one work among the controls."""

    statistic: Statistic
    value: float
    k: int
    """Controls at least as extreme."""
    n: int
    p: float
    """(1 + k) / (1 + n)."""


@dataclass(frozen=True, slots=True)
class Surveyed:
    """One work."""

    id: str
    caption: str
    sha256: str
    stated: int | None
    """How often the source of the works, or else the index, states that it stood in the training set."""
    near: int | None
    """Near-duplicates in the index beside which it was surveyed; None without an index."""
    primary: Ranked
    q: float
    """Benjamini-Hochberg: the least false discovery rate at which this work is among those set apart."""
    flagged: bool
    secondary: tuple[Ranked, ...]
    """Uncorrected: they say more of a flagged work and flag none."""
    hits: Hits
    """Near-copies among the pictures generated from the caption."""
    enlarged: bool
    """Whether the picture has fewer pixels than the checkpoint works with, so that it was enlarged."""
    picture: str
    """The work as examined; path in the folder, a PNG."""
    best: str
    """The generated picture nearest to it by tiled distance; path in the folder."""
    command: str
    """What turns a flagged work into a case; empty for the others."""


@dataclass(frozen=True, slots=True)
class NotAsked:
    """A work of the source that was not surveyed."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ByRepeats:
    """The works of one number of repeats, together."""

    repeats: int
    by: str
    """`stated` by the source, or `near` of near-duplicates counted in the index."""
    works: int
    flagged: Rate
    median_p: float


@dataclass(frozen=True, slots=True)
class SetTest:
    """The works as a set beside as many controls, matched before anything was measured."""

    pairs: int
    """Pairs of a work and a control; half of them taught the direction, the other half were tested."""
    tested: int
    features: tuple[Statistic, ...]
    auc: Rate
    """Chance that a tested work scores above a tested control."""
    p: float
    """One-sided Mann-Whitney test of the tested half."""


@dataclass(frozen=True, slots=True)
class ControlsUsed:
    """The controls of a survey."""

    name: str
    available: int
    used: int
    grounds: str
    digest: str
    left_out: tuple[NotAsked, ...]


@dataclass(frozen=True, slots=True)
class Survey:
    """The whole."""

    schema: str
    tool: Fact
    created: str
    """UTC, ISO 8601: when the first measurement was begun."""
    command: str
    checkpoint: str
    checkpoint_digest: str
    native_px: int
    demonstration: bool
    control_checkpoint: str
    """Empty where there is none."""
    control_checkpoint_digest: str
    protocol: Fact
    """Version and profile; the digest."""
    protocol_digest: str
    parameters: tuple[Fact, ...]
    source: str
    source_kind: str
    source_digest: str
    index: Fact | Absent
    level: float
    """False discovery rate at which works are set apart."""
    smallest_p: float
    least_together: int
    """Works that must share the smallest p before any of so many can be set apart."""
    announced: bool
    """Whether there are controls enough for anything to be announced at all."""
    works: tuple[Surveyed, ...]
    """In the order of the source."""
    not_asked: tuple[NotAsked, ...]
    controls: ControlsUsed
    blind: tuple[Told, ...]
    """Of all works and all controls: by their pictures, by their captions."""
    blind_matched: tuple[Told, ...]
    """Of the matched ones."""
    set_test: SetTest | Absent
    by_repeats: tuple[ByRepeats, ...]
    scores: tuple[Fact, ...]
    """Where the scores of the controls came from."""
    cost: tuple[Fact, ...]
    limits: tuple[str, ...]

    @property
    def flagged(self) -> tuple[Surveyed, ...]:
        """The works set apart, the most extreme first."""
        found = [work for work in self.works if work.flagged]
        return tuple(sorted(found, key=lambda w: (w.primary.p, -w.primary.value, w.id)))
