"""The inversion ladder: rungs, supplied bits, rate-distortion curves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from forensics.case.received import Absent, Fact


class PromptKind(StrEnum):
    """How a prompt was come by: courts count what came back for each kind apart."""

    CLAIMED = "claimed"
    """The work's own caption, as a party states it."""
    NEIGHBOUR = "neighbour"
    """The caption of the nearest training image."""
    REWORDED = "reworded"
    """The work's caption in other words, as whoever asks declares."""
    GENERIC = "generic"
    """Words for many such pictures, as whoever asks declares."""
    FILE = "file"
    """What the disputed file says it was made with: tried, and never the prompt that is ranked."""
    SEARCHED = "searched"
    """Found by a search with the picture in hand."""
    NONE = "none"
    """No words were given."""

    @property
    def ranked(self) -> bool:
        """Whether every control work has words of this class, so that a rank among them compares like with like."""
        return self in (PromptKind.CLAIMED, PromptKind.NEIGHBOUR)


class Given(StrEnum):
    """What a rung has in hand: it decides how its result is read, and how many controls go through it."""

    WORDS = "words"
    """A prompt alone; the picture is looked at only to compare."""
    PICTURE = "picture"
    """The whole picture: that it comes back says how much the rung can carry, and nothing about training."""
    SEARCH = "search"
    """The picture, as the target of a search that costs much: the controls drawn first go through it."""


@dataclass(frozen=True, slots=True)
class Hits:
    """Near-copies of the target among independent draws."""

    hits: int
    draws: int
    """>= 1."""
    low: float
    """Lower end of the exact 95 % Clopper-Pearson interval of the rate, in [0, 1]."""
    high: float


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a trajectory."""

    time: float
    """The model's own time variable."""
    residual: float
    """Root mean square of the last fixed-point correction; 0 without refinement."""
    norm: float
    """Root mean square of the state, in units of unit-variance noise."""


@dataclass(frozen=True, slots=True)
class Inversion:
    """One rung of the ladder as it was run: each tries to get the disputed image back."""

    id: str
    method: str
    """Row of the table in `forensics.inversion`: `autoencoder`, `ode`, `regeneration`."""
    title: str
    version: str
    supplied: str
    """What information the method was given, as a sentence."""
    supplied_bits: float | Absent
    """That information in bits."""
    prompt: str
    prompt_source: str
    prompt_kind: PromptKind
    """Class of the prompt, by which what came back is counted."""
    guidance: float
    steps: int
    seeds: tuple[int, ...]
    evaluations: int
    """Forward passes of the denoising network, counted."""
    seconds: float
    """Wall time; not part of any comparison."""
    outputs: tuple[str, ...]
    """Exhibit ids of every picture produced, in the order of the seeds."""
    best: str | None
    """Exhibit id of the output closest to the target by the pre-declared measure."""
    median: str | None
    """Exhibit id of the output at the median: best is never shown without it."""
    trace: tuple[Step, ...] = ()
    facts: tuple[Fact, ...] = ()
    maps: tuple[str, ...] = ()
    """Exhibit ids of pictures drawn about the outputs, which are no outputs themselves: where the target came back."""
    given: Given = Given.PICTURE
    """Whether the picture was an input, and of what kind."""
    hits: Hits | None = None
    """How often the target came back; none where nothing was drawn."""
    checkpoint: str = ""
    """Name of the control checkpoint, where it and not the checkpoint under examination made the outputs."""
    made_px: tuple[int, int] | None = None
    """Width and height at which the outputs were made, before they were brought to the size of the target; none where
    it is not known."""


NO_CODEC = Absent("codec at equal nearness", "No codec was run, or none comes as near at any quality tried.")


class CurveKind(StrEnum):
    """What a rate-distortion curve belongs to."""

    PROMPTED = "checkpoint, given the prompt"
    PLAIN = "checkpoint, given nothing"
    CONTROL_CHECKPOINT = "control checkpoint, given the prompt"
    CONTROLS = "control works"
    CODEC = "image codec"


@dataclass(frozen=True, slots=True)
class RatePoint:
    """One point of a rate-distortion curve. Low and high are the extremes over draws of noise; for control works the
    5th and 95th percentile over the works. They equal the value where there is one draw or none."""

    bits: float
    """Information told to the checkpoint, or held by the file of a codec, so far."""
    bits_low: float
    bits_high: float
    distance: float
    """LPIPS between the picture that these bits give and the target; 0 for equal pictures."""
    distance_low: float
    distance_high: float
    setting: str
    """Where on the curve: "noise over signal 3.2", "quality 30 at half size"."""
    cosine: float | None = None
    """Cosine of the copy descriptor between the two, median over draws or works; none without a descriptor."""
    thumbnail: int | None = None
    """Side in pixels of the largest thumbnail as which the two agree, lower median; 0 where none of 32 does."""


@dataclass(frozen=True, slots=True)
class RateCurve:
    """How near the target one comes for how many bits: supplied to a checkpoint, or spent by a codec."""

    name: str
    """For the legend: "twin-a, given the prompt", "WebP"."""
    kind: CurveKind
    points: tuple[RatePoint, ...]
    """By rising bits."""
    draws: int
    """Draws of noise at every level; for controls the number of works; 1 for a codec."""
    overhead: str
    """What was left out of the bits, as a sentence: the container of a codec; empty where nothing was."""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One rung in the ledger of side information: what was supplied, what came back, and what came back of works that
    the checkpoint never saw, by the same search with the same budget."""

    rung: str
    """Title of the rung."""
    inversion: str
    """Id of the inversion; empty where the rung left no picture."""
    supplied: str
    """What information the rung was given, as a sentence."""
    bits: float | Absent
    """That information in bits."""
    best: float
    """LPIPS of the output nearest to the disputed image."""
    median: float
    """Of its outputs; ranked among the same of the controls."""
    control_median: float
    """Median over the controls of the same median."""
    control_extreme: float
    """Smallest over the controls."""
    reach: float
    """LPIPS at or below which the disputed image has come back: 1.25 times what the autoencoder alone does to it, or
    what it does to 95 % of the controls, whichever is more."""
    reached: bool
    """Whether the disputed image came back."""
    controls_reached: int
    """How many controls came back."""
    k: int
    n: int
    p: float
    controls_succeed: bool
    """Whether controls come back too, or as near as a disputed image that came back: here the claim stops."""
    codec_bits: float | Absent = NO_CODEC
    """Fewest bits at which an ordinary image codec brings the disputed image as near as `median`."""


def stops_at(ledger: tuple[LedgerRow, ...]) -> LedgerRow | None:
    """The first rung at which controls succeed too; none where they succeed at no rung. Rows by rising bits."""
    return next((row for row in ledger if row.controls_succeed), None)
