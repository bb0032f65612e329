"""Numbers of pairs, and statistics ranked among the controls."""

from __future__ import annotations

from dataclasses import dataclass

from forensics.case.received import FileDigest
from forensics.case.statistic import Better, Pair, Statistic


@dataclass(frozen=True, slots=True)
class Complexity:
    """How much there is to the disputed image and to each control, whatever a checkpoint knows: controls of like
    complexity are chosen, and the report shows how like they are."""

    measure: str
    """How it is counted, as a noun phrase: "bits per pixel of WebP at quality 75, container removed"."""
    disputed: float
    controls: tuple[ControlScore, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """One property of the disputed image beside the same of its control works."""

    name: str
    disputed: float
    low: float
    """Smallest value among the controls."""
    median: float
    high: float
    n: int
    """Controls."""
    farther: int
    """Of them, those that lie at least as far out on the side of the disputed image."""
    unlike: bool
    """Whether these are so few that the disputed image is unlike its controls in this."""


@dataclass(frozen=True, slots=True)
class ControlFacts:
    """The control works used: known not to be in the checkpoint's training set."""

    name: str
    available: int
    used: int
    ground: str
    """Why they cannot have been in the training set, as a sentence."""
    selection: str
    """How the works used were chosen among those available, fixed before the run."""
    digest: str
    works: tuple[FileDigest, ...]
    complexity: Complexity | None = None
    """None where the works used were not chosen by it."""
    repeats: int = 0
    """Works drawn and left out because they show what a work drawn before them shows."""
    computed: int | None = None
    """Scores of control works computed in this run; none where that was not counted."""
    stored: int | None = None
    """Scores read from the store, where an earlier run with the same checkpoint and protocol left them."""
    standing: tuple[Standing, ...] = ()
    """Sizes, complexity, white and kind of the disputed image among those of the works used."""
    dates: str = ""
    """What is stated of when they and the disputed image were made, as sentences; empty where it was not looked at."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One measure of likeness with its protocol, stated once and cited by every measurement made with it."""

    name: str
    """Row of the table in `forensics.similarity`: `ssim`, `lpips`, `clip`."""
    title: str
    version: str
    better: Better
    low: float
    """Smallest value the measure can take."""
    high: float
    """Largest value; infinite ranges are given by the value reached in practice and say so in `protocol`."""
    answers: str
    """The question it answers, as a sentence."""
    silent: str
    """What it does not answer, as a sentence."""
    protocol: str
    """Size, range, colour, alignment, weights: everything needed to repeat the number."""
    reference: str


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number: one metric on one pair of exhibits."""

    id: str
    metric: str
    a: str
    """Exhibit id."""
    b: str
    """Exhibit id."""
    value: float


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """A measurement that was due and could not be made."""

    id: str
    metric: str
    a: str
    b: str
    reason: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class ControlScore:
    """The same statistic on one control work."""

    control: str
    """File name of the control work."""
    value: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """A statistic of the disputed image beside the same statistic, with the same budget, on every control.

    p = (1 + k) / (1 + n), Phipson & Smyth 2010; k counts controls at least as extreme as the disputed image.
    """

    id: str
    statistic: Statistic
    of: str
    """What the statistic is taken of where it can be taken of several: a work, a rung; else empty."""
    title: str
    """Its words for people; nothing is decided by them."""
    computed: str
    """How the number is computed, as a sentence."""
    primary_for: Pair | None
    """The proposition pair whose pre-declared primary measurement this is; none for secondary ones."""
    better: Better
    value: float
    controls: tuple[ControlScore, ...]
    k: int
    n: int
    p: float
    k_interval: tuple[float, float]
    """Exact 95 % Clopper-Pearson interval for the share of such controls that would score as extreme."""
    p_holm: float | None = None
    """p after Holm's correction: of a primary comparison over the primary ones of every question asked, of a secondary
    one over those of its family; none where nothing was corrected."""
    toward: str = "more alike"
    """What the extreme end of the statistic means, in two or three words."""
