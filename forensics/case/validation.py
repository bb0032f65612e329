"""What a validation record says of a likelihood ratio, and the ratio itself."""

from __future__ import annotations

from dataclasses import dataclass

from forensics.case.received import Absent, Fact
from forensics.case.statistic import Pair


@dataclass(frozen=True, slots=True)
class FeatureValue:
    """A number that entered a likelihood ratio."""

    name: str
    """As the validation record names it."""
    value: float


@dataclass(frozen=True, slots=True)
class LikelihoodRatio:
    """How many times more probable the measurements are under the first proposition of a pair than under the second.

    All ratios are log10, so that support for either proposition is written alike: positive for the first.
    """

    log10: float
    """As reported: within the bounds."""
    low: float
    """Lower end of the 95 % interval from resampling the sources of the calibration; within the bounds."""
    high: float
    unbounded: float
    """Before the bounds were applied."""
    lower: float
    """Bound below which the validation data do not carry a ratio, <= 0."""
    upper: float
    """Bound above which they do not, >= 0."""
    band: str
    """Word of the scale in `forensics.verbal`."""
    n_first: int
    """Sources known to be of the first proposition, in the half the ratio was calibrated and bounded on."""
    n_second: int
    features: tuple[FeatureValue, ...]
    record: str
    """SHA-256 of the validation record."""

    @property
    def value(self) -> float:
        """The ratio itself."""
        return float(10.0**self.log10)

    @property
    def bounded(self) -> bool:
        """Whether the ratio is as far from 1 as the validation data allow: the measurements themselves go further."""
        return self.log10 != self.unbounded


@dataclass(frozen=True, slots=True)
class ChangedRates:
    """What a change to the picture did to the ratios of works of known status."""

    name: str
    """ "mirrored", "JPEG, quality 30"."""
    n_first: int
    n_second: int
    auc: float
    misleading_first: int
    """Works of the first proposition that received a ratio for the second."""
    misleading_second: int


@dataclass(frozen=True, slots=True)
class GroupRates:
    """A group of the works of known status on its own."""

    name: str
    """ "trained on 64 times a pass"."""
    n: int
    auc: float
    misleading: int
    """Of the group, works with a ratio on the wrong side of 1."""
    median_log10: float
    in_first: bool
    """Whether the group is part of the first proposition; others are shown beside it."""


@dataclass(frozen=True, slots=True)
class NullRates:
    """Ranks of works for which the second proposition is known to hold: how often a small p is a false one."""

    name: str
    """ "controls of the test half, prompted with the caption of their neighbour"."""
    n: int
    at_05: int
    """Works with p at or below 0.05."""
    at_01: int


@dataclass(frozen=True, slots=True)
class ValidatedPair:
    """What the validation record says about one proposition pair. Ratios and bounds are log10."""

    pair: Pair
    features: tuple[str, ...]
    """The measurements that enter the likelihood ratio: statistics, or measures with their versions."""
    first: str
    """The works of known status that stand for the first proposition, as a noun phrase."""
    second: str
    n_first: int
    """Sources in the half that was tested, untouched by calibration."""
    n_second: int
    cllr: float
    """Cost of the likelihood ratios in bits on that half: 0 is perfect, 1 says nothing."""
    cllr_min: float
    """What of it is lack of discrimination."""
    auc: float
    auc_interval: tuple[float, float]
    lower: float
    upper: float
    ratios_first: tuple[float, ...]
    """The bounded ratios of the half that was tested: what Tippett plots are drawn from."""
    ratios_second: tuple[float, ...]
    false_05: tuple[int, int]
    """Controls of that half with p at or below 0.05, and their number."""
    false_01: tuple[int, int]
    misleading_first: tuple[int, int] = (0, 0)
    """Works of the first proposition with a ratio for the second, and their number."""
    misleading_second: tuple[int, int] = (0, 0)
    groups: tuple[GroupRates, ...] = ()
    changes: tuple[ChangedRates, ...] = ()
    """Robustness: the same works after a change to the picture."""
    changes_of: str = ""
    """Where the changes were studied with another form of the ratio: which one."""
    nulls: tuple[NullRates, ...] = ()
    """The same for every group of such works, the controls of the test half first."""
    chosen: str = ""
    """How the form of the ratio was chosen, among how many and on which half, as a sentence."""


@dataclass(frozen=True, slots=True)
class DomainRow:
    """A property of the disputed image, and where it lies among the works of known status."""

    name: str
    value: float | None
    """Of the disputed image; none where it could not be measured."""
    pairs: tuple[str, ...]
    """The proposition pairs whose range follows."""
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ValidationFacts:
    """The validation record that fits this checkpoint and this version of the protocol."""

    name: str
    digest: str
    """SHA-256 of the record."""
    path: str
    """Inside the case folder."""
    checkpoint: str
    """Digest of the checkpoint it was made with."""
    protocol: str
    """Version of the protocol it was made with."""
    pairs: tuple[ValidatedPair, ...]
    refused: tuple[Absent, ...] = ()
    """Pairs without calibrated statements, with the reasons."""
    facts: tuple[Fact, ...] = ()
    domain: tuple[DomainRow, ...] = ()
    """Properties of the disputed image beside those of the works validated."""
    limits: tuple[str, ...] = ()
    """What the record says of its own limits, as sentences."""


NO_VALIDATION = Absent(
    "validation record",
    "No validation record exists for this checkpoint and this version of the protocol.",
    "Make one with `forensics validate`, on works known to be in and not in the training set.",
)


@dataclass(frozen=True, slots=True)
class AnnouncedShare:
    """Of how many examinations of works never trained on an answer set the work apart from its controls."""

    question: str
    """A pair of propositions, or `any` of them."""
    k: int
    n: int
    low: float
    """Exact 95 % interval of the share, in [0, 1]."""
    high: float


@dataclass(frozen=True, slots=True)
class AnnouncedRates:
    """What the study of headings says of such examinations, with the shipped reference checkpoint and clip art."""

    profile: str
    """That was studied: the one in use, or `standard` where that was not."""
    works: int
    """Examined, one each."""
    controls: int
    """In each examination."""
    own_checkpoint: bool
    """Whether the checkpoint examined here is the one of the study."""
    any_question: AnnouncedShare
    questions: tuple[AnnouncedShare, ...]
    """In the order of the pairs."""
    first: tuple[AnnouncedShare, ...]
    """The same of first ranks, whether they were announced or not."""
