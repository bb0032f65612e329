"""The identity of every statistic: what protocol, measurement, findings, records and report know it by.

A statistic is one number that the disputed image and every control have alike. Its member says to which proposition
pair it belongs, which way it points and with which others it shares Holm's correction; its title is text for people
and decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Better(StrEnum):
    """Which way a measure points."""

    HIGHER = "higher"
    """A higher value means more alike (of a measure) or more extreme (of a statistic)."""
    LOWER = "lower"
    """A lower value means so."""


class Pair(StrEnum):
    """The three proposition pairs; they are never merged (design, section 2)."""

    DERIVATION = "derivation"
    """The disputed image derives from work R, or it does not."""
    RETENTION = "retention"
    """The checkpoint reproduces R because it learned it, or as it does any such image."""
    ORIGIN = "origin"
    """The disputed image was made by this checkpoint (family), or it was not."""


class Family(StrEnum):
    """Secondary statistics that are corrected together (Holm 1979)."""

    EXAMINATION = "examination"
    """All that is measured of works and of what the checkpoint gives back."""
    ORIGIN = "origin"
    """What is measured of the autoencoder."""


class Role(StrEnum):
    """What a statistic may be used for in a finding."""

    EVIDENCE = "evidence"
    """It bears on the question of its pair, for or against."""
    CEILING = "ceiling"
    """It shows how far works never seen come back as well: a limit, never evidence for the first proposition."""
    STABILITY = "stability"
    """The primary measurement again under another handling of the file: where it turns, the answer is undecided."""


@dataclass(frozen=True, slots=True)
class Kind:
    """All that is fixed about a statistic."""

    pair: Pair
    better: Better
    """Which end is the extreme one."""
    toward: str
    """What the extreme end means, in two or three words."""
    family: Family = Family.EXAMINATION
    role: Role = Role.EVIDENCE


class Statistic(StrEnum):
    """Every statistic that is ranked among control works. The value is its name in files and never changes."""

    ALIGNED_TO_WORK = "aligned_to_work"
    """Aligned LPIPS between the picture and a work put forward; `of` names the work."""
    ALIGNED_TO_NEAREST = "aligned_to_nearest"
    """Aligned LPIPS between the picture and its own first neighbour in the training index."""
    COSINE_TO_NEAREST = "cosine_to_nearest"
    """Cosine of the embeddings of the picture and of its first neighbour."""
    COPY_COSINE_TO_NEAREST = "copy_cosine_to_nearest"
    """Cosine of the copy descriptor between the picture and the item nearest to it by that descriptor."""
    SAVED_BY_PROMPT = "saved_by_prompt"
    """Share of the codelength that the prompt saves."""
    SAVED_AGAINST_CONTROL = "saved_against_control_checkpoint"
    """Share of the codelength saved against the control checkpoint, given the same prompt."""
    PROMPT_MEDIAN_LPIPS = "prompt_median_lpips"
    """Median LPIPS of the pictures generated from the prompt."""
    PROMPT_BEST_LPIPS = "prompt_best_lpips"
    """Smallest LPIPS of them."""
    PROMPT_MEDIAN_SSIM = "prompt_median_ssim"
    """Median SSIM of them."""
    PROMPT_DETAIL = "prompt_detail"
    """Share of the detail that came back."""
    SCORE_GAP = "score_gap"
    """How far the prompt moves the first step of generation."""
    ROUND_TRIP_LPIPS = "round_trip_lpips"
    """LPIPS of the picture to itself after a rung that is given all of it; `of` names the rung."""
    SEARCHED_LPIPS = "searched_median_lpips"
    """Median LPIPS of the pictures of a rung that searches with the target in hand; `of` names the rung."""
    AUTOENCODER_RATIO = "autoencoder_loss_ratio"
    """First loss of the checkpoint's autoencoder over its second."""
    AUTOENCODER_RATIO_ALTERED = "autoencoder_loss_ratio_altered"
    """The same ratio after every picture was altered alike; `of` says how."""
    AUTOENCODER_LAYER = "autoencoder_lpips_layer"
    """LPIPS of the second feature map between the picture and its reconstruction."""

    @property
    def kind(self) -> Kind:
        """Pair, direction, family and role."""
        return KINDS[self]

    @property
    def label(self) -> str:
        """Its title, words for people; the stage that measures adds what the statistic is of."""
        return TITLES[self]


