"""Words that stand in more than one place, first of all those for likelihood ratios: one table, with its source.

ENFSI Guideline for Evaluative Reporting in Forensic Science (2015), the numerical scale given there as an example.
Scales of other bodies set some limits elsewhere; that is why the table is printed with every report that uses it.
"""

from __future__ import annotations

import math

from forensics.case import PromptKind

SOURCE = "ENFSI Guideline for Evaluative Reporting in Forensic Science, 2015"
BANDS = (
    (2.0, "no"),
    (10.0, "weak"),
    (100.0, "moderate"),
    (1e3, "moderately strong"),
    (1e4, "strong"),
    (1e6, "very strong"),
    (math.inf, "extremely strong"),
)
"""Upper end of the likelihood ratio (exclusive) and the word for the support it gives; the reciprocals support the
other proposition in the same words."""

NOTHING_CONTRARY = "No contrary measurement was made in this examination."
"""What a finding says where nothing speaks against it."""
TONES_UNCHANGED = "tones and colours unchanged within the resolution of the fit"
"""What the photometric fit says where it found no change: no difference, and nothing that tells against a finding."""

PROMPTS: dict[PromptKind, str] = {
    PromptKind.CLAIMED: "the caption that a party states for the work",
    PromptKind.NEIGHBOUR: "the caption of the nearest training picture",
    PromptKind.REWORDED: "the caption in other words, as declared",
    PromptKind.GENERIC: "words for many such pictures, as declared",
    PromptKind.FILE: "the words that the disputed file says it was made with",
    PromptKind.SEARCHED: "words searched for with the picture in hand",
    PromptKind.NONE: "no words",
}
"""Classes of prompts, as they are named wherever one is counted."""


def placed_among_controls(k: int) -> str:
    """Where a result lies whose p has reached the protocol's level, as a predicate: only without a control at least as
    extreme is it outside their range.

    Args:
        k: control works at least as extreme.
    """
    if k == 0:
        return "lies outside the range of the controls"
    return "lies at the edge of the range of the controls, with p at or below the level that the protocol set"


def band(log10_lr: float) -> str:
    """The word for a likelihood ratio, whichever proposition it supports. Raises ValueError if it is not a number."""
    if math.isnan(log10_lr):
        raise ValueError("a likelihood ratio that is not a number has no word")
    strength = abs(log10_lr)
    return next(word for limit, word in BANDS if limit == math.inf or strength < math.log10(limit))