_ALIKE = "more alike"
KINDS: dict[Statistic, Kind] = {
    Statistic.ALIGNED_TO_WORK: Kind(Pair.DERIVATION, Better.LOWER, _ALIKE),
    Statistic.ALIGNED_TO_NEAREST: Kind(Pair.DERIVATION, Better.LOWER, _ALIKE),
    Statistic.COSINE_TO_NEAREST: Kind(Pair.DERIVATION, Better.HIGHER, _ALIKE),
    Statistic.COPY_COSINE_TO_NEAREST: Kind(Pair.DERIVATION, Better.HIGHER, _ALIKE),
    Statistic.SAVED_BY_PROMPT: Kind(Pair.RETENTION, Better.HIGHER, "prompt tells more"),
    Statistic.SAVED_AGAINST_CONTROL: Kind(Pair.RETENTION, Better.HIGHER, "checkpoint knows more"),
    Statistic.PROMPT_MEDIAN_LPIPS: Kind(Pair.RETENTION, Better.LOWER, _ALIKE),
    Statistic.PROMPT_BEST_LPIPS: Kind(Pair.RETENTION, Better.LOWER, _ALIKE),
    Statistic.PROMPT_MEDIAN_SSIM: Kind(Pair.RETENTION, Better.HIGHER, _ALIKE),
    Statistic.PROMPT_DETAIL: Kind(Pair.RETENTION, Better.HIGHER, "more came back"),
    Statistic.SCORE_GAP: Kind(Pair.RETENTION, Better.HIGHER, "the prompt is more specific"),
    Statistic.ROUND_TRIP_LPIPS: Kind(Pair.RETENTION, Better.LOWER, _ALIKE, role=Role.CEILING),
    Statistic.SEARCHED_LPIPS: Kind(Pair.RETENTION, Better.LOWER, _ALIKE),
    Statistic.AUTOENCODER_RATIO: Kind(Pair.ORIGIN, Better.LOWER, "more like its own", Family.ORIGIN),
    Statistic.AUTOENCODER_RATIO_ALTERED: Kind(
        Pair.ORIGIN, Better.LOWER, "more like its own", Family.ORIGIN, Role.STABILITY
    ),
    Statistic.AUTOENCODER_LAYER: Kind(Pair.ORIGIN, Better.LOWER, "more like its own", Family.ORIGIN),
}
TITLES: dict[Statistic, str] = {
    Statistic.ALIGNED_TO_WORK: "Aligned LPIPS to {of}",
    Statistic.ALIGNED_TO_NEAREST: "Aligned LPIPS to the nearest training image",
    Statistic.COSINE_TO_NEAREST: "Cosine to the nearest training image",
    Statistic.COPY_COSINE_TO_NEAREST: "Copy descriptor, cosine to the nearest training image",
    Statistic.SAVED_BY_PROMPT: "Codelength, share that the prompt saves",
    Statistic.SAVED_AGAINST_CONTROL: "Codelength, share saved against the control checkpoint",
    Statistic.PROMPT_MEDIAN_LPIPS: "Generated from the prompt, median LPIPS",
    Statistic.PROMPT_BEST_LPIPS: "Generated from the prompt, best LPIPS",
    Statistic.PROMPT_MEDIAN_SSIM: "Generated from the prompt, median SSIM",
    Statistic.PROMPT_DETAIL: "Generated from the prompt, share of the detail that came back",
    Statistic.SCORE_GAP: "Score gap of the prompt",
    Statistic.ROUND_TRIP_LPIPS: "{of} and back, LPIPS",
    Statistic.SEARCHED_LPIPS: "{of}, median LPIPS",
    Statistic.AUTOENCODER_RATIO: "Reconstruction by the autoencoder, first loss over second",
    Statistic.AUTOENCODER_RATIO_ALTERED: "First loss over second, every picture {of}",
    Statistic.AUTOENCODER_LAYER: "Reconstruction by the autoencoder, LPIPS of the second feature map",
}


def titled(name: str) -> str:
    """The title of a statistic named in a file; a name that is no statistic, such as a measure's, stands as it is."""
    return Statistic(name).label if name in set(Statistic) else name


PLAIN: dict[Statistic, str] = {
    Statistic.ALIGNED_TO_WORK: "the distance of small patches once one picture is laid over the other",
    Statistic.ALIGNED_TO_NEAREST: "the distance of small patches to the nearest training image once it is laid over",
    Statistic.COSINE_TO_NEAREST: "the likeness of subject and manner to the nearest training image",
    Statistic.COPY_COSINE_TO_NEAREST: "the likeness of the picture itself to the nearest training image",
    Statistic.SAVED_BY_PROMPT: "the share of bits that the prompt saves in describing the picture",
    Statistic.SAVED_AGAINST_CONTROL: (
        "the share of bits that the checkpoint saves beside the control checkpoint in describing it"
    ),
    Statistic.PROMPT_MEDIAN_LPIPS: "the median distance of small patches to what the prompt gives back",
    Statistic.PROMPT_BEST_LPIPS: "the smallest distance of small patches to what the prompt gives back",
    Statistic.PROMPT_MEDIAN_SSIM: "the median agreement of structure with what the prompt gives back",
    Statistic.PROMPT_DETAIL: "the share of the detail that the prompt gives back",
    Statistic.SCORE_GAP: "how far the prompt moves the first step of generation",
    Statistic.ROUND_TRIP_LPIPS: "the distance of small patches to what comes back where all of the picture is given",
    Statistic.SEARCHED_LPIPS: (
        "the median distance of small patches to what a search with the picture in hand gives back"
    ),
    Statistic.AUTOENCODER_RATIO: (
        "what the checkpoint’s autoencoder loses of the picture beside what it loses a second time"
    ),
    Statistic.AUTOENCODER_RATIO_ALTERED: (
        "the loss in the checkpoint’s autoencoder after every picture was altered alike"
    ),
    Statistic.AUTOENCODER_LAYER: (
        "the distance of small patches to what the checkpoint’s autoencoder makes of the picture"
    ),
}
"""What a statistic is for a reader to whom nothing was explained yet: no code, no name of a method, no comma."""
PLAIN_MEASURES = {
    "ssim": "the agreement of structure of the two pictures as they lie",
    "lpips": "the distance of small patches of the two pictures as they lie",
    "aligned": PLAIN[Statistic.ALIGNED_TO_WORK],
    "tiled": "the largest difference of pixel values in any sixteenth of the two pictures as they lie",
    "descriptor": "the likeness of the two pictures themselves",
    "clip": "the likeness of subject and idea",
}
"""The same of the measures of a pair, by name."""


def plainly(name: str) -> str:
    """What a statistic or a measure that a file names is, in plain words; another name without the code behind it."""
    if name in set(Statistic):
        return PLAIN[Statistic(name)]
    bare = name.partition(" (")[0]
    return PLAIN_MEASURES.get(bare.lower(), bare)
